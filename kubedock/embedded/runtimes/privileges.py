"""What this process may pass on to containers: capabilities, and the machine's devices."""

import contextlib
import os
import stat
from pathlib import Path

from kubedock.embedded.runtimes import ocispec

SHOWN_DEVICES = (stat.S_IFCHR, stat.S_IFBLK)


def bounding_set() -> frozenset[str]:
    """The capabilities that this process may pass on."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapBnd":
            bits = int(value, 16)
            return frozenset(known for number, known in enumerate(ocispec.CAPABILITIES) if bits >> number & 1)
    return frozenset(ocispec.CAPABILITIES)


def host_devices() -> tuple[ocispec.Json, ...]:
    """The machine's device nodes, for privileged containers."""
    found = []
    for folder, folders, names in os.walk("/dev"):
        folders[:] = [name for name in folders if name not in ("pts", "shm", "mqueue", "hugepages")]
        for name in names:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                told = os.lstat(path)
                if stat.S_IFMT(told.st_mode) in SHOWN_DEVICES and path not in ("/dev/console", "/dev/ptmx"):
                    found.append(_device(path, told))
    return tuple(found)


def _device(path: str, told: os.stat_result) -> ocispec.Json:
    return {
        "path": path,
        "type": "c" if stat.S_ISCHR(told.st_mode) else "b",
        "major": os.major(told.st_rdev),
        "minor": os.minor(told.st_rdev),
        "fileMode": stat.S_IMODE(told.st_mode),
        "uid": told.st_uid,
        "gid": told.st_gid,
    }
