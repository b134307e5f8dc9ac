"""What the cluster shows of a run, and the one state machine: ``status(record, observed)``."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kubedock.domain.container import ContainerRecord, Outcome
from kubedock.notstarted import COMMAND_NOT_FOUND

State = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
FailureKind = Literal["image", "start", "config", "unschedulable"]

KILLED = 128 + 9


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run does not begin. ``permanent`` ones end the wait at once; an ``unschedulable`` one is given some time.

    ``missing`` says of an image that the registry does not have it. ``exit_code`` is Docker's for a failed start.
    """

    kind: FailureKind
    message: str
    permanent: bool = True
    missing: bool = False
    exit_code: int = COMMAND_NOT_FOUND


@dataclass(frozen=True, slots=True)
class Terminated:
    """How a container of a pod ended, as the kubelet tells it."""

    exit_code: int
    started_at: datetime | None
    finished_at: datetime | None
    oom_killed: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run's pod and its events tell.

    ``started`` is true as soon as the ``Started`` event or the status says that the process ran; ``log_ready`` once
    the *status* knows the container, from when on its log can be read. ``terminated`` is set when it has ended (for a
    Deployment: the newest end, also while the next run is on its way, then ``running`` or ``waiting`` is set as well);
    ``replaced`` is the end of the instance before the one that ``restart_count`` counts.
    ``pulling_since`` is set while the image is being pulled. ``lost`` is the reason when the pod was taken away
    (deleted, evicted, preempted, node lost) without its container's end being known. ``leaving`` says that
    it is being deleted, ``deleted`` that it is gone from the cluster.
    """

    pod: str
    uid: str
    node: str = ""
    ip: str = ""
    phase: str = "Pending"
    started: bool = False
    running: bool = False
    log_ready: bool = False
    started_at: datetime | None = None
    terminated: Terminated | None = None
    replaced: Terminated | None = None
    restart_count: int = 0
    waiting_reason: str = ""
    failure: Failure | None = None
    pulling_since: datetime | None = None
    pull_seconds: float = 0.0
    lost: str = ""
    leaving: bool = False
    deleted: bool = False
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """Docker's State of a container."""

    state: State
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    restart_count: int = 0

    @property
    def running(self) -> bool:
        """Docker counts a container that is about to be restarted as running."""
        return self.state in ("running", "restarting", "paused")


def conclude(record: ContainerRecord, observed: Observed | None, now: datetime) -> Outcome | None:
    """The outcome of the record's current run if it has ended by what is observed, else None.

    A run of a Deployment ends only with its pod once the user has stopped it: until then the kubelet brings its
    container back, and the controllers its pod. What was taken away before it ran has not started.
    """
    if observed is None or record.outcome is not None:
        return None
    never_ran = record.started_at is None and not observed.started
    if never_ran and observed.failure is not None and observed.failure.kind == "start":
        return Outcome(observed.failure.exit_code, error=observed.failure.message, started=False)
    if record.spec.workload == "deployment" and not (observed.deleted and record.stopped):
        return None
    ended = observed.terminated
    if observed.lost or (observed.deleted and ended is None):
        error = "" if record.stopped else observed.lost or "the pod was deleted from outside"
        return Outcome(KILLED, (ended and ended.finished_at) or now, error=error, started=not never_ran)
    if ended is not None and not observed.running and observed.waiting_reason == "":
        error = "" if record.stopped else ended.message
        return Outcome(ended.exit_code, ended.finished_at or now, error=error, oom_killed=ended.oom_killed)
    return None


def status(record: ContainerRecord, observed: Observed | None) -> Status:
    """The state of a container: what is stored wins over what is observed, because it is a fact."""
    restarts = record.restart_count
    ended = record.outcome
    if record.removing:
        return Status("removing", exit_code=ended.exit_code if ended else 0, started_at=record.started_at, restart_count=restarts)
    if ended is not None and not ended.started:
        return Status("created", exit_code=ended.exit_code, error=ended.error, restart_count=restarts)
    if ended is not None:
        return Status(
            "restarting" if record.restarting else "exited",
            exit_code=ended.exit_code,
            error=ended.error,
            oom_killed=ended.oom_killed,
            started_at=record.started_at,
            finished_at=ended.finished_at,
            restart_count=restarts,
        )
    if record.run == 0 or record.started_at is None:
        return Status("created", restart_count=restarts)
    if record.spec.workload == "deployment" and observed is not None and not observed.running:
        last = observed.terminated or Terminated(0, None, None)
        return Status(
            "restarting",
            exit_code=last.exit_code,
            oom_killed=last.oom_killed,
            started_at=record.started_at,
            finished_at=last.finished_at,
            restart_count=restarts,
        )
    return Status("running", started_at=record.started_at, restart_count=restarts)
