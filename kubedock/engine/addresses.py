"""The address of a container's pod, which comes with its status: up to a second after its process has begun to run."""

import time

from kubedock.domain.container import ContainerRecord
from kubedock.engine.core import Core
from kubedock.streams.cancel import Cancel


def wait_for_address(core: Core, record: ContainerRecord, seconds: float, cancel: Cancel | None = None) -> str:
    """The pod's address; "" where it is not known in time, the record's run ends, or nobody waits any more."""
    deadline = time.monotonic() + seconds
    with core.bell.listening(record.id) as changed:
        take_back = cancel.on_cancel(changed.set) if cancel is not None else lambda: None
        try:
            while cancel is None or cancel.reason is None:
                observed = core.watcher.observed(record.short_id, record.run)
                now = core.containers.get(record.id)
                if now is None or now.run != record.run or not now.alive:
                    return ""
                if observed is not None and observed.ip and not observed.deleted:
                    return observed.ip
                left = deadline - time.monotonic()
                if left <= 0:
                    return ""
                changed.wait(left)
                changed.clear()
            return ""
        finally:
            take_back()
