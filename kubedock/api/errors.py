"""The border to HTTP: kinds of errors become statuses and ``{"message": ...}``.

The only place above the cluster's that knows status numbers of 400 and more. Flask's and Werkzeug's own pages are
replaced, because clients compare the content type for equality with ``application/json`` and read ``message``.
"""

import json
import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from kubedock import errors

logger = logging.getLogger(__name__)

STATUS: dict[type[errors.KubedockError], int] = {
    errors.NotModified: 304,
    errors.InvalidParameter: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.System: 500,
    errors.NotImplemented: 501,
    errors.Unavailable: 503,
}

UNEXPECTED = "kubedock met an error that it did not expect; its log tells more."


def status_of(error: errors.KubedockError) -> int:
    """The status of an error's kind: that of its nearest ancestor which has one."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def reply(status: int, message: str) -> Response:
    """Docker's error shape; nothing for 304, which has no body."""
    if status == STATUS[errors.NotModified]:
        answer = Response(status=status)
        del answer.headers["Content-Type"]
        return answer
    return Response(json.dumps({"message": message}) + "\n", status, content_type="application/json")


def known(error: errors.KubedockError) -> Response:
    """An error that was foreseen. Its sentence goes to the client, and to the log where something is wrong behind us."""
    status = status_of(error)
    if status == STATUS[errors.System] or (status == STATUS[errors.Unavailable] and error.__cause__ is not None):
        logger.warning("%s %r: %s", request.method, request.path, error)
    return reply(status, str(error))


def http(error: HTTPException) -> Response:
    """What Flask and Werkzeug say by themselves. An unknown path and a wrong method are the same to Docker."""
    if isinstance(error, NotFound | MethodNotAllowed):
        return reply(404, "page not found")
    code = error.code or 500
    return reply(400 if 400 <= code < 500 else code, error.description or error.name)


def unexpected(error: Exception) -> Response:
    """A bug: the traceback is the log's, the client gets a sentence."""
    logger.error("%s %r failed unexpectedly", request.method, request.path, exc_info=error)
    return reply(500, UNEXPECTED)


def register(app: Flask) -> None:
    """Let an application answer in Docker's way."""
    app.register_error_handler(errors.KubedockError, known)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, unexpected)
