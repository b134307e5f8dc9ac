"""Execs live in this process and are never stored: what they are, and the terminals of those that run."""

import threading
from collections.abc import Callable
from dataclasses import replace

from kubedock.domain.exec import Exec, Size
from kubedock.errors import Conflict, NoSuchExec

KEPT = 1000
"""So many execs of a container that do not run are remembered; the oldest go first."""


class Terminal:
    """The size of an exec's terminal: the last one that was told, and who passes it on."""

    def __init__(self, size: Size | None) -> None:
        self._lock = threading.Lock()
        self._size = size
        self._apply: Callable[[Size], None] | None = None

    def resize(self, size: Size) -> None:
        """Remember it, and pass it on where the exec runs."""
        with self._lock:
            self._size = size
            if self._apply is not None:
                self._apply(size)

    def connect(self, apply: Callable[[Size], None]) -> None:
        """From now on sizes go there, first the one that is remembered. ``apply`` must not block."""
        with self._lock:
            self._apply = apply
            if self._size is not None:
                apply(self._size)

    def disconnect(self) -> None:
        """Nobody passes sizes on any more."""
        with self._lock:
            self._apply = None


class Execs:
    """All execs by id; each belongs to a container and goes with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._execs: dict[str, Exec] = {}
        self._terminals: dict[str, Terminal] = {}
        self._of: dict[str, list[str]] = {}

    def add(self, made: Exec) -> None:
        """A new one."""
        with self._lock:
            self._execs[made.id] = made
            self._terminals[made.id] = Terminal(made.spec.size)
            ids = self._of.setdefault(made.container_id, [])
            ids.append(made.id)
            resting = [each for each in ids if not self._execs[each].running]
            for old in resting[: len(resting) - KEPT] if len(resting) > KEPT else ():
                ids.remove(old)
                del self._execs[old], self._terminals[old]

    def find(self, exec_id: str) -> Exec:
        """By its whole id. NoSuchExec."""
        found = self._execs.get(exec_id)
        if found is None:
            raise NoSuchExec(exec_id)
        return found

    def terminal(self, exec_id: str) -> Terminal:
        """Its terminal. NoSuchExec."""
        found = self._terminals.get(exec_id)
        if found is None:
            raise NoSuchExec(exec_id)
        return found

    def claim(self, exec_id: str) -> Exec:
        """Mark it as started. NoSuchExec; Conflict where it was started before."""
        with self._lock:
            found = self.find(exec_id)
            if found.started:
                raise Conflict(f"Error: Exec command {exec_id} is already running" if found.running else _has_run(exec_id))
            self._execs[exec_id] = replace(found, started=True)
            return self._execs[exec_id]

    def end(self, exec_id: str, exit_code: int) -> bool:
        """It has ended. False where that, or nothing at all, was known of it already."""
        with self._lock:
            found = self._execs.get(exec_id)
            if found is None or found.ended:
                return False
            self._execs[exec_id] = replace(found, exit_code=exit_code)
            return True

    def drop(self, ended: Exec) -> None:
        """Nobody will ask for it."""
        with self._lock:
            if self._execs.pop(ended.id, None) is not None:
                del self._terminals[ended.id]
                self._of[ended.container_id].remove(ended.id)

    def running(self, exec_id: str) -> bool:
        """It runs; one that is not known does not."""
        found = self._execs.get(exec_id)
        return found is not None and found.running

    def unfinished(self, container_id: str) -> list[str]:
        """The ids of a container's execs that have not ended."""
        with self._lock:
            return [each for each in self._of.get(container_id, ()) if not self._execs[each].ended]

    def forget(self, container_id: str) -> None:
        """The container is gone."""
        with self._lock:
            for each in self._of.pop(container_id, ()):
                del self._execs[each], self._terminals[each]


def _has_run(exec_id: str) -> str:
    return f"Error: Exec command {exec_id} has already run"
