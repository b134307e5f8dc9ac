"""The name server of the embedded node's pods: UDP port 53 on the address that they reach this machine at.

Names of the cluster are answered from the store as it is now; all others are handed on to the machine's own servers.
One thread does both.
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

from kubedock.cluster.names import addresses, is_ours, resolve
from kubedock.cluster.store import ObjectStore
from kubedock.errors import Unavailable
from kubedock.streams.cancel import Waker

logger = logging.getLogger(__name__)

PORT = 53
TTL = 0
LARGEST = 65_535
WAIT_SECONDS = 2.0
MOST_WAITING = 4096
REVERSE = ".in-addr.arpa"


Server = tuple[str, int]
"""Address and port."""


@dataclass(slots=True)
class Asked:
    """A query that was handed on: who waits for it under which number, and who was asked until when (monotonic)."""

    client: Server
    number: int
    query: bytes
    server: int
    until: float


class NameServer:
    """Start it, stop it."""

    def __init__(self, store: ObjectStore, address: str, upstream: Sequence[Server], *, port: int = PORT) -> None:
        """``address`` is this machine's, as pods reach it; ``upstream`` are the machine's own servers."""
        self._store, self._address, self._port = store, address, port
        self._upstream = [server for server in upstream if server != (address, port)]
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
            self._socket.bind((self._address, self._port))
        except OSError as error:
            text = f"the embedded node's name server cannot listen on {self._address}:{self._port}: {error.strerror}"
            raise Unavailable(text) from error
        self._port = self._socket.getsockname()[1]
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End it."""
        self._stopping = True
        self._waker.wake()
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
        for family in map(_family, self._upstream):
            if family in self._outward:
                continue
            outward = socket.socket(family, socket.SOCK_DGRAM)
            outward.settimeout(0)
            self._outward[family] = outward
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

    def _ask(self, query: bytes, client: Server) -> None:
        try:
            asked = dnslib.DNSRecord.parse(query)
            name = str(asked.q.qname).rstrip(".").lower()
        except dnslib.DNSError:
            return
        reply = self._local(asked, name)
        if reply is not None:
            self._send(reply.pack(), client)
        elif len(self._waiting) < MOST_WAITING:
            self._hand_on(Asked(client, asked.header.id, query, 0, 0.0))

    def _local(self, query: "dnslib.DNSRecord", name: str) -> "dnslib.DNSRecord | None":
        """The answer to what concerns the cluster, and to everything where there is nobody else to ask."""
        reply = query.reply(ra=1, aa=1)
        if is_ours(name):
            found = resolve(self._store, name)
            if found is None:
                reply.header.rcode = dnslib.RCODE.NXDOMAIN
            elif query.q.qtype in (dnslib.QTYPE.A, dnslib.QTYPE.ANY):
                for ip in found:
                    reply.add_answer(dnslib.RR(query.q.qname, dnslib.QTYPE.A, rdata=dnslib.A(ip), ttl=TTL))
            return reply
        if not self._upstream or (name.endswith(REVERSE) and self._is_near(name)):
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
            return reply
        return None

    def _is_near(self, name: str) -> bool:
        """A reverse query for a pod, or for this machine."""
        ip = ".".join(reversed(name.removesuffix(REVERSE).split(".")))
        return ip == self._address or ip in addresses(self._store)

    # --- other servers -------------------------------------------------------------------------------------------

    def _hand_on(self, asked: Asked) -> None:
        """Under a number of our own: clients may use the same ones."""
        server = self._upstream[asked.server]
        asked.until = time.monotonic() + WAIT_SECONDS
        while self._next in self._waiting:
            self._next = (self._next + 1) & 0xFFFF
        self._waiting[self._next] = asked
        outward = self._outward[_family(server)]
        with contextlib.suppress(OSError):  # as if nobody answered
            outward.sendto(self._next.to_bytes(2, "big") + asked.query[2:], server)
        self._next = (self._next + 1) & 0xFFFF

    def _answered(self, reply: bytes, server: Server) -> None:
        asked = self._waiting.get(int.from_bytes(reply[:2], "big"))
        if asked is not None and server == self._upstream[asked.server]:
            del self._waiting[int.from_bytes(reply[:2], "big")]
            self._send(asked.number.to_bytes(2, "big") + reply[2:], asked.client)

    def _retry(self) -> None:
        """Ask the next server where one is silent; say so where all are."""
        now = time.monotonic()
        for number, asked in [(number, asked) for number, asked in self._waiting.items() if asked.until <= now]:
            del self._waiting[number]
            if asked.server + 1 < len(self._upstream):
                asked.server += 1
                self._hand_on(asked)
            else:
                reply = dnslib.DNSRecord.parse(asked.query).reply(ra=1, aa=0)
                reply.header.rcode = dnslib.RCODE.SERVFAIL
                self._send(reply.pack(), asked.client)

    def _send(self, reply: bytes, client: Server) -> None:
        with contextlib.suppress(OSError):  # the client asks again
            self._socket.sendto(reply, client)


def _family(server: Server) -> int:
    return socket.AF_INET6 if ":" in server[0] else socket.AF_INET


def _drain(source: socket.socket, take: Callable[[bytes, Server], None]) -> None:
    """All datagrams that are there."""
    with contextlib.suppress(BlockingIOError):
        while True:
            data, address = source.recvfrom(LARGEST)
            take(data, address[:2])
