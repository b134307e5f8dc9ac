"""Listeners of published ports: one thread accepts for all of them, a connection gets a thread while it lives.

Threads per connection and not one loop for all: a connection's two directions end up in a WebSocket, a socket or our own
code, each with its own way of waiting, and there are few of them.
"""

import contextlib
import errno
import itertools
import logging
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence

from kubedock.errors import InvalidParameter, PortAllocated
from kubedock.streams.cancel import Cancel, Waker

logger = logging.getLogger(__name__)

BACKLOG = 128
CONNECTIONS = 4096
"""So many live at once; one more is reset."""
PAUSE_SECONDS = 0.1
RANDOM_TRIES = 16
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
STOPPING = "the port is no longer published"

Serve = Callable[[socket.socket, Cancel], None]
"""Serve one connection, a blocking socket that the caller closes (see ``reset``).

The socket is shut down when nobody is to be served any more, so who blocks on it alone needs no Cancel."""


def own_addresses(hosts: Sequence[str]) -> tuple[str, ...]:
    """Those of these addresses (and of the addresses of these names) that this machine can listen on, each once."""
    found: dict[str, None] = {}
    for host in hosts:
        try:
            addresses = [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
        except OSError as error:
            logger.warning("ports cannot be published on %s: %s", host, error.strerror)
            continue
        for address in addresses:
            try:
                _listen(address, 0).close()
            except InvalidParameter as error:  # there is no IPv6, for one
                logger.debug("%s", error)
            else:
                found[address] = None
    return tuple(found)


def bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """TCP sockets that listen on all these addresses under one number; 0 takes one that is free on all.

    PortAllocated where one is taken, InvalidParameter for an address that is not this machine's.
    """
    tries = RANDOM_TRIES if port == 0 and len(hosts) > 1 else 1
    for last in (*[False] * (tries - 1), True):
        bound: list[socket.socket] = []
        try:
            for host in hosts:
                bound.append(_listen(host, bound[0].getsockname()[1] if bound else port))
        except PortAllocated:
            for sock in bound:
                sock.close()
            if last:
                raise
        except BaseException:
            for sock in bound:
                sock.close()
            raise
        else:
            return bound
    raise AssertionError


def _listen(host: str, port: int) -> socket.socket:
    shown = f"[{host}]" if ":" in host else host
    try:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InvalidParameter(f"cannot listen on {shown}:{port}: {error.strerror}") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.settimeout(0)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortAllocated(f"Bind for {shown}:{port} failed: port is already allocated") from error
        raise InvalidParameter(f"cannot listen on {shown}:{port}: {error.strerror}") from error
    return sock


def reset(connection: socket.socket) -> None:
    """Close with a reset: what a client gets from a port where nothing listens."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # its service may have closed it
        connection.shutdown(socket.SHUT_RDWR)


class Listening:
    """Sockets that are listened on. ``close`` frees their numbers at once and ends their connections."""

    def __init__(self, owner: "Listeners", sockets: Sequence[socket.socket], serve: Serve) -> None:
        self._owner, self.sockets, self.serve = owner, tuple(sockets), serve
        self.cancel = Cancel()

    def close(self) -> None:
        """From any thread, and again: the numbers are free when it returns."""
        self._owner.drop(self)
        self.cancel.set(STOPPING)


class Listeners:
    """Owns the thread ``port-accept``; ``start`` it after the fork, ``stop`` it once."""

    def __init__(self, connections: int = CONNECTIONS) -> None:
        self._limit = connections
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._waker: Waker | None = None
        self._open: set[Listening] = set()
        self._threads: set[threading.Thread] = set()
        self._numbers = itertools.count(1)
        self._stopping = False
        self._short_of_threads = False
        self._acceptor: threading.Thread | None = None

    def start(self) -> None:
        """Begin to accept; connections to what was opened before wait until now."""
        self._waker = Waker()
        self._selector.register(self._waker, selectors.EVENT_READ)
        acceptor = threading.Thread(target=self._run, args=(self._waker,), name="port-accept", daemon=True)
        acceptor.start()
        self._acceptor = acceptor

    def stop(self, timeout: float = 5.0) -> None:
        """Close all listeners, end all connections, and wait for their threads for at most ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            self._stopping = True
            listening, threads = list(self._open), list(self._threads)
        for each in listening:
            each.close()
        self._wake()
        for thread in threads if self._acceptor is None else (self._acceptor, *threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._selector.close()

    def _wake(self) -> None:
        if self._waker is not None:
            self._waker.wake()

    @property
    def connections(self) -> int:
        """How many live now."""
        with self._lock:
            return len(self._threads)

    def open(self, sockets: Sequence[socket.socket], serve: Serve) -> Listening:
        """Accept on these sockets, which are the listener's from now on."""
        listening = Listening(self, sockets, serve)
        with self._lock:
            stopping = self._stopping
            if not stopping:
                self._open.add(listening)
                for sock in listening.sockets:
                    self._selector.register(sock, selectors.EVENT_READ, listening)
        if stopping:
            listening.close()
        return listening

    def drop(self, listening: Listening) -> None:
        """Used by ``Listening.close``."""
        with self._lock:
            if listening in self._open:
                self._open.discard(listening)
                for sock in listening.sockets:
                    self._selector.unregister(sock)
            for sock in listening.sockets:
                sock.close()

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self, waker: Waker) -> None:
        with waker:
            while not self._stopping:
                self._turn(waker)

    def _turn(self, waker: Waker) -> None:
        for key, _ in self._selector.select():
            if key.fileobj is waker:
                waker.clear()
            elif not self._accept(key.data, key.fileobj):  # type: ignore[arg-type]
                threading.Event().wait(PAUSE_SECONDS)  # no descriptor is free: one will be

    def _accept(self, listening: Listening, sock: socket.socket) -> bool:
        """Take one connection over; False where the process has no room for it."""
        try:
            connection, _ = sock.accept()
        except OSError as error:  # it went away again, or the listener was closed meanwhile
            if error.errno in EXHAUSTED:
                logger.warning("a connection to a published port cannot be accepted: %s", error.strerror)
                return False
            return True
        connection.settimeout(None)
        for option, value in KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._hand_over(listening, connection):
            reset(connection)
        return True

    def _hand_over(self, listening: Listening, connection: socket.socket) -> bool:
        """Give a connection a thread of its own; False where there is none for it."""
        name = f"port-{next(self._numbers)}"
        thread = threading.Thread(target=self._serve, args=(listening, connection), name=name, daemon=True)
        with self._lock:  # until it is known to run: who stops joins those that do
            if self._stopping or len(self._threads) >= self._limit:
                logger.warning("a connection to a published port is reset: %d are open", self._limit)
                return False
            try:
                thread.start()
            except RuntimeError as error:  # a limit of the system, which others may be at, too
                if not self._short_of_threads:
                    logger.warning("connections to published ports are reset until threads can be started again: %s", error)
                self._short_of_threads = True
                return False
            self._threads.add(thread)
        self._short_of_threads = False
        return True

    def _serve(self, listening: Listening, connection: socket.socket) -> None:
        try:
            with connection:
                take_back = listening.cancel.on_cancel(lambda: _end(connection))
                try:
                    listening.serve(connection, listening.cancel)
                finally:
                    take_back()
        except Exception:  # one connection's mistake must not be silent, and concerns no other
            logger.exception("a connection to a published port failed")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
