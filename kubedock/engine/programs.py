"""A program of the image that runs beside the container's own, and the talk with it: one thread, one poll loop."""

import select
import time
from collections import deque
from collections.abc import Sequence
from typing import Self

from kubedock.cluster import Channels
from kubedock.cluster.protocol import ERROR, STDERR, STDIN, STDOUT
from kubedock.domain.filetools import ABSENT, HIDDEN, NO_DIRECTORY, NO_TAR, NO_TOOLS, failure
from kubedock.engine.core import Core
from kubedock.engine.places import Place
from kubedock.errors import (
    FileNotFound,
    Forbidden,
    GivenUp,
    InvalidParameter,
    KubedockError,
    NotFound,
    NotImplemented,
    NotRunning,
    Unavailable,
)
from kubedock.notstarted import COMMAND_NOT_FOUND
from kubedock.streams.cancel import Cancel, Wakeup
from kubedock.streams.channels import ExitStatus, exit_status

HIGH = 1 << 20
"""Bytes that may wait to be sent."""
SAID = 64 * 1024
"""Bytes of what it says on stderr that are remembered: the last ones."""
PING_SECONDS = 20.0
BROKEN = "the connection to the cluster broke while files were copied"


class ImageProgram:
    """Owns its channels and closes them. Whatever it waits for, GivenUp is raised once ``cancel`` is set."""

    def __init__(self, channels: Channels, cancel: Cancel) -> None:
        self._channels, self._cancel = channels, cancel
        self._wakeup = Wakeup(cancel)
        self._poll = select.poll()
        self._poll.register(self._wakeup.fileno(), select.POLLIN)
        self._spoke = time.monotonic()
        self._out: deque[bytes] = deque()
        self._said = b""
        self.status: ExitStatus | None = None

    @property
    def said(self) -> str:
        """What it has said on stderr, as far as it is remembered."""
        return self._said.decode("utf-8", "replace")

    @property
    def over(self) -> bool:
        """It has ended, or its connection has."""
        return self.status is not None or self._channels.eof

    @property
    def input_ends(self) -> bool:
        """Its input can be ended; see Channels."""
        return self._channels.input_ends

    def write(self, data: bytes) -> None:
        """Send; returns when little of it waits. What a program that is over does not take is dropped."""
        self._channels.send(STDIN, data)
        self._channels.flush()
        while self._channels.unsent > HIGH and not self.over:
            self._turn()

    def end_input(self) -> None:
        """There is no more, where the cluster can say so."""
        self._channels.close_channel(STDIN)

    def read(self) -> bytes:
        """Some of its output as it comes, ``b""`` when it is over."""
        while not self._out and not self.over:
            self._turn()
        return self._out.popleft() if self._out else b""

    def line(self) -> bytes:
        """The next line of its output without its end; what there is when it is over before the line ends."""
        text = b""
        while b"\n" not in text and (more := self.read()):
            text += more
        line, _, rest = text.partition(b"\n")
        if rest:
            self._out.appendleft(rest)
        return line

    def wait(self) -> ExitStatus:
        """How it ended. Unavailable where its connection broke."""
        while not self.over:
            self._turn()
        if self.status is None:
            raise Unavailable(BROKEN)
        return self.status

    def hear(self) -> None:
        """Wait until something has come from it."""
        if not self.over:
            self._turn()

    def keep_alive(self) -> None:
        """To be called now and then while nothing is to be said to it: nothing between takes its connection for dead."""
        if time.monotonic() - self._spoke >= PING_SECONDS:
            self._spoke = time.monotonic()
            self._channels.ping()
            self._take()

    def _turn(self) -> None:
        """Wait until something can be sent that waits for that, or something has come; send and take it."""
        channels = self._channels
        self._poll.register(channels.fileno(), select.POLLIN | (select.POLLOUT if channels.unsent else 0))
        if not channels.pending() and not self._poll.poll(PING_SECONDS * 1000):
            channels.ping()
        self._wakeup.clear()
        if self._cancel.reason is not None:
            raise GivenUp(f"the copying of files was given up: {self._cancel.reason}")
        self._take()

    def _take(self) -> None:
        self._channels.flush()
        for channel, data in self._channels.receive():
            if channel == STDOUT:
                self._out.append(data)
            elif channel == STDERR:
                self._said = (self._said + data)[-SAID:]
            elif channel == ERROR:
                self.status = exit_status(data)

    def close(self) -> None:
        """End it."""
        self._channels.close()
        self._wakeup.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """End it."""
        self.close()


def connect(core: Core, place: Place, argv: Sequence[str], *, stdin: bool = True) -> Channels:
    """Start a program in a place's container. NotRunning where that does not run."""
    record = core.containers.get(place.container_id)
    observed = None if record is None else core.watcher.observed(record.short_id, record.run)
    if record is None or not record.alive or observed is None or observed.deleted:
        raise NotRunning(place.container_id)
    try:
        return core.cluster.exec(observed.pod, argv, stdin=stdin)
    except NotFound as error:
        raise NotRunning(place.container_id) from error


def ending(program: ImageProgram, place: Place) -> KubedockError:
    """The error of a script of ``filetools`` that is over though it should not be."""
    status = program.status
    if status is None:
        return Unavailable(BROKEN)
    if status.container_gone:
        return NotRunning(place.container_id)
    if status.code == NO_TAR or (status.code == COMMAND_NOT_FOUND and status.message):
        return NotImplemented(NO_TOOLS)
    if status.code == ABSENT:
        return FileNotFound(place.asked, place.ref)
    if status.code == NO_DIRECTORY:
        return InvalidParameter(f"{place.path.path} is not a directory")
    if status.code == HIDDEN:
        return Forbidden(f"permission denied: the container's user may not look at {place.path.path}")
    return Unavailable(status.message) if status.message else failure(status.code, program.said)
