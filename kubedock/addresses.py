"""The address where clients of a server reach what it listens on beside its API."""

import socket
from urllib.parse import urlsplit

from kubedock.parsing import Address

LOOPBACK = "127.0.0.1"
DOCUMENTED = "192.0.2.1"
"""An address that nobody has (RFC 5737): the way to it is the way out of this machine."""


def gateway(listening: Address | None, cluster: str) -> str:
    """An IP address for a server that listens so (None: on a unix socket alone); ``cluster`` is the API server's URL.

    For a server on all addresses it is the one that this machine or pod uses towards the cluster.
    """
    if listening is None:
        return LOOPBACK
    if not listening.everywhere:
        return _resolved(listening.host)
    towards = urlsplit(cluster)
    for host, port in ((towards.hostname or DOCUMENTED, towards.port or 443), (DOCUMENTED, 443)):
        own = _own_address(host, port)
        if not own.startswith("127."):
            return own
    return LOOPBACK


def _own_address(host: str, port: int) -> str:
    """The address that this machine has on its way to that one; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))
            return str(probe.getsockname()[0])
    except OSError:
        return LOOPBACK


def _resolved(host: str) -> str:
    """A name's first address, IPv4 before IPv6."""
    try:
        found = sorted(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM), key=lambda entry: entry[0] != socket.AF_INET)
    except OSError:
        return LOOPBACK
    return str(found[0][4][0])
