"""Commands that nobody is attached to: one thread reads what they write, drops it, and notes how they end."""

import logging
import select
import threading
import time
from collections.abc import Callable

from kubedock.cluster import Channels
from kubedock.cluster.protocol import ERROR
from kubedock.streams.cancel import Waker

logger = logging.getLogger(__name__)

PING_SECONDS = 20.0

OnEnd = Callable[[bytes | None], None]
"""Gets the Status as it came on the error channel, None where the connection ended without one."""


class Drain:
    """Owns the thread ``exec-drain`` and the channels that were given to it; ``start`` it, ``stop`` it once."""

    def __init__(self) -> None:
        self._waker: Waker | None = None
        self._lock = threading.Lock()
        self._given: list[tuple[Channels, OnEnd]] = []
        self._read: dict[int, tuple[Channels, OnEnd]] = {}
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; what was added before waits until now."""
        self._waker = Waker()
        thread = threading.Thread(target=self._run, args=(self._waker,), name="exec-drain", daemon=True)
        thread.start()
        self._thread = thread

    def stop(self, timeout: float = 5.0) -> None:
        """Close all channels and end the thread."""
        with self._lock:
            self._stopping = True
        self._wake()
        if self._thread is not None:
            self._thread.join(timeout)

    def _wake(self) -> None:
        if self._waker is not None:
            self._waker.wake()

    @property
    def count(self) -> int:
        """How many commands are read now."""
        with self._lock:
            return len(self._given) + len(self._read)

    def add(self, channels: Channels, on_end: OnEnd) -> None:
        """Read these channels to their end, then close them. They are this thread's from now on."""
        with self._lock:
            stopping = self._stopping
            if not stopping:
                self._given.append((channels, on_end))
        if stopping:
            channels.close()
        self._wake()

    def _run(self, waker: Waker) -> None:
        with waker:
            self._serve(waker)

    def _serve(self, waker: Waker) -> None:
        poll = select.poll()
        poll.register(waker.fileno(), select.POLLIN)
        next_ping = time.monotonic() + PING_SECONDS
        while not self._stopping:
            self._take(poll)
            pending = any(channels.pending() for channels, _ in self._read.values())
            ready = {fd for fd, _ in poll.poll(0 if pending else max(0.0, next_ping - time.monotonic()) * 1000)}
            waker.clear()
            ping = time.monotonic() >= next_ping
            if ping:
                next_ping = time.monotonic() + PING_SECONDS
            for fd, (channels, on_end) in list(self._read.items()):
                if ping:
                    channels.ping()
                if ping or fd in ready or channels.pending():
                    self._turn(poll, fd, channels, on_end)
        for channels, _ in [*self._read.values(), *self._given]:
            channels.close()

    def _take(self, poll: select.poll) -> None:
        with self._lock:
            given, self._given = self._given, []
            for channels, on_end in given:
                self._read[channels.fileno()] = (channels, on_end)
        for channels, on_end in given:
            poll.register(channels.fileno(), select.POLLIN)
            self._turn(poll, channels.fileno(), channels, on_end)

    def _turn(self, poll: select.poll, fd: int, channels: Channels, on_end: OnEnd) -> None:
        status = next((data for channel, data in channels.receive() if channel == ERROR), None)
        channels.flush()
        if status is None and not channels.eof:
            poll.register(fd, select.POLLIN | (select.POLLOUT if channels.unsent else 0))
            return
        poll.unregister(fd)
        with self._lock:
            del self._read[fd]
        channels.close()
        try:
            on_end(status)
        except Exception:  # one command's mistake must not end the thread that reads all others
            logger.exception("the end of an exec could not be noted")
