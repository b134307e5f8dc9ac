"""How long the node waits before it tries again."""

import pytest

from kubedock.embedded.backoff import Backoff

DOUBLING = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@pytest.mark.parametrize(("free", "pauses"), [(True, [0, *DOUBLING]), (False, DOUBLING)], ids=["free", "costly"])
def test_pauses_double_up_to_the_longest(free: bool, pauses: list[float]) -> None:
    """The first may be none at all."""
    backoff = Backoff(1, 300, free=free)

    assert [backoff.failed() for _ in pauses] == pauses


@pytest.mark.parametrize(("lasted", "pause"), [(599.9, 4), (600, 0), (6000, 0)])
def test_ten_good_minutes_are_a_new_beginning(lasted: float, pause: float) -> None:
    """Less are not."""
    backoff = Backoff(1, 300, free=True)
    before = [backoff.failed() for _ in range(3)]

    assert (before, backoff.failed(lasted)) == ([0, 1, 2], pause)


def test_a_success_is_a_new_beginning() -> None:
    """However short the time was."""
    backoff = Backoff(10, 300)
    before = [backoff.failed() for _ in range(2)]
    backoff.reset()

    assert [*before, backoff.failed()] == [10, 20, 10]
