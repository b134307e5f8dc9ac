"""The application for gunicorn: ``gunicorn -c python:kubedock.server.config kubedock.wsgi:app``.

``app`` is made when gunicorn asks for it, with the environment's settings; it refuses any other worker class than
kubedock's.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from kubedock.server.hosted import application  # noqa: PLC0415 - nothing happens at import

    return application()
