"""Credentials: headers, files, helpers."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from kubedock.domain.image import parse
from kubedock.errors import InvalidParameter
from kubedock.registry.credentials import ANONYMOUS, AuthFile, Credentials, from_auths, from_config_header, from_header

ME = Credentials("me", "sécret?>")


def packed(value: Any, *, url_safe: bool = True, padded: bool = True) -> str:
    """JSON in base64."""
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    text = encode(json.dumps(value, ensure_ascii=False).encode()).decode()
    return text if padded else text.rstrip("=")


@pytest.mark.parametrize("url_safe", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_a_header_in_every_alphabet(*, url_safe: bool, padded: bool):
    """Clients differ in both."""
    assert from_header(packed({"username": "me", "password": "sécret?>"}, url_safe=url_safe, padded=padded)) == ME


@pytest.mark.parametrize("text", ["", "  ", "e30=", "bnVsbA==", "WzFd", "%%%", packed({"username": "me"}), packed({"username": 1})])
def test_a_header_that_says_nothing(text: str):
    """Empty, null, no object, no base64: all nobody, as in Docker."""
    assert not from_header(text)


def test_tokens():
    """One to be exchanged, and one that is ready for use."""
    assert from_header(packed({"identitytoken": "t"})) == Credentials(identity_token="t")
    assert from_header(packed({"registrytoken": "t"})) == Credentials(registry_token="t")
    assert "t" not in repr(Credentials("u", "t-password", "t-identity", "t-registry")).removeprefix("Credentials")


UNUSABLE = [
    {"registrytoken": "a\nb"},
    {"registrytoken": "a b"},
    {"registrytoken": "€"},
    {"registrytoken": "\0"},
    {"username": "me", "password": "\ud800"},
    {"username": "\ud800", "password": "x"},
    {"identitytoken": "\ud800"},
]


@pytest.mark.parametrize("value", UNUSABLE)
def test_a_login_that_no_registry_takes(value: dict[str, str], caplog: pytest.LogCaptureFixture):
    """Who sends it is told; of a file it is none, with a word in the log and no word of the secret."""
    header = base64.b64encode(json.dumps(value).encode()).decode()
    with pytest.raises(InvalidParameter, match=r"^invalid registry credentials: they are no valid text$|no spaces"):
        from_header(header)

    assert from_auths({"quay.io": value, "quay.io/a": {}}, parse("quay.io/a")) is None
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "an entry of the registry credentials cannot be used"
    ]


def test_passwords_of_any_characters():
    """They go in base64, or in a form."""
    assert from_header(packed({"username": "mé", "password": "pä\n€"})) == Credentials("mé", "pä\n€")


def entry(user: str, password: str) -> dict[str, str]:
    """As Docker writes it."""
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


AUTHS = {
    "https://index.docker.io/v1/": entry("hub", "1"),
    "quay.io": entry("quay", "2"),
    "quay.io/team": entry("team", "3"),
    "https://old.example/v2/": entry("old", "a:b"),
    "broken.example": {"auth": "%"},
    "foreign.example": {"auth": "é"},
    "nothing.example": {},
    "*.wild.example": entry("wild", "4"),
    "*.wild.example/team": entry("wild", "5"),
    "known.wild.example": entry("known", "6"),
}


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("alpine", Credentials("hub", "1")),
        ("me/app", Credentials("hub", "1")),
        ("quay.io/a/b", Credentials("quay", "2")),
        ("quay.io/team/b", Credentials("team", "3")),
        ("quay.io/teams/b", Credentials("quay", "2")),
        ("old.example/x", Credentials("old", "a:b")),
        ("broken.example/x", None),
        ("nothing.example/x", None),
        ("foreign.example/x", None),
        ("a.wild.example/x", Credentials("wild", "4")),
        ("a.wild.example/team/x", Credentials("wild", "5")),
        ("a.wild.example/teams/x", Credentials("wild", "4")),
        ("known.wild.example/x", Credentials("known", "6")),
        ("a.b.wild.example/x", None),
        ("a.wild.example:5000/x", None),
        ("wild.example/x", None),
        ("other.example/x", None),
    ],
)
def test_the_entry_of_an_image(image: str, found: Credentials | None):
    """The longest name wins, one with a star comes last; a registry's name may be a URL."""
    assert from_auths(AUTHS, parse(image)) == found


def test_many_registries_in_a_header():
    """``X-Registry-Config`` has the same entries, unpacked."""
    header = packed({"quay.io": {"username": "q", "password": "p"}})

    assert from_config_header(header, parse("quay.io/a")) == Credentials("q", "p")
    assert from_config_header(header, parse("alpine")) == ANONYMOUS
    assert from_config_header("", parse("alpine")) == ANONYMOUS


def test_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Read anew each time; absent is none, unreadable is none with a word in the log."""
    path = tmp_path / "auth.json"
    source = AuthFile(path)
    assert source(parse("alpine")) is None
    assert caplog.records == []
    path.write_text(json.dumps({"auths": AUTHS}))
    assert source(parse("alpine")) == Credentials("hub", "1")
    for text in ("{", "[]", '"x"', "[" * 100_000, " " * 2_000_000):
        path.write_text(text)
        assert source(parse("alpine")) is None
    assert len(caplog.records) == 5
    path.write_text('{"auths": []}')
    assert source(parse("alpine")) is None


HELPER = """#!/bin/sh
read server
case "$1 $server" in
  "get quay.io") echo '{"ServerURL": "quay.io", "Username": "helped", "Secret": "s"}' ;;
  "get https://index.docker.io/v1/") echo '{"Username": "<token>", "Secret": "identity"}' ;;
  "get garbage.example") echo garbage ;;
  "get list.example") echo '[]' ;;
  *) echo "credentials not found in native keychain"; exit 1 ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper named ``test`` on the path, and a place for the file."""
    program = tmp_path / "bin" / "docker-credential-test"
    program.parent.mkdir()
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "config.json"


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("quay.io/a", Credentials("helped", "s")),
        ("alpine", Credentials(identity_token="identity")),
        ("garbage.example/a", None),
        ("list.example/a", None),
        ("other.example/a", None),
    ],
)
def test_helpers(helper: Path, image: str, found: Credentials | None):
    """One for all, or one for a registry."""
    registry = "https://index.docker.io/v1/" if image == "alpine" else parse(image).registry
    for config in ({"credsStore": "test"}, {"credHelpers": {registry: "test"}, "credsStore": "none"}):
        helper.write_text(json.dumps(config))
        assert AuthFile(helper)(parse(image)) == found


@pytest.mark.parametrize("name", ["missing", "../../bin/sh", "a b", ""])
def test_no_helper(helper: Path, name: str):
    """A name that is none is never run."""
    helper.write_text(json.dumps({"credsStore": name, "auths": {"quay.io": entry("q", "p")}}))

    assert AuthFile(helper)(parse("alpine")) is None
    assert AuthFile(helper)(parse("quay.io/a")) == Credentials("q", "p")
    assert not ANONYMOUS
