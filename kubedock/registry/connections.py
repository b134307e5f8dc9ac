"""Connections that end in time: whatever a server does, nothing of a request outlasts the request's timeout.

The timeouts of urllib3 are for each address of a name and for each read of a socket. A server that sends a byte now and
then, be it of a status line, of a header, of a chunk's length or of one ``100 Continue`` after another, would hold its
reader for ever.
"""

import http.client
import io
import socket
import time
from typing import Any, cast

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family, create_connection

ADDRESSES = 8
"""So many of a name's addresses are tried."""


def share(deadline: float, among: int) -> float:
    """When the first of so many is to be done, so that the others have as much of what is left. Monotonic times."""
    now = time.monotonic()
    return now + (deadline - now) / max(among, 1)


class _UntilDeadline(io.RawIOBase):
    """What is read of a socket, whose timeout is from here on that of all reads together."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw
        seconds = sock.gettimeout()
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Reads its head and its body, and what comes before them, until one deadline."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_UntilDeadline(sock, self.fp.detach()))


def _connect(connection: HTTPConnection) -> socket.socket:
    """A socket to one of its host's addresses; the connection's timeout is for the name and all of them."""
    seconds = cast("float", connection.timeout)
    deadline = time.monotonic() + seconds
    host, port = connection._dns_host.strip("[]"), connection.port
    try:
        found = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)[:ADDRESSES]
    except socket.gaierror as error:
        raise NameResolutionError(host, connection, error) from error
    failure: OSError = TimeoutError("timed out")
    for index, (*_, address) in enumerate(found):
        left = share(deadline, len(found) - index) - time.monotonic()
        if left <= 0:
            break
        try:
            sock = create_connection((str(address[0]), port), left, connection.source_address, connection.socket_options)
        except OSError as error:
            failure = error
            continue
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        return sock
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, f"Connection to {host} timed out after {seconds:g} s") from failure
    raise NewConnectionError(connection, f"Failed to establish a new connection: {failure}") from failure


class _Plain(HTTPConnection):
    response_class = _Response
    _new_conn = _connect


class _Tls(HTTPSConnection):
    response_class = _Response
    _new_conn = _connect


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls

    def _validate_conn(self, conn: Any) -> None:
        """Connect, without urllib3's warning: which hosts may have any certificate is a setting of the user's."""
        if conn.is_closed:
            conn.connect()


_POOLS = {"http": _PlainPool, "https": _TlsPool}


class InTime(HTTPAdapter):
    """For a session of requests: a request's timeout, given as ``urllib3.Timeout(total=…)``, is for all of it."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """With these connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """With these connections, but for SOCKS, which has its own."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager
