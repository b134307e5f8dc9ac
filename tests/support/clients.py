"""Real Docker clients against a server: the docker command line, and docker-py."""

import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tests.support.terminal import Terminal
from tests.support.waiting import eventually

T = TypeVar("T")
R = TypeVar("R")

ALPINE = "alpine"
HANDLES_TERM = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done"
"""A shell's program that says when it is ready for a TERM and ends with 7 on it."""


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Running:
    """A command that runs, whose output is collected."""

    process: subprocess.Popen[bytes]
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    readers: list[Any] = field(default_factory=list)

    def interrupt(self) -> None:
        """^C."""
        self.process.send_signal(signal.SIGINT)

    def says(self, text: str, *, seconds: float = 20) -> None:
        """Wait until its output has this text."""
        eventually(lambda: text.encode() in self.out, seconds=seconds, what=f"{text!r} in {bytes(self.out)!r} {bytes(self.err)!r}")

    def lines(self) -> list[str]:
        """The complete lines of its output so far."""
        return bytes(self.out).decode().split("\n")[:-1]

    def wait(self, seconds: float = 30) -> Done:
        """Its end."""
        code = self.process.wait(seconds)
        for reader in self.readers:
            reader.join(5)
        return Done(code, self.out.decode(), self.err.decode())


class DockerCli:
    """The docker command with a server's address. Names come from ``name``; what has one is removed by ``clean``."""

    def __init__(self, host: str, folder: Path, prefix: Sequence[str] = ()) -> None:
        self._argv = (*prefix, "docker")
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")},
            "DOCKER_HOST": host,
            "DOCKER_CONFIG": str(folder),
            "DOCKER_CLI_HINTS": "false",
            "HOME": str(folder),
        }
        self._names: list[str] = []

    def name(self, what: str = "c") -> str:
        """A random name; a container of this name is removed at the end of the test."""
        made = f"{what}-{secrets.token_hex(4)}"
        self._names.append(made)
        return made

    def __call__(self, *words: str, seconds: float = 45, stdin: str | None = None) -> Done:
        """Run to the end."""
        done = subprocess.run(
            (*self._argv, *words),
            env=self._environ,
            input=(stdin or "").encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *words: str, seconds: float = 45) -> str:
        """Run to the end, which must be a success; its output without the last line's end."""
        done = self(*words, seconds=seconds)
        assert done.code == 0, f"docker {' '.join(words)}: {done}"
        return done.out.removesuffix("\n")

    def inspect(self, name: str, what: str) -> str:
        """One value of a container."""
        return self.ok("inspect", "-f", f"{{{{{what}}}}}", name)

    @contextmanager
    def begin(self, *words: str) -> Iterator[Running]:
        """Run beside the test; killed at the end when it still runs."""
        process = subprocess.Popen(
            (*self._argv, *words), env=self._environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        running = Running(process)
        for stream, text in ((process.stdout, running.out), (process.stderr, running.err)):
            reader = threading.Thread(target=_collect, args=(stream, text), name="docker's output")  # noqa: TID251 - joined below
            reader.start()
            running.readers.append(reader)
        try:
            yield running
        finally:
            process.kill()
            process.wait()
            for reader in running.readers:
                reader.join(5)

    def terminal(self, *words: str, rows: int = 24, columns: int = 80) -> Terminal:
        """In a terminal."""
        return Terminal((*self._argv, *words), self._environ, rows=rows, columns=columns)

    def clean(self) -> None:
        """Remove the containers that were named; those that are gone do not matter."""
        if self._names:
            self("rm", "-f", "-v", *self._names)
            self._names.clear()


def _collect(stream: Any, text: bytearray) -> None:
    with stream:
        while data := stream.read1(65536):
            text += data


def at_once(work: Callable[[T], R], items: Sequence[T], *, threads: int = 8) -> list[R]:
    """Do it for all items in threads; the results in their order."""
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(work, items))


def env_of(host: str) -> Mapping[str, str]:
    """What a client's environment needs."""
    return {"DOCKER_HOST": host}
