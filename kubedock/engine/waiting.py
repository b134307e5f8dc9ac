"""Wait for a container's end, under Docker's three conditions."""

import threading
from dataclasses import dataclass, field
from typing import NamedTuple

from kubedock.domain.container import ContainerRecord
from kubedock.engine.core import Core
from kubedock.engine.lifecycle import Lifecycle
from kubedock.errors import InvalidParameter
from kubedock.streams.cancel import Cancel

CONDITIONS = ("not-running", "next-exit", "removed")


class WaitResult(NamedTuple):
    """The exit code. There is no error text: as with Docker, why a start failed is the start's answer."""

    exit_code: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wait that has begun: whatever happens from now on counts. ``result`` blocks."""

    core: Core
    lifecycle: Lifecycle
    record: ContainerRecord
    condition: str
    cancel: Cancel = field(compare=False)

    def result(self) -> WaitResult | None:
        """How it ended; None when cancelled."""
        with self.core.bell.listening(self.record.id) as changed:
            take_back = self.cancel.on_cancel(changed.set)
            try:
                return self._await(changed)
            finally:
                take_back()

    def _await(self, changed: threading.Event) -> WaitResult | None:
        while self.cancel.reason is None:
            changed.clear()
            now = self.core.containers.get(self.record.id)
            if now is None:
                return WaitResult(self.lifecycle.last_outcome(self.record.id).exit_code)
            ended = now.outcome
            if self.condition != "removed" and ended is not None and not now.restarting and self._counts(now):
                return WaitResult(ended.exit_code)
            if self.condition == "not-running" and now.run == 0:
                return WaitResult(0)
            changed.wait()
        return None

    def _counts(self, now: ContainerRecord) -> bool:
        if self.condition == "not-running":
            return True
        first = self.record.run + (0 if self.record.alive or self.record.restarting else 1)
        return now.run >= first and now.outcome is not None and now.outcome.started


def begin_waiting(core: Core, lifecycle: Lifecycle, ref: str, *, condition: str, cancel: Cancel) -> Waiting:
    """Find the container and note where it stands. InvalidParameter for a condition that Docker does not know."""
    condition = condition or "not-running"
    if condition not in CONDITIONS:
        raise InvalidParameter(f'invalid condition: "{condition}"')
    return Waiting(core, lifecycle, core.containers.find(ref), condition, cancel)
