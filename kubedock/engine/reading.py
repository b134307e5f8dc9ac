"""Archives out of a running container: its own tar's, entry by entry, so that a part is never taken for the whole."""

import itertools
import posixpath
from collections.abc import Generator, Iterator
from datetime import datetime

from kubedock.domain.filetools import ended, failure, member, only_changed, reading
from kubedock.engine.core import Core
from kubedock.engine.places import Archive, Place, stat_of
from kubedock.engine.programs import SAID, ImageProgram, connect, ending
from kubedock.errors import InvalidParameter, KubedockError
from kubedock.streams import tar
from kubedock.streams.cancel import Cancel

LINK_TARGET = ("readlink", "-f", "--")


def read_archive(core: Core, place: Place, cancel: Cancel) -> Archive:
    """Begin to archive a path of a running container: the archive's first header tells what it is."""
    path = place.path
    reader = Reader(connect(core, place, reading(path)), cancel)
    try:
        parts = tar.read(_output(reader, place), marked=True)
        entry = root(core.now()) if path.path == "/" else next(parts, None)
        if not isinstance(entry, tar.Entry):
            _await_end(reader, place)
            raise InvalidParameter(f"{path.path} is nothing that an archive can hold")
        target = _target(core, place, entry.link, cancel) if entry.kind == tar.SYMLINK else ""
        whole = tar.renamed(itertools.chain((entry,), parts), member(path), path.name)
        chunks = _finished(reader, place, tar.write(whole))
        return Archive(stat_of(entry, path.name, target), tar.gathered(chunks), reader.close)
    except BaseException:
        reader.close()
        raise


def root(now: datetime) -> tar.Entry:
    """The root directory: every container has it, and its archive leaves it out."""
    return tar.Entry(".", tar.DIRECTORY, mode=0o755, mtime=int(now.timestamp()))


def _target(core: Core, place: Place, link: str, cancel: Cancel) -> str:
    """Where a symbolic link leads to in the end; its own word for it where nothing is there."""
    path = place.path
    with ImageProgram(connect(core, place, (*LINK_TARGET, path.path), stdin=False), cancel) as program:
        found = program.line()
        if program.wait().code == 0 and found:
            return found.decode("utf-8", "replace")
    return posixpath.normpath(posixpath.join(path.parent, link))


class Reader(ImageProgram):
    """The script READ. It waits until it is let go, so that its output is not cut off: its tar has ended before."""

    @property
    def over(self) -> bool:
        """Nothing more comes: also where tar has failed, what is still under way is of no use then."""
        return super().over or self.failed is not None

    @property
    def code(self) -> int | None:
        """Its tar's exit code, None until that has ended."""
        return ended(self.said)

    @property
    def failed(self) -> KubedockError | None:
        """Why the archive is not whole, as far as tar knows by now."""
        code, said = self.code, self.said
        return failure(code, said) if code and not (only_changed(said) and len(said) < SAID) else None


def _output(reader: Reader, place: Place) -> Iterator[bytes]:
    """The archive as it comes. It ends with its end marker, and by itself only where something went wrong."""
    while data := reader.read():
        yield data
    raise reader.failed or ending(reader, place)


def _await_end(reader: Reader, place: Place) -> None:
    """Until tar has ended. Raises what went wrong."""
    while reader.code is None and not reader.over:
        reader.hear()
    if reader.failed is not None or reader.code is None:
        raise reader.failed or ending(reader, place)


def _finished(reader: Reader, place: Place, chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The archive's chunks, and its end marker where tar has ended well."""
    yield from chunks
    _await_end(reader, place)
    yield tar.END
