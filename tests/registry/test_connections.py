"""Connections that end in time, whatever a server does."""

import socket
import threading
import time
from typing import Any

import pytest

from kubedock.background.lookups import Lookups
from kubedock.errors import Unavailable
from kubedock.registry.client import RegistryClient
from kubedock.registry.connections import ADDRESSES, share
from kubedock.registry.credentials import ANONYMOUS
from kubedock.registry.endpoints import Endpoint
from kubedock.registry.errors import Unreachable
from kubedock.registry.transport import Request, Transport
from tests.support.dripping import Dripping
from tests.support.running import left_behind

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIPS: dict[str, tuple[bytes, list[bytes]]] = {
    "status line": (b"HTTP/1.1 200 ", [b"O"]),
    "header": (HEAD + b"X-Long: ", [b"x"]),
    "headers": (HEAD, [b"X: y\r\n"]),
    "continue": (b"", [b"HTTP/1.1 100 Continue\r\n\r\n"]),
    "chunk's length": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", [b"0"]),
    "chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n", [b"x"]),
    "trailer": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", [b"X: y\r\n"]),
    "body": (HEAD + b"Content-Length: 100000\r\n\r\n", [b"x"]),
    "nothing": (b"", [b""]),
}


def ask(url: str, seconds: float) -> None:
    """Of one that speaks plain HTTP alone."""
    client = RegistryClient()
    try:
        client.manifest(Endpoint(url.partition("://")[2], "x", (url,)), "1", ANONYMOUS, time.monotonic() + seconds)
    finally:
        client.close()


@pytest.mark.parametrize("what", DRIPS)
def test_what_drips_ends_with_the_deadline(what: str) -> None:
    """The thread ends and the connection is closed, whatever comes; nobody has to wait for the server to tire."""
    before = set(threading.enumerate())
    with Dripping(*DRIPS[what]).serving() as server:
        lookups = Lookups()
        with pytest.raises(Unreachable, match=r'^Get "http://.*/v2/x/manifests/1": context deadline exceeded$'):
            lookups.ask(what, lambda: ask(f"http://{server.host}", 0.3), 10)

        assert what == "nothing" or server.left.wait(10)
        assert lookups._open == {}
    assert left_behind(before) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_drips(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of the proxy that the environment names, and of the tunnel through it."""
    with Dripping(b"HTTP/1.1 200 ", [b"O"]).serving() as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://{proxy.host}")
        with pytest.raises(Unavailable, match=rf'^Get "{scheme}://far.example/v2/x/manifests/1": context deadline exceeded$'):
            ask(f"{scheme}://far.example", 0.3)
        assert proxy.left.wait(10)


def test_a_handshake_that_drips() -> None:
    """The head of a long TLS record, and then its bytes."""
    with Dripping(b"\x16\x03\x03\x3f\xff", [b"\0"], reads=False).serving() as server:
        with pytest.raises(Unavailable, match=r"context deadline exceeded$"):
            ask(f"https://{server.host}", 0.3)
        assert server.left.wait(10)


def named(monkeypatch: pytest.MonkeyPatch, addresses: list[tuple[str, int]]) -> None:
    """Let every name have these addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **named: found if host == "many.example" else real(host, *rest, **named)
    )


def test_all_addresses_of_a_name_share_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets its part of what is left; no name has addresses without end."""
    asked: list[tuple[Any, float]] = []

    def refuse(address: tuple[str, int], timeout: float, *_: object) -> socket.socket:
        asked.append((address, timeout))
        raise TimeoutError("timed out") if len(asked) < ADDRESSES else ConnectionRefusedError(111, "Connection refused")

    named(monkeypatch, [(f"192.0.2.{last}", 5000) for last in range(1, 20)])
    monkeypatch.setattr("kubedock.registry.connections.create_connection", refuse)
    with pytest.raises(Unreachable, match=r"connect: connection refused$"):
        ask("http://many.example:5000", 8.0)

    assert [address for address, _ in asked] == [(f"192.0.2.{last}", 5000) for last in range(1, ADDRESSES + 1)]
    assert [round(timeout / (8.0 / (ADDRESSES - index))) for index, (_, timeout) in enumerate(asked)] == [1] * ADDRESSES


def test_the_first_address_that_answers_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind one that does not: of a name with a broken IPv6, say."""
    with Dripping(HEAD + b"Content-Length: 2\r\n\r\n{}", [b""]).serving() as server:
        port = int(server.host.rpartition(":")[2])
        named(monkeypatch, [("127.0.0.2", 1), ("127.0.0.1", port)])
        monkeypatch.setattr(
            "kubedock.registry.connections.create_connection",
            lambda address, timeout, *rest: socket.create_connection(
                (address[0], port if address[0] == "127.0.0.1" else 1), timeout
            ),
        )
        transport = Transport((), "test")
        response = transport.send(Request("GET", f"http://many.example:{port}/"), time.monotonic() + 5)
        assert response.status_code == 200
        response.close()
        transport.close()


def test_a_share() -> None:
    """Of what is left; all of it for the last."""
    now = time.monotonic()

    assert [round(share(now + 60, among) - now) for among in (1, 2, 3, 0)] == [60, 30, 20, 60]
    assert share(now - 60, 2) < now
