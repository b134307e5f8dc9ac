"""The control groups that are left of containers: ended and removed, whichever version the machine has."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

SWAP_FILES = ("memory.memsw.limit_in_bytes", "memory.swap.max")
"""Of either version."""


def roots(name: str) -> list[Path]:
    """The folders of a top-level group in all hierarchies."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.split(" - ", 1) for line in file]
    points = [Path(left.split(" ")[4]) for left, right in lines if right.split(" ", 1)[0] in ("cgroup", "cgroup2")]
    return [point / name for point in dict.fromkeys(points) if (point / name).is_dir()]


def _groups(root: Path) -> Iterator[Path]:
    """A group and those below it, the deepest first."""
    for folder, _, _ in os.walk(root, topdown=False):
        yield Path(folder)


def kill(root: Path) -> bool:
    """Send KILL to all processes of a group and those below; False where there are none."""
    found = False
    for group in _groups(root):
        try:
            pids = [int(line) for line in (group / "cgroup.procs").read_text().split()]
        except OSError:
            continue
        for pid in pids:
            found = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return found


def count_swap(name: str) -> bool:
    """Whether the kernel counts swap in a top-level group that runc has made."""
    return any((root / file).exists() for root in roots(name) for file in SWAP_FILES)


def remove(root: Path) -> bool:
    """Remove a group and those below; False while processes are in it."""
    for group in _groups(root):
        try:
            group.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
