"""An engine over the in-memory cluster, and no thread left behind."""

import threading
from collections.abc import Iterator

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.engine import Engine
from tests.support.runtimes import running
from tests.support.waiting import until


@pytest.fixture
def cluster() -> FakeCluster:
    """An empty cluster."""
    return FakeCluster()


@pytest.fixture
def engine(cluster: FakeCluster) -> Iterator[Engine]:
    """Running; every thread that it starts has ended when the test has."""
    before = set(threading.enumerate())
    with running(cluster) as engine:
        yield engine
    until(lambda: not [t for t in threading.enumerate() if t not in before and t.is_alive()])
