"""What the nodes are."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from kubedock.cluster import Json, Kind, ObjectList
from kubedock.cluster.fake import FakeCluster
from kubedock.errors import Forbidden, Unavailable
from kubedock.kube.nodes import most, platform


def a_node(architecture: str, system: str = "linux", **spec: Any) -> Json:
    """As the API has it, as far as it matters."""
    return {"spec": spec, "status": {"nodeInfo": {"operatingSystem": system, "architecture": architecture}}}


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([], ""),
        ([{}], ""),
        ([a_node("arm64")], "linux/arm64"),
        ([a_node("amd64"), a_node("arm64"), a_node("arm64")], "linux/arm64"),
        ([a_node("amd64", unschedulable=True), a_node("arm64")], "linux/arm64"),
        ([a_node("amd64", "windows"), a_node("amd64", "windows"), a_node("arm64")], "linux/arm64"),
        ([a_node("")], ""),
    ],
)
def test_the_platform_of_most_nodes(nodes: list[Json], found: str) -> None:
    """Of those that take pods, and on Linux."""
    assert most(nodes) == found


class Cluster(FakeCluster):
    """With these nodes, or none that may be seen, and an API server on this platform."""

    def __init__(self, nodes: list[Json] | None, told: str) -> None:
        super().__init__()
        self._nodes, self._told, self.selectors = nodes, told, list[str]()

    def list(self, kind: Kind, *, selector: str = "", fields: str = "") -> ObjectList:
        """The nodes."""
        self.selectors.append(selector)
        if self._nodes is None:
            raise Forbidden('nodes is forbidden: User "x" cannot list resource "nodes"')
        return ObjectList(self._nodes, "1")

    def version(self) -> Json:
        """The platform."""
        if not self._told:
            raise Unavailable("the cluster is away")
        return {"platform": self._told}


@pytest.mark.parametrize(
    ("nodes", "selector", "told", "found"),
    [
        ([a_node("arm64")], {"pool": "a", "b": ""}, "linux/amd64", "linux/arm64"),
        (None, {}, "linux/arm64", "linux/arm64"),
        ([], {}, "linux/arm64", "linux/arm64"),
        (None, {"kubernetes.io/arch": "s390x"}, "linux/arm64", "linux/s390x"),
        (None, {}, "darwin/arm64", "linux/amd64"),
        (None, {}, "", "linux/amd64"),
    ],
)
def test_the_platform_that_images_are_meant_for(
    nodes: list[Json] | None, selector: Mapping[str, str], told: str, found: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The nodes', the selector's, the API server's, the usual one: the first that is known."""
    cluster = Cluster(nodes, told)
    with caplog.at_level(logging.WARNING):
        assert platform(cluster, selector) == found

    assert cluster.selectors == [",".join(f"{key}={value}" for key, value in selector.items())]
    assert len(caplog.records) == (not told)


def test_the_cluster_in_memory_has_nodes() -> None:
    """As the real one."""
    assert platform(FakeCluster(), {}) == "linux/amd64"
