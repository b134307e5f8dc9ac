"""The life of requests and of the server: clients that leave, signals, exit codes."""

import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live import OWN, PLAIN, LiveServer, read_all, read_head, read_some
from tests.support.waiting import eventually

FAR_BELOW_A_TIMEOUT = 8.0
"""Seconds: gunicorn would take its grace of 30 s, or 2 s for each client that lingers. `make bench` measures."""
FOLLOW = b"GET /follow HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """One server for the tests that leave it alive."""
    with LiveServer() as live:
        yield live


def test_the_head_of_a_stream_comes_before_its_first_line(server: LiveServer) -> None:
    """A client of wait or events goes on as soon as it has the head."""
    with server.ask(FOLLOW) as sock:
        assert read_head(sock).startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_leaves_frees_its_thread(server: LiveServer) -> None:
    """The request blocks on something else than its client."""
    before = server.state()["endings"].count("follow: client gone")
    socks = [server.ask(FOLLOW) for _ in range(20)]
    for sock in socks:
        read_head(sock)
    for sock in socks:
        sock.close()

    eventually(lambda: server.state()["endings"].count("follow: client gone") == before + 20)
    eventually(lambda: server.state()["open"] == 0)


def test_bytes_behind_the_request_are_not_a_client_that_leaves(server: LiveServer) -> None:
    """A pipelined request does not end the stream before it."""
    with server.ask(FOLLOW + b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n") as sock:
        read_head(sock)
        before = server.state()
        assert before["open"] == 1


def test_a_reply_that_breaks_off_does_not_look_whole(server: LiveServer) -> None:
    """The connection ends without the mark that ends a chunked reply, and nothing is wrong with the server."""
    with server.ask(b"GET /cut HTTP/1.1\r\nHost: x\r\n\r\n") as sock:
        assert b"transfer-encoding: chunked" in read_head(sock).lower()
        assert read_all(sock) == b"6\r\na part\r\n"
    assert "Traceback" not in server.log


def test_clients_that_keep_their_end_open_do_not_stall_others(server: LiveServer) -> None:
    """gunicorn lingers for two seconds when it closes; that must not be on the loop that accepts."""
    lazy = [server.ask(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") for _ in range(10)]
    for sock in lazy:
        assert read_all(sock).endswith(b"OK")
    begin = time.monotonic()

    assert server.get("/ping") == b"OK"
    assert time.monotonic() - begin < FAR_BELOW_A_TIMEOUT
    for sock in lazy:
        sock.close()


def test_a_connection_serves_several_requests(server: LiveServer) -> None:
    """Docker's clients keep their connections."""
    with server.connect() as sock:
        for _ in range(3):
            sock.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in read_head(sock)
            assert read_some(sock, 2) == b"OK"


def test_long_lines_and_headers_are_taken(server: LiveServer) -> None:
    """Build arguments and registry configurations are long."""
    request = b"GET /ping?%s HTTP/1.1\r\nHost: x\r\nX-Registry-Config: %s\r\nConnection: close\r\n\r\n" % (
        b"q" * 20000,
        b"h" * 200000,
    )
    with server.ask(request) as sock:
        assert read_all(sock).endswith(b"OK")


def test_a_chunked_body_is_read(server: LiveServer) -> None:
    """Archives come without a length."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = b"PUT /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with server.ask(head + chunk * 20 + b"0\r\n\r\n") as sock:
        assert read_all(sock).endswith(str(65536 * 20).encode())


@pytest.mark.parametrize("argv", [PLAIN, OWN], ids=["gunicorn", "kubedock server"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_a_signal_ends_100_streams(argv: tuple[str, ...], number: int, tmp_path: Path) -> None:
    """Streams end in good order, the clean-up runs after them, the exit code is 0."""
    done = tmp_path / "done"
    with LiveServer(argv, {"LIVE_DONE": str(done)}) as server:
        socks = [server.ask(FOLLOW) for _ in range(80)]
        socks += [server.ask(b"POST /held HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\r\n") for _ in range(20)]
        for sock in socks:
            read_head(sock)
        begin = time.monotonic()

        server.signal(number)

        for sock in socks[:80]:
            assert read_all(sock) == b"4\r\nbye\n\r\n0\r\n\r\n"
        assert server.wait() == 0, server.log
        assert time.monotonic() - begin < FAR_BELOW_A_TIMEOUT
        assert done.read_text() == "open=0"
        assert "Traceback" not in server.log
        for sock in socks:
            sock.close()


def test_an_idle_kept_connection_does_not_hold_the_stop() -> None:
    """A pooled connection is closed soon."""
    with LiveServer() as server, server.connect() as sock:
        sock.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        read_head(sock)
        begin = time.monotonic()
        server.signal(signal.SIGTERM)

        assert server.wait() == 0
        assert time.monotonic() - begin < FAR_BELOW_A_TIMEOUT


def test_a_request_that_does_not_end_holds_the_stop_for_a_bounded_time(tmp_path: Path) -> None:
    """It is left behind, after the clean-up."""
    done = tmp_path / "done"
    with LiveServer(environ={"LIVE_DONE": str(done)}) as server, server.ask(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n"):
        server.get("/ping")
        server.signal(signal.SIGTERM)

        assert server.wait(6) == 0, server.log
        assert done.exists()


@pytest.mark.parametrize(
    ("first", "second"), [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)]
)
def test_a_second_signal_ends_at_once(first: int, second: int, tmp_path: Path) -> None:
    """Whatever the clean-up is doing."""
    done = tmp_path / "done"
    with LiveServer(OWN, {"LIVE_STOP": "30", "LIVE_DONE": str(done), "KUBEDOCK_SHUTDOWN_TIMEOUT": "40"}) as server:
        server.signal(first)
        eventually(lambda: _refuses(server))
        begin = time.monotonic()
        server.signal(second)

        assert server.wait() == 128 + second
        assert time.monotonic() - begin < FAR_BELOW_A_TIMEOUT
        assert not done.exists()


def _refuses(server: LiveServer) -> bool:
    try:
        server.connect().close()
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(("argv", "code"), [(PLAIN, 3), (OWN, 1)], ids=["gunicorn", "kubedock server"])
def test_a_start_that_fails_is_one_sentence_and_an_exit_code(argv: tuple[str, ...], code: int) -> None:
    """No traceback, and no worker that is started again and again."""
    server = LiveServer(argv, {"LIVE_FAIL": "the cluster at https://192.0.2.1 cannot be reached"}).launch()

    assert server.wait() == code
    assert server.log == "kubedock: the cluster at https://192.0.2.1 cannot be reached\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("environ", "done"), [({"LIVE_START": "60"}, ""), ({"LIVE_START": "1", "LIVE_MAKES": ""}, "open=0")])
def test_a_signal_amid_a_start(number: int, environ: dict[str, str], done: str, tmp_path: Path) -> None:
    """A start that makes nothing may take long, and is broken off; one that makes something is undone."""
    file = tmp_path / "done"
    file.touch()
    with LiveServer(OWN, {**environ, "LIVE_DONE": str(file)}).launched() as server:
        eventually(lambda: "starting" in server.log)
        begin = time.monotonic()

        server.signal(number)

        assert server.wait() == 0, server.log
        assert time.monotonic() - begin < FAR_BELOW_A_TIMEOUT
        assert file.read_text() == done
        assert server.addresses == []
        assert "Traceback" not in server.log


def test_a_start_that_fails_when_it_was_told_to_end() -> None:
    """Still says why."""
    with LiveServer(OWN, {"LIVE_START": "1", "LIVE_MAKES": "", "LIVE_FAIL": "no room"}).launched() as server:
        eventually(lambda: "starting" in server.log)
        server.signal(signal.SIGTERM)

        assert server.wait() == 0
        assert server.log == "starting\nkubedock: no room\n"


def test_a_bad_variable_ends_gunicorn_with_a_sentence() -> None:
    """Before anything starts."""
    server = LiveServer(PLAIN, {"KUBEDOCK_TIMEOUT": "soon"}).launch()

    assert server.wait() == 1
    assert "Error: KUBEDOCK_TIMEOUT: 'soon' is not a duration (write 90, 90s or 1m30s)" in server.log
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ((*PLAIN[:-1], "-k", "sync", "kubedock.wsgi:app"), 1),
        ((*PLAIN[:-1], "-w", "2", "kubedock.wsgi:app"), 1),
        ((sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", "kubedock.wsgi:app"), 4),
    ],
    ids=["another class", "two workers", "no configuration"],
)
def test_another_worker_is_refused_with_a_sentence(argv: tuple[str, ...], code: int, tmp_path: Path) -> None:
    """Where attach and exec could not work, nothing starts. gunicorn's own configuration makes a folder at home."""
    server = LiveServer(argv, {"HOME": str(tmp_path)}).launch()

    assert server.wait() == code
    assert "kubedock" in server.log
    assert "gunicorn worker" in server.log or "one worker process" in server.log
    assert "Traceback" not in server.log


def test_a_port_in_use_is_a_sentence() -> None:
    """At once, not after five tries."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = LiveServer(OWN, {"KUBEDOCK_LISTEN_ADDR": f"127.0.0.1:{port}"}).launch()

        assert server.wait() == 1
        assert server.log == f"kubedock: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_all_addresses_are_served_with_a_warning() -> None:
    """``:0`` is every address, of both families where there are two."""
    with LiveServer(environ={"KUBEDOCK_LISTEN_ADDR": ":0"}) as server:
        with socket.create_connection(("127.0.0.1", server.tcp[1]), timeout=5) as sock:
            sock.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert read_all(sock).endswith(b"OK")
        assert "may run containers in the cluster" in server.log
