"""What a server that was killed has left of a node, whichever runtime it had: found, ended, removed.

Its own processes are found by the node's folder among their arguments, a container's by their control group (runc) or
their root (chroot), and a pull's by where it runs.
"""

import contextlib
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kubedock.embedded.runtimes import cgroups, syscalls
from kubedock.embedded.runtimes.folder import NodeFolder
from kubedock.embedded.runtimes.tools import CONTAINER_TOOLS, IMAGE_TOOLS

logger = logging.getLogger(__name__)

GENTLE_SECONDS = 2.0
"""So long shims may take to complete their logs, once their containers have been ended."""
LOOK_SECONDS = 0.01
SHIM = b"shim.py"
LINKS = Path("/sys/class/net")


def clear(folder: NodeFolder, seconds: float) -> None:
    """End all processes, within about so many seconds, and remove mounts, files and groups. What cannot be is logged."""
    _end(folder, seconds)
    for part in (folder.containers, folder.sandboxes):
        try:
            syscalls.unmount_all(part)
        except OSError as error:
            logger.warning("mounts below %s cannot be removed: %s", part, error.strerror)
    for part in (folder.containers, folder.state, folder.sandboxes):
        for entry in part.iterdir() if part.exists() else ():
            shutil.rmtree(entry, ignore_errors=True)
    removed = [cgroups.remove(group) for group in cgroups.roots(folder.prefix)]
    if not all(removed):
        logger.warning("control groups of %s cannot be removed: processes are left in them", folder.prefix)


def _end(folder: NodeFolder, seconds: float) -> None:
    """Containers first, then their shims if they stay: so logs are complete. Orphans last: a shim ends its own."""
    gentle = time.monotonic() + min(GENTLE_SECONDS, seconds)
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        alive = [cgroups.kill(group) for group in cgroups.roots(folder.prefix)]
        kill(fetching(folder.images))
        shims = processes(folder.root, _is_shim)
        orphans = [] if shims else inside(folder.containers)
        if not any(alive) and not shims and not orphans:
            return
        kill(orphans)
        if time.monotonic() > gentle:
            kill(shims)
        threading.Event().wait(LOOK_SECONDS)


def processes(folder: Path, mine: Callable[[list[bytes]], bool]) -> list[int]:
    """Those with an argument that is the folder or lies below it, where the whole command line is ``mine``."""
    path = os.fsencode(folder)
    return [
        pid for pid, words in _commands() if mine(words) and any(word == path or word.startswith(path + b"/") for word in words)
    ]


def inside(folder: Path) -> list[int]:
    """Those whose root lies below a folder, as far as this process may see it."""
    return [pid for pid, _ in _commands() if _leads_below(pid, "root", folder)]


def fetching(images: Path) -> list[int]:
    """Tools that fetch an image into this folder."""
    names = {name.encode() for name in IMAGE_TOOLS}
    return [pid for pid, words in _commands() if os.path.basename(words[0]) in names and _leads_below(pid, "cwd", images)]


def links(prefix: str) -> list[str]:
    """Network links whose names begin so."""
    return sorted(link.name for link in LINKS.iterdir() if link.name.startswith(prefix))


def _commands() -> Iterator[tuple[int, list[bytes]]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):  # it has ended
                yield int(entry), Path("/proc", entry, "cmdline").read_bytes().split(b"\0")


def _leads_below(pid: int, link: str, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/{link}").startswith(f"{folder}/")
    return False


def _is_shim(words: list[bytes]) -> bool:
    names = [os.path.basename(word) for word in words]
    return names[0] in {name.encode() for name in CONTAINER_TOOLS} or SHIM in names


def kill(pids: Iterable[int]) -> None:
    """End them hard."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
