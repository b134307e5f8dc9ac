"""Commands that are run again and again: one thread, whatever they do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from kubedock.background.health import BEGINNERS, End, Prober
from kubedock.background.tasks import Tasks
from kubedock.cluster import Channels
from kubedock.cluster.fake_streams import FakeChannels
from kubedock.errors import KubedockError, System, Unavailable
from tests.support.running import left_behind
from tests.support.waiting import eventually


class Scripted:
    """A check whose beginnings and pauses a test decides; it notes what it is told."""

    def __init__(
        self, begin: Callable[[FakeChannels], object] = lambda _: None, *, timeout: float = 60.0, pauses: tuple[float, ...] = ()
    ) -> None:
        """``begin`` gets the connection, and may raise. After the pauses there is no more."""
        self.name, self.timeout = "a test", timeout
        self._begin, self._pauses = begin, list(pauses)
        self.output = b""
        self.channels: list[FakeChannels] = []
        self.ends: list[End] = []

    def begin(self) -> Channels:
        """Begin."""
        channels = FakeChannels()
        with ExitStack() as stack:
            stack.callback(channels.close)
            self._begin(channels)
            stack.pop_all()
        self.channels.append(channels)
        return channels

    def take(self, channel: int, data: bytes) -> float | None:
        """Note; what is written as a number is the time that it has from then on."""
        self.output += b"%d:%s " % (channel, data)
        return int(data) / 1000 if data.isdigit() else None

    def end(self, end: End) -> float | None:
        """Note."""
        self.ends.append(end)
        return self._pauses.pop(0) if self._pauses else None


@pytest.fixture
def prober() -> Iterator[Prober]:
    """One that runs, and leaves no thread behind."""
    before, tasks = set(threading.enumerate()), Tasks()
    made = Prober(tasks)
    tasks.start()
    made.start()
    yield made
    made.stop()
    tasks.stop()
    assert left_behind(before) == []


def raising(error: Exception) -> Callable[[FakeChannels], object]:
    """A begin that fails."""

    def begin(_: FakeChannels) -> None:
        raise error

    return begin


def finishing(status: bytes) -> Callable[[FakeChannels], object]:
    """A command that writes to both streams and ends at once."""

    def begin(channels: FakeChannels) -> None:
        channels.put(1, b"out")
        channels.put(2, b"err")
        channels.finish(status)

    return begin


def test_a_check_is_run_until_it_says_no_more(prober: Prober) -> None:
    """With its output and its status each time; every connection is closed."""
    check = Scripted(finishing(b"x"), pauses=(0.0, 0.001))
    prober.add(check, 0.0)
    eventually(lambda: prober.count == 0 and len(check.ends) == 3)
    assert check.ends == [End(b"x")] * 3
    assert check.output == b"1:out 2:err " * 3
    assert [channels.fileno() for channels in check.channels] == [-1] * 3


REFUSED = Unavailable("no route")


@pytest.mark.parametrize(
    ("begin", "timeout", "end"),
    [
        (finishing(b"status"), 60, End(b"status")),
        (lambda channels: channels.snap(), 60, End()),
        (lambda channels: None, 0.005, End(late=True)),
        (lambda channels: channels.put(1, b"5"), 60, End(late=True)),
        (raising(REFUSED), 60, End(error=REFUSED)),
    ],
)
def test_how_it_can_end(prober: Prober, begin: Callable[[FakeChannels], object], timeout: float, end: End) -> None:
    """With a status, broken, late, or not begun."""
    check = Scripted(begin, timeout=timeout)
    prober.add(check, 0.0)
    eventually(lambda: prober.count == 0 and check.ends)
    assert check.ends == [end]
    assert all(channels.fileno() == -1 for channels in check.channels)


def test_mistakes_of_one_are_not_the_others(prober: Prober) -> None:
    """They stand in the log."""
    wrong = Scripted(raising(KeyError("x")), pauses=(0.0,))
    bad, good = Scripted(finishing(b"x")), Scripted(finishing(b"y"))
    bad.end = lambda end: {}[end]  # type: ignore[method-assign]
    good.take = lambda channel, data: {}[channel]  # type: ignore[method-assign]
    for check in (wrong, bad, good):
        prober.add(check, 0.0)
    eventually(lambda: len(wrong.ends) == 2 and good.ends and bad.channels and prober.count == 0)
    assert [str(end.error) for end in wrong.ends] == ["the check could not be begun"] * 2
    assert isinstance(wrong.ends[0].error, System)
    assert isinstance(wrong.ends[0].error, KubedockError)
    assert good.ends == [End(b"y")]


def test_what_is_dropped_is_told_of_nothing(prober: Prober) -> None:
    """Neither one that waits, nor one that runs; its connection is closed, its timer forgotten."""
    waiting, running = Scripted(), Scripted()
    prober.add(waiting, 3600.0)
    prober.add(running, 0.0)
    eventually(lambda: running.channels)
    prober.drop(waiting)
    prober.drop(running)
    prober.drop(running)
    eventually(lambda: prober.count == 0 and prober._timers == [])
    assert running.channels[0].fileno() == -1
    assert (waiting.ends, running.ends) == ([], [])


def test_one_that_is_dropped_while_it_begins(prober: Prober) -> None:
    """Is closed as soon as it has begun."""
    begins, go_on = threading.Event(), threading.Event()

    def begin(_: FakeChannels) -> None:
        begins.set()
        go_on.wait(20)

    check = Scripted(begin)
    prober.add(check, 0.0)
    assert begins.wait(20)
    prober.drop(check)
    go_on.set()
    eventually(lambda: check.channels and check.channels[0].fileno() == -1)
    assert check.ends == []


def test_a_slow_cluster_does_not_hold_up_the_others(prober: Prober) -> None:
    """A few begin at once, the rest waits for a place; what runs is read, and ended when it is late."""
    go_on, quick = threading.Event(), Scripted(timeout=0.05)
    prober.add(quick, 0.0)
    eventually(lambda: quick.channels)
    slow = [Scripted(lambda channels: (go_on.wait(20), channels.finish(b"x"))) for _ in range(BEGINNERS * 2)]
    for check in slow:
        prober.add(check, 0.0)
    eventually(lambda: quick.ends)
    assert quick.ends == [End(late=True)]
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("task-")]) <= BEGINNERS + 2
    go_on.set()
    eventually(lambda: all(check.ends for check in slow))
    assert [check.ends for check in slow] == [[End(b"x")]] * len(slow)


def test_the_stop_closes_what_runs() -> None:
    """And what begins later, or is added later."""
    tasks, release = Tasks(), threading.Event()
    prober = Prober(tasks)
    tasks.start()
    prober.start()
    running, late, after = Scripted(), Scripted(lambda _: release.wait(20)), Scripted()
    prober.add(running, 0.0)
    prober.add(late, 0.0)
    eventually(lambda: running.channels)
    prober.stop()
    release.set()
    prober.add(after, 0.0)
    eventually(lambda: all(channels.fileno() == -1 for channels in [*running.channels, *late.channels]))
    tasks.stop()
    assert [check.ends for check in (running, late, after)] == [[], [], []]
    assert after.channels == []


def test_one_that_was_never_started() -> None:
    """Takes what is given, and stops."""
    prober: Any = Prober(Tasks())
    prober.add(Scripted(), 0.0)
    prober.stop()
