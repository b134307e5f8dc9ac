"""What lives in this process: a lock per container, who waits for a change, which streams still read, execs, health,
the logs of what has no pod.

Nothing of it is stored.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kubedock.state.execs import Execs
from kubedock.state.health import Healths
from kubedock.state.ownlogs import OwnLogs


class Sessions:
    """Live things by container id."""

    def __init__(self) -> None:
        self.execs = Execs()
        self.healths = Healths()
        self.own_logs = OwnLogs()
        self._guard = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}
        self._readers: dict[str, int] = {}
        self._once_unread: dict[str, list[Callable[[], None]]] = {}

    @contextmanager
    def exclusive(self, container_id: str) -> Iterator[None]:
        """One start, stop, restart or removal of a container at a time."""
        with self._guard:
            lock = self._locks.setdefault(container_id, threading.RLock())
        with lock:
            yield

    @contextmanager
    def reading(self, container_id: str) -> Iterator[None]:
        """A client reads this container's output: an automatic removal waits for it."""
        with self._guard:
            self._readers[container_id] = self._readers.get(container_id, 0) + 1
        try:
            yield
        finally:
            waiting: list[Callable[[], None]] = []
            with self._guard:
                self._readers[container_id] -= 1
                if not self._readers[container_id]:
                    del self._readers[container_id]
                    waiting = self._once_unread.pop(container_id, [])
            for call in waiting:
                call()

    def is_read(self, container_id: str) -> bool:
        """Somebody reads this container's output now."""
        return container_id in self._readers

    def once_unread(self, container_id: str, call: Callable[[], None]) -> None:
        """Call back when nobody reads this container's output any more: now, or in the last reader's thread."""
        with self._guard:
            read = container_id in self._readers
            if read:
                self._once_unread.setdefault(container_id, []).append(call)
        if not read:
            call()

    def forget(self, container_id: str) -> None:
        """The container is gone."""
        with self._guard:
            self._locks.pop(container_id, None)
            self._once_unread.pop(container_id, None)
        self.execs.forget(container_id)
        self.healths.forget(container_id)


class Bell:
    """Wakes all who wait for any change of a container; one per process.

    A waiter looks at what it waits for *after* it has begun to listen, so no change is missed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, set[Callable[[], None]]] = {}

    @contextmanager
    def listening(self, container_id: str) -> Iterator[threading.Event]:
        """An Event that every change of the container sets."""
        event = threading.Event()
        with self._lock:
            self._listeners.setdefault(container_id, set()).add(event.set)
        try:
            yield event
        finally:
            with self._lock:
                listeners = self._listeners[container_id]
                listeners.discard(event.set)
                if not listeners:
                    del self._listeners[container_id]

    def ring(self, container_id: str) -> None:
        """Something about this container has changed."""
        with self._lock:
            callbacks = list(self._listeners.get(container_id, ()))
        for wake in callbacks:
            wake()
