"""The address where clients of a server reach the ports that it publishes."""

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
DOCUMENTED = "192.0.2.1"
"""An address that nobody has (RFC 5737): the way to it is the way out of this machine."""


def gateway(listening: Sequence[str], cluster: str) -> str:
    """One address for ports on all these, what Docker calls the gateway; ``cluster`` is the API server's URL.

    Loopback is for a server that listens nowhere else. For one on all addresses it is what this machine or pod uses
    towards the cluster.
    """
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in listening]
    if any(address.is_unspecified for address in addresses):
        return _own_address(cluster)
    others = sorted((address.version, str(address)) for address in addresses if not address.is_loopback)
    return others[0][1] if others else LOOPBACK


def _own_address(cluster: str) -> str:
    towards = urlsplit(cluster)
    for host, port in ((towards.hostname or DOCUMENTED, towards.port or 443), (DOCUMENTED, 443)):
        own = _on_the_way_to(host, port)
        if not own.startswith("127."):
            return own
    return LOOPBACK


def _on_the_way_to(host: str, port: int) -> str:
    """This machine's address for packets to that one; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))
            return str(probe.getsockname()[0])
    except OSError:
        return LOOPBACK
