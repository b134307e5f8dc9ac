"""Output over the connection itself: head, frames, ends. A stand-in takes the place of the worker's socket."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from flask import Flask, Response

from kubedock.api import hijack
from kubedock.api.paths import VersionedPaths
from kubedock.errors import Unavailable
from kubedock.streams.cancel import Cancel

Batch = Sequence[tuple[int, bytes]]
UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


class AnOutput:
    """What the engine gives."""

    def __init__(self, *batches: Batch, tty: bool = False, error: Exception | None = None) -> None:
        self.tty, self._batches, self._error, self.closed = tty, batches, error, 0

    def __iter__(self) -> Iterator[Batch]:
        """Batches, then the error."""
        yield from self._batches
        if self._error:
            raise self._error

    def close(self) -> None:
        """Counted."""
        self.closed += 1


class ASocket:
    """The worker's side of a hijack."""

    def __init__(self, breaks_after: int = 99) -> None:
        self.sent: list[bytes] = []
        self.gone, self._breaks_after, self.stopped = Cancel(), breaks_after, 0

    def watch_gone(self) -> tuple[Cancel, Callable[[], None]]:
        """Like the worker's."""
        return self.gone, self._stop

    def _stop(self) -> None:
        self.stopped += 1

    def send_head(self, head: bytes, *, gap: float = 0.05) -> None:
        """The head."""
        self.sent.append(head)

    def sendall(self, data: bytes, cancel: Cancel) -> None:
        """Some of the body, until it breaks."""
        if len(self.sent) > self._breaks_after:
            raise ConnectionError("client gone")
        self.sent.append(data)


def an_app(output: AnOutput, cancel: Cancel) -> Flask:
    """One route that answers with this output."""
    app = Flask("test")

    @app.post("/attach")
    def attach() -> Response:
        return hijack.reply(output, cancel)

    app.wsgi_app = VersionedPaths(app.wsgi_app)  # type: ignore[method-assign]
    return app


def hijacked(output: AnOutput, cancel: Cancel, sock: ASocket, version: str = "") -> None:
    """Run a hijacked reply as the worker does."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"{version}/attach",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "HTTP_UPGRADE": "tcp",
        "kubedock.watch": lambda: pytest.fail("a half-close is no end here: the watch of ordinary requests must not be used"),
    }
    result = an_app(output, cancel)(environ, lambda *_: pytest.fail("the head is not gunicorn's to write"))
    result.run_hijacked(sock)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("version", "tty", "content_type", "body"),
    [
        ("/v1.47", False, "application/vnd.docker.multiplexed-stream", b"\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\x01!"),
        ("", False, "application/vnd.docker.multiplexed-stream", b"\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\x01!"),
        ("/v1.41", False, "application/vnd.docker.raw-stream", b"\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\x01!"),
        ("/v1.47", True, "application/vnd.docker.raw-stream", b"hi!"),
    ],
)
def test_the_connection_is_upgraded_and_the_output_follows(version, tty, content_type, body):
    """The head first and alone, then each batch in one piece (docker-py loses what comes with the head)."""
    output, sock, cancel = AnOutput([], [(1, b"hi"), (2, b"!")], tty=tty), ASocket(), Cancel()
    hijacked(output, cancel, sock, version)

    head = f"HTTP/1.1 101 UPGRADED\r\nContent-Type: {content_type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    assert sock.sent == [head.encode(), body]
    assert output.closed >= 1
    assert sock.stopped == 1


def test_without_an_upgrade_the_same_bytes_are_a_plain_reply():
    """docker-java reads a chunked 200."""
    output = AnOutput([], [(1, b"hi")])
    with an_app(output, Cancel()).test_client().post("/attach") as answer:
        assert (answer.status_code, answer.content_type) == (200, hijack.RAW)
        assert answer.data == b"\x01\0\0\0\0\0\0\x02hi"
    assert output.closed == 1


def test_a_log_is_a_plain_reply_whatever_is_asked_for():
    """And it tells its frames by their name, as moby's does; attach and exec do so on an upgraded connection alone."""
    output, app = AnOutput([], [(1, b"hi")]), Flask("test")
    app.get("/logs")(lambda: hijack.log(output))
    app.wsgi_app = VersionedPaths(app.wsgi_app)
    with app.test_client().get("/logs", headers=UPGRADE, environ_base={"kubedock.watch": None}) as answer:
        assert (answer.status_code, answer.content_type) == (200, hijack.MULTIPLEXED)
        assert answer.data == b"\x01\0\0\0\0\0\0\x02hi"
    assert output.closed == 1


def test_an_error_after_the_head_is_told_in_a_frame_of_the_engines_own():
    """No status can be sent any more; stream 3 is what Docker uses."""
    output = AnOutput([(1, b"a")], error=Unavailable("the cluster cannot be reached"))
    with an_app(output, Cancel()).test_client().post("/attach") as answer:
        text = b"Error grabbing logs: the cluster cannot be reached\n"
        assert answer.data == b"\x01\0\0\0\0\0\0\x01a" + b"\x03\0\0\0\0\0\0" + bytes([len(text)]) + text


def test_a_client_that_goes_ends_the_output():
    """Its Cancel is set, which wakes whatever the output waits for."""
    output, sock, cancel = AnOutput([(1, b"a")], [(1, b"b")], [(1, b"c")]), ASocket(breaks_after=1), Cancel()
    hijacked(output, cancel, sock)

    assert (len(sock.sent), cancel.reason, output.closed >= 1) == (2, "the stream has ended", True)


def test_the_sockets_watch_cancels_the_output():
    """What the worker sees reaches the engine while it waits."""
    sock, cancel, seen = ASocket(), Cancel(), []

    class Waits(AnOutput):
        def __iter__(self):
            """Give one batch, and be waiting when the client goes."""
            yield [(1, b"a")]
            sock.gone.set("client gone")
            seen.append(cancel.reason)
            yield [(1, b"b")]

    hijacked(Waits(), cancel, sock)
    assert (seen, len(sock.sent)) == (["client gone"], 2)
