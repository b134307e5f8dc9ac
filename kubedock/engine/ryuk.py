"""One run of a Ryuk: connections that tell it what to remove, and the removal once the last of them has ended.

A connection is served in its own thread; timers and removals are tasks. Each timer carries the turn that it was set in:
whatever happens meanwhile (a client comes, the last one leaves, a signal) begins a new turn, and the timer means nothing.
"""

import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

from kubedock.domain import ryuk
from kubedock.errors import InvalidParameter

KINDS = ("container", "network", "volume", "image")
"""What can be removed, in the order of removal: containers use the others."""

STARTED = "kubedock does Ryuk's work itself, without a pod: Started!"
"""Clients of Ryuk before 0.10 wait for the word with the exclamation mark."""
MOST_FILTERS = 4096
CHUNK = 16 * 1024
AGAIN_SECONDS = 1.0
"""So long after a removal that failed it is tried again."""
SIGNALS = ("TERM", "INT")
"""The signals that it handles; as process 1 of its container it would not hear of others."""


class Thing(NamedTuple):
    """One of the ``KINDS`` and its id; a volume's is its name."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What is to be removed, in the order of removal. ``new`` is too young for that; ``failed``: it is not all there is."""

    things: tuple[Thing, ...]
    new: tuple[Thing, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal has done: how many of each kind went, and what is left for another try."""

    counts: Counter[str]
    left: tuple[Thing, ...] = ()


class Say(Protocol):
    """Write a line of Ryuk's log."""

    def __call__(self, level: str, message: str, **about: object) -> None: ...


class Later(Protocol):
    """Do a job after some seconds (``Tasks.submit``)."""

    def __call__(self, what: str, job: Callable[[], None], *, after: float) -> None: ...


class Reaper(Protocol):
    """Finds and removes (``engine.reaping.Reaping``)."""

    def look(self, wanted: Iterable[ryuk.Filters], say: Say, *, offset: float) -> Looked:
        """What matches one of the filters; what was made after ``offset`` seconds from now is new."""

    def remove(self, things: Iterable[Thing], say: Say) -> Removed:
        """One try for each."""


class Ryuk:
    """Start it once; it calls ``ended(exit code)`` unless it is closed before."""

    def __init__(
        self,
        settings: ryuk.Settings,
        reaper: Reaper,
        say: Say,
        later: Later,
        ended: Callable[[int], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` tells seconds from any moment on."""
        self._settings, self._reaper, self._say, self._later, self._ended = settings, reaper, say, later, ended
        self._clock, self._deadline = clock, math.inf
        self._lock = threading.Lock()
        self._phase: Literal["open", "closing", "reaping", "over"] = "open"
        self._clients = self._turn = 0
        self._filters: dict[ryuk.Filters, None] = {}
        self._counts: Counter[str] = Counter()

    def start(self) -> None:
        """Wait for a first client."""
        told = self._settings
        self._say(
            "INFO",
            "starting",
            connection_timeout=f"{told.connection_timeout:g}s",
            reconnection_timeout=f"{told.reconnection_timeout:g}s",
            shutdown_timeout=f"{told.shutdown_timeout:g}s",
            remove_retries=told.remove_retries,
            retry_offset=f"{told.retry_offset:g}s",
            changes_retry_interval=f"{told.changes_retry_interval:g}s",
            port=told.port,
        )
        self._say("INFO", "Started", address=f"[::]:{told.port}")
        self._say("INFO", STARTED)
        with self._lock:
            turn = self._next_turn()
        self._check_later(turn, told.connection_timeout)

    def signal(self, name: str) -> None:
        """TERM and INT: no further client; remove when the last one has left and nothing is new, or else when the time is over."""
        with self._lock:
            if name not in SIGNALS or self._phase != "open":
                return
            self._phase, clients, turn = "closing", self._clients, self._next_turn()
            self._deadline = self._clock() + self._settings.shutdown_timeout
        self._say("INFO", "signal received", clients=clients, shutdown_timeout=f"{self._settings.shutdown_timeout:g}s")
        self._check_later(turn, self._settings.shutdown_timeout if clients else 0.0)

    def close(self) -> None:
        """It is ended hard: nothing is removed, or nothing more."""
        with self._lock:
            self._phase = "over"

    # --- clients -------------------------------------------------------------------------------------------------

    def serve(self, connection: socket.socket) -> None:
        """Speak with one client until it leaves. Where it comes too late it gets no answer, so it looks for another Ryuk."""
        address = _address(connection)
        with self._lock:
            late = self._phase != "open"
            if not late:
                self._clients += 1
                self._next_turn()
            clients = self._clients
        if late:
            self._say("WARN", "shutdown, aborting client", address=address)
            return
        self._say("INFO", "client connected", address=address, clients=clients)
        try:
            self._converse(connection, address)
        except (InvalidParameter, OSError) as error:
            self._say("ERROR", "scan", address=address, error=error)
        finally:
            self._left(address)

    def _converse(self, connection: socket.socket, address: str) -> None:
        lines = ryuk.Lines()
        while data := connection.recv(CHUNK):
            for line in lines.feed(data):
                self._take(line, connection, address)
        for line in lines.end():
            self._take(line, connection, address)

    def _take(self, line: str, connection: socket.socket, address: str) -> None:
        if not line:
            self._say("WARN", "empty filter received", address=address)
            return
        try:
            self._add(ryuk.filters(line))
        except InvalidParameter as error:
            self._say("ERROR", "add filter", address=address, error=f"parse query: {error}")
        connection.sendall(ryuk.ACK)

    def _add(self, filters: ryuk.Filters) -> None:
        with self._lock:
            if filters not in self._filters and len(self._filters) >= MOST_FILTERS:
                raise InvalidParameter(f"there are {MOST_FILTERS} filters already")
            self._filters[filters] = None
        for key, values in filters:
            self._say("INFO", "adding filter", type=key, values=f"[{' '.join(values)}]")

    def _left(self, address: str) -> None:
        with self._lock:
            self._clients -= 1
            clients = self._clients
            turn = self._turn if clients else self._next_turn()
        self._say("INFO", "client disconnected", address=address, clients=clients)
        if not clients:
            self._check_later(turn, self._settings.reconnection_timeout)

    # --- the end -------------------------------------------------------------------------------------------------

    def _next_turn(self) -> int:
        """Under the lock, together with what begins the turn: a timer that was set meanwhile must not belong to it."""
        self._turn += 1
        return self._turn

    def _check_later(self, turn: int, seconds: float) -> None:
        self._later("Ryuk's look", lambda: self._check(turn), after=seconds)

    def _check(self, turn: int) -> None:
        with self._lock:
            if not self._is_due(turn):
                return
            clients, filters = self._clients, tuple(self._filters)
            late = self._clock() >= self._deadline
        self._say("WARN" if clients else "INFO", "prune check", clients=clients)
        looked = self._reaper.look(filters, self._say, offset=self._settings.retry_offset)
        if looked.new:
            news = f"{len(looked.new)} created after the check began"
            if not late:
                self._say("WARN", "change detected, waiting again", error=news)
                self._check_later(turn, self._settings.changes_retry_interval)
                return
            self._say("WARN", "shutdown timeout reached, forcing prune", error=news)
            looked = replace(looked, failed=True)
        with self._lock:
            if not self._is_due(turn):
                return
            self._phase = "reaping"
        self._remove(looked, looked.things, attempt=1)

    def _is_due(self, turn: int) -> bool:
        return self._turn == turn and self._phase in ("open", "closing")

    def _remove(self, looked: Looked, things: tuple[Thing, ...], *, attempt: int) -> None:
        with self._lock:
            if self._phase == "over":
                return
        removed = self._reaper.remove(things, self._say)
        self._counts += removed.counts
        if removed.left and attempt < self._settings.remove_retries:
            what = "Ryuk's next try to remove"
            self._later(what, lambda: self._remove(looked, removed.left, attempt=attempt + 1), after=AGAIN_SECONDS)
            return
        self._say("INFO", "removed", **{f"{kind}s": self._counts[kind] for kind in KINDS})
        if removed.left:
            self._say("ERROR", "run", error=f"{len(removed.left)} could not be removed")
        self._finish(1 if removed.left or looked.failed else 0)

    def _finish(self, exit_code: int) -> None:
        with self._lock:
            closed, self._phase = self._phase == "over", "over"
        if not closed:
            self._say("INFO", "done")
            self._ended(exit_code)


def _address(connection: socket.socket) -> str:
    try:
        host, port = connection.getpeername()[:2]
    except OSError:  # it has gone again
        return "unknown"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
