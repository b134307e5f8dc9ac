"""Which pod a container has."""

from kubedock.domain.container import ContainerRecord
from kubedock.engine.core import Core


def pod_of(core: Core, record: ContainerRecord) -> str | None:
    """The pod that runs the record's run, as far as it is known."""
    observed = core.watcher.observed(record.short_id, record.run)
    if observed is not None and not observed.deleted:
        return observed.pod
    return record.object_name if record.spec.workload == "pod" and observed is None else None
