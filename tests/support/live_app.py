"""A small application for kubedock's worker: every way in which a request can hold its client.

The environment variables LIVE_FAIL (a sentence: the start fails), LIVE_START (seconds that the start takes), LIVE_MAKES
(the start makes something that the stop undoes), LIVE_STOP (seconds that the stop takes) and LIVE_DONE (a file that the
stop writes) decide its life.
"""

import errno
import json
import os
import queue
import select
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from kubedock.errors import Unavailable

HEAD = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


class Hijack:
    """A WSGI result that takes the connection over."""

    def __init__(self, run: Callable[[Any], None]) -> None:
        self._run = run

    def run_hijacked(self, stream: Any) -> None:
        """Called by the worker."""
        stream.send_head(HEAD)
        self._run(stream)


class LiveApp:
    """WSGI, with a life."""

    def __init__(self) -> None:
        self.open = 0
        self.endings: list[str] = []
        self._lock = threading.Lock()

    @property
    def start_makes_something(self) -> bool:
        """Where the test wants it."""
        return "LIVE_MAKES" in os.environ

    def start(self) -> None:
        """Takes as long as the test wants, and fails where it wants that."""
        if seconds := os.environ.get("LIVE_START"):
            print("starting", flush=True)
            threading.Event().wait(float(seconds))
        if sentence := os.environ.get("LIVE_FAIL"):
            raise Unavailable(sentence)

    def stop(self) -> None:
        """Takes as long as the test wants."""
        threading.Event().wait(float(os.environ.get("LIVE_STOP", "0")))
        if path := os.environ.get("LIVE_DONE"):
            Path(path).write_text(f"open={self.open}")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Route by the path's name."""
        answer = getattr(self, "on_" + environ["PATH_INFO"].strip("/"))
        return answer(environ, start_response)

    def on_ping(self, _environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """At once."""
        return self._reply(start_response, b"OK")

    def on_length(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """How many bytes the body had."""
        size = 0
        while data := environ["wsgi.input"].read(1 << 20):
            size += len(data)
        return self._reply(start_response, str(size).encode())

    def on_state(self, _environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """How many streams are open, how the others ended, threads and descriptors."""
        state = {
            "open": self.open,
            "endings": self.endings,
            "threads": threading.active_count(),
            "fds": len(os.listdir("/proc/self/fd")),
        }
        return self._reply(start_response, json.dumps(state).encode())

    def on_follow(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        """Blocks until the client leaves or the server stops."""
        cancel, stop = environ["kubedock.watch"]()
        wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        cancel.on_cancel(lambda: wake.put(None))
        start_response("200 OK", [("Content-Type", "text/plain")])

        def lines() -> Iterator[bytes]:
            with self._held():
                yield b""
                wake.get()
                self.endings.append(f"follow: {cancel.reason}")
                stop()
                yield b"bye\n"

        return lines()

    def on_echo(self, _environ: dict[str, Any], _start_response: Callable[..., Any]) -> Hijack:
        """Sends back what comes, and ``EOF`` after the client's half-close."""
        return Hijack(self._echo)

    def on_first(self, environ: dict[str, Any], _start_response: Callable[..., Any]) -> Hijack:
        """Output right behind the head, as many bytes as asked for."""
        size = int(environ["QUERY_STRING"])

        def run(stream: Any) -> None:
            cancel, stop = stream.watch_gone()
            stream.sendall(b"x" * size, cancel)
            stop()

        return Hijack(run)

    def on_held(self, _environ: dict[str, Any], _start_response: Callable[..., Any]) -> Hijack:
        """Sends nothing until the connection breaks or the server stops."""

        def run(stream: Any) -> None:
            with self._held():
                cancel, stop = stream.watch_gone()
                gone = threading.Event()
                cancel.on_cancel(gone.set)
                gone.wait()
                stop()
                self.endings.append(f"held: {cancel.reason}")

        return Hijack(run)

    def on_flood(self, _environ: dict[str, Any], _start_response: Callable[..., Any]) -> Hijack:
        """Sends without end."""

        def run(stream: Any) -> None:
            with self._held():
                cancel, stop = stream.watch_gone()
                try:
                    while True:
                        stream.sendall(b"x" * 65536, cancel)
                except ConnectionError:
                    self.endings.append("flood: ended")
                stop()

        return Hijack(run)

    def on_cut(self, _environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        """A reply that breaks off, as what is of no use in part does."""
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"a part"
        raise ConnectionResetError(errno.ECONNRESET, "a reply ends early")

    def on_broken(self, _environ: dict[str, Any], _start_response: Callable[..., Any]) -> Hijack:
        """A mistake after the head."""

        def run(_stream: Any) -> None:
            raise LookupError("a mistake in the test's stream")

        return Hijack(run)

    def on_stuck(self, _environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Blocks and does not watch its client."""
        threading.Event().wait(60)
        return self._reply(start_response, b"late")

    def _echo(self, stream: Any) -> None:
        cancel, stop = stream.watch_gone()
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLIN)
        while True:
            if not stream.pending():
                poll.poll()
            data = stream.recv()
            if data is None:
                continue
            stream.sendall(data or b"EOF", cancel)
            if not data:
                break
        stop()

    def _held(self) -> "_Held":
        return _Held(self, self._lock)

    @staticmethod
    def _reply(start_response: Callable[..., Any], body: bytes) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]


class _Held:
    """Counts the streams that are open."""

    def __init__(self, app: LiveApp, lock: threading.Lock) -> None:
        self._app, self._lock = app, lock

    def __enter__(self) -> None:
        with self._lock:
            self._app.open += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._app.open -= 1


app = LiveApp()
