"""Kubernetes' timestamped log as lines, and how to go on after a break without loss or repetition (sans-IO).

The API server resumes a log by time, in whole seconds, and filters line by line; so a place in a log is a second and
how many lines at or after it were already given (``Mark``). The order of a log file never changes, hence this is
exact even where lines share a timestamp or two streams of a container come slightly out of order: the mark lies a
second before the newest line.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

STAMP = 30  # 2006-01-02T15:04:05.000000000Z
MAX_PIECE = 64 * 1024
_BILLION = 1_000_000_000


class Line(NamedTuple):
    """A line, or a piece of a very long one. ``ns`` is its time in nanoseconds since 1970, ``data`` has its newline.

    ``begins`` is False for a later piece of a line.
    """

    ns: int
    data: bytes
    begins: bool = True


class Mark(NamedTuple):
    """A place in a log: read from ``second`` (None: its start) and leave out the lines of ``counts`` and ``offset`` bytes.

    ``counts`` tells, by second, how many lines at or after ``second`` were given.
    """

    second: int | None = None
    counts: tuple[tuple[int, int], ...] = ()
    offset: int = 0

    @property
    def since(self) -> datetime | None:
        """What to ask the API server for."""
        return None if self.second is None else datetime.fromtimestamp(self.second, UTC)

    @property
    def skip(self) -> int:
        """How many lines to leave out."""
        return sum(count for _, count in self.counts)


START = Mark()


def parse_stamp(stamp: bytes) -> tuple[int, int] | None:
    """The time at the head of a log line in nanoseconds, and the stamp's length with its space; None if there is none."""
    end = stamp.find(b" ", 19, 40)
    if end < 0:
        return None
    text = stamp[:end].decode("ascii", "replace")
    try:
        whole = datetime.fromisoformat(text[:19] + ("+00:00" if text.endswith("Z") else text[-6:]))
        fraction = text[20 : -1 if text.endswith("Z") else -6] if text[19] == "." else ""
        return int(whole.timestamp()) * _BILLION + int((fraction + "000000000")[:9]), end + 1
    except (ValueError, IndexError):
        return None


def stamp(ns: int) -> bytes:
    """Docker's timestamp of a line: UTC with nine digits."""
    seconds, rest = divmod(ns, _BILLION)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z".encode()


def last_lines(lines: Sequence[Line], count: int) -> list[Line]:
    """The last ``count`` lines, which may be in pieces."""
    at = len(lines)
    while at > 0 and count > 0:
        at -= 1
        count -= lines[at].begins
    return list(lines[at:])


class After:
    """Of lines from a mark's second on (or from earlier on), in their order, the ones after the mark."""

    def __init__(self, mark: Mark = START, *, inside: bool = False) -> None:
        """``inside``: the first piece to come goes on with the line that the mark lies in, ``offset`` bytes before it."""
        self._floor = (mark.second or 0) * _BILLION
        self._skip, self._offset, self._inside = mark.skip, mark.offset, inside

    @property
    def lacking(self) -> int:
        """How many of the lines before the mark have not come yet."""
        return self._skip

    def __call__(self, lines: Iterable[Line]) -> list[Line]:
        """Those of these lines that come after the mark."""
        return [line for line in map(self.one, lines) if line is not None]

    def one(self, line: Line) -> Line | None:
        """The line, what is left of it, or None."""
        if line.ns < self._floor:
            return None
        if line.begins:
            self._inside = not self._skip
            self._skip -= self._skip > 0
        if not self._inside:
            return None
        if not self._offset:
            return line
        cut = min(self._offset, len(line.data))
        self._offset -= cut
        return Line(line.ns, line.data[cut:], begins=False) if cut < len(line.data) else None


class LogReader:
    """Bytes of a timestamped log in, lines out; knows the mark after them.

    Lines without a timestamp are the kubelet's own remarks and are left out. Buffers at most one piece.
    """

    def __init__(self, mark: Mark = START) -> None:
        """Read a stream that was asked for with ``mark.since``, leaving out what lies before the mark."""
        self._after = After(mark)
        self._floor = mark.second
        self._counts = dict(mark.counts)
        self._buffer = bytearray()
        self._ns: int | None = None  # of the line that is being read
        self._given = mark.offset  # bytes given of the line that has begun, 0 when none has

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines (or pieces) that these bytes complete."""
        self._buffer += data
        while (newline := self._buffer.find(b"\n")) >= 0:
            yield from self._take(newline + 1)
        if len(self._buffer) > MAX_PIECE:
            yield from self._take(len(self._buffer))

    def end(self) -> Iterator[Line]:
        """What is left at the end of the stream: a last line without a newline."""
        if self._buffer:
            yield from self._take(len(self._buffer))

    def note(self, line: Line) -> None:
        """A line that came another way was given: the mark moves on."""
        if line.data.endswith(b"\n"):
            self._given = 0
            self._count(line.ns // _BILLION)
        else:
            self._given += len(line.data)

    @property
    def mark(self) -> Mark:
        """The place after the last line given."""
        if not self._counts:
            return Mark(self._floor, (), self._given)
        floor = max(self._counts) - 1 if self._floor is None else max(self._floor, max(self._counts) - 1)
        return Mark(floor, tuple(sorted((second, n) for second, n in self._counts.items() if second >= floor)), self._given)

    def _take(self, size: int) -> Iterator[Line]:
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        ends, begins = piece.endswith(b"\n"), self._ns is None
        if self._ns is None:
            parsed = parse_stamp(piece)
            if parsed is None:
                return
            self._ns, length = parsed
            piece = piece[length:]
        line = self._after.one(Line(self._ns, piece, begins)) if piece else None
        if ends:
            self._ns = None
        if line is not None:
            self.note(line)
            yield line

    def _count(self, second: int) -> None:
        newest = max(self._counts, default=second)
        self._counts[second] = self._counts.get(second, 0) + 1
        if second > newest:
            self._counts = {key: n for key, n in self._counts.items() if key >= second - 1}
