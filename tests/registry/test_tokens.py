"""Challenges, and the tokens that answer them."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.registry.credentials import ANONYMOUS, Credentials
from kubedock.registry.endpoints import Endpoint
from kubedock.registry.manifests import Malformed
from kubedock.registry.tokens import LONGEST_HEADER, Challenge, Tokens
from tests.support.registry import basic

BEARER = 'Bearer realm="https://auth.example/token",service="s",scope="repository:x:pull"'
TOKEN = Challenge("https://auth.example/token", "s", "repository:x:pull")
ENDPOINT = Endpoint("reg.example", "team/app", ("https://reg.example",))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (BEARER, TOKEN),
        (f'{BEARER}, Basic realm="x"', TOKEN),
        (f'Basic realm="x", {BEARER}', TOKEN),
        (f"Basic, {BEARER}", TOKEN),
        (f"Negotiate abc==, {BEARER}", TOKEN),
        (f'Digest realm="d", nonce="n,m", {BEARER}, Basic realm="x", charset="UTF-8"', TOKEN),
        ("bearer REALM = https://auth.example/token , service=s,scope=repository:x:pull", TOKEN),
        (r'Bearer realm="https://a/\"t\"",realm="https://b"', Challenge('https://a/"t"')),
        ('Bearer realm="", Basic', Challenge()),
        ("Basic", Challenge()),
        ('BASIC realm="x"', Challenge()),
        ("Bearer", None),
        ("Negotiate", None),
        ('realm="https://auth.example/token"', None),
        ("", None),
        ("," * LONGEST_HEADER + BEARER, None),
    ],
)
def test_the_best_challenge(header: str, expected: Challenge | None) -> None:
    """A token rather than the password, whatever else is offered and in what order."""
    assert Challenge.parse(header) == expected


@given(st.text(alphabet=st.sampled_from("BearBasic \t=,\"\\realm'²é"), max_size=200))
def test_any_header_is_read(header: str) -> None:
    """Or none."""
    Challenge.parse(header)


class Service:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Mapping[str, str] | None, Mapping[str, str]]] = []

    def __call__(
        self, url: str, endpoint: Endpoint, form: Mapping[str, str] | None, headers: Mapping[str, str], deadline: float
    ) -> bytes:
        self.asked.append((url, form, headers))
        return self.answer


@pytest.mark.parametrize(
    ("challenge", "endpoint", "query"),
    [
        (TOKEN, ENDPOINT, "?service=s&scope=repository%3Ax%3Apull"),
        (Challenge("https://auth.example/token"), ENDPOINT, "?scope=repository%3Ateam%2Fapp%3Apull"),
        (Challenge("https://auth.example/token?a=b", "s"), ENDPOINT, "?a=b&service=s&scope=repository%3Ateam%2Fapp%3Apull"),
        (Challenge("https://auth.example/token", "s"), Endpoint("reg.example", "", ()), "?service=s"),
    ],
)
def test_a_token_is_for_the_repository(challenge: Challenge, endpoint: Endpoint, query: str) -> None:
    """Also where the challenge does not say for what; for a login there is none."""
    service = Service(b'{"token": "t"}')

    assert Tokens(service).get(challenge, endpoint, ANONYMOUS, 0) == "Bearer t"
    assert service.asked == [(f"https://auth.example/token{query}", None, {})]


def test_a_password_beyond_latin() -> None:
    """It goes as UTF-8, to the token service too."""
    login, service = Credentials("mé", "pässwört€"), Service(b'{"access_token": "t"}')
    tokens = Tokens(service)

    assert tokens.get(Challenge(), ENDPOINT, login, 0) == basic("mé", "pässwört€")
    tokens.get(TOKEN, ENDPOINT, login, 0)
    assert service.asked[0][2] == {"Authorization": basic("mé", "pässwört€")}
    assert "account=m%C3%A9" in service.asked[0][0]


@pytest.mark.parametrize(
    ("life", "seconds"),
    [
        ("300", 290),
        ("5", 1),
        ("0", 50),
        ("-1", 50),
        ("null", 50),
        ('"300"', 50),
        ("NaN", 50),
        ("Infinity", 86_390),
        ("9" * 400, 86_390),
        ("1e400", 86_390),
    ],
)
def test_how_long_a_token_is_used(life: str, seconds: float) -> None:
    """Within bounds, whatever its service says."""
    now = [1000.0]
    tokens = Tokens(Service(f'{{"token": "t", "expires_in": {life}}}'.encode()), clock=lambda: now[0])
    tokens.get(TOKEN, ENDPOINT, ANONYMOUS, 0)

    now[0] += seconds - 0.5
    assert tokens.known(ENDPOINT, ANONYMOUS) == "Bearer t"
    now[0] += 1
    assert tokens.known(ENDPOINT, ANONYMOUS) == ""


def test_a_token_that_is_not_kept() -> None:
    """Nothing is remembered of it."""
    tokens = Tokens(Service(b'{"token": "t"}'))
    for challenge in (TOKEN, Challenge()):
        tokens.get(challenge, ENDPOINT, Credentials("me", "secret"), 0, keep=False)

    assert tokens.known(ENDPOINT, Credentials("me", "secret")) == ""


@pytest.mark.parametrize("token", ["", "a b", "a\n", "a\0", "é", "²", 1, None])
def test_what_is_no_token(token: object) -> None:
    """It would make no header."""
    with pytest.raises(Malformed, match=r"^its token service gave no token$"):
        Tokens(Service(json.dumps({"token": token}).encode())).get(TOKEN, ENDPOINT, ANONYMOUS, 0)


@pytest.mark.parametrize("answer", [b"", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"expires_in": ' + b"9" * 5000 + b"}"])
def test_what_is_no_answer(answer: bytes) -> None:
    """A sentence, too."""
    with pytest.raises(Malformed, match=r"^its token service's answer is no JSON object$"):
        Tokens(Service(answer)).get(TOKEN, ENDPOINT, ANONYMOUS, 0)
