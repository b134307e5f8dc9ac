"""What the use cases of archives share: a path as it was asked for, and an archive that is sent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

from kubedock.domain.files import FilePath, FileStat
from kubedock.streams import tar

LATEST = 253_402_300_799
"""The last second that JSON's times can tell."""
NOT_A_DIRECTORY = "extraction point is not a directory"


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a container, as a request names both: ``ref`` and ``asked`` are the client's own words."""

    container_id: str
    ref: str
    asked: str
    path: FilePath


class Archive:
    """An archive that is sent: what it is of, and its chunks. Close it, also where it was not iterated."""

    def __init__(self, stat: FileStat, chunks: Iterator[bytes], end: Callable[[], None] | None = None) -> None:
        """``end`` is called when nobody wants more of it."""
        self.stat = stat
        self._chunks, self._end = chunks, end

    def begin(self) -> None:
        """Have the first chunk: what goes wrong before that can be told by a status."""
        first = next(self._chunks, b"")
        self._chunks = chain((first,), self._chunks)

    def __iter__(self) -> Iterator[bytes]:
        """Once."""
        return self._chunks

    def close(self) -> None:
        """Nobody wants more of it."""
        if self._end is not None:
            self._end()


def stat_of(entry: tar.Entry, name: str, target: str = "") -> FileStat:
    """What an archive's header tells of a file. A directory's size it does not tell; a link's is that of its text, as for lstat."""
    mtime = min(max(entry.mtime, 0), LATEST)
    size = len(entry.link.encode("utf-8", "surrogateescape")) if entry.kind == tar.SYMLINK else entry.size
    return FileStat(name, size, entry.st_mode, datetime.fromtimestamp(mtime, UTC), target)
