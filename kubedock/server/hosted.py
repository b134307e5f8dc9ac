"""The WSGI application as the worker hosts it: built after the fork, stopped at the end."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from gunicorn.errors import AppImportError

from kubedock.settings import Settings

if TYPE_CHECKING:
    from kubedock.runtime import Runtime

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

WRONG_WORKER = (
    "kubedock needs its own gunicorn worker, which can hand connections over to attach and exec:"
    " start it as gunicorn -c python:kubedock.server.config kubedock.wsgi:app"
)

_worker_loads: ContextVar[bool] = ContextVar("worker_loads", default=False)


class Hosted(Protocol):
    """What the worker may find on an application, besides that it can be called: kubedock's, and those of tests."""

    @property
    def start_makes_something(self) -> bool:
        """What has to be undone, so that a start must not be broken off: who is told to end meanwhile waits, and stops it."""

    def start(self) -> None:
        """Called once, in the worker. A KubedockError is a sentence that ends the server."""

    def stop(self) -> None:
        """Called once, after the last request; takes a bounded time."""


@contextmanager
def worker_loads() -> Iterator[None]:
    """Held by kubedock's worker while it loads the application."""
    token = _worker_loads.set(True)
    try:
        yield
    finally:
        _worker_loads.reset(token)


def application() -> "HostedApp":
    """The application with the environment's settings. Refuses any other host than kubedock's worker."""
    if not _worker_loads.get():
        raise AppImportError(WRONG_WORKER)
    return HostedApp(Settings.from_environment())


class HostedApp:
    """The runtime and the Flask application over it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runtime: Runtime | None = None
        self._serve: Wsgi | None = None

    @property
    def start_makes_something(self) -> bool:
        """See Hosted. In a cluster it makes nothing, and may wait for that long; here it takes less than a second."""
        return self._settings.embedded

    def start(self) -> None:
        """Build everything and start its threads. Raises KubedockError."""
        from kubedock.app import create_app  # noqa: PLC0415 - Flask and the client belong into the worker only
        from kubedock.runtime import Runtime  # noqa: PLC0415

        with ExitStack() as undo:
            self._runtime = Runtime.start(self._settings)
            undo.callback(self.stop)
            self._serve = create_app(self._runtime.engine)
            undo.pop_all()

    def stop(self) -> None:
        """Clean up, within ``--shutdown-timeout``."""
        if self._runtime is not None:
            self._runtime.stop(self._settings.shutdown_timeout)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request."""
        if self._serve is None:
            raise RuntimeError("a request came before the start")
        return self._serve(environ, start_response)
