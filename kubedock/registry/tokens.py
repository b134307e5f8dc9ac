"""How a registry wants to be convinced: a challenge, and the token or password that answers it."""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from kubedock.registry.credentials import Credentials
from kubedock.registry.endpoints import Endpoint
from kubedock.registry.errors import NO_CREDENTIALS, Refused
from kubedock.registry.manifests import Malformed
from kubedock.registry.newest import Newest

CLIENT = "kubedock"
KEPT = 1024
ALL = ""
"""Stands for all repositories of a registry: what takes passwords themselves has no others."""
SHORTEST_LIFE, LONGEST_LIFE, EARLY = 60.0, 86_400.0, 10.0
"""Seconds that a token lives by the protocol where nothing else is said, at most, and how long before its end it is not used."""
LONGEST_HEADER = 16 << 10
"""Characters of all challenges together; more make no sense, and are not read."""

_PART = re.compile(r"""([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?""", re.ASCII)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """``WWW-Authenticate``: ``realm`` is "" for a registry that wants user and password themselves."""

    realm: str = ""
    service: str = ""
    scope: str = ""

    @classmethod
    def parse(cls, header: str) -> "Challenge | None":
        """The best of those in a header, or in several that were joined by commas: a token rather than the password.

        None where there is none that can be answered.
        """
        basic = False
        for scheme, found in _challenges(header[:LONGEST_HEADER]):
            if scheme == "bearer" and found.get("realm"):
                return cls(found["realm"], found.get("service", ""), found.get("scope", ""))
            basic = basic or scheme == "basic"
        return cls() if basic else None


def _challenges(header: str) -> list[tuple[str, dict[str, str]]]:
    """Schemes and their parameters: a word that has no value begins the next one."""
    found: list[tuple[str, dict[str, str]]] = []
    for match in _PART.finditer(header):
        name, quoted, bare = match.groups()
        if quoted is None and bare is None:
            found.append((name.lower(), {}))
        elif found:
            found[-1][1].setdefault(name.lower(), bare if quoted is None else _ESCAPED.sub(r"\1", quoted))
    return found


class Fetch(Protocol):
    """Ask a token service: a POST of ``form``, or a GET where it is None; the answer's body."""

    def __call__(
        self, url: str, endpoint: Endpoint, form: Mapping[str, str] | None, headers: Mapping[str, str], deadline: float
    ) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    until: float


class Tokens:
    """Answers to challenges, kept while they hold; the newest ``KEPT``."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._known = Newest[tuple[str, str, Credentials], _Token](KEPT)

    def known(self, endpoint: Endpoint, credentials: Credentials) -> str:
        """The Authorization that has served for this repository before, or for all of its registry; "" for none."""
        keys = ((endpoint.host, repository, credentials) for repository in (endpoint.repository, ALL))
        token = next((token for key in keys if (token := self._known.get(key))), None)
        if token is not None and token.until > self._clock():
            return token.value
        return f"Bearer {credentials.registry_token}" if credentials.registry_token else ""

    def get(self, challenge: Challenge, endpoint: Endpoint, credentials: Credentials, deadline: float, *, keep: bool = True) -> str:
        """The Authorization that a challenge asks for. Refused where we have nothing to answer it with.

        ``keep``: it may serve again.
        """
        repository = endpoint.repository if challenge.realm else ALL
        if not challenge.realm:
            if not credentials.password:
                raise Refused(f'Get "https://{endpoint.host}/v2/": no basic auth credentials', code=NO_CREDENTIALS)
            token = _Token(_basic(credentials), self._clock() + 3600.0)
        else:
            token = self._ask(challenge, endpoint, credentials, deadline)
        if keep:
            self._known.put((endpoint.host, repository, credentials), token)
        return token.value

    def _ask(self, challenge: Challenge, endpoint: Endpoint, credentials: Credentials, deadline: float) -> _Token:
        scope = challenge.scope or (f"repository:{endpoint.repository}:pull" if endpoint.repository else "")
        asked = {"service": challenge.service, "scope": scope}
        wanted = {name: value for name, value in asked.items() if value}
        if credentials.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": credentials.identity_token, "client_id": CLIENT, **wanted}
            body = self._fetch(challenge.realm, endpoint, form, {}, deadline)
        else:
            if credentials.username:
                wanted["account"] = credentials.username
            joint = "&" if "?" in challenge.realm else "?"
            url = f"{challenge.realm}{joint}{urlencode(wanted)}"
            headers = {"Authorization": _basic(credentials)} if credentials.password else {}
            body = self._fetch(url, endpoint, None, headers, deadline)
        return self._token(body)

    def _token(self, body: bytes) -> _Token:
        try:
            answer: Any = json.loads(body)
            value = answer.get("token") or answer.get("access_token")
            life = answer.get("expires_in")
        except (ValueError, AttributeError, RecursionError) as error:
            raise Malformed("its token service's answer is no JSON object") from error
        if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable() or " " in value:
            raise Malformed("its token service gave no token")
        seconds = float(min(life, LONGEST_LIFE)) if isinstance(life, int | float) and life > 0 else SHORTEST_LIFE
        return _Token(f"Bearer {value}", self._clock() + max(seconds - EARLY, 1.0))


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
