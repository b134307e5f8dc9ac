"""Servers on the real cluster, one for each place, and clients for them.

A test runs against the server outside; marked ``subset`` it runs at all three places.
"""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import docker
import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import OUTSIDE, PLACES, KubedockServer, Place, kubedock_server, least_rights
from tests.support.realcluster import RealCluster, namespace_of_our_own

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need the cluster."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The places of a test."""
    if "place" in metafunc.fixturenames:
        places = PLACES if metafunc.definition.get_closest_marker("subset") else (OUTSIDE,)
        metafunc.parametrize("place", places, ids=[place.name for place in places], scope="session")


@pytest.fixture(scope="session")
def server_at(real_cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Place], KubedockServer]]:
    """The server of a place: started when it is asked for first, ended with the session."""
    started: dict[Place, KubedockServer] = {}
    with ExitStack() as stack:

        def get(place: Place) -> KubedockServer:
            if place not in started:
                folder = tmp_path_factory.mktemp(place.name)
                kubeconfig = least_rights(real_cluster) if place.least else None
                server = stack.enter_context(kubedock_server(real_cluster, folder, place=place, kubeconfig=kubeconfig))
                started[place] = server
                server.cli().ok("pull", ALPINE)
            return started[place]

        yield get


@pytest.fixture
def server(place: Place, server_at: Callable[[Place], KubedockServer]) -> KubedockServer:
    """The session's server at the test's place."""
    return server_at(place)


@pytest.fixture(name="docker")
def docker_command(server: KubedockServer) -> Iterator[DockerCli]:
    """The docker command; containers with names that it gave are removed at the end."""
    cli = server.cli()
    yield cli
    cli.clean()


@pytest.fixture
def client(server: KubedockServer) -> Iterator[docker.DockerClient]:
    """docker-py."""
    found = server.client()
    yield found
    found.close()
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # docker-py leaves the sockets of its streams to the collector


@pytest.fixture
def own_namespace(tmp_path: Path) -> Iterator[RealCluster]:
    """A namespace for a test that breaks something in it."""
    yield from namespace_of_our_own(tmp_path)


@pytest.fixture
def own_server(place: Place, own_namespace: RealCluster, tmp_path: Path) -> Iterator[KubedockServer]:
    """A server at the test's place with a namespace of its own, for a project whose names must be nobody else's.

    A cluster's DNS may answer for half a minute with the address of whoever had a name before.
    """
    kubeconfig = least_rights(own_namespace) if place.least else None
    with kubedock_server(own_namespace, tmp_path, place=place, kubeconfig=kubeconfig) as started:
        yield started
