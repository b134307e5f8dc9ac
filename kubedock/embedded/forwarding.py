"""A port-forward of the embedded cluster: a connection of the runtime's as numbered channels."""

import contextlib
import socket
from typing import Self

from kubedock.cluster.protocol import DATA

CHUNK = 256 * 1024


class Forwarded:
    """See Channels: the connection's bytes are on DATA. The end of either side is the end of both."""

    input_ends = False

    def __init__(self, connection: socket.socket) -> None:
        """Take a connected socket."""
        connection.settimeout(0)
        self._socket = connection
        self._unsent = bytearray()
        self._eof = self._cut = False

    @property
    def unsent(self) -> int:
        """See Channels."""
        return len(self._unsent)

    @property
    def eof(self) -> bool:
        """See Channels."""
        return self._eof

    @property
    def cut(self) -> bool:
        """See Channels."""
        return self._cut

    def fileno(self) -> int:
        """See Channels."""
        return self._socket.fileno()

    def pending(self) -> bool:
        """See Channels."""
        return False

    def receive(self) -> list[tuple[int, bytes]]:
        """See Channels."""
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            self._eof = self._cut = True
            return []
        self._eof = not data
        return [(DATA, data)] if data else []

    def send(self, channel: int, data: bytes) -> None:
        """See Channels."""
        if channel == DATA:
            self._unsent += data

    def close_channel(self, channel: int) -> bool:
        """See Channels: a port-forward knows no half-close."""
        del channel
        return False

    def ping(self) -> None:
        """See Channels: the connection is local."""

    def flush(self) -> None:
        """See Channels."""
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                try:
                    sent = self._socket.send(self._unsent)
                except (BrokenPipeError, ConnectionResetError):
                    self._unsent.clear()
                    return
                del self._unsent[:sent]

    def close(self) -> None:
        """See Channels."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
