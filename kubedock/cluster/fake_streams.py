"""The streams of the in-memory cluster: watches, logs, and the channels of exec and attach."""

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, Self

from kubedock.cluster.protocol import ERROR, STDIN, LogOptions
from kubedock.errors import Unavailable

NANOS = 1_000_000_000
CHUNK = 256 * 1024


class LogLine(NamedTuple):
    """What a container wrote: its time in nanoseconds, the channel (1 or 2), and the line with its end."""

    nanos: int
    stream: int
    text: bytes

    def rendered(self) -> bytes:
        """As the API shows it, with its time."""
        second = datetime.fromtimestamp(self.nanos // NANOS, UTC)
        return f"{second:%Y-%m-%dT%H:%M:%S}.{self.nanos % NANOS:09d}Z ".encode() + self.text


class FakeLog:
    """What one run of a container wrote. Times grow with each line."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.Lock())
        self.lines: list[LogLine] = []
        self.ended = False
        self._listeners: list[FakeChannels] = []

    def write(self, now: datetime, stream: int, data: bytes) -> None:
        """Add whole lines; a missing end of line is added."""
        with self.changed:
            for text in data.removesuffix(b"\n").split(b"\n"):
                last = self.lines[-1].nanos if self.lines else 0
                moment = int(now.timestamp()) * NANOS + now.microsecond * 1000
                self.lines.append(LogLine(max(moment, last + 1), stream, text + b"\n"))
            self.changed.notify_all()
            listeners = list(self._listeners)
        for channels in listeners:
            channels.put(stream, data)

    def end(self, status: bytes) -> None:
        """Nothing more comes; attached channels get the status."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()
            listeners, self._listeners = self._listeners, []
        for channels in listeners:
            channels.finish(status)

    def listen(self, channels: "FakeChannels") -> None:
        """Send what comes from now on there, too."""
        with self.changed:
            self._listeners.append(channels)


class FakeLogStream:
    """A reader of a log; see ByteStream in the protocol."""

    def __init__(self, log: FakeLog, options: LogOptions) -> None:
        self._log, self._options = log, options
        self._closed = self._broken = False
        self._left = options.limit_bytes
        with log.changed:
            self._at = max(0, len(log.lines) - options.tail) if options.tail is not None else 0
            self._end = None if options.follow else len(log.lines)

    @property
    def done(self) -> bool:
        """Nobody reads it any more, or nothing more comes."""
        return self._closed or self._broken or self._log.ended

    def _wanted(self, line: LogLine) -> bool:
        since, stream = self._options.since, self._options.stream
        if since is not None and line.nanos // NANOS < int(since.timestamp()):
            return False
        return stream in ("", "All", ("", "Stdout", "Stderr")[line.stream])

    def read(self) -> bytes:
        """See ByteStream."""
        while not self._closed:
            lines = self._more()
            if lines is None:
                return b""
            data = b"".join(line.rendered() for line in lines if self._wanted(line))
            if self._left is not None:
                data, self._left = data[: self._left], self._left - len(data[: self._left])
                if self._left == 0:
                    self._closed = True
            if data:
                return data
        return b""

    def _more(self) -> list[LogLine] | None:
        with self._log.changed:
            while not self._closed:
                if self._broken:
                    raise Unavailable("the connection to the cluster broke")
                lines = self._log.lines[self._at : self._end]
                if lines:
                    self._at += len(lines)
                    return lines
                if self._end is not None or self._log.ended:
                    return None
                self._log.changed.wait()
        return None

    def snap(self) -> None:
        """Break it as a cut connection does."""
        with self._log.changed:
            self._broken = True
            self._log.changed.notify_all()

    def close(self) -> None:
        """See ByteStream."""
        with self._log.changed:
            self._closed = True
            self._log.changed.notify_all()


class FakeChannels:
    """See Channels in the protocol. ``on_input(data | None)`` gets stdin (or a forward's data), None at its end."""

    def __init__(self, on_input: Callable[["FakeChannels", bytes | None], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._near, self._far = socket.socketpair()
        self._near.settimeout(0)
        self._messages: deque[tuple[int, bytes]] = deque()
        self._finished = False
        self._on_input = on_input
        self.eof = self.cut = False
        self.input_ends = True
        self.resized: list[bytes] = []

    def put(self, channel: int, data: bytes) -> None:
        """From the container."""
        with self._lock:
            if not self._finished:
                self._messages.append((channel, data))
                if len(self._messages) == 1:
                    self._far.send(b"!")

    def finish(self, status: bytes) -> None:
        """The command has ended: its Status, then the end."""
        with self._lock:
            if not self._finished:
                self._messages.append((ERROR, status))
                self._finished = True
                self._far.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """The end without a Status: of a forward."""
        with self._lock:
            if not self._finished:
                self._finished = True
                self._far.shutdown(socket.SHUT_WR)

    def snap(self) -> None:
        """Break it as a cut connection does."""
        self.cut = self.cut or not self._finished
        self.end()

    @property
    def unsent(self) -> int:
        """See Channels."""
        return 0

    def fileno(self) -> int:
        """See Channels."""
        return self._near.fileno()

    def pending(self) -> bool:
        """See Channels."""
        return False

    def receive(self) -> list[tuple[int, bytes]]:
        """See Channels."""
        with self._lock:
            with contextlib.suppress(BlockingIOError):
                self._near.recv(CHUNK)
            messages = list(self._messages)
            self._messages.clear()
            self.eof = self._finished
            return messages

    def send(self, channel: int, data: bytes) -> None:
        """See Channels."""
        if channel == STDIN and self._on_input is not None:
            self._on_input(self, data)
        elif channel != STDIN:
            self.resized.append(data)

    def close_channel(self, channel: int) -> bool:
        """See Channels."""
        if self.input_ends and channel == STDIN and self._on_input is not None:
            self._on_input(self, None)
        return self.input_ends

    def ping(self) -> None:
        """See Channels."""

    def flush(self) -> None:
        """See Channels."""

    def close(self) -> None:
        """See Channels."""
        with self._lock:
            self._finished = True
            self._near.close()
            self._far.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
