"""The node's folder: what lies where, and the lock that keeps two servers apart."""

import fcntl
import hashlib
import os
import threading
import time
from pathlib import Path

from kubedock.errors import Unavailable

FORBIDDEN = (",", ":", "\\")
LOCK_SECONDS = 1.0
LOOK_SECONDS = 0.02


class NodeFolder:
    """``prefix`` begins the name of everything outside the folder (links, cgroups) that is this node's.

    It comes from the folder's path: who opens the folder again finds what a server that was killed has left.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.prefix = "kd" + hashlib.sha256(os.fsencode(self.root)).hexdigest()[:5]
        self._lock = -1

    @property
    def images(self) -> Path:
        """The images' read-only trees."""
        return self.root / "images"

    @property
    def containers(self) -> Path:
        """A folder for each container, named by its short id: the shim's socket path has to be short."""
        return self.root / "c"

    @property
    def sandboxes(self) -> Path:
        """A folder for each pod."""
        return self.root / "p"

    @property
    def state(self) -> Path:
        """Where the container runtime keeps its own state."""
        return self.root / "r"

    def container(self, container_id: str) -> Path:
        """One container's folder."""
        return self.containers / container_id[:12]

    def lock(self) -> None:
        """Make the folder and take it, once; Unavailable where that cannot be done."""
        if self._lock >= 0:
            return
        if any(char in str(self.root) for char in FORBIDDEN):
            raise Unavailable(
                f"the embedded node's folder {self.root} has one of {' '.join(FORBIDDEN)} in its path, which runc refuses"
            )
        try:
            for folder in (self.root, self.images, self.containers, self.sandboxes, self.state):
                folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            taken = self._take()
        except OSError as error:
            self.unlock()
            raise Unavailable(f"the embedded node cannot use its folder {self.root}: {error.strerror}") from error
        if not taken:
            self.unlock()
            raise Unavailable(f"another kubedock has the folder {self.root}: give each its own --embedded-dir")

    def _take(self) -> bool:
        """Lock it; False where another has it. A server that was just killed has it for a moment longer."""
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                threading.Event().wait(LOOK_SECONDS)
            else:
                return True

    def unlock(self) -> None:
        """Give it back."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
