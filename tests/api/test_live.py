"""The API on a live worker: what Flask's test client cannot show. The cluster is the in-memory one."""

import json
import sys

import pytest

from tests.support.live import LiveServer, read_all, read_head, read_some
from tests.support.waiting import eventually

ARGV = (sys.executable, "-m", "gunicorn", "-c", "python:kubedock.server.config", "tests.support.live_engine:app")
HOST = b" HTTP/1.1\r\nHost: x\r\n"
END = HOST + b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server():
    """One server for all of them."""
    with LiveServer(ARGV) as live:
        with live.ask(b"POST /images/create?fromImage=alpine&tag=latest" + END) as sock:
            assert b"Status: Downloaded newer image" in read_all(sock)
        yield live


def post(server: LiveServer, path: str, body: object = None) -> bytes:
    """A short POST; the whole answer."""
    data = b"" if body is None else json.dumps(body).encode()
    head = b"POST " + path.encode() + HOST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(data)
    with server.ask(head + data) as sock:
        return read_all(sock)


def create(server: LiveServer, *command: str, **body: object) -> str:
    """A container; its id."""
    answer = post(server, "/containers/create", {"Image": "alpine", "Cmd": command, **body})
    identity = json.loads(answer.partition(b"\r\n\r\n")[2])["Id"]
    assert isinstance(identity, str)
    return identity


def start(server: LiveServer, container: str) -> None:
    """Start it."""
    assert post(server, f"/containers/{container}/start").startswith(b"HTTP/1.1 204 ")


def test_an_attach_before_the_start_gets_all_output_and_its_end(server):
    """As ``docker run`` does it: 101 at once, frames, end."""
    container = create(server, "sh", "-c", "echo hello; echo again")
    request = f"POST /v1.47/containers/{container}/attach?stream=1&stdout=1&stderr=1".encode()
    with server.ask(request + HOST + b"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}") as sock:
        head = read_head(sock)
        start(server, container)
        body = read_all(sock)

    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 101 UPGRADED"
    wanted = {"Content-Type: application/vnd.docker.multiplexed-stream", "Connection: Upgrade", "Upgrade: tcp", "Api-Version: 1.47"}
    assert wanted <= set(lines)
    assert not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in lines)
    assert body == b"\x01\0\0\0\0\0\0\x06hello\n\x01\0\0\0\0\0\0\x06again\n"


def test_an_attached_client_that_half_closes_still_gets_its_output(server):
    """The CLI does so at once when it has no input."""
    container = create(server, "echo", "hello")
    request = f"POST /containers/{container}/attach?stream=1&stdout=1&stderr=1".encode()
    with server.ask(request + HOST + b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n") as sock:
        read_head(sock)
        sock.shutdown(1)
        start(server, container)
        assert read_all(sock) == b"\x01\0\0\0\0\0\0\x06hello\n"


def test_a_wait_sends_its_head_before_its_end(server):
    """Or ``docker run`` would never start the container."""
    container = create(server, "sh", "-c", "exit 42")
    with server.ask(f"POST /containers/{container}/wait?condition=next-exit".encode() + END) as sock:
        head = read_head(sock)
        start(server, container)
        body = read_all(sock)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'{"StatusCode":42}' in body


def test_a_client_that_leaves_its_events_is_forgotten(server):
    """At once, though nothing happens."""
    with server.ask(b"GET /events" + HOST + b"\r\n") as sock:
        assert read_head(sock).startswith(b"HTTP/1.1 200 OK\r\n")
        eventually(lambda: server.state()["listeners"] == 1, what="a listener")
    eventually(lambda: server.state()["listeners"] == 0, what="no listener")


def test_an_event_arrives_when_it_happens(server):
    """Chunked, one JSON object a line."""
    with server.ask(b"GET /events?filters=%7B%22type%22:%5B%22volume%22%5D%7D" + HOST + b"\r\n") as sock:
        read_head(sock)
        post(server, "/volumes/create", {"Name": "live-data"})
        size = int(read_until(sock, b"\r\n"), 16)
        event = json.loads(read_some(sock, size))
    assert (event["Type"], event["Action"], event["Actor"]["ID"]) == ("volume", "create", "live-data")


def read_until(sock: object, end: bytes) -> bytes:
    """Bytes up to an end, which is dropped."""
    data = b""
    while not data.endswith(end):
        data += read_some(sock, 1)  # type: ignore[arg-type]
    return data.removesuffix(end)


def test_a_refused_upload_leaves_the_connection_usable(server):
    """Its body is read to its end, then the next request is answered."""
    chunks = b"".join(b"10000\r\n" + b"x" * 0x10000 + b"\r\n" for _ in range(20)) + b"0\r\n\r\n"
    with server.ask(
        b"POST /build" + HOST + b"Transfer-Encoding: chunked\r\nContent-Type: application/x-tar\r\n\r\n" + chunks
    ) as sock:
        head = read_head(sock)
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        body = read_some(sock, length)
        sock.sendall(b"GET /_ping" + END)
        assert read_all(sock).endswith(b"\r\n\r\nOK")
    assert head.startswith(b"HTTP/1.1 501 ")
    assert b"build is not supported" in body


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/v1.47/containers/%2Fnobody/json", b"404"),
        (b"/v1.47/images/quay.io%2Fme%2Fapp:1/json", b"404"),
        (b"/v1.47/images/" + b"a" * 20_000 + b"/json", b"400"),
        (b"/nothing/%ff%00", b"404"),
    ],
)
def test_errors_are_plain_json(server, path, status):
    """Exactly this content type, whatever the path is."""
    with server.ask(b"GET " + path + END) as sock:
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nContent-Type: application/json\r\n" in head + b"\r\n"
    assert set(json.loads(body)) == {"message"}
