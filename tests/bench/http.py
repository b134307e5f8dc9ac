"""Bare clients for the benches: small, so that they measure the server and not themselves."""

import http.client
import json
import socket
import threading
import time
from typing import Any

Address = tuple[str, int]


class Client:
    """One kept connection."""

    def __init__(self, address: Address) -> None:
        self._connection = http.client.HTTPConnection(*address, timeout=60)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request; the answer's JSON, or its text."""
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text!r}")
        return json.loads(text) if answer.headers.get_content_type() == "application/json" and text else text

    def timed(self, method: str, path: str) -> float:
        """The seconds that one request takes."""
        began = time.perf_counter()
        self.ask(method, path)
        return time.perf_counter() - began

    def container(self, name: str, *command: str, start: bool = True, **host: Any) -> str:
        """Create one of alpine, and start it; its id."""
        made: str = self.ask("POST", f"/containers/create?name={name}", {"Image": "alpine", "Cmd": command, "HostConfig": host})[
            "Id"
        ]
        if start:
            self.ask("POST", f"/containers/{made}/start")
        return made

    def pull(self) -> None:
        """Make alpine known."""
        self._connection.request("POST", "/images/create?fromImage=alpine&tag=latest")
        self._connection.getresponse().read()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def pause(seconds: float) -> None:
    """Let time pass: what is measured is what happens meanwhile."""
    threading.Event().wait(seconds)


def stream(address: Address, path: str) -> socket.socket:
    """A connection on which a stream was asked for."""
    sock = socket.create_connection(address, timeout=60)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    return sock
