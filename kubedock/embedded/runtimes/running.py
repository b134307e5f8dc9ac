"""The containers of a runtime that were started and not removed yet, with one lock."""

import threading
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kubedock.embedded.runtime import ContainerSpec, OnExit
from kubedock.errors import NotFound


@dataclass(slots=True)
class Running:
    """A container that was started. ``ended`` is set before ``on_exit`` is called."""

    spec: ContainerSpec
    on_exit: OnExit
    ended: threading.Event = field(default_factory=threading.Event, kw_only=True)


R = TypeVar("R", bound=Running)


class Started(Generic[R]):
    """See the module. ``lock`` is public: what must be one with a look is done while it is held (it is reentrant)."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._known: dict[str, R] = {}
        self.closed = False

    def add(self, running: R) -> bool:
        """Keep it; False, and it is not kept, once this is closed."""
        with self.lock:
            if not self.closed:
                self._known[running.spec.id] = running
            return not self.closed

    def get(self, container_id: str) -> R | None:
        """A container that was not removed, whether it runs or has ended."""
        with self.lock:
            return self._known.get(container_id)

    def pop(self, container_id: str) -> R | None:
        """The same, not known any longer: only one caller gets it."""
        with self.lock:
            return self._known.pop(container_id, None)

    def alive(self, container_id: str) -> R:
        """A container that runs. NotFound otherwise."""
        running = self.get(container_id)
        if running is None or running.ended.is_set():
            raise gone(container_id)
        return running

    def of_pod(self, pod_uid: str) -> list[R]:
        """Those of one pod."""
        with self.lock:
            return [each for each in self._known.values() if each.spec.pod_uid == pod_uid]

    def close(self) -> list[R]:
        """Take no more; all that there were."""
        with self.lock:
            left, self._known, self.closed = list(self._known.values()), {}, True
            return left


def gone(container_id: str) -> NotFound:
    """What an exec or attach is told where the container does not run."""
    return NotFound(f"the container {container_id} does not run")
