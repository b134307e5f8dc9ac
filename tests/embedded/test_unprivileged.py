"""A server with no more than Docker's default capabilities, as in a CI job's container: the same docker commands work."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.embedded.test_demo import SHOWN
from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import Place, embedded_argv
from tests.support.live import LiveServer
from tests.support.realcluster import REGISTRY
from tests.support.runtimes import embedded_tools, free_port
from tests.support.shared import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.embedded

DOCKERS = (
    "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap"
)
ONLY = ("setpriv", "--inh-caps=-all", "--bounding-set=-all" + "".join(f",+{name}" for name in DOCKERS.split()))


OF_MAKE = ("ARGS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
"""What the make that runs this suite passes on, options for pytest among it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's."""
    return tmp_path_factory.mktemp("unprivileged")


@pytest.fixture(scope="module")
def docker(folder: Path) -> Iterator[DockerCli]:
    """The docker command, on a server that took what it was allowed."""
    embedded_tools()
    with LiveServer((*ONLY, *embedded_argv(folder, place=Place("unprivileged", embedded="auto")))) as server:
        cli = DockerCli(server.addresses[0], folder)
        cli.ok("pull", ALPINE)
        assert "containers are run by chroot, since runc cannot be used" in server.log
        yield cli
        server.signal(15)
        server.wait(20)
    assert list((folder / "node" / "c").iterdir()) == []


@pytest.fixture
def port() -> str:
    """One that is free."""
    return free_port()


@pytest.fixture
def public() -> None:
    """The images of the test cluster's registry."""
    try:
        host, port = REGISTRY.split(":")
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        pytest.skip("the test cluster's registry is not up")


def test_make_run(tmp_path: Path) -> None:
    """The whole demonstration; all that it leaves is its cache folder."""
    embedded_tools()
    environment = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    done = subprocess.run(
        (*ONLY, "make", "run"), cwd=ROOT, capture_output=True, text=True, timeout=55, check=False, env=environment
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [text for text in SHOWN if text not in done.stdout] == []
    assert "containers are run by chroot, since runc cannot be used" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert list((tmp_path / "cache" / "kubedock" / "node" / "c").iterdir()) == []


def test_exit_codes_logs_and_errors(docker: DockerCli) -> None:
    """As everywhere."""
    done = docker("run", "--rm", ALPINE, "sh", "-c", "echo out; echo err >&2; exit 7")
    missing = docker("run", "--rm", ALPINE, "nosuch")

    assert (done.code, sorted((done.out + done.err).split())) == (7, ["err", "out"])
    assert (missing.code, "executable file not found in $PATH" in missing.err) == (127, True)


def test_a_published_port_an_exec_and_a_stop(docker: DockerCli, port: str) -> None:
    """Of a server that ends when it is told to."""
    name = docker.name()
    script = f"mkdir /www; echo page > /www/index.html; trap 'exit 5' TERM; httpd -p {port} -h /www; while :; do sleep 0.1; done"
    docker.ok("run", "-d", "--name", name, "-p", f"127.0.0.1::{port}", ALPINE, "sh", "-c", script)
    address = docker.ok("port", name, port)

    def page() -> str:
        try:
            return requests.get(f"http://{address}/", timeout=5).text
        except requests.ConnectionError:
            return ""

    assert eventually(page, what="the page") == "page\n"
    assert docker("exec", name, "sh", "-c", "ls /www; exit 3").code == 3
    docker.ok("stop", "-t", "10", name)
    assert docker.inspect(name, ".State.ExitCode") == "5"
    assert page() == ""


def test_redis(docker: DockerCli, port: str, public: None) -> None:
    """Its own user, its own handler."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, "redis:7-alpine", "redis-server", "--port", port)

    eventually(lambda: docker("exec", name, "redis-cli", "-p", port, "ping").out == "PONG\n", what="its answer")
    docker.ok("stop", "-t", "10", name)

    assert docker.inspect(name, ".State.ExitCode") == "0"


def test_postgres(docker: DockerCli, port: str, public: None) -> None:
    """Which starts another server first, as another user."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, "-e", "POSTGRES_PASSWORD=x", "postgres:16-alpine", "postgres", "-p", port)
    query = ("psql", "-U", "postgres", "-p", port, "-tAc", "select 6 * 7")

    eventually(lambda: docker("exec", name, *query).out == "42\n", what="its answer", seconds=40)
    docker.ok("stop", "-t", "20", name)

    assert docker.inspect(name, ".State.ExitCode") == "0"
