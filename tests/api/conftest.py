"""The API over the in-memory cluster."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubedock.app import create_app
from kubedock.cluster.fake import FakeCluster
from kubedock.engine import Engine
from tests.support.docker import DockerClient
from tests.support.running import running
from tests.support.swagger import contract_if_present


@pytest.fixture
def cluster() -> FakeCluster:
    """Its cluster."""
    return FakeCluster()


@pytest.fixture
def engine(cluster: FakeCluster) -> Iterator[Engine]:
    """An engine that runs; the test fails when it leaves a thread behind."""
    with running(cluster) as runtime:
        yield runtime.engine


@pytest.fixture
def docker(engine: Engine) -> DockerClient:
    """A Docker client of this engine, which has the image alpine."""
    client = DockerClient(create_app(engine), contract=contract_if_present())
    client.post("/images/create?fromImage=alpine&tag=latest")
    return client


@pytest.fixture
def a_container(docker: DockerClient) -> Callable[..., str]:
    """Makes containers: ``a_container("name", Cmd=["sleep", "60"], start=True)`` gives the id."""

    def make(name: str = "", *, start: bool = False, **body: Any) -> str:
        body = {"Image": "alpine", "Cmd": ["sleep", "60"], **body}
        made = docker.post("/containers/create" + (f"?name={name}" if name else ""), body, expect=201).json["Id"]
        assert isinstance(made, str)
        if start:
            docker.post(f"/containers/{made}/start", expect=204)
        return made

    return make
