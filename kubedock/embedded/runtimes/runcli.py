"""The runc program: its commands, and its processes inside a running container (exec)."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kubedock.cluster.protocol import STDERR, STDOUT
from kubedock.embedded.runtimes import status, streams, tools
from kubedock.embedded.runtimes.draining import drain
from kubedock.embedded.runtimes.loop import Loop
from kubedock.embedded.runtimes.streams import Source

COMMAND_SECONDS = 30.0
START_FAILED = 255
_GONE = ("container does not exist", "cannot exec in a stopped container", "cannot exec a container that has stopped")

_numbers = itertools.count(1)


class Runc:
    """runc with its own state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.program = tools.find("runc") or "runc"

    def argv(self, *words: str) -> list[str]:
        """A command line."""
        return [self.program, "--root", str(self._state), *words]

    def run(self, *words: str) -> str:
        """Run a command; what it says when it fails, else ""."""
        try:
            done = subprocess.run(
                self.argv(*words), stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False,
                env={"PATH": tools.path()}, start_new_session=True,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode == 0:
            return ""
        return done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"


class RuncExec:
    """A command in a container; see ``streams.Process``."""

    def __init__(self, runc: Runc, container_id: str, name: str, bundle: Path, alive: Callable[[], bool]) -> None:
        """``name`` is the container's in its pod, ``alive`` whether its main process runs."""
        self._left = False
        self._runc, self._container_id, self._name, self._alive = runc, container_id, name, alive
        self._number = next(_numbers)
        self._specification = bundle / f"exec-{self._number}.json"
        self._log = bundle / f"exec-{self._number}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = self._terminal = -1
        self._loop: Loop | None = None

    def begin(self, loop: Loop, specification: dict[str, Any], *, stdin: bool) -> streams.LocalChannels:
        """Run it."""
        self._loop = loop
        self._specification.write_text(json.dumps(specification))
        if specification["terminal"]:
            ours, theirs = streams.terminal()
            self._spawn(theirs, theirs, theirs)
            self._terminal = ours
            sink = streams.Descriptor(os.dup(ours)) if stdin else None
            return streams.LocalChannels([Unmixed(ours, STDOUT, self.failed)], sink, self)
        inputs = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), -1)
        outputs, errors = os.pipe(), os.pipe()
        self._spawn(inputs[0], outputs[1], errors[1])
        sources = [streams.Descriptor(outputs[0], STDOUT), Unmixed(errors[0], STDERR, self.failed)]
        return streams.LocalChannels(sources, streams.Descriptor(inputs[1]) if stdin else None, self)

    def _spawn(self, stdin: int, stdout: int, stderr: int) -> None:
        """Start the client; the descriptors are closed here."""
        words = ("--log", str(self._log), "--log-format", "json", "exec", "--process", str(self._specification))
        try:
            self._process = subprocess.Popen(
                self._runc.argv(*words, self._container_id), stdin=stdin, stdout=stdout, stderr=stderr,
                env={"PATH": tools.path()}, start_new_session=True,
            )  # fmt: skip
        finally:
            for descriptor in {stdin, stdout, stderr}:
                os.close(descriptor)
        self._pidfd = os.pidfd_open(self._process.pid)

    def fileno(self) -> int:
        """See streams.Process."""
        return self._pidfd

    def status(self) -> bytes:
        """See streams.Process."""
        code = self._process.wait() if self._process is not None else START_FAILED
        reason = self._reason() if code == START_FAILED else ""
        self._tidy()
        if reason and (not self._alive() or any(text in reason for text in _GONE)):
            return status.container_gone(self._name)
        if reason:
            return status.not_started(reason, f"{self._number:064x}")
        return status.ended(code if code >= 0 else 128 - code)

    def failed(self) -> bool:
        """The command was not started: what is written is runc's, and is told by the status."""
        return self._log.exists() and bool(self._reason())

    def _reason(self) -> str:
        """Why the command was not started; "" for one that ended with the same code."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            lines = self._log.read_text(errors="replace").strip().splitlines()
            last = json.loads(lines[-1]) if lines else {}
            return str(last["msg"]) if last.get("level") in ("error", "fatal") else ""
        return ""

    def _tidy(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        for path in (self._specification, self._log):
            path.unlink(missing_ok=True)

    def resize(self, height: int, width: int) -> None:
        """See streams.Process."""
        process = self._process
        if self._terminal >= 0 and process is not None:
            streams.resized(self._terminal, height, width)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGWINCH)

    def leave(self, sources: Sequence[Source]) -> None:
        """See streams.Process: the command goes on, and its output is dropped."""
        self._left = True
        if self._loop is not None:
            drain(self._loop, sources, self._pidfd, self.status)

    @property
    def over(self) -> bool:
        """It has ended, and that was noticed."""
        return self._process is None or self._process.returncode is not None

    def reap(self, timeout: float) -> None:
        """Wait for its end, which is near: its container has ended, and the loop has."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        if self._left:
            self._tidy()


class Unmixed(streams.Descriptor):
    """Output without runc's own words: it writes why it failed into the log first, and then where the command would."""

    def __init__(self, descriptor: int, channel: int, failed: Callable[[], bool]) -> None:
        super().__init__(descriptor, channel)
        self._failed = failed

    def read(self) -> streams.Messages | None:
        """See streams.Source."""
        found = super().read()
        return [] if found and self._failed() else found
