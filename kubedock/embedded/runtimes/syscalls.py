"""System calls that Python 3.11 has no name for: mounts, namespaces. Each raises OSError as ``os`` does."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
CLONE_FS = 0x200
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, path: str = "") -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own."""
    _checked(_libc.unshare(flags))


def setns(descriptor: int, kind: int) -> None:
    """Move the calling thread into a namespace."""
    _checked(_libc.setns(descriptor, kind))


def pivot_root_here() -> None:
    """Make the current folder, a mount point, the root of the mount namespace; the old root lies on top of it."""
    _checked(_libc.pivot_root(b".", b"."))


def mount(source: str, target: Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """See mount(2)."""
    _checked(
        _libc.mount(
            os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), os.fsencode(data) or None
        ),
        str(target),
    )


def bind(source: str | Path, target: Path) -> None:
    """Show a file or folder at another place, too."""
    mount(str(source), target, flags=MS_BIND)


def overlay(lower: Path, folder: Path, target: Path) -> None:
    """A writable tree over a read-only one; what is written lies in ``folder``, which is empty before."""
    upper, work = folder / "upper", folder / "work"
    for each in (upper, work, target):
        each.mkdir(exist_ok=True)
    os.chmod(upper, lower.stat().st_mode & 0o7777)
    paths = {"lowerdir": lower, "upperdir": upper, "workdir": work}
    mount("overlay", target, "overlay", data=",".join(f"{name}={_escaped(path)}" for name, path in paths.items()))


def _escaped(path: Path) -> str:
    return "".join(f"\\{char}" if char in "\\,:" else char for char in str(path))


def unmount(target: Path) -> None:
    """Take a mount away, at the latest when nobody uses it any more. Nothing happens where nothing is mounted."""
    try:
        _checked(_libc.umount2(os.fsencode(target), MNT_DETACH | UMOUNT_NOFOLLOW), str(target))
    except OSError as error:
        if error.errno not in (22, 2):  # EINVAL: no mount point, ENOENT: no such path
            raise


def mounted(below: Path) -> Iterator[Path]:
    """The mount points at or below a path, newest first."""
    prefix = os.fsencode(below)
    with open("/proc/self/mountinfo", "rb") as file:
        points = [line.split(b" ", 5)[4].decode("unicode_escape").encode("latin-1") for line in file]
    for point in reversed(points):
        if point == prefix or point.startswith(prefix + b"/"):
            yield Path(os.fsdecode(point))


def unmount_all(below: Path) -> None:
    """Take all mounts at or below a path away, also those that lie on top of each other."""
    for point in mounted(below):
        unmount(point)
