"""A port-forward as one end of a relay."""

import errno

from kubedock.streams.pump import Channels
from kubedock.streams.relay import PIECE

DATA, FAILURE = 0, 1
MOST_UNSENT = 4 * PIECE
IDLE_TICKS = 3


class ForwardSide:
    """See Side. Kubernetes knows no half-close here: after the client's the rest of the answer is still read.

    That ends with the pod's side, or when nothing has come for IDLE_TICKS. Who made the channels closes them.
    """

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._ended = self._given_up = False
        self._idle = 0

    @property
    def dead(self) -> bool:
        """See Side."""
        return self._channels.eof or self._given_up

    @property
    def waiting(self) -> bool:
        """See Side."""
        return self._channels.unsent > 0 and not self.dead

    def fileno(self) -> int:
        """See Side."""
        return self._channels.fileno()

    def pending(self) -> bool:
        """See Side."""
        return self.dead or self._channels.pending()

    def recv(self) -> bytes | None:
        """See Side: ConnectionResetError where the port's own side is the reason, else ConnectionAbortedError."""
        parts = []
        for channel, data in self._channels.receive():
            if channel == FAILURE:
                raise _error(data.decode(errors="replace"))
            parts.append(data)
        if parts:
            self._idle = 0
            return b"".join(parts)
        if self._channels.cut:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the connection to the cluster broke")
        return b"" if self.dead else None

    def send(self, data: memoryview) -> int:
        """See Side."""
        if self.dead:
            return len(data)
        if self._channels.unsent >= MOST_UNSENT:
            return 0
        self._channels.send(DATA, bytes(data))
        self._channels.flush()
        return len(data)

    def flush(self) -> None:
        """See Side."""
        self._channels.flush()

    def end(self) -> None:
        """See Side."""
        self._ended = True

    def tick(self) -> None:
        """See Side."""
        self._channels.ping()
        self._idle += 1
        self._given_up = self._ended and self._idle >= IDLE_TICKS


def _error(said: str) -> OSError:
    """Of what the cluster says where a port cannot be reached, or its connection broke."""
    if "connection refused" in said or "connection reset" in said:
        return ConnectionResetError(errno.ECONNRESET, said)
    return ConnectionAbortedError(errno.ECONNABORTED, said)
