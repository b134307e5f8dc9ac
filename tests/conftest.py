"""Fixtures for all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.realcluster import RealCluster, namespace_of_our_own

settings.register_profile("kubedock", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("kubedock")


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A namespace of the real cluster for this session: skips where there is none, fails in CI."""
    yield from namespace_of_our_own(tmp_path_factory.mktemp("cluster"))
