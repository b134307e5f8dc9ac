"""The server's end of a shim (see ``shim``): one container of the chroot runtime, and further commands in it."""

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kubedock.cluster.protocol import STDERR, STDOUT
from kubedock.embedded.runtimes import status, streams
from kubedock.embedded.runtimes.draining import drain
from kubedock.embedded.runtimes.loop import Loop

PROGRAM = Path(__file__).with_name("shim.py")
PIECE = 64 * 1024
KILLED_SECONDS = 1.0

_numbers = itertools.count(1)


class NotStarted(Exception):
    """Why the main process does not run, in runc's words."""


class Shim:
    """One shim. ``answers`` is readable when the main process has ended, or the shim has."""

    def __init__(self, folder: Path, timeout: float) -> None:
        """Start it; ``folder/spec.json`` is there. NotStarted."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.answers, writer = os.pipe()
        self._control = ours
        try:
            with open(folder / "shim.log", "wb") as said:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(PROGRAM), str(folder)],
                    stdin=theirs.fileno(),
                    stdout=writer,
                    stderr=said,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
        finally:
            theirs.close()
            os.close(writer)
        told = self._started(timeout)
        if "started" not in told:
            self.close()
            raise NotStarted(str(told.get("failed") or f"the shim ended at once: {_last_words(folder)}"))
        self.pid = int(told["started"])

    def _started(self, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        data = b""
        while not data.endswith(b"\n") and poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            more = os.read(self.answers, PIECE)
            if not more:
                break
            data += more
        self._early = data.partition(b"\n")[2]
        return _answer(data.partition(b"\n")[0])

    def ended(self) -> int | None:
        """The exit code, once ``answers`` is readable; None where the shim ended without telling."""
        data = self._early
        while more := os.read(self.answers, PIECE):
            data += more
        code = _answer(data).get("exit")
        return int(code) if code is not None else None

    def kill(self) -> None:
        """End the container hard. Nothing happens where it has ended."""
        with contextlib.suppress(OSError):
            self.request({"signal": signal.SIGKILL})

    def resize(self, height: int, width: int) -> None:
        """Tell the terminal of the main process its size. Nothing happens where it has ended."""
        with contextlib.suppress(OSError):
            self.request({"resize": [height & 0xFFFF, width & 0xFFFF]})

    def request(self, what: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a request; OSError where the shim has gone."""
        socket.send_fds(self._control, [json.dumps(what).encode()], descriptors)

    def close(self, timeout: float = 10.0) -> None:
        """Let it end the container, and wait for it."""
        self._control.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(KILLED_SECONDS)
        if self.answers >= 0:
            os.close(self.answers)
            self.answers = -1


def _answer(data: bytes) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(data)
    except ValueError:
        return {}
    return told


def _last_words(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return (folder / "shim.log").read_text(errors="replace").strip().rpartition("\n")[2]
    return ""


class ShimExec:
    """A command in a container; see ``streams.Process``."""

    def __init__(self, loop: Loop, shim: Shim, name: str, alive: Callable[[], bool]) -> None:
        """``name`` is the container's in its pod, ``alive`` whether its main process runs."""
        self._loop, self._shim, self._name, self._alive = loop, shim, name, alive
        self._answer = self._terminal = -1

    def begin(self, argv: Sequence[str], *, stdin: bool, tty: bool) -> streams.LocalChannels:
        """Run it. OSError where the shim has gone."""
        self._answer, answer = os.pipe()
        sink: streams.Sink | None = None
        sources: list[streams.Source]
        if tty:
            self._terminal, theirs = os.openpty()
            given = [theirs, theirs, theirs]
            sources = [streams.Descriptor(self._terminal)]
            sink = streams.Descriptor(os.dup(self._terminal)) if stdin else None
        else:
            inputs = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), -1)
            outputs, errors = os.pipe(), os.pipe()
            given = [inputs[0], outputs[1], errors[1]]
            sources = [streams.Descriptor(outputs[0], STDOUT), streams.Descriptor(errors[0], STDERR)]
            sink = streams.Descriptor(inputs[1]) if stdin else None
        channels = streams.LocalChannels(sources, sink, self)
        try:
            self._shim.request({"exec": list(argv), "tty": tty}, [*given, answer])
        except OSError:
            channels.eof = True
            channels.close()
            os.close(self._answer)
            raise
        finally:
            for descriptor in {*given, answer}:
                os.close(descriptor)
        return channels

    def fileno(self) -> int:
        """See streams.Process."""
        return self._answer

    def status(self) -> bytes:
        """See streams.Process."""
        data = b""
        while more := os.read(self._answer, PIECE):
            data += more
        os.close(self._answer)
        told = _answer(data)
        if "exit" in told:
            return status.ended(int(told["exit"]))
        if "failed" in told and self._alive():
            reason = f"exec failed: unable to start container process: {told['failed']}"
            return status.not_started(reason, f"{next(_numbers):064x}")
        return status.container_gone(self._name)

    def resize(self, height: int, width: int) -> None:
        """See streams.Process."""
        if self._terminal >= 0:
            streams.resized(self._terminal, height, width)

    def leave(self, sources: Sequence[streams.Source]) -> None:
        """See streams.Process: the command goes on, and its output is dropped."""
        drain(self._loop, sources, self._answer, self.status)
