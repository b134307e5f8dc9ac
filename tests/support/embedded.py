"""Embedded clusters for tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.runtime import Runtime
from tests.support.running import left_behind


@contextmanager
def embedded_cluster(runtime: Runtime, folder: Path) -> Iterator[EmbeddedCluster]:
    """A cluster that is open; it leaves no thread and no pod's folder behind."""
    before = set(threading.enumerate())
    cluster = EmbeddedCluster(runtime, folder, ours="ours")
    cluster.open()
    try:
        yield cluster
    finally:
        cluster.close()
    assert left_behind(before) == []
    assert list((folder / "pods").iterdir()) == []
