"""A server in a process of its own, on a port that is free, and bare clients for it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.shared import ROOT
from tests.support.waiting import eventually

_READY = re.compile(r"serves the Docker API on (.*)")
PLAIN = (sys.executable, "-m", "gunicorn", "-c", "python:kubedock.server.config", "tests.support.live_app:app")
"""gunicorn, as in a sidecar, with the test's application."""
OWN = (
    sys.executable,
    "-c",
    "from kubedock.server.application import KubedockApplication as A; from kubedock.settings import Settings as S;"
    "from tests.support.live_app import app; A(S.from_environment(), app).run()",
)
"""As ``kubedock server`` starts it, with the test's application."""


class LiveServer:
    """Starts on enter, ends (at once) on exit. ``addresses`` are those that the server says it serves on."""

    def __init__(self, argv: Sequence[str] = PLAIN, environ: Mapping[str, str] | None = None) -> None:
        self._argv = argv
        self._environ = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("KUBEDOCK_", "SERVER_LISTEN", "KUBECONFIG"))
            },
            "KUBEDOCK_LISTEN_ADDR": "127.0.0.1:0",
            **(environ or {}),
        }
        self._log = tempfile.NamedTemporaryFile(suffix=".log")  # noqa: SIM115 - lives as long as this object
        self.process: subprocess.Popen[bytes]

    def launch(self) -> Self:
        """Start without waiting for it to be ready."""
        self.process = subprocess.Popen(
            self._argv,
            cwd=ROOT,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        return self

    @contextmanager
    def launched(self) -> Iterator[Self]:
        """Start without waiting; it has ended by the end."""
        self.launch()
        try:
            yield self
        finally:
            self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        self.launch()
        try:
            eventually(lambda: self.addresses or self.process.poll() is not None, seconds=20, what="the server")
            assert self.addresses, self.log
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._log.close()

    @property
    def log(self) -> str:
        """What it has written so far, to both streams."""
        return Path(self._log.name).read_text()

    @property
    def addresses(self) -> list[str]:
        """As in DOCKER_HOST."""
        match = _READY.search(self.log)
        return match[1].split(" and ") if match else []

    @property
    def tcp(self) -> tuple[str, int]:
        """Host and port."""
        address = next(a for a in self.addresses if a.startswith("tcp://"))
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        return host.strip("[]"), int(port)

    def signal(self, number: int) -> None:
        """To the arbiter alone."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 20) -> int:
        """The exit code."""
        return self.process.wait(seconds)

    def connect(self) -> socket.socket:
        """A bare connection."""
        sock = socket.create_connection(self.tcp, timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def ask(self, request: bytes) -> socket.socket:
        """A connection that a request was sent on."""
        sock = self.connect()
        sock.sendall(request)
        return sock

    def get(self, path: str) -> bytes:
        """The body of a short answer."""
        with self.ask(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as sock:
            return read_all(sock).partition(b"\r\n\r\n")[2]

    def state(self) -> dict[str, Any]:
        """The test application's state."""
        found: dict[str, Any] = json.loads(self.get("/state"))
        return found


def read_head(sock: socket.socket) -> bytes:
    """The head of an answer, byte by byte, so that nothing behind it is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, f"the connection ended in the head: {head!r}"
        head += byte
    return head


def read_all(sock: socket.socket) -> bytes:
    """Everything until the end."""
    parts = []
    while data := sock.recv(65536):
        parts.append(data)
    return b"".join(parts)


def read_some(sock: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, f"the connection ended after {data!r}"
        data += more
    return data
