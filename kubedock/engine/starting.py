"""Start a container: post its pod, and return when its process runs or has run, or say why it does not."""

import logging
from dataclasses import replace

from kubedock.background.listeners import Serve
from kubedock.domain.container import ContainerRecord, Outcome, Port
from kubedock.domain.names import object_name
from kubedock.domain.status import Failure, Observed
from kubedock.engine.connections import Connections
from kubedock.engine.core import Core
from kubedock.engine.lifecycle import NEVER_RAN, Lifecycle
from kubedock.engine.naming import Names
from kubedock.engine.publishing import Publishing
from kubedock.engine.workloads import RETRY_SECONDS, Workloads
from kubedock.errors import (
    CannotPublish,
    Conflict,
    Forbidden,
    InvalidParameter,
    KubedockError,
    NoSuchContainer,
    NotFound,
    NotModified,
    System,
    Unavailable,
)

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
UNKNOWN = 128
"""Docker's exit code of a container that could not be created."""


class Starting:
    """The use case ``start``, also for restarts by policy."""

    def __init__(self, core: Core, lifecycle: Lifecycle, workloads: Workloads, publishing: Publishing, names: Names) -> None:
        self._core, self._lifecycle, self._workloads = core, lifecycle, workloads
        self._publishing, self._names = publishing, names
        self._connections = Connections(core)

    def start(self, ref: str) -> None:
        """Start. NotModified when it runs already; what the cluster or the runtime says when it cannot be started."""
        record = self._core.containers.find(ref)
        self._lifecycle.forget_backoff(record.id)
        with self._core.sessions.exclusive(record.id):
            record = self._begin(record.id, by_policy=False)
        self._follow(record)

    def restart_by_policy(self, container_id: str) -> None:
        """The next run that a restart policy calls for, if it still does."""
        try:
            with self._core.sessions.exclusive(container_id):
                record = self._core.containers.get(container_id)
                if record is None or not record.restarting or record.removing or record.stopped:
                    return
                record = self._begin(container_id, by_policy=True)
            self._follow(record)
        except KubedockError as error:
            logger.warning("container %s could not be restarted: %s", container_id[:12], error)
            # Where the ended run's pod could not be put away nothing has begun: it is still to be restarted.
            self._core.tasks.submit(
                f"restart of {container_id[:12]}", lambda: self.restart_by_policy(container_id), after=RETRY_SECONDS
            )

    def _follow(self, record: ContainerRecord) -> None:
        """Until a run that was posted has begun and has its names, which are written while the kubelet is at work."""
        self._names.publish(record)
        self._await(record)
        self._names.wait(record)

    def _begin(self, container_id: str, *, by_policy: bool) -> ContainerRecord:
        """Under the container's lock: the next run, posted."""
        before = self._core.containers.get(container_id)
        if before is None:
            raise NoSuchContainer(container_id)
        if before.removing:
            raise Conflict("container is marked for removal and cannot be started")
        if before.alive or (before.restarting and not by_policy):
            raise NotModified
        self._put_away(before)
        run = before.run + 1
        name = object_name(self._core.defaults.name_prefix, before.name, before.short_id, run)

        def begun(record: ContainerRecord) -> ContainerRecord:
            record = replace(
                record,
                run=run,
                object_name=name,
                started_at=None,
                outcome=None,
                restarting=False,
                stopped=False,
                restart_count=record.restart_count + 1 if by_policy else 0,
            )
            return self._workloads.companions.begun(record)

        change = self._core.containers.update(container_id, begun)
        if change is None:
            raise NoSuchContainer(container_id)
        record = change.after
        try:
            self._check_networks(record)
            record = self._publishing.publish(record, self._serve)
            self._workloads.post(record)
        except KubedockError as error:
            if by_policy and isinstance(error, Unavailable):
                self._not_begun(before, record)
            else:
                self._failed(record, Outcome(UNKNOWN, error=str(error), started=False), posted=not isinstance(error, CannotPublish))
            raise
        self._limit(record)
        self._lifecycle.changed(record.short_id)
        return record

    def _serve(self, record: ContainerRecord, port: Port) -> Serve:
        """What serves the connections to this port of the record's run."""
        behind = self._workloads.inside if record.spec.workload == "inside" else self._connections
        return behind.serve(record, port)

    def _check_networks(self, record: ContainerRecord) -> None:
        """A network may go while a container that does not run is on it."""
        for network_id in record.endpoints:
            if self._core.networks.get(network_id) is None:
                raise NotFound(f"failed to set up container networking: network {network_id} not found")

    def _not_begun(self, before: ContainerRecord, record: ContainerRecord) -> None:
        """A policy's next run could not be posted in an outage: it is still to come. A pod that was made all the same goes."""
        self._publishing.ended(record)
        self._workloads.delete_or_try_later(record)

        def as_before(now: ContainerRecord) -> ContainerRecord:
            return replace(
                now,
                object_name=None,
                started_at=before.started_at,
                outcome=before.outcome,
                restart_count=before.restart_count,
                restarting=not now.stopped,
            )

        self._core.containers.update(record.id, as_before)
        self._lifecycle.tell(record.id)

    def _limit(self, record: ContainerRecord) -> None:
        """A Deployment takes no activeDeadlineSeconds: that limit is enforced here."""
        seconds = self._core.defaults.active_deadline_seconds
        if seconds is None or record.spec.workload != "deployment":
            return

        def end() -> None:
            now = self._core.containers.get(record.id)
            if now is not None and now.run == record.run and now.outcome is None:
                self._core.containers.update(record.id, lambda r: replace(r, stopped=True))
                self._workloads.scale_to_zero(record)

        self._core.tasks.submit(f"deadline of {record.short_id}", end, after=seconds)

    def _put_away(self, record: ContainerRecord) -> None:
        """The ended run's log is kept, its pod is not; its file system goes with it."""
        if record.outcome is None or record.object_name is None:
            return
        if record.run == 1 and record.outcome.started and not record.restarting:
            logger.warning("container %s is started again: it begins with its image's files", record.short_id)
        self._workloads.put_away(record)
        self._core.watcher.forget(record.short_id, record.run)

    def _await(self, record: ContainerRecord) -> None:
        """Until the process runs or has run. ``--timeout`` does not count the image's pull, that has its own."""
        began = self._core.now()
        with self._core.bell.listening(record.id) as changed:
            while True:
                changed.clear()
                now = self._core.containers.get(record.id)
                if now is None and not self._lifecycle.last_outcome(record.id).started:
                    raise NoSuchContainer(record.id)
                if now is None or now.run != record.run or now.started_at is not None:
                    return
                observed = self._core.watcher.observed(record.short_id, record.run)
                if now.outcome is not None:
                    raise self._give_up(now, observed, now.outcome.error or NEVER_RAN)
                if observed is not None and observed.failure is not None and observed.failure.permanent:
                    raise self._give_up(now, observed, observed.failure.message)
                waited = (self._core.now() - began).total_seconds()
                left = self._patience(observed, waited)
                if left <= 0:
                    raise self._give_up(now, observed, _why(observed, waited))
                if observed is None and now.spec.workload == "deployment":
                    self._look_for_a_rejection(now)
                    left = min(left, LOOK_SECONDS)
                changed.wait(left)

    def _patience(self, observed: Observed | None, waited: float) -> float:
        """For how many seconds more the run may take to begin."""
        limits = self._core.limits
        if observed is None:
            return limits.start - waited
        if observed.failure is not None and observed.failure.kind == "unschedulable":
            return min(limits.schedule, limits.start) - waited
        if observed.pulling_since is not None:
            return limits.pull - (self._core.now() - observed.pulling_since).total_seconds()
        return limits.start + observed.pull_seconds - waited

    def _look_for_a_rejection(self, record: ContainerRecord) -> None:
        """A Deployment is accepted even where its pod is not; only its status says so, and no watch is worth that."""
        reason = self._workloads.rejection(record)
        if reason and not self._workloads.post_restricted(record, reason):
            self._failed(record, Outcome(UNKNOWN, error=reason, started=False))
            raise Forbidden(reason)

    def _give_up(self, record: ContainerRecord, observed: Observed | None, message: str) -> KubedockError:
        failure = observed.failure if observed is not None else None
        code = failure.exit_code if failure is not None and failure.kind == "start" else UNKNOWN
        self._failed(record, Outcome(code, error=message, started=False))
        return _error(failure, message)

    def _failed(self, record: ContainerRecord, outcome: Outcome, *, posted: bool = True) -> None:
        """The container keeps its reason; its pod, which never ran anything, must not start behind our back."""
        self._lifecycle.end(record.id, record.run, outcome)
        if posted:
            self._workloads.delete_or_try_later(record)
        self._core.containers.update(record.id, lambda r: replace(r, object_name=None) if r.run == record.run else r)
        self._core.watcher.forget(record.short_id, record.run)
        if record.spec.auto_remove:
            self._lifecycle.remove(record.id, record.run)
        self._lifecycle.tell(record.id)


def _error(failure: Failure | None, message: str) -> KubedockError:
    if failure is None:
        return System(message)
    if failure.kind == "start":
        return InvalidParameter(message)
    return NotFound(message) if failure.missing else System(message)


def _why(observed: Observed | None, waited: float) -> str:
    if observed is None:
        return f"the cluster did not create the container's pod within {waited:.0f} s"
    if observed.failure is not None:
        return observed.failure.message
    doing = "its image is still being pulled" if observed.pulling_since else observed.waiting_reason or observed.phase
    return f"the container did not start within {waited:.0f} s: {doing}"
