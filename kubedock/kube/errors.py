"""Failures of the API server and of the way to it, as our kinds of error."""

import http
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kubedock.errors import Conflict, Forbidden, Gone, InvalidParameter, KubedockError, NotFound, System, Unavailable

LONGEST_MESSAGE = 1000
UNAUTHORIZED = 401
KINDS: Mapping[int, type[KubedockError]] = MappingProxyType(
    {
        400: InvalidParameter,
        UNAUTHORIZED: Forbidden,
        403: Forbidden,
        404: NotFound,
        409: Conflict,
        410: Gone,
        413: InvalidParameter,
        422: InvalidParameter,
        429: Unavailable,
        500: Unavailable,
        502: Unavailable,
        503: Unavailable,
        504: Unavailable,
    }
)


def message_of(body: bytes) -> str:
    """The ``message`` of a Status, else the text as it is; cut to a length that a person reads."""
    try:
        told: Any = json.loads(body)
    except ValueError:
        told = None
    text = told.get("message") if isinstance(told, dict) else None
    return (str(text) if text else body.decode(errors="replace")).strip()[:LONGEST_MESSAGE]


def from_answer(status: int, body: bytes) -> KubedockError:
    """The error that an answer's HTTP status and body stand for."""
    text = message_of(body)
    if status == UNAUTHORIZED:
        return Forbidden(f"the cluster does not accept the credentials: {text or 'Unauthorized'}")
    kind = KINDS.get(status, System)
    return kind(text or f"the cluster answered {status} {_phrase(status)}".rstrip())


def from_status(status: Mapping[str, Any]) -> KubedockError:
    """The error in a watch's ERROR event."""
    return from_answer(int(status.get("code") or 500), json.dumps(dict(status)).encode())


def from_transport(error: Exception) -> Unavailable:
    """The error of a connection that cannot be made, broke, or is silent for too long."""
    reason = str(getattr(error, "reason", None) or error)
    return Unavailable(f"the cluster cannot be reached: {reason}"[:LONGEST_MESSAGE])


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
