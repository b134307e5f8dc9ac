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

MOUNTS = "/proc/thread-self/ns/mnt"


def settle() -> None:
    """Make sure that the root is a mount namespace's. Nothing happens where it is already.

    All threads of the process must be its: Unavailable where there are others than the calling one.
    """
    try:
        mine, namespaces = os.stat("/"), apart("embedded-root", _namespaces_root)
    except OSError as error:
        raise Unavailable(f"the root of the mount namespace cannot be seen: {error.strerror}") from error
    if os.path.samestat(mine, namespaces):
        return
    if threading.active_count() > 1:
        raise Unavailable("this process was entered by chroot and has begun its work: commands in containers would run outside")
    try:
        _take()
    except OSError as error:
        raise Unavailable(f"this process was entered by chroot, into a root that is no mount point: {error.strerror}") from error


def _namespaces_root() -> os.stat_result:
    """On a thread of its own: what lies at the root of this mount namespace."""
    with open(MOUNTS, "rb") as namespace:
        syscalls.unshare(syscalls.CLONE_FS)
        syscalls.setns(namespace.fileno(), syscalls.CLONE_NEWNS)
    return os.stat("/")


def _take() -> None:
    folder = os.getcwd()
    syscalls.unshare(syscalls.CLONE_NEWNS)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
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
