"""gunicorn's threaded worker, made fit for Docker's clients.

It adds to ``gthread``: a WSGI result with ``run_hijacked`` gets the client's socket; ``environ["kubedock.watch"]``
tells a request that blocks when its client leaves; connections are closed in the pool's threads, because gunicorn
lingers on its accept loop for every client that keeps its end open; a stop cancels all streams.

Private details of gunicorn are used (``conn.parser``, ``_cap_keepalive``), hence the narrow pin in setup.cfg.
"""

import errno
import functools
import gc
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.http import wsgi as gunicorn_wsgi
from gunicorn.workers.gthread import ThreadWorker

from kubedock import __version__
from kubedock.errors import KubedockError
from kubedock.server import listeners
from kubedock.server.hijacked import HijackedConn
from kubedock.server.hosted import Wsgi, worker_loads
from kubedock.server.pool import Pool
from kubedock.server.watch import ClientWatch
from kubedock.streams.cancel import Cancel

logger = logging.getLogger(__name__)

SERVER = f"kubedock/{__version__} (linux)"
DRAIN = 2
"""Seconds that requests in flight get once their streams were cancelled."""
_BODY_DEADLINE = 5.0
_LINGER, _LINGER_AT_STOP = 2.0, 0.3
_OUT_OF_SOMETHING = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_FILES = 65536


class _HandedOver(Exception):
    """Unwinds gunicorn's request handling: the socket was hijacked and is closed."""


class KubedockWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """One process, many threads."""

    wsgi: Any
    booted: bool

    def init_process(self) -> None:
        """Runs in the worker, after the fork."""
        _tune()
        self._here = threading.local()
        self._stopping = False
        self._app: Any = None
        self.clients = ClientWatch()
        self.clients.start()
        # the arbiter's own copy bounds the whole stop, this one the requests in flight
        self.cfg.set("graceful_timeout", DRAIN)
        gunicorn_wsgi.SERVER = SERVER  # gunicorn names itself and drops the application's own header
        super().init_process()

    def get_thread_pool(self) -> Pool:
        """Where ``handle`` runs."""
        return Pool(self.cfg.threads)

    def load_wsgi(self) -> None:
        """Load the application, start it, and put the hijack around it."""
        with worker_loads():
            super().load_wsgi()
        self._app = self.wsgi
        try:
            getattr(self._app, "start", _nothing)()
        except KubedockError as error:
            _fail_to_boot(str(error), 0 if self._stopping else Arbiter.WORKER_BOOT_ERROR)
        self.wsgi = functools.partial(self._serve, self._app)
        gc.collect()
        gc.freeze()
        if self.alive:
            served = " and ".join(map(listeners.shown, self.sockets))
            logger.info("kubedock %s serves the Docker API on %s", __version__, served)

    # --- requests ---

    def handle_request(self, req: Any, conn: Any) -> bool:
        """One request of a connection; False ends the connection."""
        self._here.conn, self._here.watches = conn, []
        try:
            keep: bool = super().handle_request(req, conn)
        except _HandedOver:
            return False
        finally:
            for stop in self._here.watches:  # the request is over, however it ended
                stop()
            del self._here.conn, self._here.watches
        return keep

    def _serve(self, app: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        conn = self._here.conn
        environ["kubedock.watch"] = self._watch
        result = app(environ, start_response)
        run = getattr(result, "run_hijacked", None)
        if run is None:
            return result
        try:
            self._hijack(conn, run)
        finally:
            getattr(result, "close", _nothing)()
        raise _HandedOver

    def _watch(self, *, hijack: bool = False) -> tuple[Cancel, Callable[[], None]]:
        cancel, stop = self.clients.watch(self._here.conn.sock, hijack=hijack)
        self._here.watches.append(stop)
        return cancel, stop

    def _hijack(self, conn: Any, run: Callable[[HijackedConn], None]) -> None:
        # The request's own body goes first, read or not: dockerode sends the options of attach as one, and what is
        # left of it would become the container's input.
        if not conn.parser.finish_body(deadline=time.monotonic() + _BODY_DEADLINE):
            raise OSError(errno.ECONNRESET, "the body of a request that asks for the connection did not end")
        watch = functools.partial(self._watch, hijack=True)
        stream = HijackedConn(conn.sock, conn.parser.unreader.take_buffered(), watch)
        try:
            run(stream)
        except OSError as error:
            logger.debug("a hijacked stream broke: %s", error)
        except Exception:  # its head may be out: there is no way to tell the client but the end
            logger.exception("a hijacked stream failed")
        finally:
            stream.close(linger=self._linger)

    # --- connections ---

    def handle(self, conn: Any) -> Any:
        """All that a connection has ready; runs in a thread of the pool."""
        keep = super().handle(conn)
        if keep and self.alive:
            return keep
        if conn.sock.fileno() >= 0:
            conn.sock.settimeout(None)
            util.close_graceful(conn.sock, timeout=self._linger)
        conn.close = _nothing  # or the accept loop would close it once more, lingering, and count it twice
        return False

    def accept(self, listener: Any) -> None:
        """A new connection. Running out of descriptors must not end the server."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in _OUT_OF_SOMETHING:
                raise
            logger.warning("cannot accept a connection: %s", error.strerror)
            time.sleep(0.05)  # the listener stays readable: without a pause this would spin

    @property
    def _linger(self) -> float:
        return _LINGER if self.alive else _LINGER_AT_STOP

    # --- the end ---

    def init_signals(self) -> None:
        """The arbiter alone decides: what a terminal sends to all processes of its foreground is not for the worker."""
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _nothing)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First: cancel the streams and end; a start that makes something goes on, and is undone. Again: end at once."""
        if self._stopping or not (self.booted or getattr(self._app, "start_makes_something", False)):
            os._exit(1 if self._stopping else 0)
        self._stopping = True
        self.clients.cancel_soon()
        super().handle_exit(sig, frame)

    handle_quit = handle_exit

    def run(self) -> None:
        """Serve until told to end, then stop the application."""
        super().run()
        try:
            getattr(self._app, "stop", _nothing)()
        except Exception:  # the process ends anyway: say why the clean-up is not complete
            logger.exception("the clean-up failed")
        self.clients.close()
        if self.nr_conns > 0:  # a thread that ignored its Cancel would hold the process
            logging.shutdown()
            os._exit(0)

    def _cap_keepalive(self, deadline: float) -> None:
        # Called when the accept loop has ended, also because the arbiter is gone.
        self.clients.cancel_soon()
        super()._cap_keepalive(min(deadline, time.monotonic() + _LINGER_AT_STOP))


def _nothing(*_: object, **__: object) -> None:
    """For what is not there, or must not happen."""


def _fail_to_boot(sentence: str, code: int) -> None:
    """End the whole server: the arbiter does not try again after WORKER_BOOT_ERROR."""
    sys.stderr.write(f"kubedock: {sentence}\n")
    sys.stderr.flush()
    os._exit(code)  # threads of a start that failed half-way must not hold the process


def _tune() -> None:
    """Measured: short requests beside many busy threads, and collections without long pauses."""
    sys.setswitchinterval(0.0005)
    gc.set_threshold(50000, 20, 50)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
