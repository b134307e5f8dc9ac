"""Which clients have gone: one thread and one epoll for all requests that wait for something else than their client.

WSGI tells that a client has left only when something is written to it. A request that blocks on the cluster therefore
asks for a watch of its socket and registers on the Cancel what wakes it.
"""

import logging
import os
import select
import socket
import threading
from collections.abc import Callable

from kubedock.streams.cancel import Cancel

logger = logging.getLogger(__name__)

CLIENT_GONE = "client gone"
STOPPING = "server stopping"


class ClientWatch:
    """Owns the thread ``client-watch``; ``start`` it after the fork, ``close`` it at the end."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._lock = threading.Lock()
        self._watched: dict[int, tuple[Cancel, int]] = {}
        self._stopping = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="client-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def watch(self, sock: socket.socket, *, hijack: bool = False) -> tuple[Cancel, Callable[[], None]]:
        """A Cancel that is set when the client leaves or the server stops, and what ends the watch.

        A client that only closes its sending side counts as gone, as for Docker's own server; with ``hijack`` it does
        not: the docker CLI half-closes at once when it has no input to send.
        """
        # a descriptor of our own: gunicorn may close the socket, and its number be used again, while we watch
        fd = os.dup(sock.fileno())
        cancel = Cancel()
        events = 0 if hijack else select.EPOLLRDHUP
        with self._lock:
            stopping = self._stopping
            if not stopping:
                self._watched[fd] = (cancel, events)
                self._epoll.register(fd, events | select.EPOLLONESHOT)
        if stopping:
            os.close(fd)
            cancel.set(STOPPING)

        def stop() -> None:
            with self._lock:
                if fd in self._watched and self._watched[fd][0] is cancel:
                    del self._watched[fd]
                    self._epoll.unregister(fd)
                    os.close(fd)

        return cancel, stop

    def cancel_soon(self) -> None:
        """Cancel everything, now and from now on. May be called in a signal handler: takes no lock."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """End the thread. No watch may be asked for afterwards."""
        self._closed = True
        self.cancel_soon()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._closed:
            for fd, _ in self._epoll.poll():
                if fd == self._wake:
                    os.eventfd_read(self._wake)
                else:
                    self._cancel(fd)
            if self._stopping:
                self._cancel_all()

    def _cancel(self, fd: int) -> None:
        with self._lock:
            cancel, events = self._watched.get(fd, (None, 0))
            # The watch that this was about may have ended since, and its number belong to another one.
            gone = cancel is not None and _happened(fd, events)
        if gone and cancel is not None:
            _set(cancel, CLIENT_GONE)

    def _cancel_all(self) -> None:
        with self._lock:
            watched = list(self._watched.values())
        for cancel, _ in watched:
            _set(cancel, STOPPING)


def _happened(fd: int, events: int) -> bool:
    poll = select.poll()
    poll.register(fd, events)
    return bool(poll.poll(0))


def _set(cancel: Cancel, reason: str) -> None:
    try:
        cancel.set(reason)
    except Exception:  # one stream's mistake must not end the watch of all others
        logger.exception("a stream failed to end (%s)", reason)
