"""Paths, users and groups inside a container's root file system, seen from outside. Links are followed as inside."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kubedock.errors import InvalidParameter

LINKS = 40
LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class User:
    """Who a process is, by numbers. ``home`` is "" where the container does not say."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = ""


def inside(root: Path, path: str) -> Path:
    """Where a path of the container lies outside. It need not exist, and never leaves the root."""
    ahead = list(reversed(PurePosixPath("/", path).parts[1:]))
    found: list[str] = []
    links = 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            del found[-1:]
            continue
        here = root.joinpath(*found, part)
        if here.is_symlink() and links < LINKS:
            links += 1
            target = PurePosixPath(os.readlink(here))
            if target.is_absolute():
                found.clear()
            ahead.extend(reversed([part for part in target.parts if part != "/"]))
        else:
            found.append(part)
    return root.joinpath(*found)


def _lines(root: Path, path: str, fields: int) -> Iterator[list[str]]:
    """The lines of a file of the container that have that many fields; none where there is no such file."""
    try:
        with open(inside(root, path), encoding="utf-8", errors="replace") as file:
            text = file.read(LARGEST)
    except OSError:
        return
    for line in text.splitlines():
        parts = line.strip().split(":")
        if len(parts) >= fields:
            yield parts


def user(root: Path, text: str) -> User:
    """``""``, ``name``, ``uid``, ``name:group`` … -> numbers; InvalidParameter, in moby's words, for unknown names."""
    name, colon, group = text.partition(":")
    entries = [entry for entry in _lines(root, "/etc/passwd", 4) if entry[2].isdigit() and entry[3].isdigit()]
    known = next((entry for entry in entries if entry[0] == name), None)
    if known is None:
        known = next((entry for entry in entries if entry[2] == (name or "0")), None)
    if known is None and name and not name.isdigit():
        raise InvalidParameter(f"unable to find user {name}: no matching entries in passwd file")
    uid = int(known[2]) if known else int(name or 0)
    gid = int(known[3]) if known else 0
    groups: tuple[int, ...] = ()
    if colon and group:
        gid = _group(root, group)
    elif known is not None:
        members = (entry for entry in _lines(root, "/etc/group", 4) if entry[2].isdigit())
        groups = tuple(int(entry[2]) for entry in members if known[0] in entry[3].split(","))
    return User(uid, gid, groups, known[5] if known and len(known) > 5 else "")


def _group(root: Path, name: str) -> int:
    entries = [entry for entry in _lines(root, "/etc/group", 3) if entry[2].isdigit()]
    known = next((entry for entry in entries if entry[0] == name), None)
    if known is not None:
        return int(known[2])
    if name.isdigit():
        return int(name)
    raise InvalidParameter(f"unable to find group {name}: no matching entries in group file")
