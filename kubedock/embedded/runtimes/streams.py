"""Channels (see the cluster's Protocol) over what a local process offers: pipes, a terminal, conmon's attach socket.

Everything is non-blocking and behind one epoll, whose descriptor stands for all of them.
"""

import array
import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import termios
from collections.abc import Sequence
from typing import Protocol, Self

from kubedock.cluster.protocol import ERROR, RESIZE, STDERR, STDIN, STDOUT

CHUNK = 64 * 1024
PACKET = 8 * 1024
"""conmon reads its attach socket in packets of this size."""
BATCH = 16
"""So many packets are taken in one turn."""
ATTACH_STDOUT, ATTACH_STDERR = 2, 3

Messages = list[tuple[int, bytes]]


class Source(Protocol):
    """Output: ``read`` gives what is there ([]: nothing now), None at its end."""

    def fileno(self) -> int: ...
    def read(self) -> Messages | None: ...
    def close(self) -> None: ...


class Sink(Protocol):
    """Input: ``write`` takes what it can (BlockingIOError: nothing now), ``end`` passes its end on."""

    def fileno(self) -> int: ...
    def write(self, data: memoryview) -> int: ...
    def end(self) -> None: ...
    def close(self) -> None: ...


class Process(Protocol):
    """What ends the channels: readable once it has ended; then ``status`` is the Status that it ended with."""

    def fileno(self) -> int: ...
    def status(self) -> bytes: ...
    def resize(self, height: int, width: int) -> None: ...
    def leave(self, sources: Sequence[Source]) -> None:
        """Nobody listens any more: somebody else must read the sources to their end, and close them."""


class Descriptor:
    """A pipe's end or a terminal: a source of one channel, or a sink."""

    def __init__(self, descriptor: int, channel: int = STDOUT) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor, self._channel = descriptor, channel

    def fileno(self) -> int:
        """See Source."""
        return self._descriptor

    def read(self) -> Messages | None:
        """See Source. A terminal that nobody else has open gives EIO: its end."""
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return [(self._channel, data)] if data else None

    def write(self, data: memoryview) -> int:
        """See Sink."""
        return os.write(self._descriptor, data)

    def end(self) -> None:
        """See Sink."""
        self.close()

    def close(self) -> None:
        """See Source."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class AttachSocket:
    """conmon's packets: source and sink in one. ``finishes``: an end of input is passed on."""

    def __init__(self, connection: socket.socket, *, finishes: bool) -> None:
        connection.settimeout(0)
        self._connection, self._finishes = connection, finishes

    def fileno(self) -> int:
        """See Source."""
        return self._connection.fileno()

    def read(self) -> Messages | None:
        """See Source."""
        found: Messages = []
        for _ in range(BATCH):
            try:
                packet = self._connection.recv(CHUNK)
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                return found or None
            found.append((STDERR if packet[0] == ATTACH_STDERR else STDOUT, packet[1:]))
        return found

    def write(self, data: memoryview) -> int:
        """See Sink."""
        return self._connection.send(data[:PACKET])

    def end(self) -> None:
        """See Sink."""
        if self._finishes:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)

    def duplicate(self) -> "AttachSocket":
        """Another descriptor of the same connection, for the other direction."""
        return AttachSocket(self._connection.dup(), finishes=self._finishes)

    def close(self) -> None:
        """See Source."""
        self._connection.close()


class LocalChannels:
    """See Channels. With a process its end is the end; without, that of the output is, and the status Success."""

    input_ends = True

    def __init__(self, sources: Sequence[Source], sink: Sink | None, process: Process, *, ends_with_output: bool = False) -> None:
        self._poll = select.epoll()
        self._sources = {source.fileno(): source for source in sources}
        self._sink, self._process = sink, process
        self._ends_with_output = ends_with_output
        self._unsent = bytearray()
        self._waits = self._half_closed = self._over = self._closed = False
        self.eof = self.cut = False
        for descriptor in self._sources:
            self._poll.register(descriptor, select.EPOLLIN)
        if not ends_with_output:
            self._poll.register(process.fileno(), select.EPOLLIN)

    @property
    def unsent(self) -> int:
        """See Channels."""
        return len(self._unsent)

    def fileno(self) -> int:
        """See Channels."""
        return self._poll.fileno()

    def pending(self) -> bool:
        """See Channels."""
        return False

    def receive(self) -> Messages:
        """See Channels."""
        if self.eof:
            return []
        found: Messages = []
        for descriptor, _ in self._poll.poll(0):
            source = self._sources.get(descriptor)
            if source is not None:
                found += self._read(source)
            elif self._sink is None or descriptor != self._sink.fileno():
                self._over = True
        if self._ends_with_output and not self._sources:
            self._over = True
        if self._over:
            found += self._rest()
            self.eof = True
            found.append((ERROR, self._process.status()))
        return found

    def _read(self, source: Source) -> Messages:
        found = source.read()
        if found is None:
            self._poll.unregister(source.fileno())
            del self._sources[source.fileno()]
            source.close()
        return found or []

    def _rest(self) -> Messages:
        """What the process has written before its end: no more than a pipe holds."""
        found: Messages = []
        for source in list(self._sources.values()):
            while more := self._read(source):
                found += more
        return found

    def send(self, channel: int, data: bytes) -> None:
        """See Channels."""
        if channel == RESIZE and not self.eof:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                size = json.loads(data)
                self._process.resize(int(size["Height"]), int(size["Width"]))
        elif channel == STDIN and self._sink is not None and not self._half_closed:
            self._unsent += data
            self.flush()

    def close_channel(self, channel: int) -> bool:
        """See Channels."""
        if channel == STDIN and not self._half_closed:
            self._half_closed = True
            self.flush()
        return True

    def ping(self) -> None:
        """See Channels."""

    def flush(self) -> None:
        """See Channels."""
        if self._sink is None:
            return
        while self._unsent:
            try:
                with memoryview(self._unsent) as view, view[:CHUNK] as part:
                    sent = self._sink.write(part)
            except BlockingIOError:
                break
            except OSError:  # nobody reads it any more
                self._unsent.clear()
                self._half_closed = True
                break
            del self._unsent[:sent]
        self._wait(on=bool(self._unsent))
        if self._half_closed and not self._unsent:
            self._sink.end()
            self._drop_sink()

    def _wait(self, *, on: bool) -> None:
        """Let the epoll tell when the sink takes more."""
        if self._sink is None or on == self._waits:
            return
        self._waits = on
        if on:
            self._poll.register(self._sink.fileno(), select.EPOLLOUT)
        else:
            self._poll.unregister(self._sink.fileno())

    def _drop_sink(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def close(self) -> None:
        """See Channels."""
        if self._closed:
            return
        self._closed = True
        self._wait(on=False)
        self._drop_sink()
        self._poll.close()
        left, self._sources = list(self._sources.values()), {}
        if self.eof or self._ends_with_output:
            for source in left:
                source.close()
        if not self.eof:
            self._process.leave(left)
        self.eof = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def terminal() -> tuple[int, int]:
    """A new pseudo terminal, as raw as a pipe: who has its other end (runc) makes a terminal of its own for the command.

    That one leaves ``\\n`` as it is, and relies on this one to make it ``\\r\\n``.
    """
    ours, theirs = os.openpty()
    mode = termios.tcgetattr(theirs)
    mode[0] = mode[3] = 0
    mode[1] = termios.OPOST | termios.ONLCR
    mode[2] = termios.CS8 | termios.CREAD
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    return ours, theirs


def set_size(descriptor: int, height: int, width: int) -> None:
    """A terminal's size, in characters."""
    size = struct.pack("HHHH", height & 0xFFFF, width & 0xFFFF, 0, 0)
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, array.array("B", size))


def resized(descriptor: int, height: int, width: int) -> None:
    """Set a terminal's size, if it is still there."""
    with contextlib.suppress(OSError):
        set_size(descriptor, height, width)
