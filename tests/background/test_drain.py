"""Commands without a client: read by one thread, to their ends."""

import threading
from collections.abc import Iterator

import pytest

from kubedock.background.drain import Drain
from kubedock.cluster.fake_streams import FakeChannels
from tests.support.running import left_behind
from tests.support.waiting import eventually


@pytest.fixture
def drain() -> Iterator[Drain]:
    """One that runs."""
    before = set(threading.enumerate())
    made = Drain()
    made.start()
    yield made
    made.stop()
    assert left_behind(before) == []


def test_output_is_dropped_and_the_end_is_told(drain: Drain) -> None:
    """Of many at once, each its own; a break is None."""
    ends: dict[int, bytes | None] = {}
    channels = [FakeChannels() for _ in range(20)]
    for number, each in enumerate(channels):
        each.put(1, b"lost" * 1000)
        drain.add(each, lambda status, number=number: ends.__setitem__(number, status))  # type: ignore[misc]
    assert drain.count == 20
    for number, each in enumerate(channels[:-1]):
        each.put(2, b"lost")
        each.finish(b"%d" % number)
    channels[-1].snap()
    eventually(lambda: len(ends) == 20)
    assert ends == {**{number: b"%d" % number for number in range(19)}, 19: None}
    assert drain.count == 0


def test_a_mistake_of_one_is_not_the_others(drain: Drain) -> None:
    """It stands in the log."""
    told: list[bytes | None] = []
    bad, good = FakeChannels(), FakeChannels()
    bad.finish(b"x")
    drain.add(bad, lambda status: {}[status])  # type: ignore[index]
    drain.add(good, told.append)
    good.finish(b"y")
    eventually(lambda: told == [b"y"])


def test_the_stop_closes_what_is_read() -> None:
    """And what is given later."""
    drain, first, late = Drain(), FakeChannels(), FakeChannels()
    drain.start()
    drain.add(first, lambda _: None)
    drain.stop()
    drain.add(late, lambda _: None)
    assert (first.fileno(), late.fileno()) == (-1, -1)
