"""What has happened, told to everybody who listens: a bounded history and live subscribers."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from queue import Empty, Full, Queue

from kubedock.domain.event import Event
from kubedock.streams.cancel import Cancel

logger = logging.getLogger(__name__)

HISTORY = 256
"""As many events as Docker keeps for ``since``."""
BACKLOG = 2048
"""So many events may wait for a subscriber; one that is further behind does not read any more."""
HEARTBEAT = 30.0
"""Seconds of silence after which a subscriber's iterator gives None."""


def _nothing() -> None:
    """For what is not registered."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Subscription(Iterator[Event | None]):
    """One subscriber's events, oldest first; None where nothing came for a while. Close it.

    It was registered before it was made, so nothing that happens after ``subscribe`` returned is missed.
    """

    def __init__(self, bus: "EventBus", matches: Callable[[Event], bool], until: datetime | None, cancel: Cancel) -> None:
        self.matches, self._until, self._bus, self._cancel = matches, until, bus, cancel
        self._past: deque[Event] = deque()
        self._queue: Queue[Event | None] = Queue(BACKLOG)
        self._live = True
        self._forget: Callable[[], None] = _nothing

    def __iter__(self) -> "Subscription":
        return self

    def __next__(self) -> Event | None:
        """The next event; blocks. Ends at ``until``, when cancelled, and when it has fallen too far behind."""
        if self._past:
            return self._past.popleft()
        if self._cancel.reason is not None or (not self._live and self._queue.empty()):
            self._end()
        left = self._seconds_left()
        if left <= 0 and self._queue.empty():
            self._end()
        try:
            event = self._queue.get(timeout=max(0.0, min(HEARTBEAT, left)))
        except Empty:
            if self._seconds_left() <= 0:
                self._end()
            return None
        if event is None or (self._until is not None and event.at > self._until):
            self._end()
        return event

    def _seconds_left(self) -> float:
        return HEARTBEAT if self._until is None else (self._until - self._bus.now()).total_seconds()

    def _end(self) -> None:
        self.close()
        raise StopIteration

    def replay(self, events: list[Event], *, only: bool) -> None:
        """Begin with what has already happened; ``only`` ends after it."""
        self._past.extend(events)
        if only:
            self._live = False

    def listen(self) -> None:
        """End at once when cancelled, from any thread."""
        self._forget = self._cancel.on_cancel(self._wake)

    def offer(self, event: Event) -> bool:
        """Never blocks: False when the subscriber has fallen too far behind, who then ends."""
        try:
            self._queue.put_nowait(event)
        except Full:
            self._live = False
        return self._live

    def _wake(self) -> None:
        try:
            self._queue.put_nowait(None)
        except Full:
            self._live = False

    def close(self) -> None:
        """Stop listening."""
        self._live = False
        self._forget()
        self._bus.drop(self)


class EventBus:
    """Publishes events to subscribers and keeps the newest ones for those who ask for the past."""

    def __init__(self, now: Callable[[], datetime] = _utc_now, *, history: int = HISTORY) -> None:
        self.now = now
        self._lock = threading.Lock()
        self._history: deque[Event] = deque(maxlen=history)
        self._subscribers: list[Subscription] = []

    @property
    def listeners(self) -> int:
        """How many subscribers there are."""
        return len(self._subscribers)

    def publish(self, event: Event) -> None:
        """Tell everybody, without waiting for anybody. Events are told in the order of publishing."""
        with self._lock:
            self._history.append(event)
            behind = [s for s in self._subscribers if s.matches(event) and not s.offer(event)]
            for subscription in behind:
                self._subscribers.remove(subscription)
        for _ in behind:
            logger.warning("a client does not read its events: the stream ends after %d unread ones", BACKLOG)

    def subscribe(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        matches: Callable[[Event], bool] = lambda event: True,
        cancel: Cancel,
    ) -> Subscription:
        """Events from now on; with ``since`` or ``until`` the past ones between them first (as Docker does it).

        An ``until`` in the past gives those and ends.
        """
        subscription = Subscription(self, matches, until, cancel)
        only_past = until is not None and until <= self.now()
        with self._lock:
            if since is not None or until is not None:
                past = [e for e in self._history if (since is None or e.at >= since) and (until is None or e.at <= until)]
                subscription.replay([e for e in past if matches(e)], only=only_past)
            if not only_past:
                self._subscribers.append(subscription)
        subscription.listen()
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscriber."""
        with self._lock:
            if subscription in self._subscribers:
                self._subscribers.remove(subscription)
