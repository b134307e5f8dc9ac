"""Single requests of a registry, its token service and its blob stores: bounded in time and size, whatever they answer.

What goes wrong is Unreachable, OutOfTime or Malformed; what a registry refuses is an answer here.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import urllib3

from kubedock.registry.connections import InTime
from kubedock.registry.endpoints import Endpoint, is_lax, plain_http_allowed
from kubedock.registry.errors import OutOfTime, Unreachable
from kubedock.registry.manifests import SHOWN, Malformed

CHUNK = 64 << 10
REDIRECTS = 5
DIGITS = 18
"""A number in a header that is longer is none."""

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_TO_GET = frozenset((301, 302, 303))
"""Redirects that make a GET of a POST, as every client has it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. ``data`` is a form, with a login in it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    data: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """As Docker names a request in its errors, without its query: that may hold a signature."""
        return f'{self.method.title()} "{self.url.partition("?")[0]}"'


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None ever: requests would read the whole body of a redirect, however long, and trip over its address."""


class Transport:
    """One for the process, used from any thread. Keeps connections."""

    def __init__(self, insecure: Sequence[str], user_agent: str) -> None:
        """``insecure`` are the hosts that may be spoken to without TLS or with any certificate."""
        self._insecure = tuple(insecure)
        self._session = _Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, InTime())
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": "identity"})

    def close(self) -> None:
        """Let connections go."""
        self._session.close()

    def send(self, request: Request, deadline: float) -> requests.Response:
        """The head of the answer, to be closed; its body can be read until the deadline, which is monotonic."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime(f"{request}: no time is left for it")
        try:
            return self._session.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.data,
                stream=True,
                allow_redirects=False,
                timeout=urllib3.Timeout(total=left),  # type: ignore[arg-type] # an adapter takes it as it is
                # By the host that is asked: where a registry sends us to may be another, and have to prove itself.
                verify=not is_lax(_split(request.url).netloc, self._insecure),
                auth=_no_auth,
            )
        except requests.Timeout as error:
            raise _late(request) from error
        except requests.exceptions.SSLError as error:
            raise Unreachable(f"{request}: tls: {_innermost(error)}") from error
        except (ValueError, urllib3.exceptions.LocationValueError) as error:
            raise Malformed(f"{str(request)[: 3 * SHOWN]}: it cannot be asked for: {type(error).__name__}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"{request}: {_innermost(error)}") from error

    def follow(self, request: Request, response: requests.Response, endpoint: Endpoint, deadline: float) -> requests.Response:
        """The answer behind all redirects. Credentials stay with the host that they were meant for."""
        for _ in range(REDIRECTS):
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not target:
                return response
            response.close()
            request = self._redirected(request, response.status_code, target, endpoint)
            response = self.send(request, deadline)
        if response.status_code in _REDIRECTS:
            response.close()
            raise Malformed(f"it redirects more than {REDIRECTS} times")
        return response

    def _redirected(self, request: Request, status: int, target: str, endpoint: Endpoint) -> Request:
        try:
            url = urljoin(request.url, target)
        except ValueError as error:
            raise Malformed(f"it redirects to what is no address: {target[:SHOWN]}") from error
        before, after = _split(request.url), _split(url)
        self.check(url, endpoint, "it redirects to")
        if request.data is not None and status in _TO_GET:
            request = Request("GET", url, {name: text for name, text in request.headers.items() if name != "Content-Type"})
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            if request.data is not None:
                raise Malformed(f"it redirects a login to {after.scheme}://{after.netloc[:SHOWN]}, which is not allowed")
            request = replace(request, headers={name: text for name, text in request.headers.items() if name != "Authorization"})
        return replace(request, url=url)

    def check(self, url: str, endpoint: Endpoint, doing: str) -> None:
        """Whether we may go where a registry sends us. Malformed."""
        parts = _split(url)
        if parts.scheme == "https" or (parts.scheme == "http" and plain_http_allowed(url, endpoint, self._insecure)):
            return
        raise Malformed(f"{doing} {parts.scheme[:SHOWN]}://{parts.netloc[:SHOWN]}, which is not allowed")


def body(request: Request, response: requests.Response, largest: int) -> bytes:
    """An answer's bytes, up to the first piece beyond ``largest``."""
    found = bytearray()
    try:
        while len(found) <= largest and (piece := response.raw.read1(CHUNK, decode_content=False)):
            found += piece
    except urllib3.exceptions.ReadTimeoutError as error:
        raise _late(request) from error
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise Unreachable(f"{request}: {_innermost(error)}") from error
    return bytes(found)


def number(text: str) -> int | None:
    """A header's number; None for what is none."""
    return int(text) if len(text) <= DIGITS and text.isascii() and text.isdigit() else None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise Malformed(f"it sends us to what is no address: {url.partition('?')[0][:SHOWN]}") from error


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from looking into ~/.netrc."""
    return request


def _late(request: Request) -> Unreachable:
    return Unreachable(f"{request}: context deadline exceeded")


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
