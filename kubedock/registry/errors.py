"""What a registry says when it says no, in the words that Docker passes on."""

import json
from typing import Any

from kubedock.errors import KubedockError, NotFound, System, Unavailable

UNAUTHORIZED, DENIED, NO_CREDENTIALS = "UNAUTHORIZED", "DENIED", "NO_CREDENTIALS"
WANTS_A_LOGIN = frozenset((UNAUTHORIZED, DENIED, NO_CREDENTIALS))
"""The codes by which a registry, or its absence of an answer to a challenge, says that it does not know us well enough."""
_LONGEST = 512

_CODES = {
    401: (UNAUTHORIZED, "authentication required"),
    403: (DENIED, "requested access to the resource is denied"),
    404: ("MANIFEST_UNKNOWN", "manifest unknown"),
    429: ("TOOMANYREQUESTS", "the registry is asked too often"),
}


class Unreachable(Unavailable):
    """A registry that could not be spoken to: nothing is known of the image."""


class OutOfTime(Unavailable):
    """There was no time left to ask a registry, which is not to blame for it."""


class Refused(System):
    """A registry's no. ``code`` is the distribution API's: MANIFEST_UNKNOWN, NAME_UNKNOWN, DENIED, UNAUTHORIZED…"""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Closed(System):
    """A registry that wants a login, and nobody has one here; the nodes may."""


class Denied(NotFound):
    """A registry that knows us and does not show this image, or has none such: it does not tell which."""


def refusal(status: int, body: bytes, request: str) -> KubedockError:
    """The error of an answer: the registry's own code and words where it has some."""
    code, message = _first(status, body)
    if not code:
        code, message = _CODES.get(status, ("", ""))
    if not code:
        return Unavailable(f"{request}: received unexpected HTTP status: {status}")
    word = code.lower().replace("_", " ") if code != "TOOMANYREQUESTS" else "toomanyrequests"
    text = f"{word}: {message or word}"
    return Refused(f"{request}: {text}" if code == UNAUTHORIZED else text, code=code)


def denied() -> Refused:
    """We are known, and may not see this repository, or it does not exist: registries do not tell which."""
    return Refused("denied: requested access to the resource is denied", code=DENIED)


def _first(status: int, body: bytes) -> tuple[str, str]:
    """Code and message. Docker Hub's token service says ``{"details": …}`` instead."""
    try:
        whole: Any = json.loads(body)
        first = {"code": UNAUTHORIZED, "message": whole["details"]} if status == 401 and "details" in whole else whole["errors"][0]
        code, message = first["code"], first.get("message") or ""
    except (ValueError, LookupError, TypeError, RecursionError, AttributeError):
        return "", ""
    if not isinstance(code, str) or not isinstance(message, str):
        return "", ""
    return code.upper()[:64], message[:_LONGEST]


def for_pull(error: Refused, name: str, whole: str) -> KubedockError:
    """What a pull of an image says. ``name`` and ``whole`` are its familiar name without and with its tag."""
    match error.code:
        case "MANIFEST_UNKNOWN":
            return NotFound(f"manifest for {whole} not found: {error}")
        case "NAME_UNKNOWN":
            return NotFound(f"repository {name} not found: {error}")
        case "DENIED":
            return Denied(f"pull access denied for {name}, repository does not exist or may require 'docker login': {error}")
    return error
