"""A watch on an object store: lines wait in it until its reader takes them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from kubedock.cluster.protocol import WatchEvent
from kubedock.errors import Gone, KubedockError, Unavailable

LONGEST_QUEUE = 20_000
BOOKMARK_SECONDS = 60.0
"""How often a watch on which nothing happens is told how far everything is."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a watch needs of its store.

    ``lock`` is held by whoever pushes, and while ``bookmark`` is called; ``forget`` is called when nobody reads any more.
    """

    lock: AbstractContextManager[Any]
    bookmark: Callable[[], WatchEvent]
    forget: Callable[["StoreWatch"], None]
    clock: Clock = time.monotonic


class StoreWatch:
    """A watch; see Watch in the protocol. One thread reads it."""

    def __init__(self, origin: Origin, seconds: float) -> None:
        """It ends after ``seconds``."""
        self._ready = threading.Condition(threading.Lock())
        self._events: deque[WatchEvent] = deque()
        self._origin = origin
        self._deadline = origin.clock() + seconds
        self._bookmark_at = origin.clock() + BOOKMARK_SECONDS
        self._closed = False
        self._error: KubedockError | None = None

    def push(self, event: WatchEvent) -> None:
        """Give a line to the reader."""
        with self._ready:
            self._events.append(event)
            if len(self._events) > LONGEST_QUEUE:  # the reader lists anew
                self._events.clear()
                self._error = Gone("the watch's reader is too slow")
            self._ready.notify_all()

    def bookmark(self) -> None:
        """Tell the reader how far everything is."""
        with self._origin.lock:
            self.push(self._origin.bookmark())

    def expire(self, text: str) -> None:
        """End it with Gone."""
        self._fail(Gone(text))

    def snap(self) -> None:
        """End it as a cut connection does."""
        self._fail(Unavailable("the connection to the cluster broke"))

    def _fail(self, error: KubedockError) -> None:
        with self._ready:
            self._error = error
            self._ready.notify_all()

    def close(self) -> None:
        """See Watch."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        self._origin.forget(self)

    def __iter__(self) -> Iterator[WatchEvent]:
        try:
            while not self._closed:
                event = self._next()
                if event is not None:
                    yield event
                    continue
                last = self._origin.clock() >= self._deadline
                yield from takewhile(lambda _: not self._closed, self._marked(last=last))
                if last:
                    return
        finally:
            self._origin.forget(self)

    def _next(self) -> WatchEvent | None:
        """The next line, None when something else is due."""
        with self._ready:
            while not self._closed:
                if self._error is not None:
                    raise self._error
                left = min(self._deadline, self._bookmark_at) - self._origin.clock()
                if left <= 0:
                    return None
                if self._events:
                    return self._events.popleft()
                self._ready.wait(left)
        return None

    def _marked(self, *, last: bool) -> list[WatchEvent]:
        """What has come, and a bookmark after it; after the ``last`` one nothing comes any more."""
        with self._origin.lock, self._ready:  # nothing is pushed meanwhile: what comes later is newer than the bookmark
            if self._error is not None:
                raise self._error
            lines = [*self._events, self._origin.bookmark()]
            self._events.clear()
            self._bookmark_at = self._origin.clock() + BOOKMARK_SECONDS
            if last:
                self._origin.forget(self)
            return lines
