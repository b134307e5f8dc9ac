"""What was put into containers that do not run. In this process's memory, bounded."""

import threading

from kubedock.domain.kept import NOTHING, Kept
from kubedock.errors import Conflict

IN_ALL = 256 * 1024 * 1024


class FileStore:
    """Kept files by container id; who changes them holds the container's lock."""

    def __init__(self, *, in_all: int = IN_ALL) -> None:
        """``in_all``: bytes of all containers' files together."""
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}
        self._size, self._in_all = 0, in_all

    def get(self, container_id: str) -> Kept:
        """A container's files, NOTHING where none were put."""
        return self._kept.get(container_id, NOTHING)

    def save(self, container_id: str, kept: Kept) -> None:
        """Keep these instead. Conflict where all containers' files are too many."""
        with self._lock:
            size = self._size + kept.size - self.get(container_id).size
            if size > self._in_all:
                raise Conflict(
                    f"kubedock keeps at most {self._in_all >> 20} MiB of files for containers that do not run:"
                    " remove some of those containers"
                )
            self._kept[container_id], self._size = kept, size

    def forget(self, container_id: str) -> None:
        """The container is gone."""
        with self._lock:
            self._size -= self._kept.pop(container_id, NOTHING).size
