"""A writable copy of an image's tree without mounts, and volumes that move into it."""

import contextlib
import os
import shutil
import stat
from pathlib import Path

PIECE = 64 << 20
"""Bytes that one call copies at most."""
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
EXECUTABLE = 0o111
FOR_ALL, SHARED = 0o666, 0o1777


Links = dict[tuple[int, int], Path]
"""Where the file with this device and inode is in a copy."""


def clone(source: Path, target: Path, links: Links | None = None) -> None:
    """Copy a tree with its owners, modes, times, attributes and the hard links within it. ``target`` does not exist.

    Nothing is shared with the source but, where the file system can, the blocks of what nobody has changed: a hard link
    would be quicker, but a program that writes in place, or changes a mode, would change the source.
    """
    links = {} if links is None else links
    told = source.lstat()
    target.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            below = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                clone(Path(entry.path), below, links)
            else:
                _clone_one(entry, below, links)
    _like(source, target, told)


def _clone_one(entry: os.DirEntry[str], target: Path, links: Links) -> None:
    told = entry.stat(follow_symlinks=False)
    kind = stat.S_IFMT(told.st_mode)
    if kind == stat.S_IFLNK:
        os.symlink(os.readlink(entry.path), target)
        os.chown(target, told.st_uid, told.st_gid, follow_symlinks=False)
        return
    if kind == stat.S_IFREG:
        first = links.setdefault((told.st_dev, told.st_ino), target) if told.st_nlink > 1 else target
        if first != target:
            os.link(first, target)
            return
        copy_data(entry.path, target)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO):
        os.mknod(target, told.st_mode, told.st_rdev)
    else:
        return
    _like(Path(entry.path), target, told)


def copy_data(source: str, target: Path) -> None:
    """Copy what is in a file. The kernel shares the blocks where the file system can (btrfs, XFS), and copies else."""
    with contextlib.suppress(OSError), open(source, "rb") as read, open(target, "xb") as written:
        while os.copy_file_range(read.fileno(), written.fileno(), PIECE):
            pass
        if os.fstat(written.fileno()).st_size == os.fstat(read.fileno()).st_size:
            return
    shutil.copyfile(source, target)  # from another file system, or with an old kernel


def _like(source: Path, target: Path, told: os.stat_result) -> None:
    """The owner before the mode: changing it takes set-user-id away."""
    os.chown(target, told.st_uid, told.st_gid)
    os.chmod(target, stat.S_IMODE(told.st_mode))
    with contextlib.suppress(OSError):
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(told.st_atime_ns, told.st_mtime_ns))


def copy(source: Path, target: Path) -> None:
    """Copy a file or a tree to a place that is made; what is there is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    clear(target)
    if source.is_dir():
        clone(source, target)
    else:
        shutil.copy2(source, target)


def clear(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def devices(root: Path) -> None:
    """The device nodes that programs rely on. The output's are FIFOs: links into /proc would lead nowhere."""
    folder = root / "dev"
    clear(folder)
    folder.mkdir()
    for name, (major, minor) in DEVICES.items():
        os.mknod(folder / name, stat.S_IFCHR | FOR_ALL, os.makedev(major, minor))
        (folder / name).chmod(FOR_ALL)
    for name in ("stdout", "stderr"):
        os.mkfifo(folder / name)
        (folder / name).chmod(FOR_ALL)
    (folder / "shm").mkdir()
    (folder / "shm").chmod(SHARED)


def move_in(volume: Path, target: Path) -> bool:
    """Move a volume to its place in a container; a link is left behind. False where it is in another one already."""
    if volume.is_symlink():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    clear(target)
    volume.rename(target)
    volume.symlink_to(target)
    return True


def move_back(volume: Path, target: Path) -> None:
    """Take it back where it came from."""
    if volume.is_symlink() and Path(os.readlink(volume)) == target and target.is_dir():
        volume.unlink()
        target.rename(volume)
