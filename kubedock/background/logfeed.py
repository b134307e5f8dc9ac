"""One log stream from the cluster per container that is followed, whoever and how many follow it.

A feed reads a segment's log in a thread of its own and keeps its newest lines; followers read from there at their own
pace. Who comes late or falls behind reads what it lacks from the cluster by a plain read and joins again: places in a
log (``streams.logs.Mark``) make that exact. The feed waits while even its fastest follower is behind, so a single slow
client slows the reading and nothing is thrown away under it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple, Protocol

from kubedock.cluster import ByteStream
from kubedock.errors import Forbidden, InvalidParameter, KubedockError, NotFound, System, Unavailable
from kubedock.streams.cancel import Cancel
from kubedock.streams.logs import START, After, Line, LogReader, Mark, last_lines

logger = logging.getLogger(__name__)

BUFFER = 1 << 20
PAUSE = 0.5
GRACE = 2.0
REFUSALS = 6
"""So often in a row the log of an ended container may be refused before it counts as lost."""
_OVERHEAD = 64
_SECONDS_KEPT = 8
_BILLION = 1_000_000_000


class Source(Protocol):
    """The log of one segment as a feed needs it (``engine.segments`` makes them)."""

    @property
    def name(self) -> str:
        """For thread names and the log."""

    def ready(self) -> bool:
        """The cluster can give the log by now."""

    def over(self) -> bool:
        """The cluster knows that the container has ended: a log read from now on is the whole of it."""

    def open(self, mark: Mark, *, follow: bool) -> ByteStream: ...

    def saved(self) -> bytes | None:
        """The whole text where it was saved, else None."""

    def is_saved(self) -> bool:
        """The same, told without reading it."""

    def amend(self, lines: Sequence[Line]) -> None:
        """These lines came after the text was saved: they belong to it."""


class Behind(Exception):
    """The feed no longer has the line that this follower needs next."""


class Joined(NamedTuple):
    """Where a follower goes on in a feed: ``number`` is the line to take first, ``after`` lets pass what it lacks."""

    number: int
    after: After


class _Kept:
    """The newest lines, and what must be known of those that were let go to place a mark among them."""

    def __init__(self, begin: int | None) -> None:
        """``begin`` is the second that the log was read from."""
        self.lines: deque[Line] = deque()
        self.first = 0  # the number of the oldest line that is kept
        self.size = 0
        self._begin = begin
        self._gone: dict[int, int] = {}  # how many lines of a second were let go, for all seconds from _known on
        self._known: int | None = begin
        self._cut = 0  # bytes let go of the line that the oldest kept piece belongs to

    @property
    def end(self) -> int:
        """The number of the next line to come."""
        return self.first + len(self.lines)

    def has_room(self, line: Line) -> bool:
        """None has to go for it."""
        return not self.lines or self.size + len(line.data) + _OVERHEAD <= BUFFER

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.size += len(line.data) + _OVERHEAD
        while self.size > BUFFER and len(self.lines) > 1:
            self._let_go(self.lines.popleft())

    def _let_go(self, line: Line) -> None:
        self.first += 1
        self.size -= len(line.data) + _OVERHEAD
        second = line.ns // _BILLION
        if line.begins:
            self._cut = 0
            self._gone[second] = self._gone.get(second, 0) + 1
            if len(self._gone) > _SECONDS_KEPT:
                self._known = max(self._gone) - _SECONDS_KEPT // 2
                self._gone = {key: count for key, count in self._gone.items() if key >= self._known}
        self._cut += len(line.data)
        if not self.lines or self.lines[0].begins:
            self._cut = 0

    def after(self, mark: Mark) -> After | None:
        """What lets pass the lines after a mark; None when some of them were let go, or never read."""
        if mark.second is None:
            if self._begin is not None or self.first:
                return None
            return After(mark)
        if self._known is not None and mark.second < self._known:
            return None
        gone = sum(count for second, count in self._gone.items() if second >= mark.second)
        left = mark.skip - gone
        if left >= 0:
            return After(Mark(mark.second, ((mark.second, left),), mark.offset))
        if left == -1 and self._cut and mark.offset >= self._cut:  # the mark lies in the line that the oldest piece belongs to
            return After(Mark(mark.second, (), mark.offset - self._cut), inside=True)
        return None


class LogFeed:
    """The lines of one segment as they come. Start it once; it ends with the log, or when nobody follows any more."""

    def __init__(self, source: Source, begin: int | None = None) -> None:
        """Read from the second ``begin`` on; None is the log's start."""
        self._source = source
        self._cond = threading.Condition()
        self._kept = _Kept(begin)
        self._mark = Mark(begin)
        self._cursors: dict[object, int] = {}
        self._stream: ByteStream | None = None
        self._stopping = False
        self._refused = 0
        self._ended_within_a_line = False
        self._superseded = False  # by the saved text
        self.complete = False
        """The log was read to its end, or cannot be read: see ``failure``."""
        self.failure: KubedockError | None = None
        self._thread = threading.Thread(target=self._run, name=f"logs-{source.name}", daemon=True)

    def start(self) -> None:
        """Begin to read. Unavailable where no thread can be had."""
        try:
            self._thread.start()
        except RuntimeError as error:
            raise Unavailable(f"the log cannot be followed: {error}") from error

    def wake(self) -> None:
        """Something has changed: a feed that waits for its container looks again, and so do followers."""
        with self._cond:
            stream = self._stream
            self._cond.notify_all()
        # A pod that was taken away may go on for seconds: what it writes then is not the container's any more.
        if stream is not None and self._source.over() and self._source.is_saved():
            self._superseded = True
            stream.close()

    def stop(self) -> None:
        """End it, complete or not."""
        with self._cond:
            self._stopping = True
            stream = self._stream
            self._cond.notify_all()
        if stream is not None:
            stream.close()

    def join(self, timeout: float) -> None:
        """Wait for its thread."""
        self._thread.join(timeout)

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self._stopping or self.complete

    # --- followers ---------------------------------------------------------------------------------------------

    def enter(self, follower: object, mark: Mark) -> Joined | None:
        """Where to take the lines after ``mark`` if the feed has them all or will have them, else None."""
        with self._cond:
            after = self._kept.after(mark)
            if after is None:
                return None
            self._cursors[follower] = self._kept.first
            return Joined(self._kept.first, after)

    def leave(self, follower: object) -> None:
        """The follower reads no more from here."""
        with self._cond:
            self._cursors.pop(follower, None)
            self._cond.notify_all()

    def take(self, follower: object, number: int, cancel: Cancel, timeout: float | None = None) -> list[Line]:
        """The lines from ``number`` on; blocks until there are some. ``[]`` at the end, when cancelled or too late.

        Behind when they are no longer kept.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._cond:
            while cancel.reason is None:
                if number < self._kept.first:
                    raise Behind
                if number < self._kept.end:
                    lines = self._kept.lines
                    taken = (
                        [lines[at] for at in range(number - self._kept.first, len(lines))]
                        if number > self._kept.first
                        else [*lines]
                    )
                    self._cursors[follower] = self._kept.end
                    self._cond.notify_all()
                    return taken
                left = None if deadline is None else deadline - time.monotonic()
                if self.ended or (left is not None and left <= 0):
                    return []
                self._cond.wait(left)
            return []

    # --- the reading -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._wait_until_ready():
                if self._read_once():
                    break
        except KubedockError as error:
            self.failure = error
            logger.warning("logs of %s: %s", self._source.name, error)
        except Exception as error:
            self.failure = System(f"the log could not be read: {error}")
            logger.exception("logs of %s", self._source.name)
        finally:
            with self._cond:
                self.complete = not self._stopping
                self._cond.notify_all()

    def _wait_until_ready(self) -> bool:
        with self._cond:
            self._cond.wait_for(lambda: self._stopping or self._source.ready())
        return not self._stopping

    def _read_once(self) -> bool:
        """Read one stream to its end; True when that was the end of the log."""
        final = self._source.over()
        saved = self._source.saved() if final else None
        if saved is not None:
            self._finish(saved)
            return True
        try:
            stream = self._source.open(self._mark, follow=not final)
        except NotFound:
            if not self._source.is_saved():
                return True
            self._wait_for_end()  # of which the saved text is known first
            return False
        except Forbidden:
            raise
        except InvalidParameter:  # the kubelet does not give it yet, or no longer
            self._refused += 1
            if final and self._refused >= REFUSALS:
                return True
            self._wait(PAUSE)
            return False
        except KubedockError as error:
            logger.info("logs of %s: %s; again", self._source.name, error)
            self._wait(PAUSE)
            return False
        self._refused = 0
        whole = self._read(stream)
        if self._superseded:  # the stream was cut off, also one that was to be the last
            return False
        if final and whole:
            # A server's proxy ends a stream that broke in good order, too: what ends within a line is read on, once.
            believed = self._ended_within_a_line or not self._mark.offset
            self._ended_within_a_line = True
            return believed
        if whole:
            self._wait_for_end()
        else:
            self._wait(PAUSE)
        return False

    def _read(self, stream: ByteStream) -> bool:
        """Everything that a stream gives; False when it broke."""
        with self._cond:
            self._stream = stream
        reader = LogReader(self._mark)
        with closing(stream):
            try:
                while not self._stopping and (data := stream.read()):
                    self._put([*reader.feed(data)])
                    self._mark = reader.mark
            except KubedockError as error:
                logger.info("logs of %s: %s; going on from there", self._source.name, error)
                return False
        if not self._stopping and not self._superseded:
            self._put([*reader.end()])
            self._mark = reader.mark
        return True

    def _finish(self, saved: bytes) -> None:
        """The saved text is the last word: what it has more is given, and it gets what was given already."""
        after, reader = After(self._mark), LogReader()
        self._put(after([*reader.feed(saved), *reader.end()]))
        if after.lacking:
            self._source.amend(last_lines([*self._kept.lines], after.lacking))

    def _wait(self, seconds: float) -> None:
        with self._cond:
            self._cond.wait_for(lambda: self._stopping, seconds)

    def _wait_for_end(self) -> None:
        """A stream that ended well ends with its container; the status says so up to a second later."""
        with self._cond:
            self._cond.wait_for(lambda: self._stopping or self._source.over(), GRACE)

    def _put(self, lines: list[Line]) -> None:
        if not lines:
            return
        with self._cond:
            for line in lines:
                if not self._kept.has_room(line):
                    self._cond.notify_all()
                    self._cond.wait_for(lambda: self._stopping or not self._all_behind())
                self._kept.add(line)
            self._cond.notify_all()

    def _all_behind(self) -> bool:
        """Nobody has read the oldest line yet: it must not go."""
        return bool(self._cursors) and max(self._cursors.values()) <= self._kept.first


def lines_after(text: bytes, mark: Mark) -> list[Line]:
    """The lines of a whole saved log after a mark."""
    reader = LogReader()
    return After(mark)([*reader.feed(text), *reader.end()])


class LogFeeds:
    """All feeds by (container id, segment); a feed lives while somebody follows it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._feeds: dict[tuple[str, object], tuple[LogFeed, set[object]]] = {}

    def follow(
        self, container_id: str, segment: object, follower: object, source: Source, mark: Mark = START
    ) -> tuple[LogFeed, Joined | None]:
        """The segment's feed, begun at ``mark`` by its first follower, and where this one enters. ``leave`` must follow."""
        key = (container_id, segment)
        with self._lock:
            feed, followers = self._feeds.get(key, (None, set()))
            if feed is not None and (feed.complete or not feed.ended):
                followers.add(follower)
                return feed, feed.enter(follower, mark)
            feed = LogFeed(source, mark.second)
            joined = feed.enter(follower, mark)  # before it reads: nothing may be let go meanwhile
            feed.start()
            self._feeds[key] = (feed, {follower})
            return feed, joined

    def leave(self, container_id: str, segment: object, follower: object) -> None:
        """The last one to leave ends the feed."""
        key = (container_id, segment)
        with self._lock:
            feed, followers = self._feeds.get(key, (None, set()))
            followers.discard(follower)
            last = feed is not None and not followers
            if last:
                del self._feeds[key]
        if feed is not None:
            feed.leave(follower)
            if last:
                feed.stop()

    def wake(self, short_id: str) -> None:
        """A container has changed."""
        with self._lock:
            feeds = [feed for (container_id, _), (feed, _) in self._feeds.items() if container_id.startswith(short_id)]
        for feed in feeds:
            feed.wake()

    def stop(self, timeout: float = 2.0) -> None:
        """End all of them."""
        deadline = time.monotonic() + timeout
        with self._lock:
            feeds = [feed for feed, _ in self._feeds.values()]
            self._feeds.clear()
        for feed in feeds:
            feed.stop()
        for feed in feeds:
            feed.join(max(0.0, deadline - time.monotonic()))
