"""Channels to a container's main process by an attach socket, as conmon has one and the chroot runtime's shim."""

import socket
from collections.abc import Callable, Sequence

from kubedock.embedded.runtime import ContainerSpec
from kubedock.embedded.runtimes import status, streams

Resize = Callable[[int, int], None]
"""Tell the terminal of the main process its size: (height, width), in characters."""


def channels(connection: socket.socket, spec: ContainerSpec, resize: Resize | None, *, stdin: bool) -> streams.LocalChannels:
    """The streams of the container of ``spec`` over its attach socket. ``resize`` is None where no terminal is attached."""
    source = streams.AttachSocket(connection, finishes=spec.stdin_once)
    sink = source.duplicate() if stdin and spec.stdin else None
    return streams.LocalChannels([source], sink, _MainProcess(resize), ends_with_output=True)


class _MainProcess:
    """The main process, as an attach sees it; see ``streams.Process``."""

    def __init__(self, resize: Resize | None) -> None:
        self._resize = resize

    def fileno(self) -> int:
        """See streams.Process: it ends with its output."""
        return -1

    def status(self) -> bytes:
        """See streams.Process."""
        return status.SUCCESS

    def resize(self, height: int, width: int) -> None:
        """See streams.Process."""
        if self._resize is not None:
            self._resize(height, width)

    def leave(self, sources: Sequence[streams.Source]) -> None:
        """See streams.Process: whoever has the other end does not wait for who attaches."""
