"""A client of the OCI distribution API, for what is asked here: manifests and configurations, nothing large.

A registry may be slow, broken or hostile: every question has a deadline, every body a bound, every digest is checked,
and what it redirects to gets no credentials of it.
"""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from threading import Event
from urllib.parse import urlencode

import requests

from kubedock.errors import System
from kubedock.registry.credentials import Credentials
from kubedock.registry.endpoints import Endpoint
from kubedock.registry.errors import OutOfTime, Refused, Unreachable, denied, refusal
from kubedock.registry.manifests import ACCEPTED, Malformed
from kubedock.registry.newest import Newest
from kubedock.registry.tokens import Challenge, Tokens
from kubedock.registry.transport import Request, Transport, body, number

LARGEST_MANIFEST = LARGEST_CONFIG = 4 << 20
"""Bytes: what containerd and most registries take of a manifest. A configuration is of the same order, a few KiB."""
LARGEST_ERROR = 64 << 10
TOO_MANY, RETRIES, LONGEST_RETRY = 429, 2, 10
"""A registry that is asked too often says when to come again; more than so many seconds is not waited for."""

_SCHEMES_KNOWN = 1024
_NO_LOGIN = frozenset((requests.codes.unauthorized, requests.codes.forbidden))


@dataclass(frozen=True, slots=True)
class Answer:
    """A manifest or a blob. ``digest`` is that of its bytes; "" for the answer to a HEAD that names none."""

    body: bytes
    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of whom, in whose name, and until when."""

    endpoint: Endpoint
    path: str
    credentials: Credentials
    deadline: float
    accept: tuple[str, ...] = ()
    method: str = "GET"

    def request(self, base: str, authorization: str) -> Request:
        """Of one of the endpoint's addresses."""
        headers = {"Accept": ", ".join(self.accept)} if self.accept else {}
        return Request(self.method, base + self.path, headers | ({"Authorization": authorization} if authorization else {}))


class RegistryClient:
    """One for the process, used from any thread. Keeps connections, tokens, and which scheme a host speaks."""

    def __init__(self, insecure: Sequence[str] = (), user_agent: str = "kubedock") -> None:
        """``insecure`` are the hosts that may be spoken to without TLS or with any certificate."""
        self._transport = Transport(insecure, user_agent)
        self._tokens = Tokens(self._fetch_token)
        self._schemes = Newest[str, str](_SCHEMES_KNOWN)

    def manifest(self, endpoint: Endpoint, reference: str, credentials: Credentials, deadline: float) -> Answer:
        """The manifest that a tag or a digest names. Refused, Unreachable, OutOfTime, Malformed. ``deadline`` is monotonic."""
        path = f"/v2/{endpoint.repository}/manifests/{reference}"
        answer = self._get(_Question(endpoint, path, credentials, deadline, ACCEPTED), LARGEST_MANIFEST)
        return _checked(answer, reference if ":" in reference else answer.digest, "manifest")

    def head(self, endpoint: Endpoint, tag: str, credentials: Credentials, deadline: float) -> Answer:
        """What a tag names now, without its body. An error has no body either: a GET tells it better.

        Its digest is "" where the registry does not say, or does not answer to HEAD.
        """
        path = f"/v2/{endpoint.repository}/manifests/{tag}"
        request, response = self._ask(_Question(endpoint, path, credentials, deadline, ACCEPTED, "HEAD"))
        with closing(response):
            if response.status_code == TOO_MANY:
                raise refusal(TOO_MANY, b"", str(request))
            if response.status_code != requests.codes.ok:
                return Answer(b"", "", "", 0)
            size = number(response.headers.get("Content-Length", "")) or 0
            return Answer(b"", response.headers.get("Content-Type", ""), _named(response), size)

    def config(self, endpoint: Endpoint, digest: str, credentials: Credentials, deadline: float) -> bytes:
        """A configuration."""
        path = f"/v2/{endpoint.repository}/blobs/{digest}"
        return _checked(self._get(_Question(endpoint, path, credentials, deadline), LARGEST_CONFIG), digest, "configuration").body

    def check(self, endpoint: Endpoint, credentials: Credentials, deadline: float) -> None:
        """Whether a registry takes these credentials, asked anew each time.

        Refused where it does not, System with Docker's words where it is no registry.
        """
        request, response = self._ask(_Question(endpoint, "/v2/", credentials, deadline), known=False)
        with closing(response):
            if response.status_code in _NO_LOGIN:
                raise refusal(response.status_code, body(request, response, LARGEST_ERROR)[:LARGEST_ERROR], str(request))
            if response.status_code != requests.codes.ok:
                raise System(f"login attempt to {request.url} failed with status: {_status(response.status_code)}")

    def close(self) -> None:
        """Let connections go."""
        self._transport.close()

    # --- one question --------------------------------------------------------------------------------------------

    def _get(self, question: _Question, largest: int) -> Answer:
        request, response = self._ask(question)
        with closing(response):
            return _read(request, response, largest)

    def _ask(self, question: _Question, *, known: bool = True) -> tuple[Request, requests.Response]:
        """The answer, to be closed, with a challenge met and the request repeated where that is asked for.

        ``known``: a token that has served before may serve again.
        """
        endpoint, credentials, deadline = question.endpoint, question.credentials, question.deadline
        authorization = self._tokens.known(endpoint, credentials) if known else ""
        met, retries = False, 0
        while True:
            request, response = self._first(question, authorization)
            response = self._transport.follow(request, response, endpoint, deadline)
            challenge = None if met else _challenge(response)
            if challenge is not None:
                response.close()
                met = True
                authorization = self._tokens.get(challenge, endpoint, credentials, deadline, keep=known)
            elif response.status_code == TOO_MANY and retries < RETRIES:
                response.close()
                retries += 1
                _pause(response.headers.get("Retry-After", ""), deadline)
            else:
                return request, response

    def _first(self, question: _Question, authorization: str) -> tuple[Request, requests.Response]:
        """The answer of the first of the endpoint's addresses that speaks; it alone is asked from then on."""
        host, urls = question.endpoint.host, question.endpoint.urls
        spoken = self._schemes.get(host) if len(urls) > 1 else None
        failure: Unreachable | None = None
        for base in urls if spoken is None else (spoken,):
            request = question.request(base, authorization)
            try:
                response = self._transport.send(request, question.deadline)
            except Unreachable as error:
                failure = error
                continue
            except OutOfTime as error:
                raise failure or error from error
            # By this status a server of TLS refuses plain HTTP: it may have been out of reach for a moment.
            if len(urls) > 1 and response.status_code != requests.codes.bad_request:
                self._schemes.put(host, base)
            return request, response
        self._schemes.forget(host)
        raise failure or Unreachable(f"{host} has no address")

    def _fetch_token(
        self, url: str, endpoint: Endpoint, form: Mapping[str, str] | None, headers: Mapping[str, str], deadline: float
    ) -> bytes:
        """Ask a token service, which may be another host."""
        self._transport.check(url, endpoint, "for a token it sends us to")
        request = Request("GET", url, headers)
        if form is not None:
            request = Request("POST", url, {**headers, "Content-Type": "application/x-www-form-urlencoded"}, urlencode(form))
        response = self._transport.follow(request, self._transport.send(request, deadline), endpoint, deadline)
        with closing(response):
            return _read(request, response, LARGEST_ERROR).body


def _challenge(response: requests.Response) -> Challenge | None:
    if response.status_code != requests.codes.unauthorized:
        return None
    return Challenge.parse(response.headers.get("WWW-Authenticate", ""))


def _read(request: Request, response: requests.Response, largest: int) -> Answer:
    """An answer whole; an error where it is one."""
    if response.status_code >= requests.codes.bad_request:
        if "insufficient_scope" in response.headers.get("WWW-Authenticate", ""):
            raise denied()
        raise refusal(response.status_code, body(request, response, LARGEST_ERROR)[:LARGEST_ERROR], str(request))
    if response.status_code != requests.codes.ok:
        raise Malformed(f"it answers with the status {response.status_code}")
    size = number(response.headers.get("Content-Length", "")) or 0
    if size > largest:
        raise Malformed(f"it answers with {size} bytes, where at most {largest} make sense")
    content = body(request, response, largest)
    if len(content) > largest:
        raise Malformed(f"it answers with more than {largest} bytes")
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Answer(content, response.headers.get("Content-Type", ""), digest, len(content))


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _named(response: requests.Response) -> str:
    digest = response.headers.get("Docker-Content-Digest", "")
    return digest if re.fullmatch(r"sha256:[0-9a-f]{64}", digest) else ""


def _checked(answer: Answer, digest: str, what: str) -> Answer:
    if digest.startswith("sha256:") and answer.digest != digest:
        raise Malformed(f"its {what} is not the one with the digest {digest}")
    return answer


def _pause(after: str, deadline: float) -> None:
    seconds = number(after)
    seconds = 1 if seconds is None else seconds
    if seconds > LONGEST_RETRY or time.monotonic() + seconds > deadline:
        raise Refused("toomanyrequests: the registry is asked too often", code="TOOMANYREQUESTS")
    Event().wait(seconds)
