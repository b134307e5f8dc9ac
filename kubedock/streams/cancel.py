"""Tell a thread that blocks on its source that nobody waits for it any more."""

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Self


class Cancel:
    """Set once, from any thread; runs the callbacks that are registered on it.

    A blocked thread registers what wakes it (put a sentinel, shut a socket down) and checks ``reason`` after waking.
    Callbacks run in the thread that cancels; they must be short and must not raise.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.reason: str | None = None

    def set(self, reason: str) -> None:
        """Cancel. Only the first reason counts."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason, callbacks, self._callbacks = reason, self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when cancelled, at once if it was already. Returns what takes the registration back."""
        with self._lock:
            if self.reason is None:
                self._callbacks.append(callback)
                return lambda: self._discard(callback)
        callback()
        return lambda: None

    def _discard(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


class Waker:
    """A file descriptor that any thread makes readable, for a thread that waits with ``poll``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """For poll."""
        return self._fd

    def wake(self) -> None:
        """Make it readable; nothing where it is closed."""
        with self._lock:
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        """Make it unreadable again."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)

    def close(self) -> None:
        """Close it; who wakes later does not touch the number any more."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()


class Wakeup(Waker):
    """A Waker that a Cancel wakes."""

    def __init__(self, cancel: Cancel) -> None:
        super().__init__()
        self._take_back = cancel.on_cancel(self.wake)

    def close(self) -> None:
        """See Waker."""
        self._take_back()
        super().close()
