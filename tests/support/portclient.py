"""Clients of published ports that run where the server is: ``python -m tests.support.portclient HOST ACTION ARGUMENT PORT…``.

The last line that it prints is its answers as JSON, one for each port, at once: see ``ACTIONS``.
"""

import hashlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.support.shared import ROOT

SECONDS = 30
PIECE = 1 << 20


def say(sock: socket.socket, text: str) -> str:
    """The first that is answered to a text."""
    sock.sendall(text.encode())
    return sock.recv(PIECE).decode()


def ask(sock: socket.socket, text: str) -> str:
    """All that is answered to a text that ends with a half-close."""
    sock.sendall(text.encode())
    sock.shutdown(socket.SHUT_WR)
    return _rest(sock).decode()


def echo(sock: socket.socket, size: str) -> bool:
    """Whether so many bytes come back as they were sent, while they are sent."""
    sent = hashlib.sha256()

    def send() -> None:
        for piece in _noise(int(size)):
            sent.update(piece)
            sock.sendall(piece)

    sender = threading.Thread(target=send, name="sender", daemon=True)  # noqa: TID251 - joined below
    sender.start()
    heard, left = hashlib.sha256(), int(size)
    while left and (data := sock.recv(PIECE)):
        heard.update(data)
        left -= len(data)
    sender.join(SECONDS)
    return left == 0 and heard.digest() == sent.digest()


def upload(sock: socket.socket, size: str) -> bool:
    """Whether the other side, which answers to so many bytes with their SHA-256, has got what was sent."""
    sent = hashlib.sha256()
    for piece in _noise(int(size)):
        sent.update(piece)
        sock.sendall(piece)
    return sock.recv(PIECE).decode().startswith(sent.hexdigest())


def download(sock: socket.socket, half_closed: str) -> tuple[int, str]:
    """How many bytes come until the end, and their SHA-256; with any argument, after the client's own end."""
    if half_closed:
        sock.shutdown(socket.SHUT_WR)
    data = _rest(sock)
    return len(data), hashlib.sha256(data).hexdigest()


def outcome(sock: socket.socket, _: str) -> str:
    """What happens to a connection on which nothing is sent."""
    data = sock.recv(1)
    return "data" if data else "end"


ACTIONS: Mapping[str, Callable[[socket.socket, str], Any]] = {
    "say": say,
    "ask": ask,
    "echo": echo,
    "upload": upload,
    "download": download,
    "outcome": outcome,
}


def _noise(size: int) -> list[bytes]:
    chance = Random(size)
    return [chance.randbytes(min(PIECE, size - start)) for start in range(0, size, PIECE)]


def _rest(sock: socket.socket) -> bytes:
    found = bytearray()
    while data := sock.recv(PIECE):
        found += data
    return bytes(found)


def act(host: str, port: int, action: str, argument: str = "") -> Any:
    """Connect and do it: its answer, or how the connection broke (``refused``, ``reset``)."""
    try:
        with socket.create_connection((host, port), timeout=SECONDS) as sock:
            return ACTIONS[action](sock, argument)
    except ConnectionRefusedError:
        return "refused"
    except (ConnectionResetError, BrokenPipeError):
        return "reset"


def act_on_all(host: str, ports: Sequence[int], action: str, argument: str = "") -> list[Any]:
    """The same for several ports at once."""
    with ThreadPoolExecutor(len(ports)) as pool:
        return list(pool.map(lambda port: act(host, port, action, argument), ports))


@dataclass(frozen=True, slots=True)
class PortClient:
    """Acts here, or where commands with this prefix run."""

    prefix: Sequence[str]

    def __call__(self, port: int, action: str, argument: str = "", *, host: str = "127.0.0.1") -> Any:
        """One port's answer."""
        (answer,) = self.all([port], action, argument, host=host)
        return answer

    def all(self, ports: Sequence[int], action: str, argument: str = "", *, host: str = "127.0.0.1") -> list[Any]:
        """The answers of several, in their order."""
        if not self.prefix:
            return act_on_all(host, ports, action, argument)
        argv = (*self.prefix, sys.executable, "-m", __name__, host, action, argument, *map(str, ports))
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=2 * SECONDS, check=True)
        answers: list[Any] = json.loads(done.stdout.splitlines()[-1])
        return answers


if __name__ == "__main__":
    _, where, what, of, *numbers = sys.argv
    print(json.dumps(act_on_all(where, list(map(int, numbers)), what, of)))
