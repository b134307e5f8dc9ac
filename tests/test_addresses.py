"""Where a server's clients reach what it listens on."""

import ipaddress
import socket

import pytest

from kubedock import addresses
from kubedock.addresses import gateway
from kubedock.parsing import Address

NOWHERE = "https://192.0.2.1:6443"


@pytest.mark.parametrize(
    ("listening", "expected"),
    [
        (None, "127.0.0.1"),
        (Address("127.0.0.1", 8999), "127.0.0.1"),
        (Address("localhost", 8999), "127.0.0.1"),
        (Address("127.0.0.2", 8999), "127.0.0.2"),
        (Address("::1", 8999), "::1"),
        (Address("no.such.host.invalid", 8999), "127.0.0.1"),
    ],
)
def test_a_server_on_one_address(listening, expected):
    """It is that one."""
    assert gateway(listening, NOWHERE) == expected


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])
@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ({"10.0.0.1": "10.1.2.3", "192.0.2.1": "172.16.0.9"}, "10.1.2.3"),
        ({"10.0.0.1": "127.0.0.1", "192.0.2.1": "172.16.0.9"}, "172.16.0.9"),
        ({"192.0.2.1": "172.16.0.9"}, "172.16.0.9"),
        ({}, "127.0.0.1"),
    ],
)
def test_a_server_on_all_addresses(monkeypatch, host, ways, expected):
    """The one on the way to the cluster; where the cluster is this machine's own, the one on the way out."""

    class Probe:
        """A datagram socket that knows these ways."""

        def __init__(self, *_: object) -> None:
            self._own = ""

        def __enter__(self) -> "Probe":
            return self

        def __exit__(self, *_: object) -> None: ...

        def connect(self, address: tuple[str, int]) -> None:
            """Choose the way."""
            if address[0] not in ways:
                raise OSError("Network is unreachable")
            self._own = ways[address[0]]

        def getsockname(self) -> tuple[str, int]:
            """This end of it."""
            return self._own, 40000

    monkeypatch.setattr(addresses.socket, "socket", Probe)
    assert gateway(Address(host, 8999), "https://10.0.0.1:6443") == expected


def test_the_address_is_this_machines():
    """Something can be listened on there."""
    found = gateway(Address("", 8999), NOWHERE)
    ipaddress.ip_address(found)
    with socket.create_server((found, 0)):
        pass
