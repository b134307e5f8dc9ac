"""Listeners: one thread accepts, a connection has a thread while it lives, and nothing is left when they close."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from kubedock.background.listeners import Listeners, bind, own_addresses, reset
from kubedock.errors import InvalidParameter, PortAllocated
from kubedock.streams.cancel import Cancel
from tests.support.running import left_behind
from tests.support.threads import none_left
from tests.support.waiting import eventually

LOOPBACK = ["127.0.0.1"]

Dial = Callable[[socket.socket], socket.socket]


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    """Running, with room for three connections; no thread is left."""
    before = set(threading.enumerate())
    made = Listeners(connections=3)
    made.start()
    yield made
    made.stop()
    assert left_behind(before) == []


def echo(connection: socket.socket, _: Cancel) -> None:
    """Send back what comes until the client ends, or nobody is served any more."""
    while data := connection.recv(100):
        connection.sendall(data)


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Clients of listening sockets, closed at the end."""
    with contextlib.ExitStack() as clients:
        yield lambda sock: clients.enter_context(socket.create_connection(sock.getsockname()[:2], timeout=5))


def said(client: socket.socket, text: bytes) -> bytes:
    """What is answered to this."""
    client.sendall(text)
    return client.recv(100)


def test_connections_are_served_side_by_side(listeners: Listeners, dial: Dial) -> None:
    """Two of one listener, one of another."""
    first, second = bind(LOOPBACK, 0), bind(LOOPBACK, 0)
    listeners.open(first, echo)
    listeners.open(second, echo)

    clients = [dial(first[0]), dial(first[0]), dial(second[0])]

    assert [said(client, b"%d" % number) for number, client in enumerate(clients)] == [b"0", b"1", b"2"]
    assert listeners.connections == 3
    for client in clients:
        client.close()
    eventually(lambda: listeners.connections == 0)


def test_one_too_many_is_reset(listeners: Listeners, dial: Dial) -> None:
    """The bound holds, and the others go on."""
    bound = bind(LOOPBACK, 0)
    listeners.open(bound, echo)
    clients = [dial(bound[0]) for _ in range(3)]
    assert said(clients[0], b"a") == b"a"
    eventually(lambda: listeners.connections == 3)

    with pytest.raises(ConnectionResetError):
        dial(bound[0]).recv(1)

    assert [said(client, b"b") for client in clients] == [b"b", b"b", b"b"]


def test_a_closed_listener_frees_its_number_and_ends_its_connections(listeners: Listeners, dial: Dial) -> None:
    """The same number can be bound at once; who was connected sees the end."""
    bound = bind(LOOPBACK, 0)
    port = bound[0].getsockname()[1]
    listening = listeners.open(bound, echo)
    client = dial(bound[0])
    assert said(client, b"a") == b"a"

    listening.close()
    listening.close()

    assert client.recv(1) == b""
    again = bind(LOOPBACK, port)
    with pytest.raises(PortAllocated, match=rf"^Bind for 127\.0\.0\.1:{port} failed: port is already allocated$"):
        bind(LOOPBACK, port)
    again[0].close()


def test_a_service_that_fails_concerns_its_connection_alone(
    listeners: Listeners, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the next connection is served."""
    bound = bind(LOOPBACK, 0)
    turns = iter([RuntimeError("broken")])

    def serve(connection: socket.socket, cancel: Cancel) -> None:
        for error in turns:
            raise error
        echo(connection, cancel)

    listeners.open(bound, serve)
    assert dial(bound[0]).recv(1) == b""

    assert said(dial(bound[0]), b"a") == b"a"
    eventually(lambda: [record.message for record in caplog.records] == ["a connection to a published port failed"])


def test_a_reset_is_what_a_closed_port_gives(listeners: Listeners, dial: Dial) -> None:
    """Not the end of a stream."""
    bound = bind(LOOPBACK, 0)
    listeners.open(bound, lambda connection, _: reset(connection))

    with pytest.raises(ConnectionResetError):
        dial(bound[0]).recv(1)


def test_what_is_opened_before_the_start_is_served_from_then_on(dial: Dial) -> None:
    """And what is opened after the stop is closed at once."""
    listeners = Listeners()
    bound = bind(LOOPBACK, 0)
    listeners.open(bound, echo)
    client = dial(bound[0])
    listeners.start()
    assert said(client, b"a") == b"a"
    listeners.stop()

    late = bind(LOOPBACK, 0)
    listeners.open(late, echo)

    assert late[0].fileno() == -1


def test_both_families_get_one_number() -> None:
    """As clients want that pick an address by family."""
    bound = bind(["127.0.0.1", "::1"], 0)

    assert len({sock.getsockname()[1] for sock in bound}) == 1
    for sock in bound:
        sock.close()


def test_a_number_that_is_taken_on_one_address_leaves_none_bound() -> None:
    """All or nothing."""
    six = bind(["::1"], 0)
    port = six[0].getsockname()[1]

    with pytest.raises(PortAllocated, match=rf"^Bind for \[::1\]:{port} failed: port is already allocated$"):
        bind(["127.0.0.1", "::1"], port)

    four = bind(LOOPBACK, port)
    for sock in (*six, *four):
        sock.close()


def test_own_addresses() -> None:
    """Those that can be listened on, each once; names stand for theirs."""
    assert own_addresses(["127.0.0.1", "::1"]) == ("127.0.0.1", "::1")
    assert own_addresses(["0.0.0.0", "::", "198.18.255.1"]) == ("0.0.0.0", "::")
    assert "127.0.0.1" in own_addresses(["localhost", "127.0.0.1", "no such name"])
    assert len(own_addresses(["127.0.0.1", "127.0.0.1"])) == 1


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    """The sentence names it."""
    with pytest.raises(InvalidParameter, match=r"^cannot listen on 198\.18\.255\.1:0: Cannot assign requested address$"):
        bind(["198.18.255.1"], 0)


def test_where_no_thread_can_be_started_a_connection_is_reset(
    listeners: Listeners, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    """It is accepted on, one warning tells of all of them, and the stop has nothing to wait for."""
    bound = bind(LOOPBACK, 0)
    listeners.open(bound, echo)

    with none_left("port-"):
        for _ in range(5):  # more than there is room for
            with pytest.raises(ConnectionResetError):
                dial(bound[0]).recv(1)
        assert listeners.connections == 0

    assert said(dial(bound[0]), b"a") == b"a"
    with none_left("port-"), pytest.raises(ConnectionResetError):
        dial(bound[0]).recv(1)
    warning = "connections to published ports are reset until threads can be started again: can't start new thread"
    assert [record.message for record in caplog.records] == [warning, warning]


def test_what_could_not_be_started_is_not_waited_for() -> None:
    """Nor closed twice: the error is the start's own."""
    listeners = Listeners()
    with none_left("port-accept"), pytest.raises(RuntimeError, match=r"^can't start new thread$"):
        listeners.start()

    listeners.stop()
