"""One thread that waits for descriptors: ends of processes, output that nobody wants any more."""

import logging
import select
import threading
from collections.abc import Callable

from kubedock.streams.cancel import Waker

logger = logging.getLogger(__name__)

Ready = Callable[[], None]
"""Called once when the descriptor is readable, on the loop's thread. It must not block; it may close the descriptor."""


class Loop:
    """Owns the thread ``embedded-loop``: ``start`` it after the fork, ``stop`` it once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._poll = select.epoll()
        self._watched: dict[int, Ready] = {}
        self._waker = Waker()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="embedded-loop", daemon=True)
        self._poll.register(self._waker.fileno(), select.EPOLLIN)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread; nothing is called any more."""
        self._stopping = True
        self._waker.wake()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        with self._lock:
            self._watched.clear()
        self._poll.close()
        self._waker.close()

    def watch(self, descriptor: int, ready: Ready) -> None:
        """Wait for it, once; from any thread. Who closes it before that forgets it first."""
        with self._lock:
            if not self._stopping:
                self._watched[descriptor] = ready
                self._poll.register(descriptor, select.EPOLLIN)

    def forget(self, descriptor: int) -> None:
        """Wait for it no more."""
        with self._lock:
            if self._watched.pop(descriptor, None) is not None and not self._stopping:
                self._poll.unregister(descriptor)

    def _run(self) -> None:
        while not self._stopping:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._waker.fileno():
                    self._waker.clear()
                else:
                    self._turn(descriptor)

    def _turn(self, descriptor: int) -> None:
        with self._lock:
            ready = self._watched.pop(descriptor, None)
            if ready is None or self._stopping:
                return
            self._poll.unregister(descriptor)
        try:
            ready()
        except Exception:  # one process's mistake concerns no other
            logger.exception("waiting for a process failed")
