"""The root of this process, where it was entered by chroot.

A process that joins a container's mount namespace (``runc exec``) starts at that namespace's root. runc can only make
the container's tree that root if this process' own root is one: in a chroot, commands would run outside of the container.
So a process in a chroot first takes a mount namespace of its own, with its root as the root of it.
"""

import os
import threading
from pathlib import Path

from kubedock.embedded.runtimes import syscalls
from kubedock.embedded.runtimes.apart import apart
from kubedock.errors import Unavailable

ROOT_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
MOUNTS = "/proc/thread-self/ns/mnt"


def settle() -> None:
    """Make sure that the root is a mount namespace's. Nothing happens where it is already.

    All threads of the process must be its: Unavailable where there are others than the calling one.
    """
    try:
        same = _mount_of(os.open("/", ROOT_FLAGS)) == _mount_of(apart("embedded-root", _namespaces_root))
    except OSError as error:
        raise Unavailable(f"the root of the mount namespace cannot be seen: {error.strerror}") from error
    if same:
        return
    if threading.active_count() > 1:
        raise Unavailable("this process was entered by chroot and has begun its work: commands in containers would run outside")
    try:
        _take()
    except OSError as error:
        raise Unavailable(f"this process was entered by chroot, into a root that is no mount point: {error.strerror}") from error


def _namespaces_root() -> int:
    """On a thread of its own: a descriptor of what lies at the root of this mount namespace."""
    with open(MOUNTS, "rb") as namespace:
        syscalls.unshare(syscalls.CLONE_FS)
        syscalls.setns(namespace.fileno(), syscalls.CLONE_NEWNS)
    return os.open("/", ROOT_FLAGS)


def _mount_of(descriptor: int) -> tuple[str, int]:
    """The mount that a folder lies in, and which one it is there. The descriptor is closed."""
    try:
        told = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
        number = next(line for line in told.splitlines() if line.startswith("mnt_id:"))
        return number, os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def _take() -> None:
    folder = os.getcwd()
    syscalls.unshare(syscalls.CLONE_NEWNS)
    root = os.open("/", ROOT_FLAGS)
    try:
        with open(MOUNTS, "rb") as namespace:
            syscalls.setns(namespace.fileno(), syscalls.CLONE_NEWNS)
        syscalls.mount("", Path("/"), flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
        os.fchdir(root)
        syscalls.pivot_root_here()
        syscalls.unmount(Path())
    finally:
        os.close(root)
    os.chdir(folder)
