"""One container of a pod on the node: its runs, one after another. The pod's worker owns it."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kubedock.cluster import Json
from kubedock.embedded.backoff import Backoff
from kubedock.embedded.logfiles import LogFile
from kubedock.embedded.podstatus import ContainerStatus, running, terminated, waiting
from kubedock.embedded.runtime import Exit, Image

RESTART_PAUSE, LONGEST_RESTART_PAUSE = 1.0, 300.0
PULL_PAUSE, LONGEST_PULL_PAUSE = 10.0, 300.0
CONFIG_PAUSE, LONGEST_CONFIG_PAUSE = 1.0, 10.0


@dataclass(slots=True)
class PodContainer:
    """Written by the worker's thread alone; others may read ``id``, ``log`` and ``previous``.

    ``id`` is the run's whose process lives, "" while none does. ``due`` is when (monotonic) the next try may be made.
    ``fresh``: its image was pulled for this try. ``again``: the next try is a restart.
    """

    spec: Json
    init: bool
    logs: Path
    status: ContainerStatus
    id: str = ""
    image: Image | None = None
    fresh: bool = False
    pulling: bool = False
    again: bool = False
    tries: int = 0
    log: LogFile | None = None
    previous: LogFile | None = None
    started_at: datetime | None = None
    due: float = 0.0
    restart_pauses: Backoff = field(default_factory=lambda: Backoff(RESTART_PAUSE, LONGEST_RESTART_PAUSE, free=True))
    pull_pauses: Backoff = field(default_factory=lambda: Backoff(PULL_PAUSE, LONGEST_PULL_PAUSE))
    config_pauses: Backoff = field(default_factory=lambda: Backoff(CONFIG_PAUSE, LONGEST_CONFIG_PAUSE))

    @classmethod
    def of(cls, spec: Json, *, init: bool, logs: Path) -> "PodContainer":
        """Of a container in a pod's spec that has not run yet; ``logs`` is a folder for its logs."""
        status = ContainerStatus(
            spec["name"],
            spec["image"],
            init=init,
            sidecar=init and spec.get("restartPolicy") == "Always",
            state=waiting("PodInitializing" if init else "ContainerCreating"),
        )
        return cls(spec, init, logs / spec["name"], status)

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return str(self.spec["name"])

    @property
    def path(self) -> str:
        """How events name it."""
        return f"spec.{'initContainers' if self.init else 'containers'}{{{self.name}}}"

    @property
    def sidecar(self) -> bool:
        """An init container that runs on beside the others."""
        return self.status.sidecar

    @property
    def done(self) -> bool:
        """An init container that the next one need not wait for any more: it has ended well, or is a sidecar that has begun."""
        return self.init and self.status.initialized

    @property
    def startable(self) -> bool:
        """It waits for its next start, which may be made when it is due."""
        return not self.id and not self.pulling and (self.status.code is None or self.again)

    def wants_again(self, policy: str) -> bool:
        """Its last run has ended, and it is to run once more by the pod's restart policy."""
        code = self.status.code
        if code is None or self.sidecar:
            return code is not None
        if self.done:
            return False
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    def next_log(self) -> LogFile:
        """The log of the run that is about to start; that of the last one is the previous one now."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.tries += 1
        if self.log is not None:
            if self.previous is not None:
                self.previous.path.unlink(missing_ok=True)
            self.previous = self.log
        self.log = LogFile(self.logs / f"{self.tries}.log")
        return self.log

    def running_state(self, since: datetime) -> Json:
        """Its process runs."""
        self.started_at = since
        return running(since)

    def ended_state(self, ended: Exit, container_id: str) -> Json:
        """Its process has ended."""
        finished = ended.finished_at
        times = (min(self.started_at or finished, finished), finished)
        return terminated(ended.code, times, container_id, oom=ended.oom_killed, message=ended.error)
