"""The address where clients that look like containers find published ports."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clients import DockerCli
from tests.support.kubedock_server import KubedockServer, Place, ServerWith
from tests.support.shared import ROOT

CLIENT = (sys.executable, "-m", "tests.support.in_a_container")


def in_a_container(place: Place, docker_host: str) -> dict[str, Any]:
    """How testcontainers-python reaches a published port there, when it believes to be in a container."""
    environ = {**os.environ, "DOCKER_HOST": docker_host}
    done = subprocess.run((*place.prefix, *CLIENT), cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def on_all_addresses(server_with: ServerWith) -> Iterator[KubedockServer]:
    """A server for a team."""
    with server_with("--listen-addr", ":0") as server:
        yield server


def gateway(docker: DockerCli) -> str:
    """That of the bridge."""
    found: str = json.loads(docker.ok("network", "inspect", "bridge"))[0]["IPAM"]["Config"][0]["Gateway"]
    return found


@pytest.mark.subset
@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_a_server_on_loopback(server: KubedockServer, over: str) -> None:
    """A sidecar: testcontainers-python asks the container's own network for its gateway."""
    docker_host = server.tcp if over == "tcp" else server.unix

    assert in_a_container(server.place, docker_host) == {"mode": "gateway_ip", "host": "127.0.0.1", "found": True}


@pytest.mark.subset
def test_a_server_on_all_addresses(on_all_addresses: KubedockServer) -> None:
    """Its gateway is where other machines reach it; a client beside it does as well, and one that has its address takes that."""
    place, port = on_all_addresses.place, on_all_addresses.tcp.rpartition(":")[2]
    beside = f"tcp://127.0.0.1:{port}"
    address = gateway(DockerCli(beside, on_all_addresses.folder, place.prefix))

    assert not address.startswith("127.")
    assert in_a_container(place, beside) == {"mode": "gateway_ip", "host": address, "found": True}
    assert in_a_container(place, f"tcp://{address}:{port}") == {"mode": "docker_host", "host": address, "found": True}
