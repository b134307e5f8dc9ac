"""A registry in this process."""

from collections.abc import Iterator

import pytest

from kubedock.registry.client import RegistryClient
from kubedock.registry.inspector import Inspector, Places
from tests.support.registry import FakeRegistry


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Empty, and serving."""
    with FakeRegistry().serving() as serving:
        yield serving


@pytest.fixture
def inspector(registry: FakeRegistry) -> Iterator[Inspector]:
    """Without mirrors."""
    made = Inspector(RegistryClient(), Places())
    yield made
    made.close()
