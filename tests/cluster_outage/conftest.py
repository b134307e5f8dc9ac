"""A server whose way to the API server can be broken."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from kubedock.kube.rights import RIGHTS
from tests.support.clients import DockerCli
from tests.support.faultproxy import FaultProxy
from tests.support.kubedock_server import KubedockServer, kubedock_server
from tests.support.realcluster import RealCluster

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need the cluster."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@dataclass(frozen=True, slots=True)
class Stage:
    """A server with its clients, and the proxy that it reaches the cluster by; ``real`` goes around it."""

    real: RealCluster
    proxy: FaultProxy
    server: KubedockServer
    cli: DockerCli
    client: docker.DockerClient


@pytest.fixture
def stage(real_cluster: RealCluster, tmp_path: Path) -> Iterator[Stage]:
    """Everything in place, nothing broken."""
    rules = [{"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)} for right in RIGHTS]
    kubeconfig = real_cluster.service_account(rules, "outage")
    with (
        FaultProxy(kubeconfig, tmp_path) as proxy,
        kubedock_server(real_cluster, tmp_path, kubeconfig=proxy.kubeconfig) as server,
    ):
        cli, client = server.cli(), server.client()
        cli.ok("pull", "alpine")
        try:
            yield Stage(real_cluster, proxy, server, cli, client)
        finally:
            proxy.release()
            proxy.clear()
            with suppress(Exception):
                client.close()
