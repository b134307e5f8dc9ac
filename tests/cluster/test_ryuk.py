"""Ryuk: what a suite has made is gone after its end, however it ended."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import KubedockServer
from tests.support.shared import ROOT
from tests.support.waiting import eventually

RYUK = "testcontainers/ryuk:0.14.0"
PROGRAM = "tests.support.tc_session"
LABEL = "org.testcontainers.session-id"
NOT_OURS = ("DOCKER_", "TESTCONTAINERS_", "TC_", "RYUK_")
"""What variables begin with that would change what the program does."""


class Session(NamedTuple):
    """A program that uses Testcontainers and waits."""

    pid: int
    id: str


@contextmanager
def session(server: KubedockServer) -> Iterator[Session]:
    """The program at the server's place, when it has made everything."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    argv = (*server.place.prefix, sys.executable, "-m", PROGRAM)
    environ["DOCKER_HOST"] = server.tcp
    with subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            word, pid, session_id = (process.stdout.readline() or process.stderr.read()).split(" ", 2)
            assert word == "ready", f"{word} {pid} {session_id}"
            yield Session(int(pid), session_id.strip())
        finally:
            process.kill()


def left(docker: DockerCli, label: str) -> list[str]:
    """All containers, networks and volumes with this label."""
    commands = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
    return [line for words in commands for line in docker.ok(*words, "--filter", f"label={label}").splitlines()]


@pytest.mark.subset
@pytest.mark.timeout(120)
def test_a_suite_that_is_killed_leaves_nothing(server: KubedockServer, docker: DockerCli) -> None:
    """With -9: containers, pods, network and volume are gone within 30 s, Ryuk as well; what is not its own stays."""
    other = docker.name("other")
    docker.ok("run", "-d", "--name", other, "--label", f"{LABEL}=another", ALPINE, "sleep", "1000")
    with session(server) as program:
        own = f"{LABEL}={program.id}"
        mine = f"kubedock.id={server.instance},{own}"
        ryuk = f"testcontainers-ryuk-{program.id}"
        assert len(left(docker, own)) == 4
        server.objects.show(lambda: len(server.objects("pods", mine)), 2)
        assert docker.inspect(ryuk, "json .State.Running") == "true"

        os.kill(program.pid, signal.SIGKILL)
        began = time.monotonic()
        eventually(lambda: left(docker, own) == [], seconds=30, every=0.2, what="all of it gone")
        eventually(lambda: docker("inspect", ryuk).code == 1, seconds=30 - (time.monotonic() - began), every=0.2, what="Ryuk gone")

    server.objects.show(lambda: server.objects("pods", mine), [])
    assert docker.inspect(other, "json .State.Running") == "true"


def test_a_ryuk_of_the_docker_command(docker: DockerCli) -> None:
    """It is started, looked at, told what to remove and stopped like any container."""
    name, label = docker.name("ryuk"), f"kubedock.test={secrets.token_hex(4)}"
    socket_bind = ("-v", "/var/run/docker.sock:/var/run/docker.sock")
    docker.ok("run", "-d", "--privileged", "-e", "RYUK_RECONNECTION_TIMEOUT=1h", "-p", "8080", "--name", name, *socket_bind, RYUK)
    docker.ok("volume", "create", "--label", label)
    published = docker.ok("port", name, "8080/tcp").splitlines()[0]
    assert published.startswith("0.0.0.0:")
    refused = docker("exec", name, "true")
    assert (refused.code, "kubedock does Ryuk's work itself" in refused.out) == (127, True)

    with docker.begin("logs", "-f", name) as following:
        following.says("msg=Started address=[::]:8080")
        with socket.create_connection(("127.0.0.1", int(published.rpartition(":")[2])), timeout=10) as client:
            client.sendall(f"label={label}\r\n".encode())
            assert client.recv(10) == b"ACK\n"
        following.says("client disconnected")
        assert docker.ok("stop", name) == name
        assert following.wait().code == 0
        following.says("removed containers=0 networks=0 volumes=1 images=0")

    assert docker.inspect(name, ".State.ExitCode") == "0"
    assert left(docker, label) == []
