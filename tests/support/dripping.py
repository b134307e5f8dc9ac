"""Servers that are none: one that never comes to an end, byte by byte, and one that is not there."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tests.support.waiting import in_thread


class Dripping:
    """To every request it says ``first``, and then the ``pieces`` again and again. ``left``: the client has gone."""

    def __init__(self, first: bytes, pieces: Sequence[bytes], *, reads: bool = True) -> None:
        self._first, self._pieces, self._reads = first, pieces, reads
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stop = threading.Event()
        self.left = threading.Event()

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @contextmanager
    def serving(self) -> Iterator["Dripping"]:
        """Answer until the end."""
        ended = in_thread(self._serve)
        try:
            yield self
        finally:
            self._stop.set()
            with suppress(OSError):
                socket.create_connection(self._listener.getsockname(), 1).close()
            ended()
            self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            connection, _ = self._listener.accept()
            with connection, suppress(OSError):
                self._drip(connection)

    def _drip(self, connection: socket.socket) -> None:
        asked = b""
        while self._reads and b"\r\n\r\n" not in asked:
            data = connection.recv(4096)
            if not data:
                return
            asked += data
        try:
            connection.sendall(self._first)
            while True:
                for piece in self._pieces:
                    if self._stop.wait(0.01):
                        return
                    connection.sendall(piece)
        except OSError:
            self.left.set()


def closed_port() -> str:
    """A host where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"
