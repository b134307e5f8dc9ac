"""Replies that go on: the head is sent at once, the rest as it comes."""

import errno
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response

from kubedock.api.replies import JSON
from kubedock.errors import GivenUp, KubedockError

logger = logging.getLogger(__name__)


def stream(chunks: Iterable[bytes], *, content_type: str, whole: bool = False) -> Response:
    """Send chunks as they come. ``chunks`` is closed with the reply if it can be, also when it was never begun.

    Once the head has gone no status can be sent any more: an error ends the reply, and stands in the log. Where a part
    is of no use without the ``whole`` it breaks the connection, which clients take for the failure that it is.
    """
    response = Response(_guarded(chunks, whole=whole), content_type=content_type)
    close = getattr(chunks, "close", None)
    if close is not None:
        response.call_on_close(close)
    return response


def json_lines(values: Iterable[Any]) -> Iterator[bytes]:
    """One JSON value a line; None is nothing but a flush."""
    for value in values:
        yield b"" if value is None else json.dumps(value, separators=(",", ":")).encode() + b"\n"


def stream_json(values: Iterable[Any], *, content_type: str = JSON) -> Response:
    """JSON values as they come, each on a line of its own."""
    response = stream(json_lines(values), content_type=content_type)
    close = getattr(values, "close", None)
    if close is not None:
        response.call_on_close(close)
    return response


def _guarded(chunks: Iterable[bytes], *, whole: bool) -> Iterator[bytes]:
    yield b""
    try:
        yield from chunks
        return
    except GivenUp as error:
        logger.debug("a stream ends early: %s", error)
    except KubedockError as error:
        logger.warning("a stream ends early: %s", error)
    except Exception:
        logger.exception("a stream ends early by an error that was not expected")
    if whole:  # the server closes the connection then, without the mark that ends a chunked reply
        raise ConnectionResetError(errno.ECONNRESET, "a reply ends early")
