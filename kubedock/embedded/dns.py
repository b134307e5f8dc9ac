"""The name server of the embedded node's pods: port 53 on the address that they reach this machine at.

Names of the cluster are answered from the store as it is now; all others are handed on to the machine's own servers.
One thread does both for UDP; for TCP see ``dnstcp``.
"""

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dnslib

from kubedock.cluster.store import ObjectStore
from kubedock.embedded.dnslocal import LARGEST, LocalNames, failure, largest_by_udp, question
from kubedock.embedded.dnstcp import Server, TcpNames, family
from kubedock.errors import Unavailable
from kubedock.streams.cancel import Waker

logger = logging.getLogger(__name__)

PORT = 53
WAIT_SECONDS = 2.0
MOST_WAITING = 4096


@dataclass(slots=True)
class Asked:
    """A query that was handed on: who waits for it, and who was asked until when (monotonic)."""

    client: Server
    query: "dnslib.DNSRecord"
    message: bytes
    server: int
    until: float


class NameServer:
    """Start it, stop it."""

    def __init__(self, store: ObjectStore, address: str, upstream: Sequence[Server], *, port: int = PORT) -> None:
        """``address`` is this machine's, as pods reach it; ``upstream`` are the machine's own servers."""
        self._address, self._port = address, port
        self._upstream = [server for server in upstream if server != (address, port)]
        self._local = LocalNames(store, address, alone=not self._upstream)
        self._tcp = TcpNames(self._answer_tcp)
        self._waker = Waker()
        self._stopping = False
        self._waiting: dict[int, Asked] = {}
        self._next = 0
        self._thread = threading.Thread(target=self._run, name="node-dns", daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._outward: dict[int, socket.socket] = {}

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def start(self) -> None:
        """Begin. Unavailable where the port is taken."""
        try:
            self._port = self._tcp.bind(self._address, self._port)
            self._socket.bind((self._address, self._port))
            self._tcp.start()
        except OSError as error:
            text = f"the embedded node's name server cannot listen on {self._address}:{self._port}: {error.strerror}"
            raise Unavailable(text) from error
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End it."""
        self._stopping = True
        self._waker.wake()
        self._tcp.stop(timeout)
        if self._thread.is_alive():
            self._thread.join(timeout)
        for each in (self._socket, *self._outward.values()):
            each.close()
        self._waker.close()

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._waker.fileno(), select.POLLIN)
        for each in map(family, self._upstream):
            if each in self._outward:
                continue
            outward = socket.socket(each, socket.SOCK_DGRAM)
            outward.settimeout(0)
            self._outward[each] = outward
            poll.register(outward, select.POLLIN)
        while not self._stopping:
            due = min((asked.until for asked in self._waiting.values()), default=None)
            poll.poll(None if due is None else max(0, (due - time.monotonic()) * 1000 + 1))
            try:
                _drain(self._socket, self._ask)
                for outward in self._outward.values():
                    _drain(outward, self._answered)
                self._retry()
            except Exception:
                logger.exception("a query for a name was not answered")

    def _ask(self, message: bytes, client: Server) -> None:
        query = question(message)
        if query is None:
            return
        reply = self._local.answer(query, largest=largest_by_udp(query))
        if reply is not None:
            self._send(reply, client)
        elif len(self._waiting) < MOST_WAITING:
            self._hand_on(Asked(client, query, message, 0, 0.0))

    def _answer_tcp(self, message: bytes) -> bytes | None:
        """In the thread of a connection, which may wait for other servers."""
        query = question(message)
        if query is None:
            return None
        return self._local.answer(query) or self._tcp.ask(self._upstream, message) or failure(query)

    # --- other servers -------------------------------------------------------------------------------------------

    def _hand_on(self, asked: Asked) -> None:
        """Under a number of our own: clients may use the same ones."""
        server = self._upstream[asked.server]
        asked.until = time.monotonic() + WAIT_SECONDS
        while self._next in self._waiting:
            self._next = (self._next + 1) & 0xFFFF
        self._waiting[self._next] = asked
        outward = self._outward[family(server)]
        with contextlib.suppress(OSError):  # as if nobody answered
            outward.sendto(self._next.to_bytes(2, "big") + asked.message[2:], server)
        self._next = (self._next + 1) & 0xFFFF

    def _answered(self, reply: bytes, server: Server) -> None:
        asked = self._waiting.get(int.from_bytes(reply[:2], "big"))
        if asked is not None and server == self._upstream[asked.server]:
            del self._waiting[int.from_bytes(reply[:2], "big")]
            self._send(asked.message[:2] + reply[2:], asked.client)

    def _retry(self) -> None:
        """Ask the next server where one is silent; say so where all are."""
        now = time.monotonic()
        for number, asked in [(number, asked) for number, asked in self._waiting.items() if asked.until <= now]:
            del self._waiting[number]
            if asked.server + 1 < len(self._upstream):
                asked.server += 1
                self._hand_on(asked)
            else:
                self._send(failure(asked.query), asked.client)

    def _send(self, reply: bytes, client: Server) -> None:
        with contextlib.suppress(OSError):  # the client asks again
            self._socket.sendto(reply, client)


def _drain(source: socket.socket, take: Callable[[bytes, Server], None]) -> None:
    """All datagrams that are there."""
    with contextlib.suppress(BlockingIOError):
        while True:
            data, address = source.recvfrom(LARGEST)
            take(data, address[:2])
