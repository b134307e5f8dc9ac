"""Connections that are handed over: what real clients do to them."""

import socket
from collections.abc import Iterator

import pytest

from tests.support.live import LiveServer, read_all, read_head, read_some
from tests.support.waiting import eventually

POST = b"POST /%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """One server for all tests here."""
    with LiveServer() as live:
        yield live


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"\r\n", b""),
        (b'Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{"Detach":true}', b""),
        (b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}   \r\n3\r\n   \r\n0\r\n\r\n", b""),
    ],
    ids=["no body", "length", "chunked"],
)
def test_input_in_the_requests_packet_is_not_lost_nor_is_the_body_taken_for_it(
    server: LiveServer, head: bytes, body: bytes
) -> None:
    """The request's body is read first; what comes right behind it is the first input."""
    with server.ask(POST % b"echo" + head + body + b"early ") as sock:
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        sock.sendall(b"late")
        assert read_some(sock, 10) == b"early late"
        sock.shutdown(socket.SHUT_WR)

        assert read_all(sock) == b"EOF"


def test_a_body_that_comes_after_the_head_of_the_request_is_drained(server: LiveServer) -> None:
    """docker-py sends the body of exec start in a second packet."""
    with server.ask(POST % b"echo" + b"Content-Length: 4\r\n\r\n") as sock:
        sock.sendall(b"{}\r\n")
        assert read_head(sock)
        sock.sendall(b"input")
        sock.shutdown(socket.SHUT_WR)

        assert read_all(sock) == b"inputEOF"


def test_a_half_close_ends_the_input_and_not_the_output(server: LiveServer) -> None:
    """The docker CLI half-closes at once when it has no input."""
    with server.ask(POST % b"first?100000" + b"\r\n") as sock:
        sock.shutdown(socket.SHUT_WR)
        read_head(sock)

        assert read_all(sock) == b"x" * 100000


def test_a_half_closed_client_is_still_waited_for(server: LiveServer) -> None:
    """A stream without input stays until its connection breaks."""
    before = server.state()
    with server.ask(POST % b"held" + b"\r\n") as sock:
        read_head(sock)
        sock.shutdown(socket.SHUT_WR)
        eventually(lambda: server.state()["open"] == before["open"] + 1)
        assert server.state()["endings"] == before["endings"]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset

    eventually(lambda: server.state()["endings"] == [*before["endings"], "held: client gone"])


def test_a_large_echo_is_exact(server: LiveServer) -> None:
    """Both directions at once, with a client that reads late."""
    sent = bytes(range(256)) * 4096
    with server.ask(POST % b"echo" + b"\r\n") as sock:
        read_head(sock)
        got = b""
        for start in range(0, len(sent), 65536):
            sock.sendall(sent[start : start + 65536])
            got += read_some(sock, 65536)
        sock.shutdown(socket.SHUT_WR)

        assert got + read_all(sock) == sent + b"EOF"


@pytest.mark.parametrize("read", [0, 1 << 20])
def test_a_client_that_leaves_a_flood_ends_it(server: LiveServer, read: int) -> None:
    """The sender blocks on a full socket and learns of the end all the same."""
    before = server.state()["endings"].count("flood: ended")
    with server.ask(POST % b"flood" + b"\r\n") as sock:
        read_head(sock)
        read_some(sock, read)

    eventually(lambda: server.state()["endings"].count("flood: ended") == before + 1)


def test_a_mistake_in_a_stream_ends_the_connection_and_is_logged(server: LiveServer) -> None:
    """No second answer is written into a stream that has begun."""
    with server.ask(POST % b"broken" + b"\r\n") as sock:
        read_head(sock)

        assert read_all(sock) == b""
    eventually(lambda: "a mistake in the test's stream" in server.log)


def test_no_descriptor_is_left(server: LiveServer) -> None:
    """After hijacks of all kinds the process has as many as before."""

    def descriptors() -> int:
        return int(server.state()["fds"])

    eventually(lambda: server.state()["open"] == 0)
    before = descriptors()
    for path in (b"echo", b"first?5", b"held", b"flood") * 5:
        with server.ask(POST % path + b"\r\n") as sock:
            read_head(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    eventually(lambda: descriptors() <= before, what=f"{before} descriptors")
