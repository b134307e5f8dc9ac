"""Where a server's clients reach the ports that it publishes."""

import ipaddress
import socket

import pytest

from kubedock.background import reach
from kubedock.background.reach import gateway


@pytest.mark.parametrize(
    ("listening", "expected"),
    [
        ((), "127.0.0.1"),
        (("127.0.0.1", "::1"), "127.0.0.1"),
        (("::1",), "127.0.0.1"),
        (("127.0.0.1", "::1", "192.0.2.7"), "192.0.2.7"),
        (("127.0.0.1", "fd00::7", "192.0.2.7"), "192.0.2.7"),
        (("127.0.0.1", "fe80::7%eth0"), "fe80::7"),
    ],
)
def test_a_server_on_some_addresses(listening, expected):
    """The one that others reach, where there is one."""
    assert gateway(listening, "https://192.0.2.1:6443") == expected


class Probe:
    """A datagram socket that knows ``ways``: destinations, and the address that this machine has on each."""

    ways: dict[str, str] = {}
    _own = ""

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, *_: object) -> None: ...

    def connect(self, address: tuple[str, int]) -> None:
        """Choose the way."""
        if address[0] not in self.ways:
            raise OSError("Network is unreachable")
        self._own = self.ways[address[0]]

    def getsockname(self) -> tuple[str, int]:
        """This end of it."""
        return self._own, 40000


@pytest.mark.parametrize("listening", [("0.0.0.0", "::"), ("::",)])
@pytest.mark.parametrize(
    ("ways", "cluster", "expected"),
    [
        ({"10.0.0.1": "10.1.2.3", "192.0.2.1": "172.16.0.9"}, "https://10.0.0.1:6443", "10.1.2.3"),
        ({"10.0.0.1": "127.0.0.1", "192.0.2.1": "172.16.0.9"}, "https://10.0.0.1:6443", "172.16.0.9"),
        ({"192.0.2.1": "172.16.0.9"}, "https://10.0.0.1:6443", "172.16.0.9"),
        ({"192.0.2.1": "172.16.0.9"}, "", "172.16.0.9"),
        ({}, "https://10.0.0.1", "127.0.0.1"),
    ],
)
def test_a_server_on_all_addresses(monkeypatch, listening, ways, cluster, expected):
    """The one on the way to the cluster; where the cluster is this machine's own, the one on the way out."""
    monkeypatch.setattr(Probe, "ways", ways)
    monkeypatch.setattr(reach.socket, "socket", Probe)
    assert gateway(listening, cluster) == expected


def test_the_address_is_this_machines():
    """Something can be listened on there."""
    found = gateway(("0.0.0.0",), "https://192.0.2.1:6443")
    ipaddress.ip_address(found)
    with socket.create_server((found, 0)):
        pass
