"""Two ends of a TCP connection, each in its own hands: one thread and one poll loop for both directions.

A half-close is passed on, and so is a reset. Each direction holds at most one piece: what cannot be written stops what is
read.
"""

import contextlib
import errno
import math
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Protocol

from kubedock.streams.cancel import Cancel, Wakeup

PIECE = 64 * 1024
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
LINGER_SECONDS = 2.0


class Side(Protocol):
    """One end: non-blocking, polled at ``fileno()``. Every method may raise OSError: it broke."""

    @property
    def dead(self) -> bool:
        """It takes nothing more, whether or not it was ended."""

    @property
    def waiting(self) -> bool:
        """It took what has not left yet: poll it for writing and ``flush``."""

    @property
    def patience(self) -> float | None:
        """After so many seconds in which nothing happens ``tick`` is to be called; None: never."""

    def fileno(self) -> int: ...
    def pending(self) -> bool:
        """There is data that poll does not see."""

    def recv(self) -> bytes | None:
        """At most about a PIECE; ``b""`` at the end, None when there is nothing now."""

    def send(self, data: memoryview) -> int:
        """How many bytes were taken, 0 for none now."""

    def flush(self) -> None: ...
    def end(self) -> None:
        """Nothing more will be sent."""

    def tick(self) -> None:
        """Nothing has happened for that long."""


class SocketSide:
    """A connected TCP socket. Who made it closes it."""

    dead = waiting = False
    patience = None

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self._sock = sock

    def fileno(self) -> int:
        """See Side."""
        return self._sock.fileno()

    def pending(self) -> bool:
        """See Side."""
        return False

    def recv(self) -> bytes | None:
        """See Side."""
        try:
            return self._sock.recv(PIECE)
        except BlockingIOError:
            return None

    def send(self, data: memoryview) -> int:
        """See Side."""
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0

    def flush(self) -> None:
        """See Side."""

    def end(self) -> None:
        """See Side."""
        self._sock.shutdown(socket.SHUT_WR)

    def tick(self) -> None:
        """See Side."""


class _Way:
    """One direction."""

    def __init__(self, source: Side, sink: Side) -> None:
        self.source, self.sink = source, sink
        self.piece = memoryview(b"")
        self.read_all = self.over = False

    @property
    def reads(self) -> bool:
        return not self.piece and not self.read_all

    def move(self, *, readable: bool) -> None:
        """As far as it goes without waiting."""
        if self.reads and (readable or self.source.pending()):
            data = self.source.recv()
            if data is not None:
                self.piece, self.read_all = memoryview(data), not data
        if self.piece:
            self.piece = self.piece[self.sink.send(self.piece) :]
        if self.read_all and not self.piece and not self.over:
            self.over = True
            self.sink.end()


def relay(near: Side, far: Side, cancel: Cancel) -> None:
    """Move bytes until both have ended, the far one is dead, or it is cancelled. OSError where one of them broke.

    Only the far one is asked for its patience.
    """
    ways = (_Way(near, far), _Way(far, near))
    there, back = ways
    poll = select.poll()
    with Wakeup(cancel) as wakeup:
        poll.register(wakeup, select.POLLIN)
        while cancel.reason is None and not (back.over and (there.over or far.dead)):
            masks = {side.fileno(): _watch(poll, side, *pair) for side, pair in ((near, (there, back)), (far, (back, there)))}
            more = any(way.reads and way.source.pending() for way in ways)
            events = dict(poll.poll(0 if more else _milliseconds(far.patience)))
            if not events and not more:
                far.tick()
            for side in (near, far):
                if not masks[side.fileno()] and events.get(side.fileno()):
                    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
                side.flush()
            for way in ways:
                way.move(readable=bool(events.get(way.source.fileno())))


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else max(0, math.ceil(seconds * 1000))


def _watch(poll: select.poll, side: Side, source: _Way, sink: _Way) -> int:
    """Poll a side for what its two ways need; with nothing to do, still for its break, unless it was ended anyway."""
    mask = (select.POLLIN if source.reads else 0) | (select.POLLOUT if sink.piece or side.waiting else 0)
    if mask or not (sink.over or side.dead):
        poll.register(side, mask)
    else:
        with contextlib.suppress(KeyError):
            poll.unregister(side)
    return mask


def dial(host: str, port: int, timeout: float, cancel: Cancel) -> socket.socket:
    """Connect to an address; OSError: ConnectionRefusedError, TimeoutError, ConnectionAbortedError where it was cancelled …"""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        code = sock.connect_ex((host, port))
        if code == errno.EINPROGRESS:
            code = _connected(sock, timeout, cancel)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock


def _connected(sock: socket.socket, timeout: float, cancel: Cancel) -> int:
    """The error of a connection that was begun, 0 for none."""
    with Wakeup(cancel) as wakeup:
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        poll.register(sock, select.POLLOUT)
        ready = dict(poll.poll(timeout * 1000))
    if sock.fileno() in ready:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.ECONNABORTED if cancel.reason is not None else errno.ETIMEDOUT


def linger(connection: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
    """Wait for the peer's end for a moment and drop what it still sends: a close with unread input is a reset."""
    end = clock() + LINGER_SECONDS
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while (left := end - clock()) > 0:
            connection.settimeout(left)
            if not connection.recv(PIECE):
                return
