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
        self.address = address
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

    def exec(self, container: str, *command: str) -> float:
        """The seconds of an exec as the docker command does it: create, start on an upgraded connection, inspect."""
        began = time.perf_counter()
        code = self.code(container, *command)
        took = time.perf_counter() - began
        if code != 0:
            raise RuntimeError(f"exec {' '.join(command)}: {code}")
        return took

    def code(self, container: str, *command: str) -> int:
        """The exit code of such an exec."""
        made = self.ask("POST", f"/containers/{container}/exec", {"Cmd": command, "AttachStdout": True, "AttachStderr": True})["Id"]
        body = b'{"Detach":false,"Tty":false}'
        head = f"POST /exec/{made}/start HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n"
        with socket.create_connection(self.address, timeout=60) as sock:
            sock.sendall(f"{head}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode() + body)
            while sock.recv(65536):
                pass
        found: int = self.ask("GET", f"/exec/{made}/json")["ExitCode"]
        return found

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
