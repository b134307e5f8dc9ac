"""The lines of a container's log file, and what the API shows of them (sans-IO).

The file is the runtime's: ``2026-11-24T22:23:22.174327038+00:00 stdout F text``; the lines of the API are
``2026-11-24T22:23:22.174327038Z text``. A line that came in parts (``P``) is one line again, with the time of its first.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from kubedock.streams.logs import parse_stamp, stamp

BLOCK = 64 * 1024
NANOS = 1_000_000_000

ReadAt = Callable[[int, int], bytes]
"""``(offset, size)`` -> bytes of the file."""


class Entry(NamedTuple):
    """A line of the file. ``text`` has no end of line, ``whole``: the line of output ends here."""

    nanos: int
    stream: str
    whole: bool
    text: bytes


def parsed(line: bytes) -> Entry | None:
    """A line of the file without its end; None for what is none."""
    head = parse_stamp(line[:40])
    if head is None:
        return None
    nanos, start = head
    stream, _, rest = line[start:].partition(b" ")
    flag, _, text = rest.partition(b" ")
    return Entry(nanos, stream.decode("ascii", "replace"), flag != b"P", text)


class Rendering:
    """Bytes of the file in any pieces -> bytes for the API."""

    def __init__(self, *, since: datetime | None = None, stream: str = "") -> None:
        """Lines before ``since`` (whole seconds count) are left out, and those of other streams ("Stdout", "Stderr")."""
        self._since = None if since is None else int(since.timestamp()) * NANOS
        self._stream = stream.lower() if stream in ("Stdout", "Stderr") else ""
        self._rest = b""
        self._inside = ""  # the stream whose line is not whole yet
        self._wanted = True

    def feed(self, data: bytes) -> bytes:
        """What is to be sent for some more of the file."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join(self._line(line) for line in lines)

    def _line(self, line: bytes) -> bytes:
        entry = parsed(line)
        if entry is None or (self._stream and entry.stream != self._stream):
            return b""
        head = b""
        if self._inside != entry.stream:
            # Another stream's line came between the parts of this one.
            head = b"\n" if self._inside and self._wanted else b""
            self._wanted = self._since is None or entry.nanos >= self._since
            head += stamp(entry.nanos) + b" " if self._wanted else b""
        self._inside = "" if entry.whole else entry.stream
        return head + entry.text + (b"\n" if entry.whole else b"") if self._wanted else b""


def tail_offset(read: ReadAt, size: int, count: int) -> int:
    """Where the last ``count`` lines of output begin, parts and all; ``size`` is the file's."""
    ends: list[int] = []  # behind each of the file's lines that end one of output, the newest first
    for at, line in _backwards(read, size):
        entry = parsed(line)
        if entry is not None and entry.whole:
            ends.append(at + len(line) + 1)
            if len(ends) > count:
                return ends[count]
    return 0


def _backwards(read: ReadAt, size: int) -> Iterator[tuple[int, bytes]]:
    """The whole lines of a file from the last to the first, with their offsets."""
    end, rest = size, b""
    ended = False  # what lies behind the last end of line is still being written
    while end > 0:
        start = max(0, end - BLOCK)
        block = read(start, end - start) + rest
        pieces = block.split(b"\n")
        at = start + len(block)
        for piece in reversed(pieces[1:]):
            at -= len(piece)
            if ended:
                yield at, piece
            ended = True
            at -= 1
        rest, end = pieces[0], start
    if ended:
        yield 0, rest
