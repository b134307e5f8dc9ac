"""Commands that are run again and again: one thread knows when each is due, reads what those that run write, and ends
those that take too long.

To begin one is a request to the cluster, which may be slow: that is done by ``Tasks``, for a few at once, so that the
others' timers go on.
"""

import heapq
import itertools
import logging
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from kubedock.background.tasks import Tasks
from kubedock.cluster import Channels
from kubedock.cluster.protocol import ERROR
from kubedock.errors import KubedockError, System
from kubedock.streams.cancel import Waker

logger = logging.getLogger(__name__)

BEGINNERS = 8
"""So many commands are begun at once, by as many of the tasks' threads."""
PING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class End:
    """How a command ended: with a Status as it came on the error channel, or without one.

    ``error`` is why it could not be begun, ``late`` that it was ended because it took too long. None of all is a
    connection that broke.
    """

    status: bytes | None = None
    error: KubedockError | None = None
    late: bool = False


class Check(Protocol):
    """What is run again and again."""

    @property
    def name(self) -> str:
        """For the log."""

    @property
    def timeout(self) -> float:
        """For how many seconds it may run, from when its connection stands; asked each time."""

    def begin(self) -> Channels:
        """Begin to run it; in a thread that may wait. KubedockError where it cannot be."""

    def take(self, channel: int, data: bytes) -> float | None:
        """What it writes; in the thread of all checks, as ``end``: nothing there waits or does I/O.

        Not None: for so many seconds it may run from now on.
        """

    def end(self, end: End) -> float | None:
        """It has ended: in how many seconds it is due again, None for no more."""


class _Watched:
    """A check, the number of the timer that counts, and its connection while it runs. The thread's own."""

    def __init__(self, check: Check) -> None:
        self.check, self.timer = check, 0
        self.channels: Channels | None = None
        self.over = False


class Prober:
    """Owns the thread ``health-checks`` and the connections of those that run; ``start`` it, ``stop`` it once.

    All that it knows of checks is its thread's alone; what others want is left to it as a call.
    """

    def __init__(self, tasks: Tasks) -> None:
        """``tasks`` begin the commands."""
        self._tasks = tasks
        self._lock = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()
        self._stopping = False
        self._waker: Waker | None = None
        self._thread: threading.Thread | None = None
        self._poll = select.poll()
        self._numbers = itertools.count(1)
        self._timers: list[tuple[float, int, _Watched]] = []
        self._watched: dict[int, _Watched] = {}
        self._running: dict[int, _Watched] = {}
        self._due: deque[_Watched] = deque()
        self._beginning = 0

    def start(self) -> None:
        """Begin; what was added before waits until now."""
        self._waker = Waker()
        thread = threading.Thread(target=self._run, args=(self._waker,), name="health-checks", daemon=True)
        thread.start()
        self._thread = thread

    def stop(self, timeout: float = 5.0) -> None:
        """Close all connections and end the thread."""
        with self._lock:
            self._stopping = True
        if self._waker is not None:
            self._waker.wake()
        if self._thread is not None:
            self._thread.join(timeout)

    def add(self, check: Check, pause: float) -> None:
        """Run it, first in ``pause`` seconds, until its ``end`` says so or it is dropped."""
        at = time.monotonic() + pause
        self._call(lambda: self._added(check, at))

    def drop(self, check: Check) -> None:
        """Run it no more; nothing is told of one that runs now."""
        self._call(lambda: self._dropped(check))

    @property
    def count(self) -> int:
        """How many checks there are."""
        return len(self._watched)

    def _call(self, call: Callable[[], None]) -> bool:
        """Leave it to the thread; False once that ends."""
        with self._lock:
            if self._stopping:
                return False
            self._calls.append(call)
        if self._waker is not None:
            self._waker.wake()
        return True

    # --- the thread ------------------------------------------------------------------------------------------------

    def _run(self, waker: Waker) -> None:
        with waker:
            self._poll.register(waker.fileno(), select.POLLIN)
            self._serve(waker)
        self._answer_calls()
        for watched in self._running.values():
            if watched.channels is not None:
                watched.channels.close()

    def _serve(self, waker: Waker) -> None:
        next_ping = time.monotonic() + PING_SECONDS
        while not self._stopping:
            ready = {fd for fd, _ in self._poll.poll(self._milliseconds(next_ping))}
            waker.clear()
            self._answer_calls()
            ping = time.monotonic() >= next_ping
            if ping:
                next_ping = time.monotonic() + PING_SECONDS
            for fd, watched in list(self._running.items()):
                if watched.channels is not None and (ping or fd in ready or watched.channels.pending()):
                    self._read(watched, watched.channels, ping=ping)
            self._look_at_the_clock()
            self._begin_some()

    def _milliseconds(self, next_ping: float) -> float:
        """For how long there is nothing to do."""
        if any(each.channels is not None and each.channels.pending() for each in self._running.values()):
            return 0
        next_timer = self._timers[0][0] if self._timers else next_ping
        return max(0.0, min(next_timer, next_ping) - time.monotonic()) * 1000

    def _answer_calls(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, deque()
        for call in calls:
            call()

    def _added(self, check: Check, at: float) -> None:
        watched = self._watched[id(check)] = _Watched(check)
        self._set_timer(watched, at)

    def _dropped(self, check: Check) -> None:
        watched = self._watched.pop(id(check), None)
        if watched is not None:
            watched.over = True
            self._close(watched)
            # Its timer may be days away, and there may be many of its kind.
            self._timers = [timer for timer in self._timers if not timer[2].over]
            heapq.heapify(self._timers)

    def _set_timer(self, watched: _Watched, at: float) -> None:
        """One thing is to be done about a check: begin it, or where it runs end it. An older timer of it is void."""
        watched.timer = next(self._numbers)
        heapq.heappush(self._timers, (at, watched.timer, watched))

    def _look_at_the_clock(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic():
            _, number, watched = heapq.heappop(self._timers)
            if watched.over or number != watched.timer:
                continue
            if watched.channels is not None:
                self._ended(watched, End(late=True))
            else:
                self._due.append(watched)

    # --- one command -----------------------------------------------------------------------------------------------

    def _begin_some(self) -> None:
        while self._due and self._beginning < BEGINNERS:
            watched = self._due.popleft()
            if not watched.over:
                self._beginning += 1
                self._tasks.submit(f"a check of {watched.check.name}", partial(self._begin, watched))

    def _begin(self, watched: _Watched) -> None:
        """In a thread that may wait."""
        found: Channels | KubedockError
        try:
            found = watched.check.begin()
        except KubedockError as error:
            found = error
        except Exception:  # its place among those that begin must be free again
            logger.exception("a check of %s could not be begun", watched.check.name)
            found = System("the check could not be begun")
        if not self._call(lambda: self._begun(watched, found)) and not isinstance(found, KubedockError):
            found.close()

    def _begun(self, watched: _Watched, found: Channels | KubedockError) -> None:
        self._beginning -= 1
        if isinstance(found, KubedockError):
            self._ended(watched, End(error=found))
        elif watched.over:
            found.close()
        else:
            watched.channels = found
            self._running[found.fileno()] = watched
            self._poll.register(found.fileno(), select.POLLIN)
            self._set_timer(watched, time.monotonic() + watched.check.timeout)
            self._read(watched, found, ping=False)

    def _read(self, watched: _Watched, channels: Channels, *, ping: bool) -> None:
        if ping:
            channels.ping()
        status = None
        for channel, data in channels.receive():
            if channel == ERROR:
                status = data
            else:
                self._take(watched, channel, data)
        channels.flush()
        if status is not None or channels.eof:
            self._ended(watched, End(status))
        else:
            self._poll.register(channels.fileno(), select.POLLIN | (select.POLLOUT if channels.unsent else 0))

    def _take(self, watched: _Watched, channel: int, data: bytes) -> None:
        try:
            seconds = watched.check.take(channel, data)
        except Exception:  # one check's mistake must not end the thread that watches all others
            logger.exception("the output of a check of %s could not be taken", watched.check.name)
            return
        if seconds is not None:
            self._set_timer(watched, time.monotonic() + seconds)

    def _close(self, watched: _Watched) -> None:
        channels, watched.channels = watched.channels, None
        if channels is not None:
            del self._running[channels.fileno()]
            self._poll.unregister(channels.fileno())
            channels.close()

    def _ended(self, watched: _Watched, end: End) -> None:
        self._close(watched)
        if watched.over:
            return
        try:
            pause = watched.check.end(end)
        except Exception:  # as above
            logger.exception("the end of a check of %s could not be noted", watched.check.name)
            pause = None
        if pause is None:
            self._dropped(watched.check)
        else:
            self._set_timer(watched, time.monotonic() + pause)
