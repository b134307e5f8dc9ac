"""The name server's other half: TCP, for answers that are too long for a datagram. Each message has its length before it.

One thread accepts, each connection has one while it lasts. A connection that is idle is closed; where as many as may be
are open, the next one is closed at once.
"""

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from kubedock.streams.cancel import Waker

logger = logging.getLogger(__name__)

Server = tuple[str, int]
"""Address and port."""

MOST_CONNECTIONS = 64
BACKLOG = 64
IDLE_SECONDS = 10.0
"""For a client's next query, and for it to take an answer."""
UPSTREAM_SECONDS = 2.0
"""For another server to be reached, and for its answer."""
PAUSE_MS = 100


class TcpNames:
    """``start`` it, ``stop`` it."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        """``answer`` gives a message's answer; None closes the connection. It may take its time."""
        self._answer = answer
        self._waker = Waker()
        self._lock = threading.Lock()
        self._stopping = False
        self._count = 0
        self._threads: set[threading.Thread] = set()
        self._open: set[socket.socket] = set()
        self._acceptor = threading.Thread(target=self._run, name="node-dns-tcp", daemon=True)
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.settimeout(0)

    def bind(self, address: str, port: int) -> int:
        """Take the place; its port. OSError where it is taken."""
        self._listener.bind((address, port))
        found: int = self._listener.getsockname()[1]
        return found

    def start(self) -> None:
        """Begin."""
        self._listener.listen(BACKLOG)
        self._acceptor.start()

    def stop(self, timeout: float) -> None:
        """End it, and all connections."""
        deadline = time.monotonic() + timeout
        with self._lock:
            self._stopping = True
            threads = [self._acceptor, *self._threads]
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._waker.wake()
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        self._listener.close()
        self._waker.close()

    def ask(self, servers: Sequence[Server], query: bytes) -> bytes | None:
        """What the first of these servers that answers by TCP says; None where none does."""
        for server in servers:
            with contextlib.suppress(OSError), self._connection(server) as connection:
                connection.sendall(framed(query))
                reply = received(connection, UPSTREAM_SECONDS)
                if reply is not None and reply[:2] == query[:2]:
                    return reply
        return None

    @contextlib.contextmanager
    def _connection(self, server: Server) -> Iterator[socket.socket]:
        with socket.socket(family(server), socket.SOCK_STREAM) as connection:
            connection.settimeout(UPSTREAM_SECONDS)
            with self._held(connection):
                connection.connect(server)
                yield connection

    @contextlib.contextmanager
    def _held(self, connection: socket.socket) -> Iterator[None]:
        """``stop`` ends what is held. OSError where it has been called."""
        with self._lock:
            if self._stopping:
                raise ConnectionAbortedError("the name server has ended")
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)

    # --- the threads ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        poll, woken = select.poll(), select.poll()
        poll.register(self._listener, select.POLLIN)
        for each in (poll, woken):
            each.register(self._waker.fileno(), select.POLLIN)
        while not self._stopping:
            poll.poll()
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                logger.warning("the name server cannot take a connection: %s", error)
                woken.poll(PAUSE_MS)  # too many files are open: it would fail again at once
                continue
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        with self._lock:
            if self._stopping or len(self._threads) >= MOST_CONNECTIONS:
                connection.close()
                return
            self._count += 1
            name = f"node-dns-tcp-{self._count}"
            thread = threading.Thread(target=self._serve, args=(connection,), name=name, daemon=True)
            self._threads.add(thread)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, self._held(connection):
                while (query := received(connection, IDLE_SECONDS)) is not None:
                    reply = self._answer(query)
                    if reply is None:
                        return
                    connection.settimeout(IDLE_SECONDS)
                    connection.sendall(framed(reply))
        except OSError as error:
            logger.debug("a connection to the name server has ended: %s", error)
        except Exception:
            logger.exception("a query for a name was not answered")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())


def family(server: Server) -> socket.AddressFamily:
    """Of a server's address."""
    return socket.AF_INET6 if ":" in server[0] else socket.AF_INET


def framed(message: bytes) -> bytes:
    """A message with its length."""
    return len(message).to_bytes(2, "big") + message


def received(connection: socket.socket, seconds: float) -> bytes | None:
    """The next message, whole within this time; None where the other side has ended. OSError: TimeoutError among others."""
    deadline = time.monotonic() + seconds
    head = _exactly(connection, 2, deadline)
    return None if head is None else _exactly(connection, int.from_bytes(head, "big"), deadline)


def _exactly(connection: socket.socket, size: int, deadline: float) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no whole message in time")
        connection.settimeout(left)
        part = connection.recv(size - len(data))
        if not part:
            return None
        data += part
    return bytes(data)
