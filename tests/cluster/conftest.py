"""Servers on the real cluster, one for each place, one on this machine, and clients for them.

A test runs against the server outside, and on this machine as well, unless it asks for the cluster itself; marked ``subset``
it runs at all places. What servers have made is looked at by ``server.objects``, at each of them.
"""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import docker
import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import (
    EMBEDDED,
    OUTSIDE,
    PLACES,
    KubedockServer,
    Place,
    ServerWith,
    embedded_server,
    kubedock_server,
    least_rights,
)
from tests.support.realcluster import RealCluster, namespace_of_our_own

HERE = Path(__file__).parent
LEFT_BY_DOCKER_PY = "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
"""The sockets of its streams, which the collector finds whenever it runs. kubedock's own are in another process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need the cluster, or this machine as one."""
    for item in items:
        if HERE in item.path.parents:
            place = item.callspec.params.get("place") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
            item.add_marker(pytest.mark.embedded if place is EMBEDDED else pytest.mark.cluster)
            item.add_marker(pytest.mark.filterwarnings(LEFT_BY_DOCKER_PY))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The places of a test."""
    if "place" in metafunc.fixturenames:
        places = PLACES if metafunc.definition.get_closest_marker("subset") else (OUTSIDE,)
        real = {"real_cluster", "own_namespace"} & set(metafunc.fixturenames)
        if not real and not metafunc.definition.get_closest_marker("cluster_only"):
            places = (*places, EMBEDDED)
        metafunc.parametrize("place", places, ids=[place.name for place in places], scope="session")


@pytest.fixture(scope="session")
def server_at(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Place], KubedockServer]]:
    """The server of a place: started when it is asked for first, ended with the session."""
    started: dict[Place, KubedockServer] = {}
    with ExitStack() as stack:

        def get(place: Place) -> KubedockServer:
            if place not in started:
                folder = tmp_path_factory.mktemp(place.name)
                server = stack.enter_context(a_server(request, folder, place))
                started[place] = server
                server.cli().ok("pull", ALPINE)
            return started[place]

        yield get


def a_server(
    request: pytest.FixtureRequest, folder: Path, place: Place, *options: str, namespace: str = "real_cluster"
) -> AbstractContextManager[KubedockServer]:
    """A server of a place, in the namespace of this fixture; only those on the cluster ask for one."""
    if place.embedded:
        return embedded_server(folder, *options, place=place)
    real: RealCluster = request.getfixturevalue(namespace)
    kubeconfig = least_rights(real) if place.least else None
    return kubedock_server(real, folder, *options, place=place, kubeconfig=kubeconfig)


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
def own_server(request: pytest.FixtureRequest, place: Place, tmp_path: Path) -> Iterator[KubedockServer]:
    """A server at the test's place with a namespace of its own, for a project whose names must be nobody else's.

    A cluster's DNS may answer for half a minute with the address of whoever had a name before.
    """
    with a_server(request, tmp_path, place, namespace="own_namespace") as started:
        yield started


@pytest.fixture
def server_with(request: pytest.FixtureRequest, place: Place, tmp_path_factory: pytest.TempPathFactory) -> ServerWith:
    """Servers with options at the test's place, in a namespace of the test's own."""

    def started(*options: str) -> AbstractContextManager[KubedockServer]:
        return a_server(request, tmp_path_factory.mktemp("own"), place, *options, namespace="own_namespace")

    return started
