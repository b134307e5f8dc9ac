"""Single questions: what is asked how, and what is made of any answer."""

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.adapters import BaseAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from kubedock.errors import KubedockError, System, Unavailable
from kubedock.registry.client import Answer, RegistryClient
from kubedock.registry.credentials import ANONYMOUS, Credentials
from kubedock.registry.endpoints import Endpoint
from kubedock.registry.errors import OutOfTime, Refused, Unreachable
from kubedock.registry.manifests import Malformed
from tests.support.registry import FakeRegistry, Reply, basic, no, wants_token

ME = Credentials("me", "secret")
LAX = Endpoint("127.0.0.1:5000", "x", ("https://127.0.0.1:5000", "http://127.0.0.1:5000"))
TLS = Endpoint("reg.example", "x", ("https://reg.example",))


class Canned(BaseAdapter):
    """Answers by the beginning of the URL, and notes what was sent, and whether a certificate mattered."""

    def __init__(self, replies: Mapping[str, Reply]) -> None:
        super().__init__()
        self.replies = dict(replies)
        self.sent: list[tuple[str, str, bool, str | None, Any]] = []

    def send(self, request: requests.PreparedRequest, *_: Any, verify: Any = True, **__: Any) -> requests.Response:
        """See requests."""
        url = str(request.url)
        self.sent.append((str(request.method), url, verify is not False, request.headers.get("Authorization"), request.body))
        reply = next(reply for start, reply in self.replies.items() if url.startswith(start))
        response = requests.Response()
        response.status_code, response.url, response.request = reply.status, url, request
        response.headers.update(reply.headers)
        response.raw = HTTPResponse(_once(reply.body), HTTPHeaderDict(reply.headers), reply.status, preload_content=False)
        return response

    def close(self) -> None:
        """Nothing to close."""


def _once(body: bytes) -> Any:
    import io

    return io.BytesIO(body)


def canned(replies: Mapping[str, Reply], insecure: tuple[str, ...] = ()) -> tuple[RegistryClient, Canned]:
    """A client of these answers alone."""
    client, adapter = RegistryClient(insecure), Canned(replies)
    for scheme in ("https://", "http://"):
        client._transport._session.mount(scheme, adapter)
    return client, adapter


def manifest(client: RegistryClient, endpoint: Endpoint, who: Credentials = ANONYMOUS, seconds: float = 5.0) -> Answer:
    """Ask for one."""
    return client.manifest(endpoint, "1", who, time.monotonic() + seconds)


def challenge(realm: str) -> Reply:
    """Sends us to a token service."""
    return Reply(401, {"WWW-Authenticate": f'Bearer realm="{realm}"'})


# --- whose certificate matters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "elsewhere", "verified"),
    [
        (LAX, "https://auth.example", [False, True, False]),
        (Endpoint("lax.example", "x", ("https://lax.example",)), "https://auth.example", [False, True, False]),
        (TLS, "https://lax.example", [True, False, True]),
        (TLS, "https://auth.example", [True, True, True]),
    ],
)
def test_certificates_are_a_matter_of_the_host_that_is_asked(endpoint: Endpoint, elsewhere: str, verified: list[bool]) -> None:
    """A registry that may have any sends no password to a token service that nobody has checked."""
    base = endpoint.urls[0]
    client, adapter = canned({elsewhere: Reply(body=b'{"token": "t"}'), base: challenge(f"{elsewhere}/token")}, ("lax.example",))
    with pytest.raises(Refused):
        manifest(client, endpoint, ME)

    assert [check for _, _, check, _, _ in adapter.sent] == verified
    assert [who for _, _, _, who, _ in adapter.sent] == [None, basic("me", "secret"), "Bearer t"]


def test_a_redirect_is_checked_by_its_own_host() -> None:
    """A blob store of a loopback registry is any other host."""
    replies = {"https://store.example": Reply(body=b"{}"), LAX.urls[0]: Reply(307, {"Location": "https://store.example/b"})}
    client, adapter = canned(replies)

    assert manifest(client, LAX).body == b"{}"
    assert [check for _, _, check, _, _ in adapter.sent] == [False, True]


# --- token services ----------------------------------------------------------------------------------------------------


def test_a_token_service_may_redirect() -> None:
    """The password stays with the host that it was meant for."""
    replies = {
        "https://auth.example/old": Reply(307, {"Location": "/new"}),
        "https://auth.example/new": Reply(302, {"Location": "https://far.example/token"}),
        "https://far.example": Reply(body=b'{"token": "t"}'),
        "https://reg.example": challenge("https://auth.example/old"),
    }
    client, adapter = canned(replies)
    with pytest.raises(Refused):
        manifest(client, TLS, ME)

    assert [(url.partition("?")[0], who) for _, url, _, who, _ in adapter.sent[1:]] == [
        ("https://auth.example/old", basic("me", "secret")),
        ("https://auth.example/new", basic("me", "secret")),
        ("https://far.example/token", None),
        ("https://reg.example/v2/x/manifests/1", "Bearer t"),
    ]


@pytest.mark.parametrize(
    ("status", "where", "sent", "sentence"),
    [
        (307, "https://auth.example/new", [("POST", True), ("POST", True)], ""),
        (303, "https://auth.example/new", [("POST", True), ("GET", False)], ""),
        (302, "https://far.example/", [("POST", True), ("GET", False)], ""),
        (307, "https://far.example/", [("POST", True)], "it redirects a login to https://far.example, which is not allowed"),
        (307, "http://far.example/", [("POST", True)], "it redirects to http://far.example, which is not allowed"),
    ],
)
def test_a_form_with_a_login_goes_nowhere_else(status: int, where: str, sent: list[tuple[str, bool]], sentence: str) -> None:
    """A refresh token is as good as a password."""
    replies = {
        "https://auth.example/new": Reply(body=b'{"token": "t"}'),
        "https://far.example": Reply(body=b'{"token": "t"}'),
        "https://auth.example": Reply(status, {"Location": where}),
        "https://reg.example": challenge("https://auth.example/token"),
    }
    client, adapter = canned(replies)
    with pytest.raises(Malformed if sentence else Refused) as raised:
        manifest(client, TLS, Credentials(identity_token="refresh"))

    assert not sentence or str(raised.value) == sentence
    assert [(method, bool(data)) for method, url, _, _, data in adapter.sent if "reg.example" not in url] == sent


# --- answers that make no sense ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply(429, {"Retry-After": "9" * 5000}), "toomanyrequests: the registry is asked too often"),
        (challenge("http://[bad"), "it sends us to what is no address: http://[bad"),
        (challenge("/token"), "for a token it sends us to ://, which is not allowed"),
        (challenge("ftp://auth.example"), "for a token it sends us to ftp://auth.example, which is not allowed"),
        (Reply(302, {"Location": "http://[bad"}), "it redirects to what is no address: http://[bad"),
        (Reply(302, {"Location": "https://h:port/"}), 'Get "https://h:port/": it cannot be asked for: InvalidURL'),
        (Reply(302, {"Location": "http://[bad"}, b"", itertools.repeat(b"x")), "it redirects to what is no address: http://[bad"),
    ],
)
def test_headers_that_make_no_sense(registry: FakeRegistry, reply: Reply, sentence: str) -> None:
    """Each ends in a sentence of its own: the registry has spoken, it is not silent."""
    registry.behave.append(lambda _: reply)
    client = RegistryClient()
    with pytest.raises(System) as raised:
        manifest(client, Endpoint(registry.host, "x", (f"http://{registry.host}",)), seconds=2)

    assert str(raised.value) == sentence
    client.close()


@pytest.mark.parametrize("length", ["9" * 5000, "²", "-1", "0x10", ""])
def test_a_length_that_is_none(length: str) -> None:
    """Does not matter: the body is counted."""
    client, _ = canned({"https://reg.example": Reply(200, {"Content-Length": length}, b"{}")})

    assert manifest(client, TLS).size == 2


@pytest.mark.parametrize("after", ["²", "soon", "", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_time_to_come_again_that_is_none(after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again after a second."""
    waited: list[float] = []
    monkeypatch.setattr("kubedock.registry.client.Event", type("_", (), {"wait": lambda _, seconds: waited.append(seconds)}))
    client, adapter = canned({"https://reg.example": Reply(429, {"Retry-After": after})})
    with pytest.raises(Refused, match=r"^toomanyrequests: "):
        manifest(client, TLS)

    assert (waited, len(adapter.sent)) == ([1, 1], 3)


names = st.sampled_from(
    [
        "WWW-Authenticate",
        "Location",
        "Content-Length",
        "Retry-After",
        "Content-Type",
        "Docker-Content-Digest",
        "Transfer-Encoding",
        "Content-Encoding",
    ]
)
words = st.sampled_from(
    [
        'Bearer realm="',
        "https://",
        "http://",
        "127.0.0.1",
        "[",
        "]",
        ":",
        "²",
        "é",
        '"',
        ",",
        "%",
        "\t",
        " ",
        "0",
        "9" * 30,
        "chunked",
    ]
)
values = st.lists(words | st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=5), max_size=6).map("".join)
statuses = st.sampled_from([200, 204, 206, 301, 302, 307, 400, 401, 403, 404, 429, 500, 999])
bodies = st.binary(max_size=50) | st.sampled_from([b'{"token": "t"}', b'{"errors": [{"code": "X"}]}', b'{"errors": 1}', b"[]"])


@pytest.fixture(scope="module")
def hostile() -> Iterator[FakeRegistry]:
    """One registry for all examples."""
    with FakeRegistry().serving() as serving:
        yield serving


@given(status=statuses, headers=st.dictionaries(names, values, max_size=4), body=bodies)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_answer_is_read_or_a_sentence(hostile: FakeRegistry, status: int, headers: dict[str, str], body: bytes) -> None:
    """Of the house's kinds; nothing else is raised."""
    hostile.behave[:] = [lambda _: Reply(status, headers, body)]
    client, endpoint = RegistryClient(), Endpoint(hostile.host, "x", (f"http://{hostile.host}",))
    deadline = time.monotonic() + 0.5
    for ask in (
        lambda: client.manifest(endpoint, "1", ME, deadline),
        lambda: client.head(endpoint, "1", ANONYMOUS, deadline),
        lambda: client.check(endpoint, ME, deadline),
    ):
        with contextlib.suppress(KubedockError):
            ask()
    client.close()


@given(status=statuses.filter(lambda status: status != 429), headers=st.dictionaries(names, values, max_size=4), body=bodies)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_answer_without_a_network(status: int, headers: dict[str, str], body: bytes) -> None:
    """The same, and more of it: with what a server of Python's would not send."""
    client, _ = canned({"http": Reply(status, headers, body)})
    with contextlib.suppress(KubedockError):
        manifest(client, LAX, ME)


# --- schemes and time --------------------------------------------------------------------------------------------------


def test_the_first_request_finds_the_scheme(registry: FakeRegistry) -> None:
    """No other is made for it, and the one that serves is kept until it does not."""
    registry.image("x", "1", {})
    client = RegistryClient()
    endpoint = Endpoint(registry.host, "x", (f"https://{registry.host}", f"http://{registry.host}"))

    manifest(client, endpoint)
    assert client._schemes.get(registry.host) == f"http://{registry.host}"
    manifest(client, endpoint)
    assert registry.lines == ["GET /v2/x/manifests/1"] * 2
    client.close()


def test_a_server_of_tls_that_was_away_is_not_taken_for_one_of_http() -> None:
    """It answers 400 to plain HTTP."""
    client, _ = canned({"http://": Reply(400)})
    client._transport.send = _without_tls(client._transport.send)  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        manifest(client, LAX)

    assert client._schemes.get(LAX.host) is None


def _without_tls(send: Any) -> Any:
    def instead(request: Any, deadline: float) -> requests.Response:
        if request.url.startswith("https:"):
            raise Unreachable("away")
        return send(request, deadline)  # type: ignore[no-any-return]

    return instead


def test_nobody_is_blamed_who_was_not_asked() -> None:
    """There was no time left."""
    client, adapter = canned({})
    for endpoint in (TLS, LAX):
        with pytest.raises(OutOfTime, match=r'^Get "https://.*/v2/x/manifests/1": no time is left for it$'):
            manifest(client, endpoint, seconds=-1)

    assert adapter.sent == []


# --- logins ------------------------------------------------------------------------------------------------------------


def check(client: RegistryClient, who: Credentials = ME) -> None:
    """A login at the registry."""
    client.check(Endpoint("reg.example", "", ("https://reg.example",)), who, time.monotonic() + 5)


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply(404), "login attempt to https://reg.example/v2/ failed with status: 404 Not Found"),
        (Reply(503), "login attempt to https://reg.example/v2/ failed with status: 503 Service Unavailable"),
        (Reply(429, {"Retry-After": "0"}), "login attempt to https://reg.example/v2/ failed with status: 429 Too Many Requests"),
    ],
)
def test_a_host_that_is_no_registry(reply: Reply, sentence: str) -> None:
    """Docker's words, and no word of the password."""
    client, _ = canned({"https://reg.example": reply})
    with pytest.raises(System) as raised:
        check(client)

    assert (str(raised.value), isinstance(raised.value, Refused)) == (sentence, False)


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_that_is_refused(status: int) -> None:
    """By the registry itself."""
    client, _ = canned({"https://reg.example": no(status, "DENIED", "go away")})
    with pytest.raises(Refused) as raised:
        check(client)

    assert raised.value.code == "DENIED"


def test_a_login_is_checked_each_time(registry: FakeRegistry) -> None:
    """A token that was given for it once does not serve again: the password may have been changed."""
    passwords = ["secret"]
    registry.behave.append(wants_token(registry, user="me", password="secret", life=300))
    registry.behave.append(
        lambda asked: no(401, "UNAUTHORIZED", "no") if asked.path.startswith("/token") and not passwords else None
    )
    client, endpoint = RegistryClient(), Endpoint(registry.host, "", (f"http://{registry.host}",))

    client.check(endpoint, ME, time.monotonic() + 5)
    passwords.clear()
    with pytest.raises(Refused, match=r"unauthorized: no$"):
        client.check(endpoint, ME, time.monotonic() + 5)
    client.close()


def test_docker_hubs_token_service_has_words_of_its_own() -> None:
    """They are Docker's, too."""
    replies = {
        "https://auth.example": Reply(401, {}, b'{"details": "incorrect username or password"}'),
        "https://reg.example": challenge("https://auth.example/token"),
    }
    client, _ = canned(replies)
    with pytest.raises(Refused, match=r'^Get "https://auth\.example/token": unauthorized: incorrect username or password$'):
        check(client)
