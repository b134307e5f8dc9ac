"""The shapes of plain replies."""

import json
from typing import Any

from flask import Response

JSON = "application/json"


def reply(value: Any, status: int = 200) -> Response:
    """A JSON value, with exactly the content type that clients compare with."""
    return Response(json.dumps(value, separators=(",", ":")) + "\n", status, content_type=JSON)


def no_content() -> Response:
    """204."""
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def ok() -> Response:
    """200 without a body, as Docker answers resize, connect and disconnect."""
    response = Response(status=200)
    del response.headers["Content-Type"]
    return response
