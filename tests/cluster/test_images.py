"""Images by what the cluster's registry tells of them: the whole catalogue, and clients' ways with images."""

import json
import time
from collections.abc import Mapping
from typing import Any

import docker as docker_py
import pytest
from docker.errors import ImageNotFound, NotFound
from testcontainers.core.container import DockerContainer

from kubedock.domain.image import parse
from kubedock.registry.client import RegistryClient
from kubedock.registry.credentials import ANONYMOUS
from kubedock.registry.endpoints import Endpoint
from tests.support.catalogue import catalogue
from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import KubedockServer
from tests.support.portclient import PortClient
from tests.support.realcluster import MIRROR, REGISTRY
from tests.support.waiting import eventually

METADATA = "kubedocktest/metadata"
RARE = "nginx:1.17.6"
PINNED = "busybox:1.36"
"""References that no other test uses: each has an image of its own."""


def shown(config: Mapping[str, Any]) -> dict[str, Any]:
    """An image's configuration as Docker shows it, of what the catalogue has."""
    empty: dict[str, Any] = {"User": "", "WorkingDir": "", "Entrypoint": None, "Cmd": None, "Env": [], "OnBuild": None}
    return {**empty, "ExposedPorts": {}, "Volumes": {}, "Labels": {}, **config}


def digest(reference: str) -> str:
    """What the cluster's registry says."""
    named = parse(reference)
    client = RegistryClient()
    try:
        endpoint = Endpoint(REGISTRY, named.repository, (MIRROR,), mirror=True)
        return client.head(endpoint, named.effective_tag, ANONYMOUS, time.monotonic() + 10).digest
    finally:
        client.close()


@pytest.mark.subset
@pytest.mark.timeout(300)
def test_the_whole_catalogue(own_server: KubedockServer) -> None:
    """Every reference, of each kind of manifest: its digest, and every field of its configuration."""
    built, client = catalogue(), own_server.client()
    found, wanted, kinds = {}, {}, {}
    for reference, image in built.items():
        attrs = client.images.pull(reference).attrs
        name = parse(reference)
        config = {key: value for key, value in attrs["Config"].items() if key in shown(image.config)}
        found[reference] = (config, attrs["RepoTags"], attrs["RepoDigests"], attrs["Os"], len(attrs["Id"]))
        pinned = f"{name.familiar_name}@{digest(reference)}"
        wanted[reference] = (shown(image.config), [name.familiar], [pinned], "linux", 71)
        kinds[reference] = client.images.get_registry_data(reference).attrs["Descriptor"]["mediaType"]
        assert attrs["Size"] > 0
        assert attrs["RootFS"]["Layers"]

    assert found == wanted
    assert kinds == {reference: image.media_type for reference, image in built.items()}
    assert len(set(kinds.values())) == 3
    assert len(client.images.list()) == len(built)
    client.close()


@pytest.mark.subset
def test_the_docker_command(docker: DockerCli) -> None:
    """pull, images, image inspect, history, tag, rmi."""
    pinned = f"nginx@{digest(RARE)}"

    assert docker.ok("pull", RARE).splitlines() == [
        "1.17.6: Pulling from library/nginx",
        f"Digest: {digest(RARE)}",
        f"Status: Downloaded newer image for {RARE}",
        f"docker.io/library/{RARE}",
    ]
    assert docker.ok("pull", RARE).splitlines()[2] == f"Status: Image is up to date for {RARE}"
    found = json.loads(docker.ok("image", "inspect", RARE))[0]
    assert (found["RepoTags"], found["RepoDigests"]) == ([RARE], [pinned])
    assert (found["Config"]["Cmd"], found["Config"]["StopSignal"]) == (["nginx", "-g", "daemon off;"], "SIGQUIT")
    [row] = [json.loads(line) for line in docker.ok("images", "--format", "json", "--no-trunc", RARE).splitlines()]
    assert (row["Repository"], row["Tag"], row["ID"]) == ("nginx", "1.17.6", found["Id"])
    newest, *older = docker.ok("history", "--no-trunc", "--format", "{{.ID}} {{.CreatedBy}}", RARE).splitlines()
    assert newest == f"{found['Id']} stand-in for docker.io/library/{RARE}"
    assert [line.partition(": ")[0] for line in older] == ["<missing> nginx", "<missing> busybox"]

    docker.ok("tag", RARE, "mine/web:1")
    assert docker.ok("images", "-q", "--no-trunc", "mine/web") == found["Id"]
    assert docker.ok("rmi", "mine/web:1") == "Untagged: mine/web:1"
    removed = docker.ok("rmi", found["Id"][7:19]).splitlines()
    assert removed == [f"Untagged: {RARE}", f"Untagged: {pinned}", f"Deleted: {found['Id']}"]
    assert docker("image", "inspect", RARE).code == 1


@pytest.mark.subset
def test_by_tag_and_digest(docker: DockerCli) -> None:
    """``IMAGE:TAG@sha256:…``: the command is told that there is no such image, pulls it by its digest, and runs it."""
    found = digest(PINNED)
    both, pinned, name = f"{PINNED}@{found}", f"{parse(PINNED).familiar_name}@{found}", docker.name()
    docker("rmi", "-f", pinned)

    done = docker("run", "--rm", both, "echo", "hi")

    assert (done.code, done.out.strip()) == (0, "hi"), done
    assert f"Unable to find image '{both}' locally" in done.err
    docker.ok("create", "--name", name, both, "true")
    assert docker.inspect(name, ".Config.Image") == both
    image = json.loads(docker.ok("image", "inspect", both))[0]
    assert (docker.inspect(name, ".Image"), image["RepoTags"], image["RepoDigests"]) == (image["Id"], [], [pinned])
    docker.ok("rm", name)
    assert docker.ok("rmi", both).splitlines() == [f"Untagged: {both}", f"Deleted: {image['Id']}"]


def test_docker_py(client: docker_py.DockerClient) -> None:
    """Its API for images."""
    reference = "redis:5.0.3-alpine"
    pinned = f"redis@{digest(reference)}"
    image = client.images.pull("redis", tag="5.0.3-alpine")

    assert (image.tags, image.attrs["RepoDigests"]) == ([reference], [pinned])
    assert [client.images.get(ref).id for ref in (reference, pinned, image.short_id, image.id)] == [image.id] * 4
    assert [found.id for found in client.images.list(name=reference)] == [image.id]
    assert client.images.pull(pinned).id == image.id
    assert [step["CreatedBy"].partition(":")[0] for step in image.history()] == [
        "stand-in for docker.io/library/redis",
        "redis",
        "busybox",
    ]
    data = client.images.get_registry_data(reference)
    assert (data.id, data.has_platform("linux/amd64"), data.has_platform("linux/s390x")) == (digest(reference), True, False)
    assert image.tag("mine/redis", tag="1")
    client.images.remove("mine/redis:1")
    client.images.remove(image.id, force=True)
    with pytest.raises(ImageNotFound):
        client.images.get(reference)
    with pytest.raises(NotFound, match="nosuch"):
        client.images.pull("alpine", tag="nosuch")
    with pytest.raises(NotFound, match="nosuch/image"):
        client.images.pull("nosuch/image", tag="latest")


def test_testcontainers_pull(server: KubedockServer, docker: DockerCli, monkeypatch: pytest.MonkeyPatch) -> None:
    """It creates, is told that there is no such image, pulls, creates again."""
    reference = "memcached:1.6.16-alpine"
    docker("rmi", reference)
    monkeypatch.setenv("DOCKER_HOST", server.tcp)
    monkeypatch.setattr("testcontainers.core.config.testcontainers_config.ryuk_disabled", True)
    with DockerContainer(reference).with_exposed_ports(11211) as container:
        attrs = container.get_wrapped_container().attrs

    assert attrs["Config"]["Image"] == reference
    assert docker.ok("images", "-q", "--no-trunc", reference) == attrs["Image"]


@pytest.mark.subset
def test_the_images_own_ports_are_published(server: KubedockServer, docker: DockerCli) -> None:
    """``-P`` alone."""
    name = docker.name("web")
    docker.ok("run", "-d", "--name", name, "-P", "nginx")
    published = json.loads(docker.inspect(name, "json .NetworkSettings.Ports"))
    port = int(published["80/tcp"][0]["HostPort"])
    act = PortClient(server.place.prefix)

    assert list(published) == ["80/tcp"]
    answer = eventually(lambda: act(port, "say", "GET / HTTP/1.0\r\n\r\n"), what="nginx")
    assert answer.startswith("HTTP/1.1 200 OK")


@pytest.mark.subset
def test_a_container_has_what_its_image_says(docker: DockerCli) -> None:
    """Every field of a configuration, shown and in force."""
    name = docker.name("metadata")
    docker.ok("run", "-d", "--name", name, "--label", "own=1", "-e", "OWN=1", "-e", "EMPTY=mine", METADATA)
    found = json.loads(docker.ok("inspect", name))[0]
    wanted = shown(catalogue()["docker.io/kubedocktest/metadata:latest"].config)
    path = wanted["Env"][0]

    wanted["Env"] = sorted(["OWN=1", "EMPTY=mine", path, "FROM_IMAGE=yes", "WITH_SPACE=two words", "WITH_EQUALS=a=b"])
    found["Config"]["Env"].sort()  # the command does not keep the order of its own options
    wanted["Labels"] = {**wanted["Labels"], "own": "1"}
    # Docker's builder heeds these two, its engine does not copy them.
    del wanted["OnBuild"], wanted["Shell"]
    assert {key: found["Config"][key] for key in wanted} == wanted
    assert (found["Path"], found["Args"]) == ("/bin/sh", [*wanted["Entrypoint"][1:], *wanted["Cmd"]])
    assert set(found["NetworkSettings"]["Ports"]) == {"8080/tcp", "5353/udp"}
    assert {(mount["Type"], mount["Destination"]) for mount in found["Mounts"]} == {("volume", "/data"), ("volume", "/cache")}
    image = json.loads(docker.ok("image", "inspect", METADATA))[0]
    assert found["Image"] == image["Id"]

    says = "entrypoint: from cmd"
    eventually(lambda: says in docker.ok("logs", name), what=says)
    eventually(lambda: docker.inspect(name, ".State.Health.Status") == "healthy", what="its health")
    looks = "id -un; id -g; pwd; echo $FROM_IMAGE $OWN $EMPTY; test -w /data; echo $?"
    assert docker.ok("exec", name, "sh", "-c", looks).splitlines() == ["app", "2345", "/srv/app", "yes 1 mine", "0"]


def test_what_does_not_exist_ends_at_once(docker: DockerCli) -> None:
    """In Docker's words, whoever is asked last: the registry or its mirror."""
    for image in ("nosuch/image", f"{ALPINE}:nosuch"):
        began = time.monotonic()
        done = docker("run", "--rm", image)

        assert time.monotonic() - began < 3
        assert done.code == 125
        name = image.partition(":")[0]
        assert f"manifest for {image.partition(':')[0]}:" in done.err or f"access denied for {name}" in done.err, done.err


def test_an_image_is_for_one_platform(docker: DockerCli) -> None:
    """What was pulled for the nodes' platform is none for another: the command pulls, and is told that there is none."""
    docker.ok("pull", ALPINE)
    done = docker("run", "--rm", "--platform", "linux/s390x", ALPINE, "true")

    assert done.code == 125
    assert "no matching manifest for linux/s390x in the manifest list entries" in done.err
    assert docker.ok("run", "--rm", "--platform", "linux/amd64", ALPINE, "echo", "hi") == "hi"
