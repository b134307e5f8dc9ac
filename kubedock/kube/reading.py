"""Answers of the API server that go on: logs and watches.

A clean end and a break are told apart by the last chunk of HTTP's chunked coding. ``close`` shuts the socket down,
which wakes a thread that blocks in a read; it leaves the response itself to that thread.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, Literal

from urllib3.exceptions import HTTPError, ReadTimeoutError

from kubedock.cluster.protocol import WatchEvent
from kubedock.errors import System, Unavailable
from kubedock.kube.errors import from_status, from_transport

CHUNK = 64 * 1024


class Answer:
    """An answer's body, read as it comes."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._socket: socket.socket | None = response.connection.sock if response.connection is not None else None
        self._lock = threading.Lock()
        self._reading = self._closed = self._done = False

    def read(self) -> bytes:
        """Some bytes, ``b""`` at the end or when closed. A break raises urllib3's errors."""
        with self._lock:
            if self._closed or self._done:
                return b""
            self._reading = True
        data: bytes = b""
        try:
            data = self._response.read1(CHUNK)
        except HTTPError:
            if not self._closed:
                raise
        except (OSError, ValueError) as error:
            # A socket that is shut down under a reader ends in many ways, some of them not urllib3's.
            if not self._closed:
                raise Unavailable(f"the connection to the cluster broke: {error}") from error
        finally:
            self._finish(data)
        return data

    def _finish(self, data: bytes) -> None:
        with self._lock:
            self._reading = False
            if not data or self._closed:
                self._done = True
        if self._done:
            self._release()

    def _release(self) -> None:
        """At a clean end the connection has gone back to the pool already; else it must not."""
        self._response.close()

    def close(self) -> None:
        """From any thread."""
        with self._lock:
            if self._closed or self._done:
                return
            self._closed, reading = True, self._reading
            if self._socket is not None:
                # Not SSLSocket's own shutdown: it takes the TLS state from under the reader.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        if not reading:
            self._release()


class LogStream:
    """See ByteStream."""

    def __init__(self, response: Any) -> None:
        self._answer = Answer(response)

    def read(self) -> bytes:
        """See ByteStream."""
        try:
            return self._answer.read()
        except HTTPError as error:
            raise from_transport(error) from error

    def close(self) -> None:
        """See ByteStream."""
        self._answer.close()

    def __enter__(self) -> "LogStream":
        return self

    def __exit__(self, *exc: object) -> Literal[False]:
        self.close()
        return False


class WatchStream:
    """See Watch. Silence for longer than the read's time limit ends it in good order, so that it is opened again."""

    def __init__(self, response: Any) -> None:
        self._answer = Answer(response)

    def __iter__(self) -> Iterator[WatchEvent]:
        try:
            yield from (self._event(line) for line in self._lines())
        finally:
            self._answer.close()

    def _lines(self) -> Iterator[bytes]:
        parts: list[bytes] = []
        while data := self._read():
            first, newline, rest = data.partition(b"\n")
            parts.append(first)
            if not newline:
                continue
            yield b"".join(parts)
            *whole, last = rest.split(b"\n")
            yield from whole
            parts = [last]

    def _read(self) -> bytes:
        try:
            return self._answer.read()
        except ReadTimeoutError:
            return b""
        except HTTPError as error:
            raise from_transport(error) from error

    @staticmethod
    def _event(line: bytes) -> WatchEvent:
        try:
            told: Any = json.loads(line)
        except ValueError as error:
            raise System("a line of the watch is no JSON") from error
        if told["type"] == "ERROR":
            raise from_status(told["object"])
        return WatchEvent(told["type"], told["object"])

    def close(self) -> None:
        """See Watch."""
        self._answer.close()
