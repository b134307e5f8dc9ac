"""A registry in this process."""

from collections.abc import Iterator

import pytest

from tests.support.registry import FakeRegistry


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Empty, and serving."""
    with FakeRegistry().serving() as serving:
        yield serving
