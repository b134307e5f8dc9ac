"""A registry in this process, for what a real one does not do at will: tokens, refusals, slowness, lies."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubedock.registry.manifests import OCI_INDEX, OCI_MANIFEST
from tests.support.waiting import in_thread

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


@dataclass
class Asked:
    """A request that was made."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def line(self) -> str:
        """``GET /v2/…``."""
        return f"{self.method} {self.path}"


@dataclass
class Reply:
    """An answer; ``pieces`` come after the body, as slowly as they are made."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: Iterator[bytes] | None = None


Behaviour = Callable[[Asked], Reply | None]


class FakeRegistry:
    """Content by digest and tag; ``behave`` are asked before it, the newest first."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.behave: list[Behaviour] = []
        self._manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self._blobs: dict[str, bytes] = {}
        self._server = _Server(("127.0.0.1", 0), self._handler())

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def lines(self) -> list[str]:
        """What was asked."""
        return [asked.line for asked in self.asked]

    def forget(self) -> None:
        """Forget what was asked."""
        self.asked.clear()

    # --- content -------------------------------------------------------------------------------------------------

    def blob(self, content: bytes) -> str:
        """Store; its digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._blobs[digest] = content
        return digest

    def manifest(self, repository: str, tag: str, whole: Mapping[str, Any], media_type: str = OCI_MANIFEST) -> str:
        """Store a manifest under its digest, and under a tag unless that is ""; its digest."""
        content = json.dumps(whole).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        for name in filter(None, (digest, tag)):
            self._manifests[repository, name] = (media_type, content)
        return digest

    def image(
        self, repository: str, tag: str, config: Mapping[str, Any], *, media_type: str = OCI_MANIFEST, architecture: str = "amd64"
    ) -> tuple[str, str]:
        """Store an image with one layer of 5 bytes; the digests of its manifest and its configuration."""
        whole = {"architecture": architecture, "os": "linux", "config": dict(config), "rootfs": {"type": "layers", "diff_ids": []}}
        digest = self.blob(json.dumps(whole).encode())
        layer = self.blob(b"layer")
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest, "size": 1},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": 5}],
        }
        return self.manifest(repository, tag, manifest, media_type), digest

    def index(self, repository: str, tag: str, manifests: Mapping[str, str], media_type: str = OCI_INDEX) -> str:
        """Store an index of manifests by platform; its digest."""
        entries = []
        for platform, digest in manifests.items():
            os, architecture, variant = (*platform.split("/"), "")[:3]
            shown = {"os": os, "architecture": architecture} | ({"variant": variant} if variant else {})
            entries.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": 1, "platform": shown})
        return self.manifest(repository, tag, {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}, media_type)

    # --- answers -------------------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> Reply:
        """What is sent for a request."""
        self.asked.append(asked)
        for behaviour in reversed(self.behave):
            reply = behaviour(asked)
            if reply is not None:
                return reply
        return self._content(asked.path)

    def _content(self, path: str) -> Reply:
        if path == "/v2/":
            return Reply(body=b"{}")
        rest = path.removeprefix("/v2/")
        for kind in ("manifests", "blobs"):
            repository, found, name = rest.partition(f"/{kind}/")
            if not found:
                continue
            if kind == "blobs" and name in self._blobs:
                return Reply(headers={"Content-Type": "application/octet-stream"}, body=self._blobs[name])
            if kind == "manifests" and (repository, name) in self._manifests:
                media_type, content = self._manifests[repository, name]
                digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
                return Reply(headers={"Content-Type": media_type, "Docker-Content-Digest": digest}, body=content)
            known = any(repository == each for each, _ in self._manifests)
            return no(
                404, "MANIFEST_UNKNOWN" if known else "NAME_UNKNOWN", "manifest unknown" if known else "repository name not known"
            )
        return Reply(404)

    @contextmanager
    def serving(self) -> Iterator["FakeRegistry"]:
        """Answer until the end."""
        ended = in_thread(lambda: self._server.serve_forever(poll_interval=0.01))
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            ended()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                reply = registry.answer(Asked(self.command, self.path, dict(self.headers), body))
                self.send_response(reply.status)
                # A connection serves one request: no thread outlasts the test that asked.
                self.close_connection = True
                headers = {"Connection": "close", **reply.headers}
                if reply.pieces is None:
                    headers = {"Content-Length": str(len(reply.body)), **headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(OSError):  # the client may have had enough
                    if self.command != "HEAD":
                        self.wfile.write(reply.body)
                        for piece in reply.pieces or ():
                            self.wfile.write(piece)

            do_GET = do_HEAD = do_POST = _serve

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves, or speaks TLS, is none."""


def no(status: int, code: str, message: str) -> Reply:
    """A refusal as the distribution API has it."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, {"Content-Type": "application/json"}, body)


def wants_token(registry: FakeRegistry, *, user: str = "", password: str = "", life: int | None = None) -> Behaviour:
    """Demand a bearer token, which is given to everybody or to one user."""
    number = iter(range(1, 100))
    given: set[str] = set()

    def behave(asked: Asked) -> Reply | None:
        if asked.path.startswith("/token"):
            if user and asked.headers.get("Authorization") != basic(user, password):
                return no(401, "UNAUTHORIZED", "incorrect username or password")
            token = f"token-{next(number)}"
            given.add(token)
            answer = {"token": token} | ({} if life is None else {"expires_in": life})
            return Reply(body=json.dumps(answer).encode())
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") in given:
            return None
        challenge = f'Bearer realm="http://{registry.host}/token",service="the registry",scope="repository:x:pull"'
        return Reply(401, {"WWW-Authenticate": challenge}, no(401, "UNAUTHORIZED", "authentication required").body)

    return behave


def wants_password(user: str, password: str) -> Behaviour:
    """Demand basic authentication."""

    def behave(asked: Asked) -> Reply | None:
        if asked.headers.get("Authorization") == basic(user, password):
            return None
        return Reply(
            401, {"WWW-Authenticate": 'Basic realm="the registry"'}, no(401, "UNAUTHORIZED", "authentication required").body
        )

    return behave


def basic(user: str, password: str) -> str:
    """The header."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def query_of(asked: Asked) -> dict[str, list[str]]:
    """A request's query."""
    return parse_qs(urlsplit(asked.path).query)
