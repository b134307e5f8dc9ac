"""Processes that a server which was killed has left, found by the node's folder among their arguments."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path


def processes(folder: Path, mine: Callable[[list[bytes]], bool]) -> list[int]:
    """Those with an argument that is the folder or lies below it, where the whole command line is ``mine``."""
    path = os.fsencode(folder)
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mine(words) and any(word == path or word.startswith(path + b"/") for word in words):
            found.append(int(entry))
    return found


def kill(pids: Iterable[int]) -> None:
    """End them hard."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
