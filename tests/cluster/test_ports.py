"""Published ports, seen by clients beside the server: forwarded outside of the cluster's network, direct inside of it."""

import hashlib
import json
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import docker as docker_py
import pytest
from docker.errors import NotFound

from tests.support.clients import ALPINE, DockerCli, at_once
from tests.support.kubedock_server import KubedockServer, Place, ServerWith
from tests.support.portclient import PortClient
from tests.support.waiting import eventually

NGINX, REDIS = "nginx", "redis"
GET = "GET / HTTP/1.0\r\n\r\n"
MANY = 32 << 20

ECHO, SUMS, BLOB, QUESTIONS = 7000, 7001, 7002, 7003
BLOB_SIZE = 64 << 20
SERVICES = " & ".join(
    (
        f"nc -ll -p {ECHO} -e cat",
        f"nc -ll -p {SUMS} -e sh -c 'head -c {MANY} | sha256sum'",
        f"nc -ll -p {BLOB} -e sh -c 'yes kubedock | head -c {BLOB_SIZE}'",
        f"nc -ll -p {QUESTIONS} -e sh -c 'cat | wc -c'",
        "sleep 1000",
    )
)
"""Programs that listen in a container: what is said comes back; a sum of MANY bytes; a large answer; one to a half-close."""


@pytest.fixture(autouse=True)
def images(server_at: Callable[[Place], KubedockServer], place: Place) -> None:
    """Known to the server."""
    cli = server_at(place).cli()
    for image in (NGINX, REDIS):
        cli.ok("pull", "-q", image)


@pytest.fixture
def act(place: Place) -> PortClient:
    """A client at the server's place."""
    return PortClient(place.prefix)


def ports_of(docker: DockerCli, name: str) -> dict[str, Any]:
    """NetworkSettings.Ports."""
    found: dict[str, Any] = json.loads(docker.inspect(name, "json .NetworkSettings.Ports"))
    return found


def number(docker: DockerCli, name: str, port: str) -> int:
    """The one number that a port is published under."""
    (found,) = {binding["HostPort"] for binding in ports_of(docker, name)[port]}
    return int(found)


def both(port: int) -> list[dict[str, str]]:
    """As clients are shown it."""
    return [{"HostIp": host, "HostPort": str(port)} for host in ("0.0.0.0", "::")]


def free(host: str = "127.0.0.1") -> int:
    """A number that nobody listens on here; the place inside has a loopback of its own, and nobody on it."""
    with socket.create_server((host, 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


@pytest.fixture
def services(docker: DockerCli, act: PortClient) -> Callable[[int], int]:
    """The number that a service of a container is published under."""
    name = docker.name("services")
    publish = [word for port in (ECHO, SUMS, BLOB, QUESTIONS, 9) for word in ("-p", str(port))]
    docker.ok("run", "-d", "--name", name, *publish, ALPINE, "sh", "-c", SERVICES)
    found = {port: number(docker, name, f"{port}/tcp") for port in (ECHO, SUMS, BLOB, QUESTIONS, 9)}
    eventually(lambda: act(found[ECHO], "say", "up?") == "up?", what="its services")
    return found.__getitem__


# --- what is published -----------------------------------------------------------------------------------------------


@pytest.mark.subset
def test_nginx_over_http(docker: DockerCli, act: PortClient) -> None:
    """By a number of one's own, by any, by all that is exposed; on both families."""
    fixed = free()
    for options in (("-p", f"{fixed}:80"), ("-p", "80"), ("-P", "--expose", "80")):
        name = docker.name("web")
        docker.ok("run", "-d", "--name", name, *options, NGINX)
        port = number(docker, name, "80/tcp")

        assert port == fixed or "-p" not in options or options[1] == "80"
        for host in ("127.0.0.1", "::1", "localhost"):
            answer = eventually(lambda host=host, port=port: _status(act(port, "say", GET, host=host)))
            assert answer == "HTTP/1.1 200 OK"
        docker.ok("rm", "-f", name)
        assert act(port, "outcome") == "refused"


def _status(answer: str) -> str:
    """The first line of an answer, "" where there is none yet."""
    return answer.partition("\r\n")[0] if answer.startswith("HTTP/") else ""


@pytest.mark.subset
def test_what_clients_are_shown(docker: DockerCli) -> None:
    """At once after the start, in inspect, ps and docker port; and what ends shows nothing."""
    name, fixed = docker.name("shown"), free()
    options = ("-p", f"{fixed}:80", "-p", "127.0.0.2::81", "--expose", "82", "--expose", "53/udp")
    docker.ok("run", "-d", "--name", name, *options, ALPINE, "sleep", "1000")
    (other,) = (int(binding["HostPort"]) for binding in ports_of(docker, name)["81/tcp"])

    assert ports_of(docker, name) == {
        "53/udp": None,
        "80/tcp": both(fixed),
        "81/tcp": [{"HostIp": "127.0.0.2", "HostPort": str(other)}],
        "82/tcp": None,
    }
    assert sorted(docker.ok("port", name).splitlines()) == [
        f"80/tcp -> 0.0.0.0:{fixed}",
        f"80/tcp -> [::]:{fixed}",
        f"81/tcp -> 127.0.0.2:{other}",
    ]
    assert docker.ok("port", name, "80").splitlines() == [f"0.0.0.0:{fixed}", f"[::]:{fixed}"]
    shown = docker.ok("ps", "-f", f"name={name}", "--format", "{{.Ports}}")
    assert set(shown.split(", ")) == {
        f"0.0.0.0:{fixed}->80/tcp",
        f"[::]:{fixed}->80/tcp",
        f"127.0.0.2:{other}->81/tcp",
        "53/udp",
        "82/tcp",
    }
    for matching in (f"publish={fixed}", "expose=82"):
        assert docker.ok("ps", "-f", f"name={name}", "-f", matching, "--format", "{{.Names}}") == name
    assert json.loads(docker.inspect(name, "json .HostConfig.PortBindings"))["80/tcp"] == [{"HostIp": "", "HostPort": str(fixed)}]
    docker.ok("kill", name)
    assert ports_of(docker, name) == {}
    assert docker.ok("ps", "-a", "-f", f"name={name}", "--format", "{{.Ports}}") == ""


def test_a_taken_port_starts_nothing(docker: DockerCli, act: PortClient) -> None:
    """Docker's sentence and state; what else it would have had is free."""
    first, second, taken, other = docker.name(), docker.name(), free(), free()
    docker.ok("run", "-d", "--name", first, "-p", f"{taken}:80", NGINX)

    code, _, err = docker("run", "-d", "--name", second, "-p", f"{other}:81", "-p", f"{taken}:80", NGINX)

    assert code == 125
    sentence = f"driver failed programming external connectivity on endpoint {second} ("
    assert sentence in err
    assert f"Bind for 0.0.0.0:{taken} failed: port is already allocated" in err
    assert docker.inspect(second, ".State.Status") == "created"
    assert docker.inspect(second, ".State.Error").startswith(sentence)
    assert act(other, "outcome") == "refused"
    docker.ok("rm", "-f", first)
    docker.ok("start", second)
    assert number(docker, second, "80/tcp") == taken


@pytest.mark.subset
def test_the_same_number_after_a_stop(docker: DockerCli, act: PortClient) -> None:
    """A random one, too; in between it is free."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, "-p", "80", NGINX)
    port = number(docker, name, "80/tcp")
    eventually(lambda: _status(act(port, "say", GET)))

    docker.ok("stop", "-t", "1", name)
    assert act(port, "outcome") == "refused"
    docker.ok("start", name)
    assert number(docker, name, "80/tcp") == port
    eventually(lambda: _status(act(port, "say", GET)))
    docker.ok("restart", "-t", "1", name)
    assert number(docker, name, "80/tcp") == port
    eventually(lambda: _status(act(port, "say", GET)))


def test_the_same_number_after_a_restart_by_policy(docker: DockerCli, act: PortClient) -> None:
    """Of a pod that kubedock starts again, and of a Deployment's container, which stays published."""
    for policy in ("on-failure", "always"):
        name = docker.name(policy)
        script = "nc -ll -p 80 -e cat & nc -l -p 81 -e true; exit 1"
        docker.ok("run", "-d", "--name", name, "--restart", policy, "-p", "80", "-p", "81", ALPINE, "sh", "-c", script)
        port, end = number(docker, name, "80/tcp"), number(docker, name, "81/tcp")
        eventually(lambda port=port: act(port, "say", "x") == "x", what="its service")

        act(end, "outcome")

        eventually(lambda name=name: docker.inspect(name, ".RestartCount") == "1", what="the next run")
        eventually(lambda port=port: act(port, "say", "x") == "x", what="its service")
        assert number(docker, name, "80/tcp") == port


# --- connections -----------------------------------------------------------------------------------------------------


@pytest.mark.subset
def test_redis_by_docker_py(client: docker_py.DockerClient, act: PortClient) -> None:
    """The number is there when start has returned."""
    name = f"redis-{secrets.token_hex(4)}"
    made = client.containers.run(REDIS, name=name, detach=True, ports={"6379/tcp": None})
    try:
        made.reload()
        first, second = made.ports["6379/tcp"]
        assert first["HostPort"] == second["HostPort"]
        port = int(first["HostPort"])
        assert eventually(lambda: act(port, "say", "PING\r\n") == "+PONG\r\n")
        assert act(port, "say", "SET a 1\r\n") == "+OK\r\n"
        assert act(port, "say", "GET a\r\n") == "$1\r\n1\r\n"
    finally:
        with suppress(NotFound):
            made.remove(force=True)


@pytest.mark.subset
def test_every_byte_arrives(services: Callable[[int], int], act: PortClient) -> None:
    """Both ways at once, up, and down to the end."""
    blob = hashlib.sha256((b"kubedock\n" * (BLOB_SIZE // 9 + 1))[:BLOB_SIZE]).hexdigest()

    assert act(services(ECHO), "echo", str(MANY)) is True
    assert act(services(SUMS), "upload", str(MANY)) is True
    assert tuple(act(services(BLOB), "download")) == (BLOB_SIZE, blob)


@pytest.mark.subset
def test_a_target_that_refuses_is_a_reset(services: Callable[[int], int], act: PortClient) -> None:
    """At once, and again."""
    assert [act(services(9), "outcome") for _ in range(3)] == ["reset"] * 3


@pytest.mark.subset
def test_a_half_close(services: Callable[[int], int], act: PortClient, place: Place) -> None:
    """Passed on where the connection is direct. Kubernetes' forward has none: there the rest of the answer still comes."""
    if place.inside:
        assert act(services(QUESTIONS), "ask", "question") == "8\n"
    size, _ = act(services(BLOB), "download", "half-closed")
    assert size == BLOB_SIZE


def test_many_connections_at_once(services: Callable[[int], int], act: PortClient) -> None:
    """Each has its own answer."""
    said = at_once(lambda index: act(services(ECHO), "say", f"client {index}"), range(50), threads=50)

    assert said == [f"client {index}" for index in range(50)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.prove)])
@pytest.mark.subset
def test_many_containers_at_once(client: docker_py.DockerClient, act: PortClient, count: int) -> None:
    """Each is published under a number of its own, and serves."""
    names = [f"many-{secrets.token_hex(4)}" for _ in range(count)]

    def one(name: str) -> int:
        serve = ["nc", "-ll", "-p", "80", "-e", "echo", name]
        made = client.containers.run(ALPINE, serve, name=name, detach=True, ports={"80/tcp": None})
        made.reload()
        return int(made.ports["80/tcp"][0]["HostPort"])

    try:
        ports = at_once(one, names, threads=count)
        assert len(set(ports)) == count
        eventually(lambda: act.all(ports, "ask") == [f"{name}\n" for name in names], what="their answers")
    finally:
        for made in client.containers.list(all=True, filters={"name": "many-"}):
            made.remove(force=True)
    assert act.all(ports, "outcome") == ["refused"] * count


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def published(server_with: ServerWith) -> Iterator[Callable[..., int]]:
    """The number under which a server with these options publishes an echo."""
    with ExitStack() as servers:

        def start(*options: str) -> int:
            cli = servers.enter_context(server_with(*options)).cli()
            cli.ok("pull", "-q", ALPINE)
            cli.ok("run", "-d", "--name", "echo", "-p", str(ECHO), ALPINE, "nc", "-ll", "-p", str(ECHO), "-e", "cat")
            return number(cli, "echo", f"{ECHO}/tcp")

        yield start


@pytest.mark.subset
def test_the_way_can_be_chosen(published: Callable[..., int], place: Place, act: PortClient) -> None:
    """Direct connections do not work outside; forwards do everywhere, and both on one machine."""
    port = published("--port-mode", "forward" if place.inside else "direct")

    if place.inside or place.embedded:
        eventually(lambda: act(port, "say", "x") == "x")
    else:
        assert act(port, "say", "x") == "reset"


def test_a_server_for_others_publishes_for_others(published: Callable[..., int]) -> None:
    """It listens where the server does."""
    port = published("--listen-addr", "127.0.0.3:0")

    with closing(socket.create_connection(("127.0.0.3", port), timeout=10)), closing(socket.create_connection(("::1", port), 10)):
        pass
