"""Files that were put into a container while it does not run: kept as they are until its next start mounts them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kubedock.domain.container import ContainerSpec
from kubedock.domain.files import absolute, ancestors

MOST_BYTES = 900 * 1024
"""Of one container's files together: they go into one ConfigMap, which takes 1 MiB with its names."""
MOST_FILES = 1000
"""Of one container: each is a mount, and a thousand of them hold its start up for 10 s."""

PARENTS = 0o755
"""The permission bits of directories that are made for files."""

ALWAYS_THERE = frozenset(
    f"/{name}"
    for name in (
        "",
        "bin",
        "boot",
        "dev",
        "etc",
        "home",
        "lib",
        "lib64",
        "media",
        "mnt",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "srv",
        "sys",
        "tmp",
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/local",
        "usr/local/bin",
        "usr/local/lib",
        "usr/local/sbin",
        "usr/local/share",
        "usr/sbin",
        "usr/share",
        "var",
        "var/cache",
        "var/lib",
        "var/log",
        "var/run",
        "var/tmp",
    )
)
"""Directories of every usual image: what the image has cannot be looked at before it runs."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file: its permission bits, its time in seconds, what is in it."""

    data: bytes
    mode: int = 0o644
    mtime: int = 0


@dataclass(frozen=True, slots=True)
class KeptDirectory:
    """A directory that was put together with files in it."""

    mode: int = PARENTS
    mtime: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """All that was put, by absolute path."""

    files: Mapping[str, KeptFile] = field(default_factory=dict)
    directories: Mapping[str, KeptDirectory] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(file.data) for file in self.files.values())

    def below(self, directory: str) -> list[str]:
        """The paths of the files below a directory, in order."""
        prefix = f"{directory.rstrip('/')}/"
        return sorted(path for path in self.files if path.startswith(prefix))

    def kind(self, path: str) -> Literal["file", "directory", ""]:
        """What is kept there; a directory also where a file is kept below it."""
        if path in self.files:
            return "file"
        return "directory" if path in self.directories or self.below(path) else ""


NOTHING = Kept()


def directories_of(spec: ContainerSpec) -> frozenset[str]:
    """Directories that the container certainly has: every image's, and what it mounts and works in."""
    named = [mount.target for mount in spec.mounts] + [target for target, _ in spec.tmpfs]
    paths = {absolute(path) for path in (*named, spec.working_dir or "/")}
    return ALWAYS_THERE.union(paths, *map(ancestors, paths))


def is_read_only(spec: ContainerSpec, path: str) -> Literal["volume", "root", ""]:
    """What keeps a path of the container from being written to: a volume that is read-only, or the root file system."""
    mounts = {absolute(mount.target): mount.read_only for mount in spec.mounts}
    mounts |= {absolute(target): "ro" in options.split(",") for target, options in spec.tmpfs}
    for place in (path, *ancestors(path)):
        if place in mounts:
            return "volume" if mounts[place] else ""
    return "root" if spec.security.read_only_root else ""
