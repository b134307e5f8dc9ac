"""The stream that attach and exec get, over a pair of sockets."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from kubedock.server.hijacked import HijackedConn
from kubedock.streams.cancel import Cancel

HEAD = b"HTTP/1.1 101 UPGRADED\r\n\r\n"
Pair = tuple[HijackedConn, socket.socket]


def _no_watch() -> tuple[Cancel, Callable[[], None]]:
    return Cancel(), lambda: None


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The stream, and its client."""
    ours, client = socket.socketpair()
    client.settimeout(10)
    with ours, client:
        yield HijackedConn(ours, b"", _no_watch), client


@pytest.fixture
def tcp() -> Iterator[Pair]:
    """The same over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname(), timeout=10) as client:
        ours, _ = listener.accept()
        with ours:
            yield HijackedConn(ours, b"", _no_watch), client


def test_the_head_is_waited_for_until_the_client_has_taken_it(pair: Pair) -> None:
    """docker-py loses what comes in the same read as the head. Only the first output waits, not what comes before it."""
    stream, client = pair
    stream.send_head(HEAD, cap=30)
    sender = threading.Thread(target=stream.sendall, args=(b"first", Cancel()))  # noqa: TID251 - joined below
    sender.start()
    sender.join(0.1)
    assert sender.is_alive()

    assert client.recv(1024) == HEAD
    sender.join(10)
    assert not sender.is_alive()
    assert client.recv(1024) == b"first"


def test_a_client_that_does_not_read_is_waited_for_in_bounds(pair: Pair) -> None:
    """Its output may be waiting for it, but so may the container for us."""
    stream, client = pair
    begin = time.monotonic()
    stream.send_head(HEAD, cap=0.08)
    stream.sendall(b"first", Cancel())

    assert time.monotonic() - begin >= 0.08
    assert client.recv(1024).startswith(HEAD)


def test_the_first_output_keeps_its_distance_from_the_head_and_the_next_does_not(tcp: Pair) -> None:
    """A client's kernel acknowledges the head before the client reads it."""
    stream, client = tcp
    stream.send_head(HEAD)
    begin = time.monotonic()
    stream.sendall(b"first", Cancel())

    assert time.monotonic() - begin >= 0.03
    assert client.recv(5 + len(HEAD)).startswith(HEAD)


def test_bytes_that_came_with_the_request_are_the_first_input() -> None:
    """poll does not see them: ``pending`` says that they are there."""
    ours, client = socket.socketpair()
    with ours, client:
        stream = HijackedConn(ours, b"early", _no_watch)
        client.sendall(b"late")

        assert (stream.pending(), stream.recv(3), stream.pending(), stream.recv()) == (True, b"ear", True, b"ly")
        assert (stream.pending(), stream.recv()) == (False, b"late")


def test_no_input_now_differs_from_its_end(pair: Pair) -> None:
    """None, and ``b""``."""
    stream, client = pair

    assert stream.recv() is None
    client.shutdown(socket.SHUT_WR)
    assert stream.recv() == b""


def test_send_takes_what_fits(pair: Pair) -> None:
    """And 0 when nothing does."""
    stream, client = pair
    size = 0
    while taken := stream.send(b"x" * 65536):
        size += taken
    assert stream.send(b"x") == 0

    got = 0
    while got < size:
        got += len(client.recv(1 << 20))
    assert got == size


def test_a_blocked_sendall_ends_when_it_is_cancelled(pair: Pair) -> None:
    """Its client neither reads nor leaves."""
    stream, _client = pair
    cancel = Cancel()
    timer = threading.Timer(0.1, cancel.set, ("server stopping",))
    timer.start()
    with pytest.raises(ConnectionError, match="server stopping"):
        stream.sendall(b"x" * (8 << 20), cancel)
    timer.join()


@pytest.mark.parametrize("kind", ["pair", "tcp"])
def test_a_blocked_sendall_ends_when_the_client_goes(kind: str, request: pytest.FixtureRequest) -> None:
    """Closing with unread input resets the connection."""
    stream, client = request.getfixturevalue(kind)
    timer = threading.Timer(0.1, client.close)
    timer.start()
    with pytest.raises(ConnectionError):
        stream.sendall(b"x" * (64 << 20), Cancel())
    timer.join()


def test_sendall_to_a_slow_client_is_complete(pair: Pair) -> None:
    """It waits for room, again and again."""
    stream, client = pair
    data = bytes(range(256)) * 16384
    got = bytearray()

    def read() -> None:
        while len(got) < len(data):
            got.extend(client.recv(65536))

    reader = threading.Thread(target=read)  # noqa: TID251 - joined below
    reader.start()
    stream.sendall(data, Cancel())
    reader.join(10)

    assert bytes(got) == data


def test_closing_drains_what_the_client_still_sends(tcp: Pair) -> None:
    """Or the reset would destroy output that the client has not read."""
    stream, client = tcp
    stream.sendall(b"output", Cancel())
    client.sendall(b"unread input")
    client.shutdown(socket.SHUT_WR)
    stream.close()

    assert (client.recv(6), client.recv(6)) == (b"output", b"")


def test_closing_waits_for_a_client_in_bounds(tcp: Pair) -> None:
    """It may keep its end open for ever."""
    stream, client = tcp
    begin = time.monotonic()
    stream.close(linger=0.1)

    assert 0.1 <= time.monotonic() - begin < 5
    assert client.recv(1) == b""
