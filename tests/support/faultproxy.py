"""A proxy between kubedock and the API server that breaks things when it is told to.

It ends TLS on both sides, so that it can answer requests itself and cut a connection in the middle of a frame. The
client's certificate does not get through: use a kubeconfig with a token.
"""

import contextlib
import json
import re
import select
import socket
import ssl
import subprocess
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import pytest
import yaml

CHUNK = 64 * 1024
HALF_AN_EVENT = b'400\r\n{"type":"MODIFIED","object":{"kind":"P'
HALF_A_LINE = b"400\r\n2026-01-01T00:00:00.000000000Z half a li"
HALF_A_FRAME = b"\x82\x7e\x04\x00\x01half"


class Seen(NamedTuple):
    """A request that came through, or was answered here."""

    method: str
    target: str


@dataclass(slots=True, eq=False)
class Connection:
    """A client's connection. ``mode`` is what goes on in it: plain, watch, log (followed), websocket."""

    client: ssl.SSLSocket
    server: ssl.SSLSocket
    mode: str = "plain"
    unread: bytearray = field(default_factory=bytearray)
    body_left: int = 0
    dead: bool = False


class FaultProxy:
    """Listens on loopback. Everything goes through until a switch is set; all switches work from any thread."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """``kubeconfig`` with a token; ``self.kubeconfig`` is the same by way of this proxy."""
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._upstream = urlsplit(cluster["server"])
        self._upstream_tls = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
        certificate, key = _certificate(folder)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        port = self._listener.getsockname()[1]
        cluster |= {
            "server": f"https://127.0.0.1:{port}",
            "certificate-authority-data": b64encode(certificate.read_bytes()).decode(),
        }
        self.kubeconfig = folder / "faultproxy.kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(config))
        self.kubeconfig.chmod(0o600)
        self.requests: list[Seen] = []
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._answers: list[tuple[re.Pattern[str], int]] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._stopping = False
        self._threads: list[Any] = []

    # --- switches ------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Break every connection: watches within an event, logs within a line, WebSockets within a frame."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            half = {"watch": HALF_AN_EVENT, "log": HALF_A_LINE, "websocket": HALF_A_FRAME}.get(connection.mode, b"")
            with contextlib.suppress(OSError, ValueError):
                if half:
                    connection.client.send(half)
            self._end(connection)

    def hold(self) -> None:
        """Let nothing through in either direction, new connections included; nothing breaks."""
        self._flowing.clear()

    def release(self) -> None:
        """Go on."""
        self._flowing.set()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """``hold`` and ``release``."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def answer(self, status: int, pattern: str = "") -> None:
        """Answer requests whose method and target (``GET /api/v1/…?watch=true``) fit with this status."""
        with self._lock:
            self._answers.append((re.compile(pattern), status))

    def clear(self) -> None:
        """Take all answers back."""
        with self._lock:
            self._answers.clear()

    # --- life ----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping = True
        self._flowing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in list(self._threads):
            thread.join(10)

    def _spawn(self, body: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=body, args=arguments, name="faultproxy", daemon=True)  # noqa: TID251 - joined at the end
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            self._spawn(self._serve, raw)

    def _serve(self, raw: socket.socket) -> None:
        self._flowing.wait()
        host, port = self._upstream.hostname or "", self._upstream.port or 443
        try:
            raw.settimeout(30)
            client = self._tls.wrap_socket(raw, server_side=True)
            server = self._upstream_tls.wrap_socket(socket.create_connection((host, port), timeout=30), server_hostname=host)
        except OSError:
            raw.close()
            return
        connection = Connection(client, server)
        with self._lock:
            self._connections.append(connection)
        try:
            self._pump(connection)
        except (OSError, ValueError):
            pass
        finally:
            self._end(connection)
            client.close()
            server.close()
            with self._lock:
                self._connections.remove(connection)

    @staticmethod
    def _end(connection: Connection) -> None:
        """Shut the sockets down under TLS, so that no good-bye is said; the connection's own thread closes them."""
        connection.dead = True
        for each in (connection.client, connection.server):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def _pump(self, connection: Connection) -> None:
        client, server = connection.client, connection.server
        poll = select.poll()
        poll.register(client, select.POLLIN)
        poll.register(server, select.POLLIN)
        while not connection.dead:
            ready = {fd for fd, _ in poll.poll(200)} if not (client.pending() or server.pending()) else set()
            if not self._flowing.is_set():
                self._flowing.wait()
            if server.pending() or server.fileno() in ready:
                data = _received(server)
                if data == b"":
                    return
                client.sendall(data or b"")
            if client.pending() or client.fileno() in ready:
                data = _received(client)
                if data == b"":
                    return
                self._from_client(connection, data or b"")

    def _from_client(self, connection: Connection, data: bytes) -> None:
        """Pass on, and look at each request's head on the way. Requests have a length and are not pipelined."""
        connection.unread += data
        while connection.unread:
            if connection.mode == "websocket":
                self._forward(connection, len(connection.unread))
            elif connection.body_left:
                size = min(connection.body_left, len(connection.unread))
                connection.body_left -= size
                self._forward(connection, size)
            elif (end := connection.unread.find(b"\r\n\r\n")) >= 0:
                self._request(connection, end + 4)
            else:
                return

    @staticmethod
    def _forward(connection: Connection, size: int) -> None:
        connection.server.sendall(bytes(connection.unread[:size]))
        del connection.unread[:size]

    def _request(self, connection: Connection, head_size: int) -> None:
        head = bytes(connection.unread[:head_size]).decode("latin-1")
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        length = re.search(r"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
        size = int(length[1]) if length else 0
        self.requests.append(Seen(method, target))
        with self._lock:
            status = next((status for pattern, status in self._answers if pattern.search(f"{method} {target}")), None)
        if status is not None:
            connection.client.sendall(_answer(status))
            # The answer comes before the request's body was read: no more of this connection.
            connection.dead = True
            connection.unread.clear()
            return
        if re.search(r"^upgrade: *websocket", head, re.IGNORECASE | re.MULTILINE):
            connection.mode = "websocket"
        else:
            connection.mode = "watch" if "watch=true" in target else "log" if "follow=true" in target else "plain"
        connection.body_left = size
        self._forward(connection, head_size)


def _received(source: ssl.SSLSocket) -> bytes | None:
    """What is there, ``b""`` at the end, None when only TLS itself had something to say."""
    source.settimeout(0)
    try:
        return source.recv(CHUNK)
    except ssl.SSLWantReadError:
        return None
    finally:
        source.settimeout(30)


def _answer(status: int) -> bytes:
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": f"fault injected: {status}", "code": status}
    body = json.dumps(told).encode()
    head = f"HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    certificate, key = folder / "proxy.crt", folder / "proxy.key"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-days", "2", "-subj", "/CN=faultproxy", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(
            ["openssl", "req", "-x509", *curve, *names, "-keyout", str(key), "-out", str(certificate)],
            check=True,
            capture_output=True,
            timeout=30,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return certificate, key
