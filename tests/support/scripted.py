"""A server whose answers a test writes byte by byte, to see how a client takes them."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import yaml

Reply = bytes | Callable[[socket.socket], None]


class ScriptedServer:
    """Plain HTTP on loopback: each request gets the next reply. A reply may be a function of the socket.

    A connection is kept open after bytes, and closed after a function.
    """

    def __init__(self, *replies: Reply) -> None:
        """Requests beyond the replies get the last one again."""
        self._replies = list(replies)
        self.requests: list[tuple[str, bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[Any] = []
        self._lock = threading.Lock()

    def kubeconfig(self, folder: Path, **context: str) -> str:
        """A kubeconfig that points here."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "me", "user": {"token": "secret"}}],
            "contexts": [
                {"name": "here", "context": {"cluster": "here", "user": "me", **context}},
                {"name": "there", "context": {"cluster": "here", "user": "me", "namespace": "elsewhere"}},
            ],
        }
        target = folder / "scripted.kubeconfig"
        target.write_text(yaml.safe_dump(config))
        target.chmod(0o600)
        return str(target)

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)

    def _spawn(self, body: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=body, args=arguments, name="scripted", daemon=True)  # noqa: TID251 - joined at the end
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader, contextlib.suppress(OSError):
            while line := reader.readline():
                length = 0
                while (header := reader.readline()).strip():
                    name, _, value = header.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                with self._lock:
                    self.requests.append((line.decode().rpartition(" ")[0], reader.read(length)))
                    reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
                if not isinstance(reply, bytes):
                    reply(connection)
                    # Shut down first: the reader above holds the socket, too.
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                    return
                connection.sendall(reply)


def answer(status: int, body: bytes, *headers: str) -> bytes:
    """A whole answer."""
    head = [f"HTTP/1.1 {status} Text", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes, whole: bool = True) -> bytes:
    """An answer in chunks; with ``whole`` the last one is there, so that it has ended."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + (b"0\r\n\r\n" if whole else b"")


def broken(data: bytes) -> Callable[[socket.socket], None]:
    """Send this, then cut."""
    return lambda connection: connection.sendall(data)


def reset(connection: socket.socket) -> None:
    """Cut without an answer."""
    del connection
