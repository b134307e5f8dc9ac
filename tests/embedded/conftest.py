"""An embedded cluster over the runtime without processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.fake import FakeRuntime
from tests.support.embedded import embedded_cluster


@pytest.fixture
def runtime(tmp_path: Path) -> FakeRuntime:
    """What runs its containers."""
    return FakeRuntime(tmp_path / "runtime", gateway="")


@pytest.fixture
def cluster(runtime: FakeRuntime, tmp_path: Path) -> Iterator[EmbeddedCluster]:
    """The cluster."""
    with embedded_cluster(runtime, tmp_path) as cluster:
        yield cluster
