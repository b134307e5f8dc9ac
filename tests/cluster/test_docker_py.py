"""The main flows through docker-py."""

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress

import docker
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound

from tests.support.clients import ALPINE, HANDLES_TERM, at_once
from tests.support.waiting import eventually


@pytest.fixture
def name(client: docker.DockerClient) -> Iterator[str]:
    """A random name; the container of this name is removed at the end."""
    made = f"py-{secrets.token_hex(4)}"
    yield made
    with suppress(NotFound):
        client.containers.get(made).remove(force=True, v=True)


@pytest.mark.subset
def test_run(client: docker.DockerClient, name: str) -> None:
    """The output, and with ``remove`` nothing is left."""
    assert client.containers.run(ALPINE, ["echo", "hi"], name=name, remove=True) == b"hi\n"
    with pytest.raises(NotFound):
        client.containers.get(name)


@pytest.mark.subset
def test_run_that_fails(client: docker.DockerClient, name: str) -> None:
    """The exit code."""
    with pytest.raises(ContainerError) as raised:
        client.containers.run(ALPINE, ["sh", "-c", "echo out; exit 42"], name=name)
    assert raised.value.exit_status == 42


@pytest.mark.subset
def test_detached(client: docker.DockerClient, name: str) -> None:
    """logs as a stream, wait, stop, start, remove."""
    container = client.containers.run(ALPINE, ["sh", "-c", HANDLES_TERM], name=name, detach=True)
    assert container.status == "created"
    stream = container.logs(stream=True, follow=True)
    assert next(stream) == b"up\n"

    container.stop(timeout=5)

    assert b"".join(stream) == b"bye\n"
    assert container.wait()["StatusCode"] == 7
    container.reload()
    assert (container.status, container.attrs["State"]["ExitCode"]) == ("exited", 7)
    assert container.logs(timestamps=False, tail=1) == b"bye\n"
    container.start()
    container.reload()
    assert container.status == "running"
    with pytest.raises(APIError) as raised:
        container.remove()
    assert raised.value.status_code == 409
    container.remove(force=True)
    with pytest.raises(NotFound):
        container.reload()


@pytest.mark.subset
def test_events(client: docker.DockerClient, name: str) -> None:
    """Decoded, live."""
    since = time.time()
    events = client.events(decode=True, since=since, filters={"container": name, "type": "container"})
    client.containers.run(ALPINE, ["true"], name=name, detach=True).wait()
    client.containers.get(name).remove()

    seen = []
    for event in events:
        seen.append(event["Action"])
        if event["Action"] == "destroy":
            break
    events.close()

    assert seen == ["create", "start", "die", "destroy"]


def test_wait_with_conditions(client: docker.DockerClient, name: str) -> None:
    """``removed`` of a container that is removed by itself tells its exit code."""
    container = client.containers.create(ALPINE, ["sh", "-c", "exit 5"], name=name, auto_remove=True)

    [status, _] = at_once(
        lambda work: work(), [lambda: client.api.wait(container.id, condition="removed"), lambda: client.api.start(container.id)]
    )

    assert status["StatusCode"] == 5


def test_an_image_that_is_not_known(client: docker.DockerClient) -> None:
    """The library's own error classes, chosen by our texts."""
    with pytest.raises(ImageNotFound):
        client.images.get("nosuch/image:never-pulled")
    with pytest.raises(ImageNotFound):
        client.containers.create("nosuch/image:never-pulled")
    with pytest.raises(NotFound):
        client.containers.get("nosuch")
    with pytest.raises(NotFound):
        client.networks.get("nosuch")
    with pytest.raises(NotFound):
        client.volumes.get("nosuch")


def test_a_command_that_is_not_there(client: docker.DockerClient, name: str) -> None:
    """An APIError with Docker's sentence; the container can be looked at."""
    with pytest.raises(APIError, match=r'exec: "nosuch": executable file not found in \$PATH') as raised:
        client.containers.run(ALPINE, ["nosuch"], name=name)
    assert raised.value.status_code == 400
    assert client.containers.get(name).status == "created"


def test_attach_as_a_stream(client: docker.DockerClient, name: str) -> None:
    """Attached before the start, both streams' text arrives."""
    container = client.containers.create(ALPINE, ["sh", "-c", "echo one; echo two >&2; echo three"], name=name)
    stream = container.attach(stream=True, stdout=True, stderr=True)

    container.start()

    assert sorted(b"".join(stream).split()) == [b"one", b"three", b"two"]


def test_lists(client: docker.DockerClient, name: str) -> None:
    """By label and state; the objects' properties."""
    label = f"which={name}"
    container = client.containers.run(ALPINE, ["sleep", "100"], name=name, labels={"which": name}, detach=True)

    assert [found.id for found in client.containers.list(filters={"label": label})] == [container.id]
    assert client.containers.list(filters={"label": label, "status": "exited"}) == []
    assert container.name == name
    assert container.labels["which"] == name
    assert container.image.id == client.images.get(ALPINE).id
    eventually(lambda: container.reload() or container.attrs["NetworkSettings"]["IPAddress"], what="its address")
    container.kill()
    eventually(lambda: client.containers.list(filters={"label": label}) == [], what="no running container")
    assert client.containers.prune(filters={"label": label})["ContainersDeleted"] == [container.id]


def test_images_networks_volumes(client: docker.DockerClient) -> None:
    """Pull, tag, remove; create and remove."""
    image = client.images.pull("alpine", "3.22")
    assert "alpine:3.22" in image.tags
    assert image.tag("from-docker-py", "1")
    client.images.remove("from-docker-py:1")
    name = f"py-{secrets.token_hex(4)}"
    network = client.networks.create(name, driver="bridge", labels={"a": "b"})
    assert network.id in [found.id for found in client.networks.list(names=[name])]
    network.remove()
    volume = client.volumes.create(name)
    assert volume.name in [found.name for found in client.volumes.list()]
    volume.remove()


def test_twenty_at_once(client: docker.DockerClient) -> None:
    """Threads share one client; each gets its own output."""

    def run(number: int) -> bytes:
        return client.containers.run(ALPINE, ["echo", str(number)], name=f"py-{secrets.token_hex(4)}", remove=True)

    assert at_once(run, range(20), threads=10) == [f"{number}\n".encode() for number in range(20)]


def test_information(client: docker.DockerClient) -> None:
    """ping, version, info, df."""
    assert client.ping() is True
    assert client.version()["ApiVersion"] == "1.47"
    assert client.info()["OSType"] == "linux"
    assert client.df()["Images"] != []
