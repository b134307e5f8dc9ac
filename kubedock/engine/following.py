"""One reader of one container's log: history, and what comes, from segment to segment.

A segment is a run, for a Deployment also each of the kubelet's restarts. What was written by earlier ones comes from the
archive, what is being written from the container's one feed.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from kubedock.background.logfeed import Behind, Joined, LogFeed, lines_after
from kubedock.domain.container import ContainerRecord
from kubedock.engine.core import Core
from kubedock.engine.segments import PlainRead, SegmentSource, current_segment
from kubedock.state.archive import Segment
from kubedock.streams.cancel import Cancel
from kubedock.streams.logs import START, Line, LogReader, Mark, last_lines, stamp

STDOUT = 1
READY_SECONDS = 2.0
SPIN = 0.3
LATE = 0.5
"""Seconds that a follower with ``until`` gives to lines that are still on their way."""
FOREVER = 1e6
BILLION = 1_000_000_000
_EVERY_INSTANCE = 1 << 30

Chunk = tuple[int, bytes]
Batch = Sequence[Chunk]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What of a log is wanted: lines from ``since`` to ``until`` (nanoseconds since 1970). ``tail`` None: all of it."""

    stdout: bool = False
    stderr: bool = False
    follow: bool = False
    since: int | None = None
    until: int | None = None
    timestamps: bool = False
    tail: int | None = None


class Follower:
    """Reads a container's log for one client; use it once."""

    def __init__(self, core: Core, record: ContainerRecord, query: LogQuery, cancel: Cancel) -> None:
        self._core, self._record, self._query, self._cancel = core, record, query, cancel
        self._beyond = False  # a line from after ``until`` has come
        self._follow = query.follow and not self._too_late(0.0)

    def batches(self) -> Generator[Batch, None, None]:
        """History as asked, then (with ``follow``) what comes until the container has ended."""
        yield ()
        if not self._query.stdout:
            self._silence()
            return
        current = self._current()
        place = START
        if self._query.tail is None:
            for earlier in self._finished(current):
                yield from self._render(self._text(earlier))
        elif current is not None:
            lines, place = self._tail(current, self._query.tail)
            yield from self._render(lines)
            if not self._follow:
                return
        if not self._follow:
            if current is not None:
                yield from self._once(current)
            return
        segment = self._next(Segment(0)) if current is None else current
        while segment is not None and not self._done():
            yield from self._segment(segment, place)
            segment, place = (None, START) if self._done() else (self._next(segment), START)

    def one_run(self, *, history: bool) -> Generator[Batch, None, None]:
        """For attach: all of the next run's output (of this run's where it has begun), to its end."""
        yield ()
        record = self._record
        if history:
            for earlier in self._finished(current_segment(record) if record.alive else None):
                yield from self._render(self._text(earlier))
        segment = self._current() if record.alive else self._next(Segment(record.run, _EVERY_INSTANCE), waiting=True)
        if segment is None:
            return
        if self._query.stdout:
            yield from self._segment(segment, START)
        else:
            self._wait(self._source(segment).over)

    # --- segments --------------------------------------------------------------------------------------------------

    def _source(self, segment: Segment) -> SegmentSource:
        return SegmentSource(self._core, self._record.id, segment)

    def _current(self) -> Segment | None:
        return current_segment(self._core.containers.get(self._record.id) or self._record)

    def _finished(self, before: Segment | None) -> list[Segment]:
        return [saved for saved in self._core.archive.segments(self._record.id) if before is None or saved < before]

    def _next(self, after: Segment, *, waiting: bool = False) -> Segment | None:
        """The segment that follows, waiting for it while the container may come back; None at the end.

        ``waiting``: also while it does not run at all (attach before the start). None is left out, however many have
        come and gone while a slow client read the one before.
        """
        found: list[Segment] = []

        def decided() -> bool:
            record = self._core.containers.get(self._record.id)
            if record is None:
                return True
            current = current_segment(record)
            if current is not None and current > after:
                found.append(self._soonest(after, current))
                return True
            if record.run == 0:
                return record.removing
            if waiting:
                return record.removing or (record.run > self._record.run and record.outcome is not None)
            return record.outcome is not None and not record.restarting

        self._wait(decided)
        return found[0] if found and self._cancel.reason is None else None

    def _soonest(self, after: Segment, current: Segment) -> Segment:
        if current.run == after.run:
            return Segment(after.run, after.instance + 1)
        return min([current, *(saved for saved in self._core.archive.segments(self._record.id) if saved > after)])

    def _wait(self, decided: Callable[[], bool], seconds: float | None = None) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._core.bell.listening(self._record.id) as changed:
            take_back = self._cancel.on_cancel(changed.set)
            try:
                while self._cancel.reason is None and not decided():
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return
                    changed.wait(left)
                    changed.clear()
            finally:
                take_back()

    # --- one segment -----------------------------------------------------------------------------------------------

    def _once(self, segment: Segment) -> Iterator[Batch]:
        """What is there of it now."""
        source = self._source(segment)
        self._wait(source.ready, READY_SECONDS)
        for lines in PlainRead(source, self._place(START), self._cancel):
            yield from self._render(lines)

    def _segment(self, segment: Segment, place: Mark) -> Iterator[Batch]:
        """All of it from ``place`` on, to its end."""
        source, place = self._source(segment), self._place(place)
        feed, joined = self._core.feeds.follow(self._record.id, segment, self, source, place)
        take_back = self._cancel.on_cancel(feed.wake)
        try:
            while not self._done():
                if joined is None:
                    ended = feed.ended
                    place = yield from self._catch_up(source, place)
                    if ended:
                        break
                else:
                    behind = yield from self._from_feed(feed, joined, place)
                    if behind is None:
                        break
                    place = behind
                joined = feed.enter(self, place)
            if feed.failure is not None and not self._done():
                raise feed.failure
        finally:
            take_back()
            self._core.feeds.leave(self._record.id, segment, self)

    def _catch_up(self, source: SegmentSource, place: Mark) -> Generator[Batch, None, Mark]:
        """What the feed has no more, by a read of its own; the place behind it."""
        self._wait(source.ready, self._left())
        plain = PlainRead(source, place, self._cancel, patient=True)
        for lines in plain:
            yield from self._render(lines)
        if plain.mark == place:
            self._wait(lambda: False, SPIN)
        return plain.mark

    def _from_feed(self, feed: LogFeed, joined: Joined, place: Mark) -> Generator[Batch, None, Mark | None]:
        """What comes; None at the end, else the place from which on the feed has lost lines that this follower lacks."""
        tracker, number = LogReader(place), joined.number
        try:
            while not self._done() and (lines := feed.take(self, number, self._cancel, self._left())):
                number += len(lines)
                passed = joined.after(lines)
                for line in passed:
                    tracker.note(line)
                yield from self._render(passed)
        except Behind:
            return tracker.mark
        return None

    def _place(self, place: Mark) -> Mark:
        if place == START and self._query.since is not None:
            return Mark(self._query.since // BILLION)
        return place

    def _text(self, segment: Segment) -> list[Line]:
        return lines_after(self._core.archive.get(self._record.id, segment) or b"", START)

    def _tail(self, current: Segment, count: int) -> tuple[list[Line], Mark]:
        """The last lines over all segments, and where to go on.

        A follower reads the whole of what is there: where it goes on is only known exactly after that.
        """
        source = self._source(current)
        self._wait(source.ready, READY_SECONDS)
        plain = PlainRead(source, START, self._cancel, tail=None if self._follow else count, patient=self._follow)
        found: list[Line] = []
        for batch in plain:
            found = last_lines([*found, *batch], count)
        for segment in reversed(self._finished(current)):
            missing = count - sum(line.begins for line in found)
            if missing <= 0:
                break
            found = last_lines(self._text(segment), missing) + found
        return found, plain.mark

    # --- what the client sees --------------------------------------------------------------------------------------

    def _render(self, lines: Sequence[Line]) -> Iterator[Batch]:
        batch: list[Chunk] = []
        for line in lines:
            if self._query.since is not None and line.ns < self._query.since:
                continue
            if self._query.until is not None and line.ns > self._query.until:
                self._beyond = True
                continue
            head = stamp(line.ns) + b" " if self._query.timestamps and line.begins else b""
            batch.append((STDOUT, head + line.data))
        if batch:
            yield batch

    def _silence(self) -> None:
        """stderr alone: the cluster does not tell the streams apart, so all of it is stdout."""
        if self._follow:
            self._wait(self._has_ended, self._left())

    def _has_ended(self) -> bool:
        record = self._core.containers.get(self._record.id)
        return record is None or (record.run > 0 and not record.alive and not record.restarting)

    def _done(self) -> bool:
        return self._cancel.reason is not None or self._beyond or self._too_late(LATE)

    def _too_late(self, grace: float) -> bool:
        return self._query.until is not None and self._query.until / BILLION + grace < time.time()

    def _left(self) -> float | None:
        if self._query.until is None:
            return None
        left = self._query.until / BILLION + LATE - time.time()
        return max(0.0, left) if left < FOREVER else None
