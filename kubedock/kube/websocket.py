"""Exec, attach and port-forward: a WebSocket on a connection of the API client's own pool.

The handshake is a request like any other, so credentials, certificates, proxies and socket options are those of all
requests. Then the connection is ours and never goes back to the pool. ``kubernetes.stream`` is not used: it patches
the shared client while it connects, so that other threads' requests go wrong.
"""

import base64
import contextlib
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

from kubedock.errors import Unavailable
from kubedock.kube.errors import from_answer
from kubedock.streams.channels import V4, V5, ChannelProtocol

SWITCHING_PROTOCOLS = 101
CHUNK = 256 * 1024
PORT_SIZE = 2
"""Bytes of the port's number."""

Channels = TypeVar("Channels", bound="WebSocketChannels")


def upgrade_headers(protocols: Sequence[str]) -> dict[str, str]:
    """What asks for a WebSocket with channels, by the first of these protocols that the cluster speaks."""
    return {
        "Accept": "*/*",  # of a port-forward the kubelet offers no JSON, and before Kubernetes 1.30 of no exec either
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": ", ".join(protocols),
    }


def take_over(response: Any, kind: type[Channels]) -> Channels:
    """The channels of this kind on an upgraded connection; the kinds of error for what is no 101."""
    if response.status != SWITCHING_PROTOCOLS:
        body = response.read()
        response.release_conn()
        raise from_answer(response.status, body)
    headers: Mapping[str, str] = response.headers
    subprotocol = headers.get("Sec-WebSocket-Protocol", "")
    if subprotocol not in kind.protocols:
        response.connection.close()
        raise Unavailable(f"the cluster speaks none of {', '.join(kind.protocols)} but {subprotocol or 'nothing'}")
    return kind(response, subprotocol)


class WebSocketChannels:
    """Exec and attach; see Channels. The response is kept, since its end would close the connection."""

    protocols: ClassVar[Sequence[str]] = (V5, V4)

    def __init__(self, response: Any, subprotocol: str) -> None:
        """Take the connection, and the frames that came in one read with the answer's head."""
        self._response = response
        self._socket: socket.socket = response.connection.sock
        self._socket.settimeout(0)
        self._secure = isinstance(self._socket, ssl.SSLSocket)
        self._protocol = ChannelProtocol(subprotocol)
        self._unsent = bytearray()
        self._closed = False
        try:
            self._early: bytes = response._fp.fp.read1(CHUNK) or b""
        except (BlockingIOError, ssl.SSLWantReadError):
            self._early = b""

    @property
    def unsent(self) -> int:
        """See Channels."""
        return len(self._unsent)

    @property
    def eof(self) -> bool:
        """See Channels."""
        return self._protocol.eof

    @property
    def input_ends(self) -> bool:
        """See Channels."""
        return self._protocol.subprotocol == V5

    @property
    def cut(self) -> bool:
        """See Channels."""
        return self._protocol.cut

    def fileno(self) -> int:
        """See Channels."""
        return self._socket.fileno()

    def pending(self) -> bool:
        """See Channels."""
        return bool(self._early) or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0)

    def receive(self) -> list[tuple[int, bytes]]:
        """See Channels."""
        if self.eof:
            return []
        try:
            data, self._early = (self._early, b"") if self._early else (self._socket.recv(CHUNK), b"")
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return []
        except OSError:
            data = b""
        messages = self._protocol.receive(data)
        self._queue()
        return messages

    def send(self, channel: int, data: bytes) -> None:
        """See Channels."""
        self._protocol.send(channel, data)
        self._queue()

    def close_channel(self, channel: int) -> bool:
        """See Channels."""
        known = self._protocol.close_channel(channel)
        self._queue()
        return known

    def ping(self) -> None:
        """See Channels."""
        self._protocol.ping()
        self._queue()

    def _queue(self) -> None:
        self._unsent += self._protocol.to_send()

    def flush(self) -> None:
        """See Channels."""
        while self._unsent:
            try:
                # Released before the bytes are taken away: a bytearray with views cannot change its size.
                with memoryview(self._unsent) as whole, whole[:CHUNK] as part:
                    sent = self._socket.send(part)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            except OSError:
                self._protocol.eof = True
                self._unsent.clear()
                return
            del self._unsent[:sent]

    def close(self) -> None:
        """See Channels."""
        if self._closed:
            return
        self._closed = True
        self._protocol.close()
        self._queue()
        self.flush()
        self._protocol.eof = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        self._response.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class ForwardChannels(WebSocketChannels):
    """A port-forward: the first message of each channel is the port's number, which nobody needs."""

    protocols: ClassVar[Sequence[str]] = (V4,)

    def __init__(self, response: Any, subprotocol: str) -> None:
        """See WebSocketChannels."""
        super().__init__(response, subprotocol)
        self._begun: set[int] = set()

    def receive(self) -> list[tuple[int, bytes]]:
        """See Channels."""
        messages = []
        for channel, data in super().receive():
            if channel in self._begun:
                messages.append((channel, data))
            elif len(data) > PORT_SIZE:
                messages.append((channel, data[PORT_SIZE:]))
            self._begun.add(channel)
        return messages
