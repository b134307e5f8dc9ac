"""The Flask application over an engine."""

from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from kubedock import __version__
from kubedock.api import context, errors
from kubedock.api.groups import GROUPS
from kubedock.api.operation import ExactRule, RefConverter
from kubedock.api.paths import VersionedPaths
from kubedock.errors import InvalidParameter

if TYPE_CHECKING:
    from kubedock.engine import Engine


def create_app(engine: "Engine") -> Flask:
    """An application that answers Docker's API with this engine. Nothing is started by it."""
    app = Flask("kubedock", static_folder=None)
    app.url_rule_class = ExactRule
    app.url_map.converters["ref"] = RefConverter
    app.url_map.converters["default"] = RefConverter
    app.url_map.merge_slashes = False
    app.extensions["kubedock"] = engine
    errors.register(app)
    app.before_request(_check_version)
    app.after_request(_finish)
    for group in GROUPS:
        app.register_blueprint(group)
    app.wsgi_app = VersionedPaths(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _check_version() -> None:
    """Clients of any later version are welcome: none of them can do without an answer to its first request."""
    asked = context.asked_version()
    oldest = context.MIN_API_VERSION
    if asked is not None and context.version_tuple(asked) < context.version_tuple(oldest):
        raise InvalidParameter(
            f"client version {asked} is too old. Minimum supported API version is {oldest},"
            " please upgrade your client to a newer version"
        )


def _finish(response: Response) -> Response:
    """What every answer has, and a request that was read to its end, whatever the view did with it."""
    response.headers["Api-Version"] = context.API_VERSION
    response.headers["Ostype"] = "linux"
    response.headers["Docker-Experimental"] = "false"
    response.headers["Server"] = f"kubedock/{__version__} (linux)"
    if not response.is_streamed:
        try:
            context.drain()
        except (OSError, HTTPException):
            # The client has gone in the middle of its request; there is nobody left to be told.
            request.environ.pop("werkzeug.request", None)
    return response
