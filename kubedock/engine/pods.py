"""A container's pod: which one it is, and the wait for its address."""

import time

from kubedock.domain.container import ContainerRecord
from kubedock.engine.core import Core


def pod_of(core: Core, record: ContainerRecord) -> str | None:
    """The pod that runs the record's run, as far as it is known."""
    observed = core.watcher.observed(record.short_id, record.run)
    if observed is not None and not observed.deleted:
        return observed.pod
    return record.object_name if record.spec.workload == "pod" and observed is None else None


def await_address(core: Core, record: ContainerRecord, seconds: float) -> None:
    """Until the run's address is known, at most for so long: it comes with the pod's status, up to a second after the start."""
    deadline = time.monotonic() + seconds
    with core.bell.listening(record.id) as changed:
        while (left := deadline - time.monotonic()) > 0:
            observed = core.watcher.observed(record.short_id, record.run)
            now = core.containers.get(record.id)
            if (observed is not None and observed.ip) or now is None or now.run != record.run or not now.alive:
                return
            changed.wait(left)
            changed.clear()
