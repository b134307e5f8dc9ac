"""Tar archives as streams: chunks of bytes in, entries and their data out, and back. No I/O, no archive held.

Every usual format is read (v7, ustar, pax, GNU); GNU's is written, because busybox' tar knows little of pax: a name that
stands in a pax header alone would be cut off.
"""

import posixpath
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kubedock.errors import InvalidParameter, NotImplemented

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""What an archive ends with."""
PIECE = 256 * 1024
LONGEST_EXTENSION = 1 << 20
"""Bytes of one extended header (a long name, pax records): what is longer is no archive of anybody's files."""

LONGEST_NAME = 16 * 1024
"""Characters: no system has longer paths."""
LONGEST_NUMBER = 15
"""Digits of a number in a pax record, which all of GNU's fields can hold."""

INVALID = "archive/tar: invalid tar header"
TRUNCATED = "unexpected EOF"
TOO_LONG = "file name too long"

FILE, DIRECTORY, LINK, SYMLINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE
_MODES: Mapping[bytes, int] = {
    FILE: stat.S_IFREG,
    LINK: stat.S_IFREG,
    DIRECTORY: stat.S_IFDIR,
    SYMLINK: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
_ZERO = bytes(BLOCK)


@dataclass(frozen=True, slots=True)
class Entry:
    """One header: ``kind`` is tar's type flag, ``mode`` the permission bits, ``mtime`` seconds, ``link`` a link's target.

    A directory's name has no slash at its end. ``size`` bytes of data follow.
    """

    name: str
    kind: bytes = FILE
    size: int = 0
    mode: int = 0o644
    mtime: int = 0
    uid: int = 0
    gid: int = 0
    link: str = ""
    device: tuple[int, int] = (0, 0)

    @property
    def st_mode(self) -> int:
        """The permissions with the bits of the kind."""
        return _MODES[self.kind] | self.mode


Part = Entry | bytes
"""An entry, or a piece of the data of the entry before it."""


# --- reading ---------------------------------------------------------------------------------------------------------


def read(chunks: Iterable[bytes], *, marked: bool = False) -> Iterator[Part]:
    """The entries of an archive, each followed by its data in pieces. InvalidParameter for what is no archive.

    It may end without its end marker unless it must be ``marked``. What comes behind that is not looked at.
    """
    source = _Source(chunks)
    everywhere: dict[str, str] = {}
    special: dict[str, str] = {}
    while (block := source.header()) != b"":
        if block == _ZERO:
            return
        info = _parsed(block)
        if info.type in _PAX:
            found = _records(source.extension(info.size))
            (everywhere if info.type == tarfile.XGLTYPE else special).update(found)
        elif info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            key = "path" if info.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
            special[key] = _text(source.extension(info.size).partition(b"\0")[0])
        else:
            entry = _entry(info, {**everywhere, **special})
            special = {}
            yield entry
            yield from source.data(entry.size)
    if marked or special:
        raise InvalidParameter(TRUNCATED)


def _parsed(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise InvalidParameter(INVALID) from error


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _records(data: bytes) -> dict[str, str]:
    """The records of a pax header: ``<length> <key>=<value>\\n``, the length counting all of it."""
    found, at = {}, 0
    while at < len(data) and data[at]:
        length, _, _ = data[at : at + 20].partition(b" ")
        end = at + int(length) if length.isdigit() else 0
        key, equals, value = data[at + len(length) + 1 : end - 1].partition(b"=")
        if not equals or end > len(data) or data[end - 1 : end] != b"\n":
            raise InvalidParameter(INVALID)
        found[_text(key)] = _text(value)
        at = end
    return found


def _entry(info: tarfile.TarInfo, special: Mapping[str, str]) -> Entry:
    """An entry out of its header and what the extended headers before it say."""
    if info.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse.") for key in special):
        raise NotImplemented("sparse files in an archive are not supported: make it without tar's option --sparse")
    kind = FILE if info.type in _FILES else info.type
    if kind not in _MODES:
        raise InvalidParameter(f"unhandled tar header type {kind[0]}")
    size = _number(special, "size", info.size) if kind == FILE else 0
    if size < 0:
        raise InvalidParameter(INVALID)
    name, link = special.get("path", info.name), special.get("linkpath", info.linkname)
    if max(len(name), len(link)) > LONGEST_NAME:
        raise InvalidParameter(TOO_LONG)
    return Entry(
        name=name.rstrip("/") if kind == DIRECTORY else name,
        kind=kind,
        size=size,
        mode=info.mode & 0o7777,
        mtime=_number(special, "mtime", int(info.mtime)),
        uid=_number(special, "uid", info.uid),
        gid=_number(special, "gid", info.gid),
        link=link if kind in (LINK, SYMLINK) else "",
        device=(info.devmajor, info.devminor) if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE) else (0, 0),
    )


def _number(special: Mapping[str, str], key: str, default: int) -> int:
    """A number of a pax record; of a time with a fraction the whole seconds."""
    if key not in special:
        return default
    whole = special[key].partition(".")[0]
    if not whole.isascii() or not whole.removeprefix("-").isdigit() or len(whole) > LONGEST_NUMBER:
        raise InvalidParameter(INVALID)
    return int(whole)


class _Source:
    """Chunks, read by number of bytes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held, self._at = b"", 0

    def header(self) -> bytes:
        """The next block, ``b""`` at the end."""
        block = self._up_to(BLOCK)
        return block and block + self._exactly(BLOCK - len(block))

    def extension(self, size: int) -> bytes:
        """The data of an extended header."""
        if not 0 <= size <= LONGEST_EXTENSION:
            raise InvalidParameter(INVALID)
        return self._exactly(size + padding(size))[:size]

    def data(self, size: int) -> Iterator[bytes]:
        """A file's data, in pieces as they come."""
        left = size
        while left:
            piece = self._up_to(min(left, PIECE))
            if not piece:
                raise InvalidParameter(TRUNCATED)
            left -= len(piece)
            yield piece
        self._exactly(padding(size))

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._up_to(size)
            if not part:
                raise InvalidParameter(TRUNCATED)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _up_to(self, size: int) -> bytes:
        """Some bytes, ``b""`` at the end alone."""
        while self._at == len(self._held):
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._held, self._at = chunk, 0
        taken = self._held[self._at : self._at + size]
        self._at += len(taken)
        return taken


# --- writing ---------------------------------------------------------------------------------------------------------


def write(parts: Iterable[Part]) -> Iterator[bytes]:
    """An archive's bytes, without its end marker: that is for who knows that it is complete."""
    size = 0
    for part in parts:
        if isinstance(part, Entry):
            yield bytes(padding(size)) + header(part)
            size = part.size
        else:
            yield part
    yield bytes(padding(size))


def header(entry: Entry) -> bytes:
    """An entry's header in GNU's format, without names of owners: numbers alone mean the same everywhere."""
    info = tarfile.TarInfo(entry.name)
    info.type, info.size, info.mode, info.mtime = entry.kind, entry.size, entry.mode, entry.mtime
    info.uid, info.gid, info.linkname = entry.uid, entry.gid, entry.link
    info.devmajor, info.devminor = entry.device
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padding(size: int) -> int:
    """How many bytes follow data of this size up to the end of its block."""
    return -size % BLOCK


def gathered(chunks: Iterable[bytes], size: int = PIECE // 4) -> Iterator[bytes]:
    """The same bytes in pieces of at least this size, but for the last one."""
    held, length = [], 0
    for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if length:
        yield b"".join(held)


# --- names -----------------------------------------------------------------------------------------------------------


def to_extract(parts: Iterable[Part], into: str) -> Iterator[Part]:
    """Entries with names below ``into``, with or without ``/`` or ``./`` before them; what is outside is refused.

    An entry for ``into`` itself is left out: it is there.
    """
    for part in parts:
        if not isinstance(part, Entry):
            yield part
        elif (name := _below(part.name, into)) != ".":
            yield replace(part, name=name, link=_below(part.link, into) if part.kind == LINK else part.link)


def _below(name: str, into: str) -> str:
    cleaned = posixpath.normpath(name)
    if cleaned == ".." or cleaned.startswith("../"):
        raise InvalidParameter(f'"{name}" is outside of "{into}"')
    return cleaned.lstrip("/") or "."


def renamed(parts: Iterable[Part], member: str, name: str) -> Iterator[Part]:
    """Entries of an archive of ``member`` (``b`` or ``.``) as those of ``name`` (``b``, ``.`` or ``/``)."""

    def new(old: str) -> str:
        rest = old.removeprefix(member).lstrip("/")
        return f"{name.rstrip('/')}/{rest}" if rest else name

    for part in parts:
        if isinstance(part, Entry):
            yield replace(part, name=new(part.name), link=new(part.link) if part.kind == LINK else part.link)
        else:
            yield part
