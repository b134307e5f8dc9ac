"""The health of containers lives in this process and is never stored: it is observed, and old at once."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from kubedock.domain.container import ContainerRecord
from kubedock.domain.health import Health, begun


class Instance(NamedTuple):
    """Which of a container's processes a health is of: those of a Deployment's run are told apart by the restarts."""

    run: int
    restart_count: int


class Healths:
    """By container id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, tuple[Instance, Health]] = {}

    def begin(self, record: ContainerRecord) -> None:
        """The record's instance runs."""
        with self._lock:
            self._found[record.id] = _instance(record), begun(self._last(record))

    def change(self, container_id: str, change: Callable[[Health], Health]) -> tuple[Health, Health] | None:
        """Before and after; None where nothing is known of it."""
        with self._lock:
            found = self._found.get(container_id)
            if found is None:
                return None
            self._found[container_id] = found[0], change(found[1])
            return found[1], self._found[container_id][1]

    def of(self, record: ContainerRecord) -> Health | None:
        """None where it has no check, or has never run. One that has just begun is seen as such before ``begin``."""
        if record.spec.healthcheck is None:
            return None
        with self._lock:
            instance, _ = self._found.get(record.id, (None, None))
            fresh = record.alive and record.started_at is not None and instance != _instance(record)
            return begun(self._last(record)) if fresh else self._last(record)

    def _last(self, record: ContainerRecord) -> Health | None:
        _, health = self._found.get(record.id, (None, None))
        return health

    def forget(self, container_id: str) -> None:
        """The container is gone."""
        with self._lock:
            self._found.pop(container_id, None)


def _instance(record: ContainerRecord) -> Instance:
    return Instance(record.run, record.restart_count)
