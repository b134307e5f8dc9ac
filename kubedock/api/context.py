"""What a view may use of its surroundings: the engine, the asked version, the request's body, and its client's leaving."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from flask import Response, after_this_request, current_app, request
from werkzeug.exceptions import ClientDisconnected

from kubedock.api.paths import VERSION_KEY
from kubedock.dockerapi import query, versions
from kubedock.errors import InvalidParameter
from kubedock.streams.cancel import Cancel

if TYPE_CHECKING:
    from kubedock.engine import Engine

API_VERSION = "1.47"
MIN_API_VERSION = "1.24"
BODY_LIMIT = 16 << 20
"""Bytes of JSON that are read at most; the largest that clients send are a few hundred KiB."""

_BLOCK = 1 << 20
_STREAMED = 256 * 1024
"""Bytes of a body that is passed on: read in larger blocks, its first ones would wait for long."""


def version_tuple(text: str) -> versions.Version:
    """``1.47`` as numbers, which compare; podman's have a third one."""
    return tuple(int(part) for part in text.split("."))


def engine() -> "Engine":
    """The use cases that ``create_app`` was given."""
    return cast("Engine", current_app.extensions["kubedock"])


def asked_version() -> str | None:
    """The version in the request's path, if any."""
    return cast("str | None", request.environ.get(VERSION_KEY))


def api_version() -> versions.Version:
    """The version to answer in: the asked one, but none that is newer than ours."""
    asked, ours = asked_version(), version_tuple(API_VERSION)
    return ours if asked is None else min(version_tuple(asked), ours)


def watch() -> Cancel:
    """Tells when the client has left or the server stops, until the answer is finished.

    Without kubedock's own worker (a test client) nobody ever tells.
    """
    watcher = request.environ.get("kubedock.watch")
    if watcher is None:
        return Cancel()
    cancel, stop = watcher()

    def forget(response: Response) -> Response:
        response.call_on_close(stop)
        return response

    after_this_request(forget)
    return cast(Cancel, cancel)


def body() -> dict[str, Any]:
    """The request's JSON object, whatever its content type says; no body and ``null`` are an empty one."""
    return query.optional_body(_read())


def required_body() -> dict[str, Any]:
    """The request's JSON object, where Docker refuses a request without one."""
    return query.mapping(query.body(_read()))


def blocks() -> Iterator[bytes]:
    """The request's body as it comes, never held. InvalidParameter where the client leaves in its middle."""
    try:
        while block := request.stream.read(_STREAMED):
            yield block
    except (OSError, ClientDisconnected) as error:
        raise InvalidParameter("the request's body has ended early") from error


def drain() -> None:
    """Read and drop what is left of the request's body: on a kept connection it would be taken for the next request."""
    while request.stream.read(_BLOCK):
        pass


def _read() -> bytes:
    raw = bytearray()
    while block := request.stream.read(_BLOCK):
        raw += block
        if len(raw) > BODY_LIMIT:
            drain()
            raise InvalidParameter(f"the request's body is larger than {BODY_LIMIT >> 20} MiB")
    return bytes(raw)
