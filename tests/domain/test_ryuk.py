"""Ryuk's protocol: who is one, its settings, its lines, its log."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.domain import ryuk
from kubedock.domain.ryuk import LONGEST_LINE, Lines, Settings
from kubedock.errors import InvalidParameter
from tests.support.running import refused

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "labels", "expected"),
    [
        ("testcontainers/ryuk:0.14.0", {}, True),
        ("testcontainers/ryuk", {}, True),
        (f"testcontainers/ryuk:0.14.0@{DIGEST}", {}, True),
        ("registry.example:5000/mirror/testcontainers/ryuk:0.8.1", {}, True),
        ("localhost/ryuk", {}, True),
        ("ryuk", {}, True),
        ("testcontainers/notryuk", {}, False),
        ("ryuk/sshd:1", {}, False),
        ("alpine", {"org.testcontainers.ryuk": "true"}, True),
        ("alpine", {"org.testcontainers.ryuk": "false"}, False),
        ("a" * 64, {}, False),
        (DIGEST, {}, False),
    ],
)
def test_who_is_one(image: str, labels: dict[str, str], expected: bool) -> None:
    """By the last part of the repository, in whatever registry, or by the label."""
    assert ryuk.is_ryuk(image, labels) is expected


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, Settings(60, 10, 600, 10, -1, 1, 8080)),
        ({"RYUK_RECONNECTION_TIMEOUT": "1m30s", "RYUK_CONNECTION_TIMEOUT": "500ms"}, Settings(0.5, 90)),
        ({"RYUK_SHUTDOWN_TIMEOUT": "1h", "RYUK_REMOVE_RETRIES": "3", "RYUK_PORT": "9000"}, Settings(60, 10, 3600, 3, port=9000)),
        ({"RYUK_RETRY_OFFSET": "-1m", "RYUK_CHANGES_RETRY_INTERVAL": "5s"}, Settings(retry_offset=-60, changes_retry_interval=5)),
        ({"RYUK_RETRY_OFFSET": "2s", "RYUK_CHANGES_RETRY_INTERVAL": "0"}, Settings(retry_offset=2, changes_retry_interval=0.1)),
        ({"RYUK_RECONNECTION_TIMEOUT": "-2s"}, Settings(60, 0)),
        ({"RYUK_RECONNECTION_TIMEOUT": "", "RYUK_PORT": None, "RYUK_VERBOSE": "true"}, Settings()),
    ],
)
def test_settings(env: dict[str, str | None], expected: Settings) -> None:
    """From the container's environment, with Ryuk's own defaults."""
    assert ryuk.settings(env) == expected


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"RYUK_CONNECTION_TIMEOUT": "60"}, 'time: invalid duration "60"'),
        ({"RYUK_PORT": "http"}, 'RYUK_PORT: invalid number "http"'),
    ],
)
def test_settings_that_make_no_sense(env: dict[str, str], sentence: str) -> None:
    """The sentence names the value."""
    with refused(InvalidParameter, sentence):
        ryuk.settings(env)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("label=a", (("label", ("a",)),)),
        ("label=a=b", (("label", ("a=b",)),)),
        ("label=org.testcontainers%3Dtrue&label=a+b&name=x", (("label", ("a b", "org.testcontainers=true")), ("name", ("x",)))),
        ("name=x&label=b&label=a&label=b", (("label", ("a", "b")), ("name", ("x",)))),
        ("&label=a&", (("label", ("a",)),)),
        ("label", (("label", ("",)),)),
        ("label=%C3%BC=%ff", (("label", ("ü=\ufffd",)),)),
    ],
)
def test_filters(line: str, expected: ryuk.Filters) -> None:
    """A URL's query; the order of its parts says nothing."""
    assert ryuk.filters(line) == expected


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("label=%zz", 'invalid URL escape "%zz"'),
        ("label=a&label=50%", 'invalid URL escape "%"'),
        ("label=a;label=b", "invalid semicolon separator in query"),
        ("&", "no filter in query"),
    ],
)
def test_what_is_no_filter(line: str, sentence: str) -> None:
    """As Go's parser words it; a line that would match everything is none."""
    with refused(InvalidParameter, sentence):
        ryuk.filters(line)


@given(st.text())
def test_any_line_is_filters_or_refused(line: str) -> None:
    """And filters have no key without a value."""
    try:
        found = ryuk.filters(line)
    except InvalidParameter:
        return
    assert found
    assert all(values for _, values in found)


def read(*pieces: bytes) -> list[str]:
    """The lines of a connection that ends."""
    lines = Lines()
    return [line for piece in pieces for line in lines.feed(piece)] + [*lines.end()]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"\n\r\n", ["", ""]),
        (b"a\r\r\n", ["a\r"]),
        (b"\xff\n", ["\ufffd"]),
        (b"", []),
    ],
)
def test_lines(sent: bytes, expected: list[str]) -> None:
    """With either end, the last one with none."""
    assert read(sent) == expected


@given(st.lists(st.binary(max_size=20)))
def test_lines_are_the_same_however_they_come(pieces: list[bytes]) -> None:
    """Any split gives the same lines."""
    assert read(*pieces) == read(b"".join(pieces))


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_is_bounded(end: bytes) -> None:
    """The longest one passes, the next byte is too much."""
    assert read(b"a" * LONGEST_LINE + end) == ["a" * LONGEST_LINE]
    with refused(InvalidParameter, "bufio.Scanner: token too long"):
        read(b"a" * (LONGEST_LINE + 1) + end)


def test_a_log_line_as_slog_writes_it() -> None:
    """Quoted where something in it needs that."""
    about = {"type": "label", "values": "[a=b c]", "path": "a\\b", "empty": "", "odd": '"\n\x01', "n": 1}

    assert ryuk.log_line(AT, "INFO", "adding filter", about) == (
        'time=2026-01-02T03:04:05.678Z level=INFO msg="adding filter" type=label values="[a=b c]" path=a\\b'
        ' empty="" odd="\\"\\n\\x01" n=1'
    )
