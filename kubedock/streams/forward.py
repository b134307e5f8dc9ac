"""A port-forward as one end of a relay."""

import errno
import time
from collections.abc import Callable

from kubedock.streams.pump import PING_SECONDS, Channels
from kubedock.streams.relay import PIECE

DATA, FAILURE = 0, 1
MOST_UNSENT = 4 * PIECE
UNANSWERED_SECONDS, ANSWERED_SECONDS = 60.0, 5.0


class ForwardSide:
    """See Side. Who made the channels closes them.

    Kubernetes knows no half-close here, so the pod does not see the client's end, and nothing tells whether the client
    has closed or only half-closed. What the pod still sends is passed on until it ends, or has been silent for a while:
    a long one where it owes the client an answer, else a short one, since most clients have just closed.
    """

    def __init__(self, channels: Channels, clock: Callable[[], float] = time.monotonic) -> None:
        self._channels, self._clock = channels, clock
        self._ended = self._owes = self._given_up = False
        self._heard_at = clock()

    @property
    def dead(self) -> bool:
        """See Side."""
        return self._channels.eof or self._given_up

    @property
    def waiting(self) -> bool:
        """See Side."""
        return self._channels.unsent > 0 and not self.dead

    @property
    def patience(self) -> float:
        """See Side."""
        return min(PING_SECONDS, self._left()) if self._ended else PING_SECONDS

    def _left(self) -> float:
        return self._heard_at + (UNANSWERED_SECONDS if self._owes else ANSWERED_SECONDS) - self._clock()

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
            self._heard_at, self._owes = self._clock(), False
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
        self._owes = True
        self._channels.send(DATA, bytes(data))
        self._channels.flush()
        return len(data)

    def flush(self) -> None:
        """See Side."""
        self._channels.flush()

    def end(self) -> None:
        """See Side."""
        self._ended, self._heard_at = True, self._clock()

    def tick(self) -> None:
        """See Side."""
        self._channels.ping()
        self._given_up = self._ended and self._left() <= 0


def _error(said: str) -> OSError:
    """Of what the cluster says where a port cannot be reached, or its connection broke."""
    if "connection refused" in said or "connection reset" in said:
        return ConnectionResetError(errno.ECONNRESET, said)
    return ConnectionAbortedError(errno.ECONNABORTED, said)
