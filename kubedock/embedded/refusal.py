"""An exec, attach or port-forward that ends at once with one message: what it was for does not run."""

import os
from typing import Self


class Refusal:
    """See Channels."""

    input_ends = True

    def __init__(self, channel: int, text: bytes) -> None:
        self._left = [(channel, text)]
        self._fd = os.eventfd(1, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    @property
    def unsent(self) -> int:
        """See Channels."""
        return 0

    @property
    def eof(self) -> bool:
        """See Channels."""
        return not self._left

    @property
    def cut(self) -> bool:
        """See Channels."""
        return False

    def fileno(self) -> int:
        """See Channels: always readable."""
        return self._fd

    def pending(self) -> bool:
        """See Channels."""
        return bool(self._left)

    def receive(self) -> list[tuple[int, bytes]]:
        """See Channels."""
        told, self._left = self._left, []
        return told

    def send(self, channel: int, data: bytes) -> None:
        """See Channels: nobody reads it."""

    def close_channel(self, channel: int) -> bool:
        """See Channels."""
        del channel
        return True

    def ping(self) -> None:
        """See Channels."""

    def flush(self) -> None:
        """See Channels."""

    def close(self) -> None:
        """See Channels."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
