"""What follows from what the cluster shows: a run began, a run ended, a container is gone.

The only place that writes these facts and tells of them, so that each event is published exactly once and in Docker's
order whoever noticed first: a watch's thread, or the request that ended a container. Nothing here waits or does I/O;
what needs that goes to ``Tasks``.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from kubedock.domain.container import ContainerRecord, Outcome
from kubedock.domain.event import Event
from kubedock.domain.status import KILLED, Observed, conclude
from kubedock.engine.core import Core
from kubedock.engine.networks import Networks
from kubedock.state.archive import Segment

logger = logging.getLogger(__name__)

FIRST_BACKOFF, LONGEST_BACKOFF, RESET_AFTER = 0.1, 60.0, 10.0
REMEMBERED = 1024
NEVER_RAN = "the container was stopped before it ran"


class SaveInstance(Protocol):
    """See ``Workloads.save_instance``."""

    def __call__(self, record: ContainerRecord, segment: Segment, seen: Observed, *, previous: bool) -> None: ...


class Follower(Protocol):
    """Who follows what becomes of a container's runs. Called under the lifecycle's lock: nothing here waits or does I/O."""

    def began(self, record: ContainerRecord) -> None:
        """A run has begun; the start has not been answered yet."""

    def ended(self, record: ContainerRecord) -> None:
        """A run has ended, also one whose start has failed; ``record.restarting`` tells whether the next one is to come."""

    def gone(self, record: ContainerRecord) -> None:
        """The container has been removed."""


class InstanceFollower(Protocol):
    """Who follows, within a run, the instances of a Deployment's container as well. Called as a Follower is."""

    def instance_began(self, record: ContainerRecord) -> None:
        """The kubelet or the controllers have brought the container back: it runs anew."""

    def instance_ended(self, record: ContainerRecord) -> None:
        """The instance has ended; the next one is to come."""


@dataclass(frozen=True, slots=True)
class Incarnation:
    """The instance of a Deployment's container that was told of last: its pod's uid, the kubelet's count, and its end."""

    uid: str
    count: int = 0
    ended: bool = False


NEVER_SEEN = Incarnation("")


class Lifecycle:
    """Takes changes over. ``restart``, ``remove`` and ``save_instance`` are what it hands to ``Tasks``; set by the Engine."""

    def __init__(self, core: Core, networks: Networks) -> None:
        """Begin to listen to the watcher."""
        self._core, self._networks = core, networks
        self._lock = threading.RLock()
        self._backoff: dict[str, float] = {}
        self._incarnations: dict[str, Incarnation] = {}
        self._last: OrderedDict[str, Outcome] = OrderedDict()
        self.restart: Callable[[str], None]
        self.remove: Callable[[str, int], None]
        self.save_instance: SaveInstance
        self.followers: list[Follower] = []
        self.instance_followers: list[InstanceFollower] = []
        core.watcher.on_change = self.changed

    def changed(self, short_id: str) -> None:
        """The cluster shows something new of this container."""
        for record in self._core.containers.list():  # not by find: another container's name may look like this id
            if record.short_id == short_id:
                with self._lock:
                    self._take_over(record.id)
                self.tell(record.id)

    def tell(self, container_id: str) -> None:
        """Wake all who wait for this container."""
        self._core.bell.ring(container_id)
        self._core.feeds.wake(container_id[:12])

    def publish(self, record: ContainerRecord, action: str, **attributes: str) -> None:
        """Tell of a container: its labels, name and image are on every event."""
        about = {**record.spec.labels, "image": record.spec.image, "name": record.name, **attributes}
        self._core.events.publish(Event("container", action, record.id, about, self._core.now()))

    def end(self, container_id: str, run: int, outcome: Outcome) -> None:
        """This run has ended, as whoever ended it knows. Nothing happens when its end was known already.

        One that was ended before it was seen to run has not started.
        """
        with self._lock:
            record = self._core.containers.get(container_id)
            if record is not None and record.run == run and record.outcome is None:
                if record.started_at is None and outcome.started:
                    outcome = replace(outcome, started=False, error=outcome.error or NEVER_RAN)
                self._end(record, outcome)
        self.tell(container_id)

    def gone(self, record: ContainerRecord) -> None:
        """The container has been removed from the store."""
        with self._lock:
            self._backoff.pop(record.id, None)
            self._incarnations.pop(record.id, None)
            self._last[record.id] = record.outcome or Outcome(0)
            while len(self._last) > REMEMBERED:
                self._last.popitem(last=False)
            self.publish(record, "destroy")
            for follower in self.followers:
                follower.gone(record)
        self.tell(record.id)

    def last_outcome(self, container_id: str) -> Outcome:
        """How a container that has been removed had ended."""
        return self._last.get(container_id, Outcome(0))

    def forget_backoff(self, container_id: str) -> None:
        """The user starts it: Docker's back-off begins anew."""
        with self._lock:
            self._backoff.pop(container_id, None)
            self._incarnations.pop(container_id, None)

    # --- under the lock ----------------------------------------------------------------------------------------

    def _take_over(self, container_id: str) -> None:
        record = self._core.containers.get(container_id)
        if record is None or not record.alive:
            return
        observed = self._core.watcher.observed(record.short_id, record.run)
        if observed is None:
            return
        record = self._begin(record, observed)
        if record.spec.workload == "deployment":
            record = self._incarnate(record, observed)
        outcome = conclude(record, observed, self._core.now())
        if outcome is not None:
            self._end(record, outcome)

    def _begin(self, record: ContainerRecord, observed: Observed) -> ContainerRecord:
        if record.started_at is not None or not observed.started:
            return record
        at = observed.started_at or (observed.terminated and observed.terminated.started_at) or self._core.now()
        change = self._core.containers.update(record.id, lambda r: replace(r, started_at=at))
        if change is None:
            return record
        self._tell_networks(change.after, "connect")
        self.publish(change.after, "start")
        for follower in self.followers:
            follower.began(change.after)
        return change.after

    def _tell_networks(self, record: ContainerRecord, action: str) -> None:
        for network_id in record.endpoints:
            network = self._core.networks.get(network_id)
            if network is not None:
                self._networks.publish_endpoint(action, network, record.id)

    def _incarnate(self, record: ContainerRecord, observed: Observed) -> ContainerRecord:
        """Follow the instances that the kubelet and the controllers make of a Deployment's container.

        The status' count decides, not who is seen to run: an instance may have ended between two looks.
        """
        seen = self._incarnations.get(record.id) or Incarnation(observed.uid)
        again = observed.uid != seen.uid
        steps = observed.restart_count + 1 if again else observed.restart_count - seen.count
        if steps > 0:
            before, record = record, self._restarted(record, observed, steps)
            end = None if again else observed.replaced or observed.terminated
            for step in range(steps):
                if step or not seen.ended:
                    self.publish(before, "die", exitCode=str(end.exit_code if end else KILLED))
                self.publish(record, "start")
            if not again:
                self._keep(record, Segment(record.run, record.restart_count - 1), observed, previous=True)
            seen = Incarnation(observed.uid, observed.restart_count)
            for follower in self.instance_followers:
                follower.instance_began(record)
        if observed.terminated is not None and not observed.running and not seen.ended and not record.stopped:
            for follower in self.instance_followers:
                follower.instance_ended(record)
            self.publish(record, "die", exitCode=str(observed.terminated.exit_code))
            self._keep(record, Segment(record.run, record.restart_count), observed, previous=False)
            seen = replace(seen, ended=True)
        self._incarnations[record.id] = seen
        return record

    def _keep(self, record: ContainerRecord, segment: Segment, observed: Observed, *, previous: bool) -> None:
        what = f"saving the log of {record.short_id}"
        self._core.tasks.submit(what, lambda: self.save_instance(record, segment, observed, previous=previous))

    def _restarted(self, record: ContainerRecord, observed: Observed, steps: int) -> ContainerRecord:
        at = observed.started_at or self._core.now()
        change = self._core.containers.update(record.id, lambda r: replace(r, restart_count=r.restart_count + steps, started_at=at))
        return record if change is None else change.after

    def _end(self, record: ContainerRecord, outcome: Outcome) -> None:
        again = outcome.started and self._comes_back(record, outcome)
        # Before anybody can see that it has ended: its ports are free when its stop is answered.
        for follower in self.followers:
            follower.ended(replace(record, outcome=outcome, restarting=again))
        change = self._core.containers.update(record.id, lambda r: replace(r, outcome=outcome, restarting=again))
        if change is None:
            return
        record = change.after
        if not outcome.started:
            return
        if outcome.oom_killed:
            self.publish(record, "oom")
        if not self._incarnations.pop(record.id, NEVER_SEEN).ended:
            duration = _duration(record.started_at, outcome.finished_at)
            self.publish(record, "die", exitCode=str(outcome.exit_code), execDuration=duration)
        self._tell_networks(record, "disconnect")
        if outcome.error and not self._core.tasks.stopping:
            logger.warning("container %s: %s", record.short_id, outcome.error)
        if again:
            pause = self._next_backoff(record, outcome)
            self._core.tasks.submit(f"restart of {record.short_id}", lambda: self.restart(record.id), after=pause)
        elif record.spec.auto_remove and not record.removing:
            self._core.tasks.submit(f"automatic removal of {record.short_id}", lambda: self.remove(record.id, record.run))

    def _comes_back(self, record: ContainerRecord, outcome: Outcome) -> bool:
        policy = record.spec.restart
        if record.stopped or record.removing or self._core.tasks.stopping or record.spec.workload == "deployment":
            return False
        if policy.name == "on-failure":
            more = policy.maximum_retries == 0 or record.restart_count < policy.maximum_retries
            return outcome.exit_code != 0 and more
        return policy.name in ("always", "unless-stopped")

    def _next_backoff(self, record: ContainerRecord, outcome: Outcome) -> float:
        ran = (outcome.finished_at - record.started_at).total_seconds() if outcome.finished_at and record.started_at else 0.0
        pause = FIRST_BACKOFF if ran >= RESET_AFTER else self._backoff.get(record.id, FIRST_BACKOFF)
        self._backoff[record.id] = min(pause * 2, LONGEST_BACKOFF)
        return pause


def _duration(started: datetime | None, finished: datetime | None) -> str:
    return str(max(0, int((finished - started).total_seconds()))) if started and finished else "0"
