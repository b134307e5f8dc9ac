"""The embedded node's name server, by UDP and by TCP."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dnslib
import dnslib.server
import pytest

from kubedock.cluster.store import ObjectStore
from kubedock.embedded import dnstcp
from kubedock.embedded.dns import NameServer
from kubedock.embedded.dnstcp import framed, received
from tests.support.names import READY, a_store
from tests.support.waiting import in_thread

DB = "db.ns.svc.cluster.local"


@contextmanager
def serving(store: ObjectStore, *upstream: tuple[str, int]) -> Iterator[int]:
    """A name server that runs; its port."""
    server = NameServer(store, "127.0.0.1", upstream, port=0)
    server.start()
    yield server.port
    server.stop(5.0)


def asked(port: int, name: str, kind: str = "A") -> tuple[str, list[str]]:
    """The answer's code and addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(dnslib.DNSRecord.question(name, kind).pack(), ("127.0.0.1", port))
        reply = dnslib.DNSRecord.parse(client.recv(65536))
    return dnslib.RCODE[reply.header.rcode], [str(record.rdata) for record in reply.rr]


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        ("db.ns.svc.cluster.local", "A", ("NOERROR", ["10.0.0.1"])),
        ("DB.ns.Svc.cluster.local.", "A", ("NOERROR", ["10.0.0.1"])),
        ("db.ns.svc.cluster.local", "AAAA", ("NOERROR", [])),
        ("db", "A", ("NXDOMAIN", [])),
        ("nosuch.ns.svc.cluster.local", "A", ("NXDOMAIN", [])),
        ("1.0.0.10.in-addr.arpa", "PTR", ("NXDOMAIN", [])),
        ("elsewhere.example", "A", ("NXDOMAIN", [])),
    ],
)
def test_the_name_server_answers(name: str, kind: str, answer: tuple[str, list[str]]) -> None:
    """In any case of letters; where there is no other server, other names do not exist."""
    with serving(a_store(("a", "10.0.0.1", READY))) as port:
        assert asked(port, name, kind) == answer


def test_other_names_are_handed_on() -> None:
    """To the machine's servers, the next one where the first is silent; never those of the cluster."""
    with serving(a_store(("a", "10.0.0.1", READY))) as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with serving(a_store(), silent.getsockname(), ("127.0.0.1", far)) as port:
            assert asked(port, "elsewhere.example") == ("NXDOMAIN", [])
            assert asked(port, "db.ns.svc.cluster.local") == ("NXDOMAIN", [])
        silent.settimeout(10)
        assert str(dnslib.DNSRecord.parse(silent.recv(65536)).q.qname) == "elsewhere.example."


def test_where_all_servers_are_silent_the_answer_says_so() -> None:
    """A failure, which clients do not take for an unknown name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with serving(a_store(), silent.getsockname()) as port:
            assert asked(port, "elsewhere.example") == ("SERVFAIL", [])


# --- long answers ----------------------------------------------------------------------------------------------------


def crowd(count: int) -> ObjectStore:
    """So many pods behind one name."""
    return a_store(*((f"p{number}", f"10.0.{number // 256}.{number % 256}", READY) for number in range(count)))


def by_udp(port: int, message: bytes) -> dnslib.DNSRecord:
    """The answer to a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(message, ("127.0.0.1", port))
        return dnslib.DNSRecord.parse(client.recv(65536))


def connected(port: int) -> socket.socket:
    """A connection to the name server."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def by_tcp(port: int, *messages: bytes) -> list[dnslib.DNSRecord]:
    """The answers on one connection."""
    with connected(port) as client:
        found = []
        for message in messages:
            client.sendall(framed(message))
            reply = received(client, 10)
            assert reply is not None
            found.append(dnslib.DNSRecord.parse(reply))
        return found


def query(name: str, *, edns: int = 0) -> bytes:
    """A question; a client with EDNS says how much it takes."""
    record = dnslib.DNSRecord.question(name)
    if edns:
        record.add_ar(dnslib.EDNS0(udp_len=edns))
    return bytes(record.pack())


@pytest.mark.parametrize(
    ("pods", "edns", "count", "cut"),
    [(20, 0, 20, 0), (60, 0, 29, 1), (60, 100, 28, 1), (60, 1232, 60, 0), (200, 1232, 73, 1)],
    ids=["short", "long", "less than all take", "long, to a client that takes it", "longer than it takes"],
)
def test_an_answer_by_udp_is_as_long_as_the_client_takes(pods: int, edns: int, count: int, cut: int) -> None:
    """And says when it is not all."""
    with serving(crowd(pods)) as port:
        reply = by_udp(port, query(DB, edns=edns))

    assert (len(reply.rr), reply.header.tc, len(reply.ar)) == (count, cut, int(edns > 0))
    assert len(reply.pack()) <= max(512, edns)


def test_an_answer_by_tcp_is_whole() -> None:
    """Several on one connection; names that do not exist as well."""
    with serving(crowd(300)) as port:
        long, missing = by_tcp(port, query(DB), query("nosuch.ns.svc.cluster.local"))

    assert [str(record.rdata) for record in long.rr] == [f"10.0.{number // 256}.{number % 256}" for number in range(300)]
    assert long.header.tc == 0
    assert (dnslib.RCODE[missing.header.rcode], missing.rr) == ("NXDOMAIN", [])


class Resolver(dnslib.server.BaseResolver):  # type: ignore[misc]
    """A server of others': its answer does not fit into a datagram."""

    def resolve(self, request: dnslib.DNSRecord, handler: dnslib.server.DNSHandler) -> dnslib.DNSRecord:
        """Cut by UDP."""
        reply = request.reply()
        if handler.protocol == "udp":
            reply.header.tc = 1
        else:
            for number in range(100):
                reply.add_answer(dnslib.RR(request.q.qname, rdata=dnslib.A(f"192.0.2.{number}")))
        return reply


@contextmanager
def elsewhere() -> Iterator[tuple[str, int]]:
    """Where that server is."""
    quiet = dnslib.server.DNSLogger(logf=lambda _: None)
    tcp = dnslib.server.DNSServer(Resolver(), "127.0.0.1", 0, tcp=True, logger=quiet)
    address = tcp.server.server_address
    udp = dnslib.server.DNSServer(Resolver(), *address, logger=quiet)
    for each in (tcp, udp):
        each.start_thread()
    yield address
    for each in (tcp, udp):
        each.stop()
        each.thread.join()
        each.server.server_close()


def test_what_another_server_cuts_is_asked_for_by_tcp() -> None:
    """The client is told, and its question by TCP is asked by TCP; a server that has none is passed over."""
    with elsewhere() as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        with serving(a_store(), far) as port:
            short = by_udp(port, query("elsewhere.example"))
        with serving(a_store(), nobody.getsockname(), far) as port:
            [whole] = by_tcp(port, query("elsewhere.example"))
        with serving(a_store(), nobody.getsockname()) as port:
            [failed] = by_tcp(port, query("elsewhere.example"))

    assert (short.header.tc, len(short.rr)) == (1, 0)
    assert (whole.header.tc, len(whole.rr)) == (0, 100)
    assert dnslib.RCODE[failed.header.rcode] == "SERVFAIL"


# --- what is not answered --------------------------------------------------------------------------------------------


def test_answers_are_not_answered() -> None:
    """Two servers would go on for ever."""
    answer = dnslib.DNSRecord.question(DB).reply()
    with serving(a_store(("a", "10.0.0.1", READY))) as port:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            for message in (answer.pack(), b"none at all", asking := query(DB)):
                client.sendto(message, ("127.0.0.1", port))
            assert client.recv(65536)[:2] == asking[:2]
        with connected(port) as connection:
            connection.sendall(framed(answer.pack()))
            assert connection.recv(1) == b""


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in time: one that says nothing ends, and one that dribbles."""
    monkeypatch.setattr(dnstcp, "MOST_CONNECTIONS", 1)
    with serving(crowd(1)) as port, connected(port) as first:
        first.sendall(framed(query(DB)))
        assert received(first, 10) is not None
        with connected(port) as second:
            assert second.recv(1) == b""
    monkeypatch.setattr(dnstcp, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(dnstcp, "IDLE_SECONDS", 0.2)
    with serving(crowd(1)) as port, connected(port) as silent, connected(port) as begun:
        begun.sendall(b"\0")
        assert (silent.recv(1), begun.recv(1)) == (b"", b"")


def test_the_end_of_the_server_ends_its_connections() -> None:
    """Those that wait for a client, and those that wait for another server."""
    with socket.create_server(("127.0.0.1", 0)) as slow:
        server = NameServer(a_store(), "127.0.0.1", [slow.getsockname()], port=0)
        server.start()
        with connected(server.port) as idle, connected(server.port) as asking:
            asking.sendall(framed(query("elsewhere.example")))
            slow.settimeout(10)
            with slow.accept()[0]:
                ended = in_thread(lambda: server.stop(10.0))
                assert (idle.recv(1), asking.recv(1)) == (b"", b"")
                ended()

    names = [thread.name for thread in threading.enumerate()]
    assert [name for name in names if name.startswith("node-dns")] == []
