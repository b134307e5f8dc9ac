"""Files for a container that does not run: taken out of archives, told of, and given back. No cluster is asked."""

import logging
import posixpath
import stat
from collections.abc import Iterable, Iterator
from itertools import chain

from kubedock.domain.container import ContainerRecord
from kubedock.domain.files import Extraction, FileStat, ancestors
from kubedock.domain.kept import MOST_BYTES, MOST_FILES, PARENTS, Kept, KeptDirectory, KeptFile, directories_of, is_read_only
from kubedock.engine.places import NOT_A_DIRECTORY, Archive, Place, stat_of
from kubedock.errors import FileNotFound, Forbidden, InvalidParameter, NotImplemented
from kubedock.streams import compression, tar

logger = logging.getLogger(__name__)

BEFORE = "it has not run yet: of its files only those that were put into it are known"
AFTER = "it has ended, and its file system went with its pod: of its files only those that were put into it are known"
INSTEAD = "start the container first, or put it into the image"
READ_ONLY = {"volume": "mounted volume is marked read-only", "root": "container rootfs is marked read-only"}
TOO_MANY = f"at most {MOST_FILES} files can be put into a container that does not run: {INSTEAD}"
MOST_ENTRIES = 2 * MOST_FILES
"""Of one archive, directories included."""
KINDS = {tar.SYMLINK: "a symbolic link", tar.LINK: "a hard link"}


def check_writable(record: ContainerRecord, path: str) -> None:
    """Forbidden for what Docker does not let be written to, whatever the container's user may do."""
    why = is_read_only(record.spec, path)
    if why:
        raise Forbidden(READ_ONLY[why])


def entries(chunks: Iterable[bytes], place: Place) -> Iterator[tuple[tar.Entry, bytes]]:
    """The entries of an archive, plain or compressed, with all their data. NotImplemented where that is too much."""
    entry, data, size, count = None, bytearray(), 0, 0
    for part in tar.to_extract(tar.read(compression.plain(chunks)), place.path.path):
        if isinstance(part, bytes):
            data += part
            continue
        if entry is not None:
            yield entry, bytes(data)
        size, count = size + part.size, count + 1
        if size > MOST_BYTES:
            raise _too_large(posixpath.join(place.path.path, part.name))
        if count > MOST_ENTRIES:
            raise NotImplemented(TOO_MANY)
        entry, data = part, bytearray()
    if entry is not None:
        yield entry, bytes(data)


def keep(record: ContainerRecord, kept: Kept, place: Place, wanted: Extraction, archive: Iterable[tuple[tar.Entry, bytes]]) -> Kept:
    """What is kept once an archive was put into a directory. NotImplemented for what cannot be kept."""
    if kept.kind(place.path.path) == "file":
        raise InvalidParameter(NOT_A_DIRECTORY)
    keeper = _Keeper(record, kept, place.path.path, wanted)
    for entry, data in archive:
        keeper.put(entry, data)
    return keeper.result()


def look(record: ContainerRecord, kept: Kept, place: Place) -> FileStat:
    """What is told of a path: of what was put, and of directories that are certainly there."""
    path, name = place.path.path, place.path.name
    file = kept.files.get(path)
    if file is not None and place.path.directory:
        raise InvalidParameter(f"{path} is not a directory")
    if file is not None:
        return stat_of(_file(name, file), name)
    if kept.kind(path) or place.path.directory or path in directories_of(record.spec):
        usual = KeptDirectory(mtime=int(record.created_at.timestamp()))
        return stat_of(_directory(name, kept.directories.get(path, usual)), name)
    raise _unknown(record, place)


def give(record: ContainerRecord, kept: Kept, place: Place) -> Archive:
    """An archive of what was put at a path; not of a directory of the image, of which that would be a part only."""
    path, name = place.path.path, place.path.name
    told = look(record, kept, place)
    if path in kept.files:
        return Archive(told, chain(tar.write(_parts(name, kept.files[path])), (tar.END,)))
    if path not in kept.directories:
        raise _unknown(record, place)
    inside: dict[str, KeptFile | KeptDirectory] = {below: kept.files[below] for below in kept.below(path)}
    inside |= {below: found for below, found in kept.directories.items() if below.startswith(f"{path}/")}
    parts = chain(
        (_directory(name, kept.directories[path]),),
        *(_parts(f"{name}/{posixpath.relpath(below, path)}", inside[below]) for below in sorted(inside)),
    )
    return Archive(told, chain(tar.gathered(tar.write(parts)), (tar.END,)))


def _unknown(record: ContainerRecord, place: Place) -> FileNotFound:
    return FileNotFound(place.asked, place.ref, AFTER if record.run else BEFORE)


def _parts(name: str, kept: KeptFile | KeptDirectory) -> Iterator[tar.Part]:
    if isinstance(kept, KeptFile):
        yield _file(name, kept)
        yield kept.data
    else:
        yield _directory(name, kept)


def _file(name: str, file: KeptFile) -> tar.Entry:
    return tar.Entry(name, size=len(file.data), mode=file.mode, mtime=file.mtime)


def _directory(name: str, directory: KeptDirectory) -> tar.Entry:
    return tar.Entry(name, tar.DIRECTORY, mode=directory.mode, mtime=directory.mtime)


def _too_large(name: str) -> NotImplemented:
    return NotImplemented(
        f"files of at most {MOST_BYTES >> 10} KiB together can be put into a container that does not run,"
        f" and with {name} they are more: {INSTEAD}"
    )


class _Keeper:
    """One archive's entries, taken over in their order."""

    def __init__(self, record: ContainerRecord, kept: Kept, into: str, wanted: Extraction) -> None:
        self._record, self._into, self._wanted = record, into, wanted
        self._files, self._directories = dict(kept.files), dict(kept.directories)
        self._known = directories_of(record.spec)
        self._size = kept.size
        self._put: list[tar.Entry] = []

    def put(self, entry: tar.Entry, data: bytes) -> None:
        """One more."""
        path = posixpath.join(self._into, entry.name)
        self._check(entry, path)
        self._put.append(entry)
        if entry.kind == tar.DIRECTORY:
            if path in self._files:
                self._refuse_to_replace("non-directory", path, "directory")
                self._drop(path)
            if path not in self._known:
                self._directories[path] = KeptDirectory(entry.mode, entry.mtime)
            return
        if self._result().kind(path) == "directory" or path in self._known:
            self._refuse_to_replace("directory", path, "non-directory")
            self._clear(path)
        self._drop(path)
        self._files[path] = KeptFile(data, entry.mode, entry.mtime)
        self._size += len(data)
        if self._size > MOST_BYTES:
            raise _too_large(path)
        if len(self._files) > MOST_FILES:
            raise NotImplemented(TOO_MANY)

    def result(self) -> Kept:
        """All that is kept now. NotImplemented for a directory of this archive that nothing would make."""
        result = self._result()
        for entry in self._put:
            path = posixpath.join(self._into, entry.name)
            if entry.kind == tar.DIRECTORY and path not in self._known and not result.below(path):
                raise NotImplemented(
                    f"the directory {path} is empty: only files can be put into a container that does not run; {INSTEAD}"
                )
        self._warn()
        return result

    def _result(self) -> Kept:
        return Kept(self._files, self._directories)

    def _check(self, entry: tar.Entry, path: str) -> None:
        """What can be kept at all, and can be there."""
        if entry.kind not in (tar.FILE, tar.DIRECTORY):
            kind = KINDS.get(entry.kind, "a device or a pipe")
            raise NotImplemented(f"{path} is {kind}: only files can be put into a container that does not run; {INSTEAD}")
        if entry.kind == tar.FILE and entry.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
            raise NotImplemented(f"{path} changes its user or group when it is run, which is not kept: {INSTEAD}")
        if any("\ud800" <= letter <= "\udfff" for letter in path):
            raise NotImplemented(f"the name {path!a} is no UTF-8: {INSTEAD}")
        blocked = next((above for above in ancestors(path) if above in self._files), None)
        if blocked is not None:
            raise InvalidParameter(f"{blocked} is not a directory")
        if is_read_only(self._record.spec, path) == "volume":
            raise Forbidden(READ_ONLY["volume"])

    def _refuse_to_replace(self, old: str, path: str, new: str) -> None:
        if self._wanted.keep:
            raise InvalidParameter(f'cannot overwrite {old} "{path}" with {new} "{self._into}"')
        if path in self._known:
            raise NotImplemented(f"{path} is a directory of the image, which cannot be replaced before the container runs")

    def _clear(self, path: str) -> None:
        """A directory that was put goes, with all that is in it."""
        for below in self._result().below(path):
            self._drop(below)
        for below in [each for each in self._directories if each == path or each.startswith(f"{path}/")]:
            del self._directories[below]

    def _drop(self, path: str) -> None:
        file = self._files.pop(path, None)
        self._size -= len(file.data) if file is not None else 0

    def _warn(self) -> None:
        """Say once for an archive what of it is not kept."""
        owners = sorted({f"{entry.uid}:{entry.gid}" for entry in self._put} - {"0:0"})
        modes = any(entry.kind == tar.DIRECTORY and entry.mode != PARENTS for entry in self._put)
        lost = [f"owners ({', '.join(owners[:3])})"] if owners else []
        lost += ["times"] if any(entry.mtime for entry in self._put) else []
        lost += ["modes of directories"] if modes else []
        if lost:
            what = "of the files that were put into it before its start"
            logger.warning("container %s: %s, %s are not kept", self._record.short_id, what, " and ".join(lost))
