"""A watch on an object store: lines wait in it until its reader takes them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from kubedock.cluster.protocol import WatchEvent
from kubedock.errors import Gone, KubedockError, Unavailable

LONGEST_QUEUE = 20_000


class StoreWatch:
    """A watch; see Watch in the protocol."""

    def __init__(self, bookmark: Callable[[], WatchEvent], forget: Callable[["StoreWatch"], None], seconds: int) -> None:
        """``bookmark`` is told at the end of ``seconds``; ``forget`` when nobody reads any more."""
        self._ready = threading.Condition(threading.Lock())
        self._events: deque[WatchEvent] = deque()
        self._bookmark, self._forget = bookmark, forget
        self._deadline = time.monotonic() + seconds
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
        self.push(self._bookmark())

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
        self._forget(self)

    def __iter__(self) -> Iterator[WatchEvent]:
        try:
            while (event := self._next()) is not None:
                yield event
            if not self._closed:
                yield self._bookmark()
        finally:
            self._forget(self)

    def _next(self) -> WatchEvent | None:
        with self._ready:
            while not self._closed:
                if self._error is not None:
                    raise self._error
                if self._events:
                    return self._events.popleft()
                left = self._deadline - time.monotonic()
                if left <= 0:
                    return None
                self._ready.wait(left)
        return None
