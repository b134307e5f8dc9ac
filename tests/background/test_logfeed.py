"""Feeds: one stream from the cluster for all followers of a log, and no line lost or repeated for any of them."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from kubedock.background import logfeed as module
from kubedock.background.logfeed import Behind, Joined, LogFeed, LogFeeds, lines_after
from kubedock.errors import Forbidden, InvalidParameter, KubedockError, NotFound, Unavailable
from kubedock.streams.cancel import Cancel
from kubedock.streams.logs import START, Line, LogReader, Mark, stamp
from tests.support.running import left_behind, refused
from tests.support.threads import none_left
from tests.support.waiting import eventually, in_thread

SECOND = 1_000_000_000
CUT = Unavailable("the connection broke")


class Stream:
    """A log stream of a Script: gives whole lines, in pieces of any size."""

    def __init__(self, script: "Script", mark: Mark, *, follow: bool) -> None:
        self._script, self._mark, self._follow = script, mark, follow
        self._at, self._rest = 0, b""
        self._end = None if follow else len(script.lines)
        self.closed = self.cut = False

    def read(self) -> bytes:
        """See ByteStream."""
        script = self._script
        with script.changed:
            while not self._rest:
                if self.closed:
                    return b""
                if self.cut:
                    raise CUT
                fresh = script.lines[self._at : self._end]
                self._at += len(fresh)
                floor = (self._mark.second or 0) * SECOND
                self._rest = b"".join(stamp(line.ns) + b" " + line.data for line in fresh if line.ns >= floor)
                if not self._rest and not fresh:
                    if not self._follow or script.ended:
                        return b""
                    script.changed.wait(5)
            size = script.chunk()
            data, self._rest = self._rest[:size], self._rest[size:]
            return data

    def close(self) -> None:
        """See ByteStream."""
        with self._script.changed:
            self.closed = True
            self._script.changed.notify_all()


@dataclass
class Script:
    """What a container wrote, as a Source. ``over`` may be known later than the end is."""

    lines: list[Line] = field(default_factory=list)
    ended: bool = False
    known: bool = False
    is_ready: bool = True
    text: bytes | None = None
    refusal: KubedockError | None = None
    chunk: Callable[[], int] = lambda: 1 << 16
    changed: threading.Condition = field(default_factory=threading.Condition)
    streams: list[Stream] = field(default_factory=list)
    opened: list[tuple[int | None, bool]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """See Source."""
        return "script"

    def ready(self) -> bool:
        """See Source."""
        return self.is_ready

    def over(self) -> bool:
        """See Source."""
        return self.known

    def saved(self) -> bytes | None:
        """See Source."""
        return self.text

    def is_saved(self) -> bool:
        """See Source."""
        return self.text is not None

    def amend(self, lines: Sequence[Line]) -> None:
        """See Source."""
        assert self.text is not None
        self.text += b"".join(stamp(line.ns) + b" " + line.data for line in lines)

    def open(self, mark: Mark, *, follow: bool) -> Stream:
        """See Source."""
        self.opened.append((mark.second, follow))
        if self.refusal is not None:
            raise self.refusal
        stream = Stream(self, mark, follow=follow)
        self.streams.append(stream)
        return stream

    def write(self, *lines: Line) -> None:
        """The container writes."""
        with self.changed:
            self.lines.extend(lines)
            self.changed.notify_all()

    def end(self) -> None:
        """The container ends, and the cluster knows it."""
        with self.changed:
            self.ended = self.known = True
            self.changed.notify_all()

    def cut(self) -> None:
        """All connections break."""
        with self.changed:
            for stream in self.streams:
                stream.cut = True
            self.changed.notify_all()

    def whole(self) -> bytes:
        """The log as the cluster shows it."""
        return b"".join(stamp(line.ns) + b" " + line.data for line in self.lines)


def line(second: float, text: str) -> Line:
    """A whole line."""
    return Line(int(second * SECOND), text.encode() + b"\n")


def numbered(count: int, *, start: int = 0, per_second: int = 100, size: int = 0) -> list[Line]:
    """Lines with numbers, many a second."""
    return [line(1 + number / per_second, f"{number:06d}" + "x" * size) for number in range(start, start + count)]


@contextmanager
def feeding(script: Script, begin: int | None = None) -> Iterator[LogFeed]:
    """A feed that reads the script; its thread ends with it."""
    before = set(threading.enumerate())
    feed = LogFeed(script, begin)
    feed.start()
    try:
        yield feed
    finally:
        feed.stop()
        assert left_behind(before) == []


def follow(feed: LogFeed, joined: Joined | None, follower: object = "one") -> list[Line]:
    """Everything to the end."""
    assert joined is not None
    number, found = joined.number, list[Line]()
    while lines := feed.take(follower, number, Cancel(), 20):
        number += len(lines)
        found += joined.after(lines)
    return found


def mark_after(lines: list[Line]) -> Mark:
    """The place behind these lines."""
    reader = LogReader()
    for each in lines:
        reader.note(each)
    return reader.mark


def test_all_followers_read_one_stream() -> None:
    """From the first line to the last."""
    script = Script(numbered(50))
    with feeding(script) as feed:
        joined = [feed.enter(number, START) for number in range(10)]
        results = [in_thread(lambda n=n, place=place: follow(feed, place, n)) for n, place in enumerate(joined)]  # type: ignore[misc]
        script.write(*numbered(50, start=50))
        eventually(lambda: len(script.streams) == 1)
        script.end()
        assert [result() for result in results] == [numbered(100)] * 10

    assert [follows for _, follows in script.opened].count(True) == 1


@pytest.mark.parametrize("given", [0, 1, 37, 99, 100])
def test_a_late_joiner_gets_what_it_lacks(given: int) -> None:
    """Its mark tells what it has."""
    script = Script(numbered(100))
    with feeding(script) as feed:
        first = feed.enter("first", START)
        eventually(lambda: feed._kept.end == 100)
        late = feed.enter("late", mark_after(numbered(given)))
        script.end()
        assert (follow(feed, first, "first"), follow(feed, late, "late")) == (numbered(100), numbered(100)[given:])


def test_a_mark_ahead_of_the_feed_is_waited_for() -> None:
    """A plain read may have been faster; what it gave is not given again."""
    script = Script(is_ready=False)
    with feeding(script) as feed:
        joined = feed.enter("early", mark_after(numbered(30)))
        script.is_ready = True
        script.write(*numbered(60))
        feed.wake()
        script.end()
        assert follow(feed, joined) == numbered(60)[30:]


def test_a_feed_that_began_later_says_so() -> None:
    """It has no line from before the second that it began with."""
    script = Script(numbered(300))
    with feeding(script, 2) as feed:
        assert feed.enter("start", START) is None
        assert feed.enter("before", Mark(1)) is None
        since = feed.enter("since", Mark(2))
        later = feed.enter("later", mark_after(numbered(250)))
        script.end()
        assert (follow(feed, since, "since"), follow(feed, later, "later")) == (numbered(300)[100:], numbered(300)[250:])


def test_who_falls_behind_is_told_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a plain read of what the feed no longer has; a fast follower is not held up."""
    monkeypatch.setattr(module, "BUFFER", 4096)
    script = Script(numbered(10))
    with feeding(script) as feed:
        slow, fast = feed.enter("slow", START), feed.enter("fast", START)
        assert slow is not None
        eventually(lambda: feed._kept.end == 10)
        found = slow.after(feed.take("slow", slow.number, Cancel(), 5))
        reading = in_thread(lambda: follow(feed, fast, "fast"))
        script.write(*numbered(990, start=10))
        eventually(lambda: feed._kept.end == 1000)
        with pytest.raises(Behind):
            feed.take("slow", slow.number + 10, Cancel(), 5)
        assert feed.enter("slow", mark_after(found)) is None
        found += lines_after(script.whole(), mark_after(found))
        again = feed.enter("slow", mark_after(found))
        script.write(*numbered(10, start=1000))
        script.end()
        found += follow(feed, again, "slow")
        assert (found, reading()) == (numbered(1010), numbered(1010))


def test_a_feed_waits_for_its_fastest_follower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is let go that nobody has read."""
    monkeypatch.setattr(module, "BUFFER", 4096)
    script = Script()
    with feeding(script) as feed:
        joined = feed.enter("only", START)
        script.write(*numbered(1000))
        script.end()
        assert joined is not None
        eventually(lambda: feed._kept.size > 4000)
        taken = joined.after(feed.take("only", joined.number, Cancel(), 5))
        assert 0 < len(taken) < 100
        found = taken + follow(feed, Joined(joined.number + len(taken), joined.after), "only")
        assert found == numbered(1000)


class Restless:
    """A follower that now and then reads by itself, stops anywhere, and comes back to the feed."""

    def __init__(self, feed: LogFeed, script: Script, pace: float) -> None:
        self._feed, self._script, self._pace = feed, script, pace
        self._chance = random.Random(pace)
        self._mark = START
        self.found: list[Line] = []

    def run(self) -> bytes:
        """All that it has read."""
        while (joined := self._feed.enter(self, self._mark)) is None or self._from_feed(joined):
            self._by_itself()
        return b"".join(each.data for each in self.found)

    def _from_feed(self, joined: Joined) -> bool:
        """True when it has fallen behind."""
        tracker, number = LogReader(self._mark), joined.number
        try:
            while taken := self._feed.take(self, number, Cancel(), 20):
                number += len(taken)
                passed = joined.after(taken)
                self.found += passed
                for each in passed:
                    tracker.note(each)
                threading.Event().wait(self._pace * self._chance.random())
        except Behind:
            self._mark = tracker.mark
            return True
        return False

    def _by_itself(self) -> None:
        reader, left = LogReader(self._mark), self._chance.randint(1, 60)
        stream = Stream(self._script, self._mark, follow=False)
        while left and (data := stream.read()):
            lines = [*reader.feed(data)]
            self.found += lines
            left -= bool(lines)
        self._mark = reader.mark


@pytest.mark.parametrize("seed", range(8))
def test_anything_may_happen_and_no_line_is_lost_or_repeated(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Long lines in pieces, cuts at any byte, followers of any pace, marks in the middle of lines."""
    for name, value in (("BUFFER", 8192), ("PAUSE", 0.001), ("GRACE", 0.01)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("kubedock.streams.logs.MAX_PIECE", 300)
    chance = random.Random(seed)
    script = Script(chunk=lambda: chance.randint(1, 2000))
    per_second = chance.choice((3, 50, 2000))
    lines = [line(1 + number / per_second, f"{number}" + "y" * chance.choice((0, 10, 900, 3000))) for number in range(200)]

    with feeding(script) as feed:
        results = [in_thread(Restless(feed, script, pace).run) for pace in (0.0, 0.001, 0.005)]
        for number in range(0, 200, 10):
            script.write(*lines[number : number + 10])
            if chance.random() < 0.4:
                script.cut()
            threading.Event().wait(0.002)
        script.end()
        whole = b"".join(each.data for each in lines)
        assert [result() == whole for result in results] == [True] * 3


def test_a_cut_stream_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second before its newest line, without what was given."""
    monkeypatch.setattr(module, "PAUSE", 0.01)
    script = Script(numbered(250))
    with feeding(script) as feed:
        joined = feed.enter("one", START)
        eventually(lambda: feed._kept.end == 250)
        script.cut()
        script.write(*numbered(50, start=250))
        eventually(lambda: feed._kept.end == 300)
        script.end()
        assert follow(feed, joined) == numbered(300)
    assert script.opened[:2] == [(None, True), (2, True)]


def test_an_outage_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it is."""
    monkeypatch.setattr(module, "PAUSE", 0.01)
    script = Script(numbered(3), refusal=CUT)
    with feeding(script) as feed:
        joined = feed.enter("one", START)
        eventually(lambda: len(script.opened) > 10)
        script.refusal = None
        script.end()
        assert follow(feed, joined) == numbered(3)


def test_a_stream_that_ends_before_its_container_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is only believed when the cluster knows it."""
    monkeypatch.setattr(module, "GRACE", 0.01)
    script = Script(numbered(3), ended=True)
    with feeding(script) as feed:
        joined = feed.enter("one", START)
        eventually(lambda: len(script.opened) > 2)
        script.write(*numbered(3, start=3))
        script.end()
        assert follow(feed, joined) == numbered(6)
        eventually(lambda: feed.complete)
    assert script.opened[-1][1] is False


@pytest.mark.parametrize("rest", [b"23\n", b""])
def test_a_last_stream_that_ends_within_a_line_is_read_on_once(rest: bytes) -> None:
    """It may have broken; where that was all, nothing more is asked."""
    script = Script([line(1, "one"), Line(2 * SECOND, b"1")], ended=True, known=True)
    opened = script.open

    def open_and_write(mark: Mark, *, follow: bool) -> Stream:
        stream = opened(mark, follow=follow)
        if len(script.opened) == 2:  # what was in the cluster from the first was given too late
            script.lines[1] = Line(2 * SECOND, b"1" + rest)
        return stream

    script.open = open_and_write  # type: ignore[method-assign]
    with feeding(script) as feed:
        joined = feed.enter("one", START)
        assert b"".join(each.data for each in follow(feed, joined)) == b"one\n1" + rest
    assert [follow for _, follow in script.opened] == [False, False]


def test_a_saved_text_ends_the_log() -> None:
    """The pod is gone; what the stream did not give comes from there, once the end is known."""
    script = Script(numbered(100))
    with feeding(script) as feed:
        joined = feed.enter("one", START)
        eventually(lambda: feed._kept.end == 100)
        script.lines = numbered(130)
        script.text, script.refusal = script.whole(), NotFound("gone")
        script.cut()
        eventually(lambda: len(script.opened) > 1)
        assert not feed.ended
        script.known = True
        feed.wake()
        assert follow(feed, joined) == numbered(130)
    assert feed.failure is None


def test_what_a_pod_writes_after_it_was_taken_away_is_not_given() -> None:
    """The saved text is what the container wrote. Lines that were given meanwhile become part of it."""
    script = Script(numbered(100))
    saved = script.whole()
    with feeding(script) as feed:
        joined = feed.enter("one", START)
        script.write(*numbered(3, start=100))
        eventually(lambda: feed._kept.end == 103)
        script.text, script.known = saved, True
        feed.wake()
        assert follow(feed, joined) == numbered(103)
        script.write(*numbered(3, start=103))
    assert lines_after(script.text, START) == numbered(103)
    assert all(stream.closed for stream in script.streams)


@pytest.mark.parametrize(("refusal", "failure"), [(NotFound("gone"), None), (Forbidden("no right"), Forbidden)])
def test_a_log_that_cannot_be_had_ends(refusal: KubedockError, failure: type[KubedockError] | None) -> None:
    """A missing right is told, a pod that is gone is the end."""
    script = Script(refusal=refusal)
    with feeding(script) as feed:
        assert follow(feed, feed.enter("one", START)) == []
        assert (type(feed.failure) if feed.failure else None) == failure


def test_a_log_that_is_refused_ends_only_with_its_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet may not be ready yet, or have it no more."""
    monkeypatch.setattr(module, "PAUSE", 0.001)
    script = Script(refusal=InvalidParameter("waiting to start"))
    with feeding(script) as feed:
        joined = feed.enter("one", START)
        eventually(lambda: len(script.opened) > 2 * module.REFUSALS)
        assert not feed.ended
        script.known = True
        feed.wake()
        assert follow(feed, joined) == []


def test_nothing_is_asked_before_the_log_is_ready() -> None:
    """The cluster would refuse it."""
    script = Script(numbered(1), is_ready=False)
    with feeding(script) as feed:
        joined = feed.enter("one", START)
        feed.wake()
        assert feed.take("one", 0, Cancel(), 0.05) == []
        assert script.opened == []
        script.is_ready = True
        feed.wake()
        script.end()
        assert follow(feed, joined) == numbered(1)


def test_a_cancelled_follower_leaves_at_once() -> None:
    """Others go on."""
    script, cancel = Script(), Cancel()
    with feeding(script) as feed:
        cancel.on_cancel(feed.wake)
        joined = feed.enter("other", START)
        waiting = in_thread(lambda: feed.take("one", 0, cancel))
        cancel.set("client gone")
        assert waiting() == []
        feed.leave("one")
        script.write(*numbered(1))
        script.end()
        assert follow(feed, joined) == numbered(1)


# --- LogFeeds --------------------------------------------------------------------------------------------------------


def test_one_feed_a_segment_and_none_without_followers() -> None:
    """The last one to leave ends it, and a later one begins a new one."""
    before, feeds, script = set(threading.enumerate()), LogFeeds(), Script(numbered(3))
    first, _ = feeds.follow("id", 1, "a", script)
    second, joined = feeds.follow("id", 1, "b", script)
    other, _ = feeds.follow("id", 2, "a", Script())
    eventually(lambda: first._kept.end == 3)
    assert first is second
    assert other is not first
    feeds.leave("id", 1, "a")
    assert not first.ended
    script.end()
    assert follow(first, joined) == numbered(3)
    feeds.leave("id", 1, "b")
    third, _ = feeds.follow("id", 1, "c", Script())
    assert third is not first
    feeds.leave("id", 1, "c")
    feeds.leave("id", 2, "a")
    assert left_behind(before) == []
    assert feeds._feeds == {}


def test_a_stop_ends_all_feeds() -> None:
    """Their followers see the end."""
    before, feeds = set(threading.enumerate()), LogFeeds()
    feed, _ = feeds.follow("id", 1, "a", Script(numbered(3)))
    feeds.follow("id", 2, "a", Script(is_ready=False))
    eventually(lambda: feed._kept.end == 3)
    waiting = in_thread(lambda: feed.take("a", 3, Cancel()))
    feeds.stop()
    assert waiting() == []
    assert left_behind(before) == []


def test_a_change_wakes_the_feeds_of_its_container() -> None:
    """By the short id."""
    feeds, script = LogFeeds(), Script(numbered(1), is_ready=False)
    feed, joined = feeds.follow("0123456789abcdef", 1, "a", script)
    script.is_ready = True
    feeds.wake("ffff")
    assert script.opened == []
    feeds.wake("0123456789ab")
    script.end()
    assert follow(feed, joined) == numbered(1)
    feeds.stop()


def test_where_no_thread_can_be_started_nobody_follows() -> None:
    """It is told at once, and who comes later begins anew."""
    feeds, script, follower = LogFeeds(), Script(numbered(3), ended=True, known=True), object()

    with none_left("logs-"), refused(Unavailable, "the log cannot be followed: can't start new thread"):
        feeds.follow("id", 1, follower, script)
    feed, joined = feeds.follow("id", 1, follower, script)

    assert follow(feed, joined, follower) == script.lines
    feeds.stop()
