"""WSGI middleware: ``/v1.43/containers/json`` becomes ``/containers/json``, and the version an environ key.

Every version is accepted here, and none; so each rule is written once. The path is the decoded one: a slash in an
image's name may come raw or as ``%2F``.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

VERSION_KEY = "kubedock.api_version"

_PREFIX = re.compile(r"/v(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?)(?=/)")


class VersionedPaths:
    """Strips the version's prefix. ``environ["kubedock.api_version"]`` is what the client asked for, or not there."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """See PEP 3333."""
        found = _PREFIX.match(environ.get("PATH_INFO", ""))
        if found:
            environ[VERSION_KEY] = found[1]
            environ["PATH_INFO"] = environ["PATH_INFO"][found.end() :]
        return self._app(environ, start_response)
