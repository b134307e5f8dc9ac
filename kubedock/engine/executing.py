"""One exec that was started: its connection to the cluster, with a client at the other end or without."""

import logging
import select
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress

from kubedock.cluster import Channels
from kubedock.cluster.protocol import ERROR, STDERR, STDIN, STDOUT
from kubedock.domain.exec import Exec, Wrapped, wrapped
from kubedock.domain.status import KILLED
from kubedock.engine.core import Core
from kubedock.errors import InvalidParameter, KubedockError, NotFound, NotRunning, System
from kubedock.notstarted import COMMAND_NOT_FOUND, COMMAND_NOT_RUNNABLE, RUNTIME, lacks, start_code
from kubedock.streams.cancel import Cancel
from kubedock.streams.channels import ExitStatus, exit_status
from kubedock.streams.pump import Client, Pump, send_size

logger = logging.getLogger(__name__)

UNKNOWN = 255
"""The exit code where the connection broke: what the command did is not known."""
LOST = "kubedock: the connection to the exec broke: its exit code is not known"
AT_ONCE = 0.2
"""Seconds within which a detached command that cannot begin is told as an error of its start. Nothing in Kubernetes says
that a command has begun: each that is silent costs its client this time, and a runtime fails within some 50 ms."""
ENOUGH = 4096
"""So many bytes of what is written in that time are kept: a refusal is shorter."""
RELATIVE = f"{RUNTIME}: exec failed: Cwd must be an absolute path: unknown"
NO_PROGRAMS = (
    f'{RUNTIME}: exec failed: unable to start container process: exec: "%s": executable file not found in $PATH:'
    " kubedock does Ryuk's work itself, there is no program in this container"
)
"""As from the real Ryuk's image, which has no shell either: the Go library tries one and goes on without."""
OLD_CLUSTER = "the cluster cannot end an exec's input (Kubernetes before 1.30): %s goes on with its input open"

Batch = Sequence[tuple[int, bytes]]
Encode = Callable[[int, bytes], bytes]


class NoProgram(InvalidParameter):
    """There is nothing in the container that could be run."""


class Executing:
    """It was claimed: call one of ``serve``, ``batches`` and ``detached``, then ``close`` whatever happens.

    Whoever attaches, the command runs to its end: where the client leaves, the output is read and dropped.
    """

    def __init__(self, core: Core, started: Exec, ended: Callable[[Exec, int], None], *, tty: bool) -> None:
        """``ended`` notes the exit code; ``tty`` is how the client wants its output: as it is, or in frames."""
        self.tty = tty
        self._core, self._exec, self._ended = core, started, ended
        self._terminal = core.sessions.execs.terminal(started.id)
        self._wrapped = Wrapped([])
        self._channels: Channels | None = None
        self._begun = self._input_over = False

    def close(self) -> None:
        """The client was gone before it was attached: the command runs all the same."""
        if not self._begun:
            with suppress(KubedockError):
                self._open_alone()
                self._leave()

    def serve(self, client: Client, encode: Encode, cancel: Cancel) -> bytes:
        """Be attached to a client until the command ends or the client leaves; what is left to send.

        The exit code stands before the last output is sent.
        """
        try:
            channels = self._open()
        except KubedockError as error:
            return encode(STDOUT, _line(str(error)))
        pump = Pump(channels, cancel)
        spec = self._exec.spec
        try:
            self._follow_size(pump.resize)
            end = pump.run(
                client, lambda channel, data: self._taken(channel, data, encode), self._end_input if spec.stdin else None
            )
            said = self._lost() if end == "ended" else b""
        finally:
            self._leave()
            pump.close()
        return encode(STDERR, said)

    def batches(self, cancel: Cancel) -> Generator[Batch, None, None]:
        """The output alone, for a client that has no other way back; its input is at its end."""
        try:
            channels = self._open()
        except KubedockError as error:
            yield ((STDOUT, _line(str(error))),)
            return
        pump = Pump(channels, cancel)
        try:
            self._follow_size(pump.resize)
            self._end_input()
            yield ()
            for batch in pump.batches():
                shown = [message for part in batch for message in self._messages(*part)]
                if shown:
                    yield shown
            if cancel.reason is None:
                yield ((STDERR, self._lost()),)
        finally:
            self._leave()
            pump.close()

    def detached(self) -> None:
        """Without a client. What keeps the command from beginning is raised, as far as it is known AT_ONCE."""
        channels = self._open_alone()
        try:
            failure = self._failure(channels, time.monotonic() + AT_ONCE)
        finally:
            self._leave()
        if failure is not None:
            raise failure

    # --- begin and end -------------------------------------------------------------------------------------------

    def _open(self) -> Channels:
        """Connect. An error is what the client is told: the exec has ended then."""
        self._begun = True
        try:
            self._channels = channels = self._connected()
        except (NotFound, NotRunning) as error:
            self._end(KILLED)
            raise NotRunning(self._exec.container_id) from error
        except KubedockError as error:
            logger.warning("exec %s: %s", self._exec.id[:12], error)
            self._end(COMMAND_NOT_FOUND if isinstance(error, NoProgram) else COMMAND_NOT_RUNNABLE)
            raise
        except BaseException:
            self._end(UNKNOWN)
            raise
        return channels

    def _open_alone(self) -> Channels:
        """The same without a client: the terminal keeps the size that it is given now, and there is no input."""
        channels = self._open()
        self._follow_size(lambda height, width: send_size(channels, height, width))
        self._terminal.disconnect()
        self._end_input()
        return channels

    def _connected(self) -> Channels:
        spec, identity = self._exec.spec, self._exec.container_id
        if spec.working_dir and not spec.working_dir.startswith("/"):
            raise InvalidParameter(RELATIVE)
        record = self._core.containers.find(identity)
        observed = self._core.watcher.observed(record.short_id, record.run)
        if not record.alive or observed is None or observed.deleted:
            raise NotRunning(identity)
        asked = record.spec
        if asked.workload == "inside":
            raise NoProgram(NO_PROGRAMS % spec.argv[0])
        self._wrapped = wrapped(spec, user=asked.user, group=asked.group, working_dir=asked.working_dir)
        return self._core.cluster.exec(observed.pod, self._wrapped.argv, stdin=spec.stdin, tty=spec.tty)

    def _failure(self, channels: Channels, deadline: float) -> KubedockError | None:
        """Wait for the end of a command that does not begin, until the deadline at most; why it did not."""
        poll = select.poll()
        said = b""
        while True:
            for channel, data in channels.receive():
                if channel == ERROR:
                    return self._not_begun(data, said)
                said = (said + data)[:ENOUGH]
            channels.flush()
            begun = bool(said) and not self._wrapped.checked  # what was written is the command's own
            if begun or channels.eof or (left := deadline - time.monotonic()) <= 0:
                return None
            poll.register(channels.fileno(), select.POLLIN | (select.POLLOUT if channels.unsent else 0))
            if not channels.pending():
                poll.poll(left * 1000)

    def _not_begun(self, data: bytes, said: bytes) -> KubedockError | None:
        """Note the end that a Status tells. An error where the command has not even begun, of the kind that moby gives."""
        found, shown = exit_status(data), self._status(data)
        self._end(shown.code)
        if found.container_gone:
            return NotRunning(self._exec.container_id)
        if found.message:
            return System(shown.message) if start_code(found.message) is None else InvalidParameter(shown.message)
        return self._wrapped.refusal(said)

    def _follow_size(self, resize: Callable[[int, int], None]) -> None:
        """Pass the terminal's size on, now and when it changes. Without a terminal there is none, whatever was asked."""
        if self._exec.spec.tty:
            self._terminal.connect(lambda size: resize(*size))

    def _end_input(self) -> None:
        """Pass the end of input on. A terminal has none: there it is a character."""
        spec, channels = self._exec.spec, self._channels
        if channels is None or self._input_over or not spec.stdin or spec.tty:
            return
        self._input_over = True
        if not channels.close_channel(STDIN):
            logger.warning(OLD_CLUSTER, f"exec {self._exec.id[:12]}")

    def _leave(self) -> None:
        """No client any more. A command that goes on is read by the drain; its input is at its end."""
        channels = self._channels
        self._terminal.disconnect()
        if channels is None:
            return
        runs = self._core.sessions.execs.running(self._exec.id)
        if runs and not channels.eof:
            self._end_input()
            self._core.drain.add(channels, self._drained)
        else:
            channels.close()
            if runs:
                self._drained(None)
        self._channels = None

    def _drained(self, status: bytes | None) -> None:
        if status is not None:
            found = self._status(status)
            if found.message:
                logger.warning("exec %s: %s", self._exec.id[:12], found.message)
            self._end(found.code)
        else:
            self._core.tasks.submit(f"the end of exec {self._exec.id[:12]}", lambda: self._end(self._broken()))

    def _end(self, exit_code: int) -> None:
        self._ended(self._exec, exit_code)

    # --- what comes ----------------------------------------------------------------------------------------------

    def _taken(self, channel: int, data: bytes, encode: Encode) -> bytes:
        return b"".join(encode(*message) for message in self._messages(channel, data))

    def _messages(self, channel: int, data: bytes) -> list[tuple[int, bytes]]:
        """What the client gets of a message. The status ends the exec, and says why where it never began."""
        spec = self._exec.spec
        if channel == ERROR:
            status = self._status(data)
            self._end(status.code)
            return [(STDOUT, _line(status.message))] if status.message else []
        wanted = spec.stdout if channel == STDOUT else channel == STDERR and spec.stderr
        return [(channel, data)] if wanted else []

    def _status(self, data: bytes) -> ExitStatus:
        found = exit_status(data)
        if found.container_gone:
            return ExitStatus(KILLED, str(NotRunning(self._exec.container_id)))
        for tool, what in self._wrapped.needs:
            if lacks(found.message, tool):
                text = f"kubedock: an exec with {what} needs a program {tool} in the image, and this image has none"
                return ExitStatus(COMMAND_NOT_RUNNABLE, text)
        return found._replace(message=found.reason)

    def _lost(self) -> bytes:
        """What has to be said where the connection ended without a status."""
        if not self._core.sessions.execs.running(self._exec.id):
            return b""
        code = self._broken()
        self._end(code)
        return _line(LOST) if code == UNKNOWN else b""

    def _broken(self) -> int:
        """The exit code where no status came. A container's end takes its execs with it, and may be known a little later."""
        identity = self._exec.container_id
        deadline = time.monotonic() + self._core.limits.address
        with self._core.bell.listening(identity) as changed:
            while not (ended := self._container_ended(identity)) and (left := deadline - time.monotonic()) > 0:
                changed.wait(left)
                changed.clear()
        return KILLED if ended else UNKNOWN

    def _container_ended(self, identity: str) -> bool:
        record = self._core.containers.get(identity)
        if record is None or not record.alive or record.removing:
            return True
        observed = self._core.watcher.observed(record.short_id, record.run)
        return observed is None or observed.deleted or not observed.running


def _line(text: str) -> bytes:
    return f"{text}\r\n".encode()
