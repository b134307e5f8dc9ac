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
from http.cookiejar import DefaultCookiePolicy
from threading import Event
from typing import NoReturn
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import urllib3

from kubedock.registry.credentials import Credentials
from kubedock.registry.endpoints import Endpoint, plain_http_allowed
from kubedock.registry.errors import Refused, Unreachable, denied, refusal
from kubedock.registry.manifests import ACCEPTED, Malformed
from kubedock.registry.newest import Newest
from kubedock.registry.tokens import Challenge, Tokens

LARGEST_MANIFEST, LARGEST_CONFIG, LARGEST_ERROR = 4 << 20, 8 << 20, 64 << 10
CHUNK = 64 << 10
REDIRECTS = 5
TOO_MANY, RETRIES, LONGEST_RETRY = 429, 2, 10.0
"""A registry that is asked too often says when to come again; more than so many seconds is not waited for."""

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_SCHEMES_KNOWN = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A manifest or a blob. ``digest`` is that of its bytes; "" for the answer to a HEAD that names none."""

    body: bytes
    media_type: str
    digest: str
    size: int


class RegistryClient:
    """One for the process, used from any thread. Keeps connections, tokens, and which scheme a host speaks."""

    def __init__(self, insecure: Sequence[str] = (), user_agent: str = "kubedock") -> None:
        """``insecure`` are the hosts that may be spoken to without TLS or with any certificate."""
        self._insecure = tuple(insecure)
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": "identity"})
        self._tokens = Tokens(self._fetch_token)
        self._schemes = Newest[str, str](_SCHEMES_KNOWN)

    def manifest(self, endpoint: Endpoint, reference: str, credentials: Credentials, deadline: float) -> Answer:
        """The manifest that a tag or a digest names. Refused, Unreachable, Malformed. ``deadline`` is monotonic."""
        answer = self._get(endpoint, f"manifests/{reference}", credentials, deadline, LARGEST_MANIFEST, accept=ACCEPTED)
        return _checked(answer, reference if ":" in reference else answer.digest, "manifest")

    def head(self, endpoint: Endpoint, tag: str, credentials: Credentials, deadline: float) -> Answer:
        """What a tag names now, without its body."""
        return self._get(endpoint, f"manifests/{tag}", credentials, deadline, 0, accept=ACCEPTED, method="HEAD")

    def config(self, endpoint: Endpoint, digest: str, credentials: Credentials, deadline: float) -> bytes:
        """A configuration."""
        return _checked(self._get(endpoint, f"blobs/{digest}", credentials, deadline, LARGEST_CONFIG), digest, "configuration").body

    def check(self, endpoint: Endpoint, credentials: Credentials, deadline: float) -> None:
        """Whether a registry takes these credentials. Refused where it does not."""
        self._request("GET", self._base(endpoint, deadline) + "/v2/", endpoint, credentials, deadline, LARGEST_ERROR)

    def close(self) -> None:
        """Let connections go."""
        self._session.close()

    # --- one question --------------------------------------------------------------------------------------------

    def _get(
        self,
        endpoint: Endpoint,
        path: str,
        credentials: Credentials,
        deadline: float,
        largest: int,
        *,
        accept: Sequence[str] = (),
        method: str = "GET",
    ) -> Answer:
        url = f"{self._base(endpoint, deadline)}/v2/{endpoint.repository}/{path}"
        return self._request(method, url, endpoint, credentials, deadline, largest, accept)

    def _base(self, endpoint: Endpoint, deadline: float) -> str:
        """The endpoint's URL; of one that may be spoken to without TLS the first that answers."""
        if len(endpoint.urls) == 1:
            return endpoint.urls[0]
        known = self._schemes.get(endpoint.host)
        if known:
            return known
        failure: Unreachable | None = None
        for url in endpoint.urls:
            try:
                self._send("GET", f"{url}/v2/", endpoint, {}, deadline).close()
            except Unreachable as error:
                failure = failure or error
                continue
            self._schemes.put(endpoint.host, url)
            return url
        raise failure or Unreachable(f"{endpoint.host} has no address")

    def _request(
        self,
        method: str,
        url: str,
        endpoint: Endpoint,
        credentials: Credentials,
        deadline: float,
        largest: int,
        accept: Sequence[str] = (),
    ) -> Answer:
        headers = {"Accept": ", ".join(accept)} if accept else {}
        authorization = self._tokens.known(endpoint, credentials)
        answered_challenge = False
        retries = 0
        while True:
            sent = {**headers, "Authorization": authorization} if authorization else headers
            with closing(self._follow(method, url, endpoint, sent, deadline)) as response:
                if response.status_code == requests.codes.unauthorized and not answered_challenge:
                    answered_challenge = True
                    challenge = Challenge.parse(response.headers.get("WWW-Authenticate", ""))
                    if challenge is not None:
                        authorization = self._tokens.get(challenge, endpoint, credentials, deadline)
                        continue
                if response.status_code == TOO_MANY and retries < RETRIES:
                    retries += 1
                    _pause(response.headers.get("Retry-After", ""), deadline)
                    continue
                return _read(method, url, response, largest, deadline)

    def _follow(self, method: str, url: str, endpoint: Endpoint, headers: Mapping[str, str], deadline: float) -> requests.Response:
        """The answer behind all redirects. Credentials stay with the host that they were meant for."""
        for _ in range(REDIRECTS + 1):
            response = self._send(method, url, endpoint, headers, deadline)
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not target:
                return response
            response.close()
            before, url = urlsplit(url), urljoin(url, target)
            after = urlsplit(url)
            if after.scheme not in ("http", "https") or (
                after.scheme == "http" and not plain_http_allowed(url, endpoint, self._insecure)
            ):
                raise Malformed(f"it redirects to {after.scheme}://{after.netloc}, which is not allowed")
            if (before.scheme, before.netloc) != (after.scheme, after.netloc):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
        raise Malformed(f"it redirects more than {REDIRECTS} times")

    def _send(
        self, method: str, url: str, endpoint: Endpoint, headers: Mapping[str, str], deadline: float, data: str | None = None
    ) -> requests.Response:
        left = deadline - time.monotonic()
        if left <= 0:
            _late(method, url)
        try:
            return self._session.request(
                method,
                url,
                headers=dict(headers),
                data=data,
                stream=True,
                allow_redirects=False,
                timeout=left,
                verify=endpoint.verify,
                auth=_no_auth,
            )
        except requests.Timeout:
            _late(method, url)
        except requests.exceptions.SSLError as error:
            raise Unreachable(f"{_shown(method, url)}: tls: {_innermost(error)}") from error
        except (requests.RequestException, ValueError) as error:
            raise Unreachable(f"{_shown(method, url)}: {_innermost(error)}") from error

    def _fetch_token(
        self, url: str, endpoint: Endpoint, form: Mapping[str, str] | None, headers: Mapping[str, str], deadline: float
    ) -> bytes:
        """Ask a token service, which may be another host."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and plain_http_allowed(url, endpoint, self._insecure)):
            raise Malformed(f"it sends us to {parts.scheme}://{parts.netloc} for a token, which is not allowed")
        method = "GET" if form is None else "POST"
        data = None if form is None else urlencode(form)
        content = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
        with closing(self._send(method, url, endpoint, {**headers, **content}, deadline, data)) as response:
            return _read(method, url, response, LARGEST_ERROR, deadline).body


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from looking into ~/.netrc."""
    return request


def _read(method: str, url: str, response: requests.Response, largest: int, deadline: float) -> Answer:
    """An answer whole; an error where it is one."""
    if response.status_code >= requests.codes.bad_request:
        if "insufficient_scope" in response.headers.get("WWW-Authenticate", ""):
            raise denied()
        body = b"" if method == "HEAD" else _body(method, url, response, LARGEST_ERROR, deadline)[:LARGEST_ERROR]
        raise refusal(response.status_code, body, _shown(method, url))
    if response.status_code != requests.codes.ok:
        raise Malformed(f"it answers with the status {response.status_code}")
    content, length = response.headers.get("Content-Type", ""), response.headers.get("Content-Length", "")
    size = int(length) if length.isdigit() else 0
    if method == "HEAD":
        return Answer(b"", content, _named(response), size)
    if size > largest:
        raise Malformed(f"it answers with {size} bytes, where at most {largest} make sense")
    body = _body(method, url, response, largest, deadline)
    if len(body) > largest:
        raise Malformed(f"it answers with more than {largest} bytes")
    return Answer(body, content, f"sha256:{hashlib.sha256(body).hexdigest()}", len(body))


def _body(method: str, url: str, response: requests.Response, largest: int, deadline: float) -> bytes:
    """Its bytes, up to the first piece beyond ``largest``."""
    body = bytearray()
    try:
        # What has come, however little: a body that drips must not outlive the deadline.
        while len(body) <= largest and (piece := response.raw.read1(CHUNK, decode_content=False)):
            body += piece
            if time.monotonic() > deadline:
                _late(method, url)
    except urllib3.exceptions.ReadTimeoutError:
        _late(method, url)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise Unreachable(f"{_shown(method, url)}: {_innermost(error)}") from error
    return bytes(body)


def _named(response: requests.Response) -> str:
    digest = response.headers.get("Docker-Content-Digest", "")
    return digest if re.fullmatch(r"sha256:[0-9a-f]{64}", digest) else ""


def _checked(answer: Answer, digest: str, what: str) -> Answer:
    if digest.startswith("sha256:") and answer.digest != digest:
        raise Malformed(f"its {what} is not the one with the digest {digest}")
    return answer


def _pause(after: str, deadline: float) -> None:
    seconds = float(after) if after.isdigit() else 1.0
    if seconds > LONGEST_RETRY or time.monotonic() + seconds > deadline:
        raise Refused("toomanyrequests: the registry is asked too often", code="TOOMANYREQUESTS")
    Event().wait(seconds)


def _late(method: str, url: str) -> NoReturn:
    raise Unreachable(f"{_shown(method, url)}: context deadline exceeded")


def _shown(method: str, url: str) -> str:
    """As Docker names a request in its errors, without its query: that may hold a signature."""
    return f'{method.title()} "{url.partition("?")[0]}"'


def _innermost(error: BaseException) -> str:
    """The cause in words: requests and urllib3 wrap it several times."""
    text = str(error)
    for pattern, words in (
        (r"Connection refused", "connect: connection refused"),
        (r"Name or service not known|nodename nor servname|Temporary failure in name resolution|getaddrinfo", "no such host"),
        (r"No route to host", "connect: no route to host"),
        (r"Network is unreachable", "connect: network is unreachable"),
        (r"CERTIFICATE_VERIFY_FAILED", "failed to verify certificate"),
        (r"WRONG_VERSION_NUMBER|wrong version number", "the server gave HTTP, not HTTPS"),
        (r"Connection aborted|RemoteDisconnected|Connection reset", "the connection broke"),
    ):
        if re.search(pattern, text):
            return words
    return type(error).__name__
