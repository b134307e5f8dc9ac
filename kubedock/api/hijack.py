"""A container's streams over the connection itself: ``HTTP/1.1 101 UPGRADED``, then Docker's frames or raw bytes.

kubedock's worker gives the client's socket to a WSGI result that has ``run_hijacked``. Where that was not asked for
(no ``Upgrade: tcp``) the same bytes go out as a chunked reply, which every client understands too.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from flask import Response, request

from kubedock.api import streaming
from kubedock.api.context import api_version
from kubedock.errors import KubedockError
from kubedock.streams import frames
from kubedock.streams.cancel import Cancel

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

DOCKER_PY = "docker-sdk-python/"
GAP, GAP_FOR_DOCKER_PY = 0.05, 0.1
"""Seconds between the head and the first output. docker-py loses what it reads together with the head, and a busy machine
lets it read late; other clients lose nothing."""

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"

Batch = Sequence[tuple[int, bytes]]


class Output(Protocol):
    """What the engine gives: batches of (stream number, bytes), an empty one to flush."""

    @property
    def tty(self) -> bool: ...
    def __iter__(self) -> Iterator[Batch]: ...
    def close(self) -> None: ...


class Duplex(Protocol):
    """What the engine gives where input goes back: a running exec."""

    @property
    def tty(self) -> bool: ...
    def serve(self, client: "HijackedStream", encode: Callable[[int, bytes], bytes], cancel: Cancel) -> bytes:
        """Move bytes until it ends; what is left to send."""

    def batches(self, cancel: Cancel) -> Iterator[Batch]:
        """The output alone."""

    def close(self) -> None: ...


class HijackedStream(Protocol):
    """The client's connection, as the worker hands it over."""

    def watch_gone(self) -> tuple[Cancel, Callable[[], None]]: ...
    def send_head(self, head: bytes, *, gap: float) -> None: ...
    def fileno(self) -> int: ...
    def pending(self) -> bool: ...
    def recv(self) -> bytes | None: ...
    def send(self, data: memoryview) -> int: ...
    def sendall(self, data: bytes, cancel: Cancel) -> None: ...


def content_type(*, tty: bool) -> str:
    """A terminal's output is raw; older clients know no other name for frames either."""
    return MULTIPLEXED if not tty and api_version() >= (1, 42) else RAW


def _attached_type(*, tty: bool) -> str:
    """Of a connection. What is not upgraded has the old name from moby, frames or not."""
    return content_type(tty=tty) if asked() else RAW


def encoded(batches: Iterable[Batch], *, tty: bool) -> Iterator[bytes]:
    """One piece of the wire a batch: frames, or a terminal's bytes as they are.

    The head has gone before the first one, so an error is told where it can still be: in a frame of the engine's own.
    """
    try:
        for batch in batches:
            yield b"".join(data if tty else frames.encode(number, data) for number, data in batch)
    except KubedockError as error:
        logger.warning("a container's output ends early: %s", error)
        text = f"Error grabbing logs: {error}\n".encode()
        yield text if tty else frames.encode(frames.SYSTEM, text)


def asked() -> bool:
    """The client wants the connection itself, and the server can give it."""
    return bool(request.headers.get("Upgrade")) and "kubedock.watch" in request.environ


def log(output: Output) -> Response:
    """A container's log: a reply, whatever is asked for, which tells frames from raw bytes."""
    response = streaming.stream(encoded(output, tty=output.tty), content_type=content_type(tty=output.tty))
    response.call_on_close(output.close)
    return response


def reply(output: Output, cancel: Cancel) -> Response:
    """A container's output, hijacked where that was ``asked``; ``cancel`` is what the output was opened with."""
    wire, kind = encoded(output, tty=output.tty), _attached_type(tty=output.tty)

    def send(stream: HijackedStream) -> None:
        for data in wire:
            if cancel.reason is not None:
                break
            if data:
                stream.sendall(data, cancel)

    response = HijackedResponse(send, cancel, kind) if asked() else streaming.stream(wire, content_type=kind)
    response.call_on_close(output.close)
    return response


def duplex(running: Duplex, cancel: Cancel) -> Response:
    """Both directions, hijacked where that was ``asked``; else the output alone, as a reply that goes on."""
    kind = _attached_type(tty=running.tty)

    def encode(number: int, data: bytes) -> bytes:
        return data if running.tty else frames.encode(number, data)

    def send(stream: HijackedStream) -> None:
        rest = running.serve(stream, encode, cancel)
        if rest:
            stream.sendall(rest, cancel)

    if asked():
        response: Response = HijackedResponse(send, cancel, kind)
    else:
        response = streaming.stream(encoded(running.batches(cancel), tty=running.tty), content_type=kind)
    response.call_on_close(running.close)
    return response


class HijackedResponse(Response):
    """A reply that writes its head and its bytes to the client's socket itself."""

    def __init__(self, send: Callable[[HijackedStream], None], cancel: Cancel, content_type: str) -> None:
        """``send`` is called when the head has gone; ``cancel`` is set when the client leaves or the server stops."""
        super().__init__(status="101 UPGRADED", content_type=content_type)
        self.headers["Connection"], self.headers["Upgrade"] = "Upgrade", "tcp"
        self._send, self._cancel = send, cancel
        hasty = request.headers.get("User-Agent", "").startswith(DOCKER_PY)
        self._gap = GAP_FOR_DOCKER_PY if hasty else GAP

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Any:
        """The WSGI result is this object: the worker calls ``run_hijacked`` and nobody iterates."""
        return self

    def run_hijacked(self, stream: HijackedStream) -> None:
        """Send everything; blocks until the stream ends, the client is gone or the server stops.

        The output is closed before the worker lingers on the socket: an automatic removal waits for its readers.
        """
        gone, stop = stream.watch_gone()
        gone.on_cancel(lambda: self._cancel.set(gone.reason or "client gone"))
        try:
            stream.send_head(self._head(), gap=self._gap)
            self._send(stream)
        except OSError as error:
            logger.debug("an attached client has gone: %s", error)
        finally:
            self._cancel.set("the stream has ended")
            stop()
            self.close()

    def _head(self) -> bytes:
        lines = ["HTTP/1.1 101 UPGRADED"]
        lines += [f"{name}: {value}" for name, value in self.headers if name != "Content-Length"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
