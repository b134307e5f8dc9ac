"""Timestamped logs: lines, marks, and going on after a break."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.background.logfeed import lines_after
from kubedock.streams.logs import MAX_PIECE, START, Line, LogReader, Mark, parse_stamp, stamp

SECOND = 1_000_000_000


def _log(entries: list[tuple[int, bytes]]) -> bytes:
    return b"".join(stamp(ns) + b" " + text + b"\n" for ns, text in entries)


def _read(data: bytes, mark: Mark = START) -> tuple[list[Line], Mark]:
    reader = LogReader(mark)
    lines = [*reader.feed(data), *reader.end()]
    return lines, reader.mark


def _from_the_server(entries: list[tuple[int, bytes]], mark: Mark) -> bytes:
    """What the API server gives for sinceTime: whole seconds, line by line."""
    return _log([entry for entry in entries if mark.second is None or entry[0] >= mark.second * SECOND])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1970-01-01T00:00:01.000000002Z x", (SECOND + 2, 31)),
        (b"1970-01-01T00:00:01Z x", (SECOND, 21)),
        (b"1970-01-01T01:00:01.5+01:00 x", (SECOND + 500_000_000, 28)),
        (b"failed to watch file", None),
        (b"", None),
        (b"1970-13-41T00:00:01.000000002Z x", None),
    ],
)
def test_the_time_at_the_head_of_a_line(text: bytes, expected: tuple[int, int] | None) -> None:
    """Nanoseconds since 1970, in any zone, and how long the head is; None for the kubelet's own remarks."""
    assert parse_stamp(text) == expected


def test_a_stamp_has_nine_digits() -> None:
    """As Docker prints it."""
    assert stamp(SECOND + 2) == b"1970-01-01T00:00:01.000000002Z"


times = st.integers(0, 4).flatmap(lambda s: st.integers(0, 3).map(lambda n: (s * SECOND) + n))
entries = st.lists(st.tuples(times, st.binary(max_size=6).filter(lambda b: b"\n" not in b)), max_size=12)


@given(entries, st.lists(st.integers(1, 40), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_lines(log: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """Where the network cuts does not matter."""
    data = _log(log)
    reader, rest, found = LogReader(), data, []
    for cut in cuts:
        found += reader.feed(rest[:cut])
        rest = rest[cut:]
    found += [*reader.feed(rest), *reader.end()]

    assert found == [Line(ns, text + b"\n") for ns, text in log]


@given(entries, st.integers(0, 12), st.integers(0, 12))
def test_going_on_after_breaks_loses_and_repeats_nothing(log: list[tuple[int, bytes]], first: int, second: int) -> None:
    """Three streams, each from the mark of the one before, give each line once (times may repeat)."""
    log.sort(key=lambda entry: entry[0])
    mark, found = START, []
    for upto in (first, max(first, second), len(log)):
        lines, mark = _read(_from_the_server(log[:upto], mark), mark)
        found += lines

    assert found == [Line(ns, text + b"\n") for ns, text in log]


@given(entries, st.integers(0, 12))
def test_a_saved_text_goes_on_at_a_mark(log: list[tuple[int, bytes]], upto: int) -> None:
    """The archive has the whole text, so the mark's second is counted in it."""
    log.sort(key=lambda entry: entry[0])
    before, mark = _read(_log(log[:upto]))

    assert before + lines_after(_log(log), mark) == [Line(ns, text + b"\n") for ns, text in log]


def test_a_break_in_the_middle_of_a_long_line() -> None:
    """A long line comes in pieces, and the rest of it after a break."""
    whole = b"x" * (MAX_PIECE * 2)
    data = _log([(SECOND, b"a"), (SECOND, whole), (2 * SECOND, b"b")])
    reader = LogReader()
    lines = list(reader.feed(data[: MAX_PIECE + 200]))
    rest, mark = _read(data, reader.mark)

    assert [line.begins for line in lines] == [True, True]
    assert b"".join(line.data for line in lines + rest) == b"a\n" + whole + b"\nb\n"
    assert mark == Mark(1, ((1, 2), (2, 1)))


def test_a_last_line_without_a_newline() -> None:
    """It is a line all the same."""
    assert _read(stamp(SECOND) + b" end")[0] == [Line(SECOND, b"end")]


def test_a_mark_asks_for_whole_seconds() -> None:
    """The API knows no fractions."""
    assert (START.since, Mark(1).since) == (None, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))


@given(entries)
def test_noting_lines_moves_the_mark_as_reading_them_does(log: list[tuple[int, bytes]]) -> None:
    """A follower that gets its lines from a feed knows its place, too."""
    log.sort(key=lambda entry: entry[0])
    lines, mark = _read(_log(log))
    noting = LogReader()
    for line in lines:
        noting.note(line)

    assert noting.mark == mark
