"""Logs of what runs in this process instead of a pod: written line by line, read as the cluster's are."""

import itertools
import threading
from collections import deque
from datetime import datetime

from kubedock.domain.units import nanoseconds
from kubedock.streams.logs import stamp

KEPT = 1 << 20
"""Bytes of a log that are kept; the oldest lines go first, as the kubelet rotates logs."""


class OwnLog:
    """One log. Any thread writes, any number of readers follow."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._first = 0  # the number of the oldest line that is kept
        self._size = 0
        self._over = False

    def write(self, at: datetime, text: str) -> None:
        """Add a line; one without a newline in it. Nothing once it has ended."""
        line = stamp(nanoseconds(at)) + b" " + text.encode() + b"\n"
        with self._changed:
            if self._over:
                return
            self._lines.append(line)
            self._size += len(line)
            while self._size > self._kept and len(self._lines) > 1:
                self._size -= len(self._lines.popleft())
                self._first += 1
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def open(self, *, follow: bool) -> "OwnStream":
        """A reader of all that is kept and, with ``follow``, of what comes until the log has ended."""
        return OwnStream(self, follow=follow)

    def take(self, number: int, stream: "OwnStream") -> tuple[int, bytes]:
        """For the reader: the lines from ``number`` on, waiting for some while it follows, and the next number."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or stream.closed or not stream.follow or number < self._next)
            if stream.closed:
                return number, b""
            start = max(0, number - self._first)
            return self._next, b"".join(itertools.islice(self._lines, start, None))

    def wake(self) -> None:
        """For the reader: it was closed."""
        with self._changed:
            self._changed.notify_all()

    @property
    def _next(self) -> int:
        return self._first + len(self._lines)


class OwnStream:
    """A ``cluster.ByteStream`` of an own log."""

    def __init__(self, log: OwnLog, *, follow: bool) -> None:
        self._log, self.follow = log, follow
        self._number = 0
        self.closed = False

    def read(self) -> bytes:
        """See ByteStream."""
        self._number, data = self._log.take(self._number, self)
        return data

    def close(self) -> None:
        """See ByteStream."""
        self.closed = True
        self._log.wake()


class OwnLogs:
    """The logs of this process' own runs, by the names that their pods would have."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logs: dict[str, OwnLog] = {}

    def begin(self, name: str) -> OwnLog:
        """A new log."""
        with self._lock:
            log = self._logs[name] = OwnLog()
        return log

    def get(self, name: str) -> OwnLog | None:
        """The log of a run; None for what is a pod, or gone."""
        return self._logs.get(name)

    def forget(self, name: str) -> None:
        """The run is put away; who still reads its log is at the end."""
        with self._lock:
            log = self._logs.pop(name, None)
        if log is not None:
            log.end()
