"""A Docker client for tests: Flask's test client, which checks of every reply what holds for all of them.

Status as expected, the error's shape, the headers that every answer has, and the shape that Docker's contract asks for
(where the contract is on this machine).
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Flask
from werkzeug.test import TestResponse

from kubedock.api.context import API_VERSION

ALWAYS = {"Api-Version": API_VERSION, "Ostype": "linux", "Docker-Experimental": "false"}
NO_BODY = (101, 204, 304)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. ``json`` is the body where it is JSON, ``lines`` the JSON lines of a stream."""

    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.data)

    @property
    def lines(self) -> list[Any]:
        """The body's JSON lines."""
        return [json.loads(line) for line in self.data.splitlines()]

    @property
    def message(self) -> str:
        """The sentence of an error."""
        text = self.json["message"]
        assert isinstance(text, str)
        return text


class DockerClient:
    """``docker.post("/containers/x/stop?t=1", expect=204)``; ``version`` None leaves the path without one."""

    def __init__(self, app: Flask, version: str | None = API_VERSION, contract: Any = None) -> None:
        self.app, self.version, self.contract = app, version, contract
        self._client = app.test_client()

    def get(self, path: str, *, expect: int = 200, **kwargs: Any) -> Reply:
        """GET."""
        return self.request("GET", path, expect=expect, **kwargs)

    def head(self, path: str, *, expect: int = 200, **kwargs: Any) -> Reply:
        """HEAD."""
        return self.request("HEAD", path, expect=expect, **kwargs)

    def post(self, path: str, body: Any = None, *, expect: int = 200, **kwargs: Any) -> Reply:
        """POST, a body as JSON."""
        return self.request("POST", path, body, expect=expect, **kwargs)

    def put(self, path: str, *, expect: int = 200, **kwargs: Any) -> Reply:
        """PUT."""
        return self.request("PUT", path, expect=expect, **kwargs)

    def delete(self, path: str, *, expect: int = 204, **kwargs: Any) -> Reply:
        """DELETE."""
        return self.request("DELETE", path, expect=expect, **kwargs)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int,
        filters: Any = None,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> Reply:
        """One request; ``filters`` is put into the query as JSON, ``data`` is a body as it is."""
        if filters is not None:
            path += ("&" if "?" in path else "?") + "filters=" + quote(json.dumps(filters))
        if body is not None:
            data, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}
        prefix = f"/v{self.version}" if self.version else ""
        with self._client.open(prefix + path, method=method, data=data, headers=headers) as answer:
            reply = Reply(answer.status_code, dict(answer.headers), answer.get_data())
            self._check(method, path, reply, answer, expect)
        return reply

    def _check(self, method: str, path: str, reply: Reply, answer: TestResponse, expect: int) -> None:
        assert reply.status == expect, f"{method} {path}: {reply.status}, not {expect}: {reply.data[:500]!r}"
        assert {name: reply.headers.get(name) for name in ALWAYS} == ALWAYS
        assert "Server" in reply.headers
        if reply.status in NO_BODY or method == "HEAD":
            assert reply.data == b""
        elif reply.status >= 400:
            assert reply.headers["Content-Type"] == "application/json"
            assert isinstance(reply.message, str)
            assert reply.message
        if self.contract is not None:
            self.contract.check(method, path.partition("?")[0], reply.status, reply.headers.get("Content-Type", ""), reply.data)
