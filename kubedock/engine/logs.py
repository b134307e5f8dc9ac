"""A container's output: ``logs`` and ``attach``.

What was written by earlier runs comes from the archive, what is being written from the container's one feed. A
follower goes from segment to segment (a run; for a Deployment also each of the kubelet's restarts) until the
container has ended for good.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime

from kubedock.background.logfeed import Behind, lines_after
from kubedock.cluster import ByteStream, LogOptions
from kubedock.domain.container import ContainerRecord
from kubedock.domain.status import Observed
from kubedock.engine.attaching import live_output
from kubedock.engine.core import Core
from kubedock.engine.lifecycle import Lifecycle
from kubedock.errors import Conflict, InvalidParameter, NotFound, NotImplemented, Unavailable
from kubedock.state.archive import Segment
from kubedock.streams.cancel import Cancel
from kubedock.streams.logs import START, Line, LogReader, Mark, stamp

STDOUT = 1
TRIES = 5
READY_SECONDS = 2.0

Chunk = tuple[int, bytes]
Batch = Sequence[Chunk]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What of a log is wanted. ``tail`` None: all of it."""

    stdout: bool = False
    stderr: bool = False
    follow: bool = False
    since: datetime | None = None
    until: datetime | None = None
    timestamps: bool = False
    tail: int | None = None


@dataclass(frozen=True, slots=True)
class AttachQuery:
    """What to attach: ``stream`` for what comes from now on, ``logs`` for what was before."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    stream: bool = False
    logs: bool = False


class Output:
    """Batches of (stream number, bytes), an empty batch to flush; ``close`` when no more is wanted."""

    def __init__(self, tty: bool, batches: Generator[Batch, None, None], release: ExitStack) -> None:  # noqa: FBT001
        self.tty = tty
        self._batches, self._release = batches, release

    def __iter__(self) -> Iterator[Batch]:
        """Itself."""
        return self

    def __next__(self) -> Batch:
        """The next batch."""
        return next(self._batches)

    def close(self) -> None:
        """Nobody reads any more."""
        self._batches.close()
        self._release.close()


class Logs:
    """The use cases ``logs`` and ``attach``."""

    def __init__(self, core: Core, lifecycle: Lifecycle) -> None:
        self._core, self._lifecycle = core, lifecycle

    def read(self, ref: str, query: LogQuery, cancel: Cancel) -> Output:
        """The log. InvalidParameter where no stream is chosen."""
        if not (query.stdout or query.stderr):
            raise InvalidParameter("Bad parameters: you must choose at least one stream")
        record = self._core.containers.find(ref)
        return self._output(record, _Follower(self._core, record, query, cancel).batches())

    def attach(self, ref: str, query: AttachQuery, cancel: Cancel) -> Output:
        """The output from now on, or from the next start on for a container that does not run."""
        record = self._core.containers.find(ref)
        if query.stdin and record.spec.open_stdin:
            raise NotImplemented("kubedock cannot attach a container's stdin yet: use docker run without -i, or docker logs -f")
        if record.spec.tty and query.stream:
            raise NotImplemented("kubedock cannot attach to a container's terminal yet: use docker run -d with docker logs -f")
        if record.restarting:
            raise Conflict(f"Container {record.id} is restarting, wait until the container is running")
        log = LogQuery(stdout=query.stdout, stderr=query.stderr, follow=query.stream)
        if not query.stream:
            batches = _Follower(self._core, record, log, cancel).batches() if query.logs else _nothing()
        elif record.alive and record.started_at is not None and not query.logs:
            batches = live_output(self._core, record, cancel, stdout=query.stdout, stderr=query.stderr)
        else:
            batches = _Follower(self._core, record, log, cancel).one_run(history=query.logs)
        self._lifecycle.publish(record, "attach")
        return self._output(record, batches)

    def _output(self, record: ContainerRecord, batches: Generator[Batch, None, None]) -> Output:
        release = ExitStack()
        release.enter_context(self._core.sessions.reading(record.id))
        return Output(record.spec.tty, batches, release)


def _nothing() -> Generator[Batch, None, None]:
    yield ()


@dataclass(frozen=True, slots=True)
class SegmentSource:
    """Where one segment's log comes from: the pod while it is there, then the archive."""

    core: Core
    container_id: str
    segment: Segment

    @property
    def name(self) -> str:
        """For thread names."""
        return f"{self.container_id[:12]}-r{self.segment.run}.{self.segment.instance}"

    def ready(self) -> bool:
        """The cluster can give the log by now."""
        observed = self._observed()
        return self.over() or (observed is not None and observed.log_ready)

    def over(self) -> bool:
        """The container of this segment has ended."""
        record = self.core.containers.get(self.container_id)
        if record is None or record.run != self.segment.run or record.outcome is not None:
            return True
        if record.spec.workload == "deployment":
            return record.restart_count > self.segment.instance
        return False

    def open(self, mark: Mark, *, follow: bool, tail: int | None = None) -> ByteStream:
        """Its log from the cluster; NotFound when its pod is gone."""
        observed = self._observed()
        record = self.core.containers.get(self.container_id)
        if observed is None or observed.deleted or record is None:
            raise NotFound(f"the log of {self.name} is gone with its pod")
        previous = record.spec.workload == "deployment" and record.restart_count == self.segment.instance + 1
        options = LogOptions(follow=follow, since=mark.since, tail=tail, previous=previous)
        return self.core.cluster.logs(observed.pod, options)

    def saved(self) -> bytes | None:
        """The archived text."""
        return self.core.archive.get(self.container_id, self.segment)

    def _observed(self) -> Observed | None:
        return self.core.watcher.observed(self.container_id[:12], self.segment.run)


class _Follower:
    """One reader of one container's log."""

    def __init__(self, core: Core, record: ContainerRecord, query: LogQuery, cancel: Cancel) -> None:
        self._core, self._record, self._query, self._cancel = core, record, query, cancel
        self._until_ns = _ns(query.until)
        self._since_ns = _ns(query.since)

    def batches(self) -> Generator[Batch, None, None]:
        """History as asked, then (with ``follow``) what comes until the container has ended."""
        yield ()
        if not self._query.stdout:
            yield from self._silence()
            return
        segment: Segment | None = None
        place = START
        if self._query.tail is not None:
            lines, segment, place = self._tail(self._query.tail)
            yield from self._render(lines)
        else:
            for earlier in self._finished():
                yield from self._render(self._text(earlier))
            segment = self._current()
        while segment is not None:
            yield from self._segment(segment, place)
            if not self._query.follow or self._cancel.reason is not None or self._past_until():
                return
            segment, place = self._next(segment), START
        if self._query.follow and self._record.run == 0:
            first = self._next(Segment(0))
            while first is not None:
                yield from self._segment(first, START)
                first = self._next(first)

    def one_run(self, *, history: bool) -> Generator[Batch, None, None]:
        """For attach: all of the next run's output (of this run's where it has begun), to its end."""
        yield ()
        record = self._record
        if history:
            for earlier in self._finished():
                yield from self._render(self._text(earlier))
        segment = self._current() if record.alive else self._next(Segment(record.run, 1 << 30), waiting=True)
        if segment is None:
            return
        if self._query.stdout:
            yield from self._segment(segment, START)
        else:
            self._wait(lambda: SegmentSource(self._core, record.id, segment).over())

    # --- segments --------------------------------------------------------------------------------------------------

    def _finished(self) -> list[Segment]:
        current = self._current()
        return [saved for saved in self._core.archive.segments(self._record.id) if current is None or saved < current]

    def _current(self) -> Segment | None:
        record = self._core.containers.get(self._record.id) or self._record
        if record.run == 0:
            return None
        return Segment(record.run, record.restart_count if record.spec.workload == "deployment" else 0)

    def _next(self, after: Segment, *, waiting: bool = False) -> Segment | None:
        """The segment that follows, waiting for it while the container may come back; None at the end.

        ``waiting``: also while it does not run at all (attach and follow before the start).
        """
        found: list[Segment] = []

        def decided() -> bool:
            record = self._core.containers.get(self._record.id)
            if record is None:
                return True
            current = self._current()
            if current is not None and current > after:
                found.append(current)
                return True
            if record.run == 0:
                return False
            if waiting:
                return record.removing or (record.run > self._record.run and record.outcome is not None)
            return record.outcome is not None and not record.restarting

        self._wait(decided)
        return found[-1] if found and self._cancel.reason is None else None

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

    def _segment(self, segment: Segment, place: Mark) -> Iterator[Batch]:
        source = SegmentSource(self._core, self._record.id, segment)
        if self._query.follow:
            yield from self._follow(source, segment, place)
            return
        self._wait(source.ready, READY_SECONDS)
        if source.ready() or source.saved() is not None:
            reader = _Plain(source, self._place(place), self._cancel)
            for lines in reader.lines():
                yield from self._render(lines)

    def _place(self, place: Mark) -> Mark:
        if place == START and self._query.since is not None:
            return Mark(int(self._query.since.timestamp()))
        return place

    def _follow(self, source: SegmentSource, segment: Segment, place: Mark) -> Iterator[Batch]:
        place = self._place(place)
        feed = self._core.feeds.follow(self._record.id, segment, self, source, place)
        take_back = self._cancel.on_cancel(feed.wake)
        try:
            number = feed.join_at(self, place)
            while self._cancel.reason is None and not self._past_until():
                if number is None:
                    plain = _Plain(source, place, self._cancel)
                    for lines in plain.lines():
                        yield from self._render(lines)
                    place = plain.mark
                    number = feed.join_at(self, place)
                    if number is None and feed.ended:
                        return
                    continue
                tracker = LogReader(place)
                try:
                    while lines := feed.take(self, number, self._cancel, self._left()):
                        number += len(lines)
                        for line in lines:
                            tracker.note(line)
                        yield from self._render(lines)
                    if feed.ended or self._cancel.reason is not None:
                        return
                except Behind:
                    place, number = tracker.mark, None
        finally:
            take_back()
            self._core.feeds.leave(self._record.id, segment, self)

    def _text(self, segment: Segment) -> list[Line]:
        return lines_after(self._core.archive.get(self._record.id, segment) or b"", START)

    def _tail(self, count: int) -> tuple[list[Line], Segment | None, Mark]:
        """The last lines over all segments, and where to go on.

        A follower reads the whole of what is there: where it goes on is only known exactly after that.
        """
        current = self._current()
        lines: deque[Line] = deque(maxlen=count)
        place = START
        if current is not None:
            source = SegmentSource(self._core, self._record.id, current)
            self._wait(source.ready, READY_SECONDS)
            plain = _Plain(source, START, self._cancel, tail=None if self._query.follow else count)
            for batch in plain.lines():
                lines.extend(batch)
            place = plain.mark
        found = list(lines)
        for segment in reversed(self._finished()):
            missing = count - sum(line.begins for line in found)
            if missing <= 0:
                break
            found = self._text(segment)[-missing:] + found
        return found, current if self._query.follow else None, place

    # --- what the client sees --------------------------------------------------------------------------------------

    def _render(self, lines: Sequence[Line]) -> Iterator[Batch]:
        batch: list[Chunk] = []
        for line in lines:
            if self._since_ns is not None and line.ns < self._since_ns:
                continue
            if self._until_ns is not None and line.ns > self._until_ns:
                continue
            head = stamp(line.ns) + b" " if self._query.timestamps and line.begins else b""
            batch.append((STDOUT, head + line.data))
        if batch:
            yield batch

    def _silence(self) -> Iterator[Batch]:
        """stderr alone: the cluster does not tell the streams apart, so all of it is stdout."""
        if self._query.follow:
            self._wait(
                lambda: (
                    (r := self._core.containers.get(self._record.id)) is None or (r.run > 0 and not r.alive and not r.restarting)
                )
            )
        return iter(())

    def _left(self) -> float | None:
        if self._query.until is None:
            return None
        left = self._query.until.timestamp() - time.time()
        return max(0.0, left) if left < 1e6 else None

    def _past_until(self) -> bool:
        return self._query.until is not None and self._query.until.timestamp() < time.time()


class _Plain:
    """Reads what is there of a segment, going on after breaks."""

    def __init__(self, source: SegmentSource, mark: Mark, cancel: Cancel, tail: int | None = None) -> None:
        self._source, self.mark, self._cancel, self._tail = source, mark, cancel, tail

    def lines(self) -> Iterator[list[Line]]:
        saved = self._source.saved()
        tries = 0
        while self._cancel.reason is None:
            if saved is not None:
                reader = LogReader(self.mark)
                lines = lines_after(saved, self.mark)
                for line in lines:
                    reader.note(line)
                self.mark = reader.mark
                yield lines
                return
            reader = LogReader(self.mark)
            try:
                stream = self._source.open(self.mark, follow=False, tail=self._tail if self.mark == START else None)
                take_back = self._cancel.on_cancel(stream.close)
                with closing(stream):
                    try:
                        while data := stream.read():
                            yield list(reader.feed(data))
                            self.mark = reader.mark
                    finally:
                        take_back()
                yield list(reader.end())
                self.mark = reader.mark
                return
            except NotFound:
                saved = self._source.saved()
                if saved is None:
                    return
            except InvalidParameter:
                return
            except Unavailable:
                tries += 1
                if tries >= TRIES:
                    raise


def _ns(at: datetime | None) -> int | None:
    if at is None:
        return None
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000
