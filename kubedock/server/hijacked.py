"""The client's socket after the request, as a byte stream that belongs to attach or exec."""

import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Callable

from kubedock.streams.cancel import Cancel

_SIOCOUTQ = 0x5411  # bytes not acknowledged (TCP), or not yet read by the peer (unix)
_HEAD_TIMEOUT = 10.0
_GAP = 0.05


class HijackedConn:
    """The client, non-blocking: poll ``fileno()`` unless ``pending()``. One thread uses it at a time.

    ``initial`` are bytes that the client sent right behind its request; they are the first input.
    ``watch`` is the server's watch of this socket (see ``watch_gone``).
    """

    def __init__(self, sock: socket.socket, initial: bytes, watch: Callable[[], tuple[Cancel, Callable[[], None]]]) -> None:
        self._sock = sock
        self._initial = initial
        self._watch = watch
        self._output_from = self._taken_by = 0.0
        sock.settimeout(0)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # a client that has half-closed and then vanishes shows no event until we write: only probes find it
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)

    def fileno(self) -> int:
        """The descriptor, to poll."""
        return self._sock.fileno()

    def watch_gone(self) -> tuple[Cancel, Callable[[], None]]:
        """A Cancel that is set when the connection breaks or the server stops, and what ends the watch.

        A half-close is not the end: a client that sends no input half-closes at once and goes on reading.
        """
        return self._watch()

    def send_head(self, head: bytes, *, gap: float = _GAP, cap: float = 0.1) -> None:
        """Send the response's head. The first output waits until the client has taken it, for at most ``cap`` seconds.

        docker-py parses the head with a buffered reader and then reads the bare socket: output that comes in the same
        read as the head is lost to it. An acknowledgement may come from its kernel alone, so the first output keeps a
        little distance besides (``gap`` seconds); what starts later than that waits for nothing.
        """
        self._sock.settimeout(_HEAD_TIMEOUT)
        self._sock.sendall(head)
        self._sock.settimeout(0)
        now = time.monotonic()
        self._output_from, self._taken_by = now + gap, now + max(cap, gap)

    def _keep_distance(self) -> None:
        while self._unsent() and time.monotonic() < self._taken_by:
            time.sleep(0.001)
        time.sleep(max(0.0, self._output_from - time.monotonic()))
        self._output_from = 0.0

    def _unsent(self) -> int:
        number: int = struct.unpack("i", fcntl.ioctl(self._sock, _SIOCOUTQ, b"\0" * 4))[0]
        return number

    def pending(self) -> bool:
        """``recv`` has data that poll cannot see."""
        return bool(self._initial)

    def recv(self, size: int = 65536) -> bytes | None:
        """Input; ``b""`` when the client has ended its side, None when there is none now."""
        if self._initial:
            data, self._initial = self._initial[:size], self._initial[size:]
            return data
        try:
            return self._sock.recv(size)
        except BlockingIOError:
            return None

    def send(self, data: bytes | memoryview) -> int:
        """How many bytes were taken, 0 when it would block. Raises ConnectionError when the client is gone."""
        if self._output_from:
            self._keep_distance()
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0

    def sendall(self, data: bytes, cancel: Cancel) -> None:
        """Send everything, waiting for a slow client; ConnectionError when it is gone or the stream is cancelled."""
        left = memoryview(data)
        while left:
            if cancel.reason is not None:
                raise ConnectionError(cancel.reason)
            taken = self.send(left)
            left = left[taken:]
            if not taken:
                self._await_writable(cancel)

    def _await_writable(self, cancel: Cancel) -> None:
        wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        take_back = cancel.on_cancel(lambda: os.eventfd_write(wake, 1))
        try:
            poll = select.poll()
            poll.register(self._sock, select.POLLOUT | select.POLLHUP | select.POLLERR)
            poll.register(wake, select.POLLIN)
            for fd, events in poll.poll():
                if fd != wake and events & (select.POLLHUP | select.POLLERR):
                    raise ConnectionError("client gone")
        finally:
            take_back()
            os.close(wake)

    def close(self, *, linger: float = 2.0, limit: int = 8 << 20) -> None:
        """End our side, then read and drop what the client still sends, for a while.

        Closing with unread input resets the connection, and a reset can destroy output that the client has not read.
        """
        with self._sock as sock:
            try:
                sock.shutdown(socket.SHUT_WR)
                end = time.monotonic() + linger
                while limit > 0:
                    sock.settimeout(max(0.001, end - time.monotonic()))
                    size = len(sock.recv(65536))
                    if not size:
                        break
                    limit -= size
            except OSError:
                return  # gone already, or still talking: both end here
