"""The engine as a whole: sizes, versions, counts."""

from decimal import Decimal

import pytest

from kubedock import __version__
from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerSpec
from kubedock.domain.volume import Mount
from kubedock.engine.system import MERGED_LOGS, quantity
from kubedock.errors import Forbidden, Unavailable
from tests.support.running import put_container, still


@pytest.mark.parametrize(
    ("text", "value"),
    [("4", 4), ("3920m", "3.920"), ("16393284Ki", 16393284 * 1024), ("1.5Gi", 1.5 * 2**30), ("2k", 2000), ("", 0), ("lots", 0)],
)
def test_quantities_are_read_as_kubernetes_writes_them(text, value):
    """Capacities of nodes."""
    assert quantity(text) == Decimal(value)


def test_containers_are_counted_by_state():
    """docker info's first lines."""
    engine = still()
    put_container(engine, "a", running=True)
    put_container(engine, "b")
    put_container(engine, "c")
    info = engine.system.info()

    assert (info.running, info.paused, info.stopped, info.images) == (1, 0, 2, 0)
    assert info.namespace == "test"


def test_the_size_is_the_nodes():
    """And the log's limits are a warning."""
    info = still().system.info()
    assert info.capacity.nodes == 1
    assert info.capacity.cpus > 0
    assert info.capacity.memory > 2**20
    assert MERGED_LOGS in info.warnings


@pytest.mark.parametrize("error", [Forbidden("nodes is forbidden"), Unavailable("no route to host")])
def test_without_the_nodes_the_size_is_the_servers_own(error):
    """Clients ask info first: it answers whatever happens."""
    cluster = FakeCluster()
    cluster.refuse("Node", "list", error)
    info = still(cluster).system.info()

    assert info.capacity.nodes == 0
    assert info.capacity.cpus > 0
    assert info.capacity.memory > 2**20
    assert any("the right to list nodes is missing" in warning for warning in info.warnings)


def test_the_version_is_known_without_the_cluster():
    """kubedock's own at least."""
    cluster = FakeCluster()
    cluster.outage(Unavailable("no route to host"))
    found = still(cluster).system.version()
    assert (found.kubedock, found.cluster, found.platform) == (__version__, "", "linux")
    assert still().system.version().cluster.startswith("v1.")


def test_disk_usage_counts_users():
    """By image and by volume."""
    engine = still()
    list(engine.images.pull("alpine"))
    engine.volumes.create("data")
    image = engine.images.require("alpine")
    put_container(engine, "web", image_id=image.id, spec=ContainerSpec("alpine", mounts=(Mount("volume", "/d", "data"),)))
    found = engine.system.disk_usage()

    assert (found.images, found.image_users) == ((image,), {image.id: 1})
    assert ([volume.name for volume in found.volumes], found.volume_users) == (["data"], {"data": 1})
