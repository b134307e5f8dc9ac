"""An engine over the in-memory cluster, and no thread left behind."""

from collections.abc import Iterator

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.engine import Engine
from tests.support.registry import FakeRegistry
from tests.support.running import engine_with_alpine


@pytest.fixture
def cluster() -> FakeCluster:
    """An empty cluster."""
    return FakeCluster()


@pytest.fixture
def engine(cluster: FakeCluster) -> Iterator[Engine]:
    """Running; every thread that it starts has ended when the test has."""
    with engine_with_alpine(cluster) as engine:
        yield engine


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Serving."""
    with FakeRegistry().serving() as serving:
        yield serving
