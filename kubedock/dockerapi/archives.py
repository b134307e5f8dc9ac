"""Archives in Docker's words: the header that tells of a file. Pure."""

import base64
import json
import stat

from kubedock.dockerapi import query
from kubedock.domain import units
from kubedock.domain.files import Extraction, FileStat
from kubedock.errors import InvalidParameter

STAT_HEADER = "X-Docker-Container-Path-Stat"
CONTENT_TYPE = "application/x-tar"

_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
}
_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


def path(args: query.Args) -> str:
    """The path that is asked for, as it was written."""
    asked = args.get("path", "")
    if not asked:
        raise InvalidParameter("bad parameter: path cannot be empty")
    if "\0" in asked:
        raise InvalidParameter(f"invalid path {asked!r}: it holds a zero byte")
    return asked


def extraction(args: query.Args) -> Extraction:
    """How to extract."""
    return Extraction(keep=query.boolean(args, "noOverwriteDirNonDir"), own=query.boolean(args, "copyUIDGID"))


def stat_header(told: FileStat) -> str:
    """The value of the header: base64 of JSON."""
    fields = {
        "name": told.name,
        "size": told.size,
        "mode": file_mode(told.mode),
        "mtime": units.rfc3339(told.mtime),
        "linkTarget": told.link_target,
    }
    return base64.b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode()


def file_mode(mode: int) -> int:
    """A mode of stat(2) as Go's FileMode: the permissions alone are the same bits."""
    found = stat.S_IMODE(mode) & 0o777 | _KINDS.get(stat.S_IFMT(mode), 0)
    for bit, go in _BITS.items():
        found |= go if mode & bit else 0
    return found
