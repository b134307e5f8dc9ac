"""gunicorn inside ``kubedock server``."""

from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from kubedock.server.hosted import HostedApp
from kubedock.server.options import gunicorn_options
from kubedock.settings import Settings


class KubedockApplication(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Serves with the given settings; ``app`` is another application, for tests."""

    def __init__(self, settings: Settings, app: Any = None) -> None:
        self._settings = settings
        self._app = app
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn for its configuration."""
        for name, value in gunicorn_options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn in the worker."""
        return HostedApp(self._settings) if self._app is None else self._app

    def run(self) -> None:
        """Serve until a signal. Raises SystemExit: 0 after a stop, 1 when the start failed."""
        try:
            super().run()
        except SystemExit as end:
            if end.code in {Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR}:
                raise SystemExit(1) from None
            raise
