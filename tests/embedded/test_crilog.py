"""A container's log file, and what is shown of it."""

import io
import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.cluster import LogOptions
from kubedock.embedded.crilog import Entry, Rendering, parsed, tail_offset
from kubedock.embedded.logfiles import LogFile, LogFileStream, Notifier
from tests.support.waiting import in_thread

AT = "2026-11-24T22:23:22.174327038"
ONE = f"{AT}+00:00 stdout F one\n".encode()
TWO = f"{AT}Z stderr F two\n".encode()
PARTS = f"{AT}+00:00 stdout P long \n{AT}+00:00 stdout P er\n{AT}+00:00 stdout F !\n".encode()
FILE = ONE + TWO + PARTS + ONE


def shown(*texts: str) -> bytes:
    """Lines as the API has them."""
    return "".join(f"{AT}Z {text}\n" for text in texts).encode()


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (ONE[:-1], Entry(1795559002174327038, "stdout", True, b"one")),
        (TWO[:-1], Entry(1795559002174327038, "stderr", True, b"two")),
        (f"{AT}Z stdout P ".encode(), Entry(1795559002174327038, "stdout", False, b"")),
        (b"no line of a log", None),
        (b"", None),
    ],
)
def test_a_line_of_the_file(line: bytes, entry: Entry | None) -> None:
    """Time, stream, whether it is whole, text."""
    assert parsed(line) == entry


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({}, ["one", "two", "long er!", "one"]),
        ({"stream": "Stdout"}, ["one", "long er!", "one"]),
        ({"stream": "Stderr"}, ["two"]),
        ({"stream": "All"}, ["one", "two", "long er!", "one"]),
        ({"since": datetime(2026, 11, 24, 22, 23, 22, 900_000, tzinfo=UTC)}, ["one", "two", "long er!", "one"]),
        ({"since": datetime(2026, 11, 24, 22, 23, 23, tzinfo=UTC)}, []),
    ],
    ids=str,
)
def test_what_is_shown(options: dict[str, object], texts: list[str]) -> None:
    """By stream, and by whole seconds."""
    assert Rendering(**options).feed(FILE) == shown(*texts)  # type: ignore[arg-type]


def test_another_stream_between_the_parts_of_a_line() -> None:
    """Ends the line that is shown."""
    text = f"{AT}Z stdout P a\n{AT}Z stderr F b\n{AT}Z stdout F c\n".encode()

    assert Rendering().feed(text) == shown("a", "b", "c")


@given(st.lists(st.integers(0, len(FILE)), max_size=6))
def test_any_pieces_of_the_file_give_the_same(cuts: list[int]) -> None:
    """Reads end anywhere."""
    rendering, places = Rendering(), [0, *sorted(cuts), len(FILE)]

    assert b"".join(rendering.feed(FILE[a:b]) for a, b in itertools.pairwise(places)) == Rendering().feed(FILE)


@pytest.mark.parametrize(
    ("count", "rest"),
    [(0, b""), (1, ONE), (2, PARTS + ONE), (3, TWO + PARTS + ONE), (4, FILE), (5, FILE), (1000, FILE)],
)
def test_the_tail_of_a_file(monkeypatch: pytest.MonkeyPatch, count: int, rest: bytes) -> None:
    """Lines of output are counted, whatever the blocks that are read."""
    for block in (1, 7, 64, 1 << 16):
        monkeypatch.setattr("kubedock.embedded.crilog.BLOCK", block)
        for more in (b"", b"2026-11-24T22:23:22.1743"):  # a line that is being written
            file = io.BytesIO(FILE + more)

            def read(offset: int, size: int, file: io.BytesIO = file) -> bytes:
                file.seek(offset)
                return file.read(size)

            assert FILE[tail_offset(read, len(FILE + more), count) :] == rest, block


# --- followed files --------------------------------------------------------------------------------------------------


def read_all(stream: LogFileStream) -> bytes:
    """To its end."""
    data = b""
    while part := stream.read():
        data += part
    return data


def test_a_file_is_followed_to_its_end(tmp_path: Path) -> None:
    """Several readers of one file, each from its place; the end of the run is the end of all."""
    log, notifier = LogFile(tmp_path / "log"), Notifier()
    log.path.write_bytes(ONE)
    notifier.start()
    everything = LogFileStream(log, LogOptions(follow=True), notifier)
    newest = LogFileStream(log, LogOptions(follow=True, tail=0), notifier)
    snapshot = LogFileStream(log, LogOptions(), notifier)
    results = [in_thread(lambda stream=stream: read_all(stream)) for stream in (everything, newest)]

    with log.path.open("ab") as file:
        for part in (TWO, PARTS):
            file.write(part)
            file.flush()
    log.end()

    assert [result() for result in results] == [shown("one", "two", "long er!"), shown("two", "long er!")]
    assert read_all(snapshot) == shown("one")
    notifier.stop(5.0)


def test_a_line_is_seen_when_it_is_written(tmp_path: Path) -> None:
    """Not only at the end."""
    log, notifier = LogFile(tmp_path / "log"), Notifier()
    log.path.touch()
    notifier.start()
    stream = LogFileStream(log, LogOptions(follow=True), notifier)
    first = in_thread(stream.read)

    log.path.write_bytes(ONE)

    assert first() == shown("one")
    stream.close()
    assert stream.read() == b""
    notifier.stop(5.0)


def test_a_limit_cuts(tmp_path: Path) -> None:
    """At a byte; a log that was never written is empty."""
    log, notifier = LogFile(tmp_path / "log"), Notifier()
    log.path.write_bytes(FILE)

    assert read_all(LogFileStream(log, LogOptions(limit_bytes=40), notifier)) == shown("one", "two")[:40]
    assert read_all(LogFileStream(LogFile(tmp_path / "none"), LogOptions(), notifier)) == b""
    notifier.stop(1.0)
