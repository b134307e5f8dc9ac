"""The Kubernetes object of a container's run: post it, end it, take it away, save its log.

A run that kubedock does itself has none: what is done with the object of others is done with that run (``engine.inside``)."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace

from kubedock.cluster import ByteStream, LogOptions
from kubedock.domain.container import ContainerRecord, Outcome
from kubedock.domain.status import KILLED, Observed
from kubedock.engine import signals
from kubedock.engine.companions import Companions
from kubedock.engine.core import Core
from kubedock.engine.inside import Inside
from kubedock.engine.lifecycle import Lifecycle
from kubedock.engine.linking import linked
from kubedock.engine.naming import labels_of
from kubedock.engine.pods import pod_of
from kubedock.engine.segments import open_log
from kubedock.errors import Forbidden, KubedockError, NotFound, Unavailable
from kubedock.kube import labels
from kubedock.kube.manifest import PodDefaults, deployment_manifest, pod_manifest
from kubedock.kube.observe import rejection
from kubedock.kube.security import is_pod_security_denial
from kubedock.state.archive import Segment
from kubedock.streams.logs import parse_stamp

logger = logging.getLogger(__name__)

RETRY_SECONDS, LONGEST_RETRY = 3.0, 60.0
CONTROLLER_SECONDS = 3.0
READABLE_SECONDS = 2.0
NO_REPLICAS = {"spec": {"replicas": 0}}
SAVED_LOG = 16 * 1024 * 1024
"""Bytes of a log that are saved at most; the kubelet keeps 10 MiB by default."""


class Workloads:
    """Pods and Deployments of containers, and the runs that have neither."""

    def __init__(self, core: Core, lifecycle: Lifecycle, inside: Inside, companions: Companions) -> None:
        self._core, self._lifecycle = core, lifecycle
        self.inside, self.companions = inside, companions
        self._restricted = core.defaults.pod_security == "restricted"

    def post(self, record: ContainerRecord) -> None:
        """Create the object of the record's run. Where the namespace demands the restricted level, once more with it.

        Unavailable once the server stops: nothing would take the object away again.
        """
        if self._core.tasks.stopping:
            raise Unavailable("kubedock is shutting down")
        record = self.companions.post(record)
        try:
            self._post(record, restricted=self._restricted)
        except Forbidden as error:
            if not self._turn_restricted(str(error)):
                raise
            self._post(record, restricted=True)

    def rejection(self, record: ContainerRecord) -> str:
        """Why the cluster does not create a Deployment's pod, "" where it does."""
        try:
            return rejection(self._core.cluster.get("Deployment", record.object_name or ""))
        except NotFound:
            return ""

    def post_restricted(self, record: ContainerRecord, reason: str) -> bool:
        """Create a Deployment once more if its pod was denied for the Pod Security level; False for other reasons."""
        if not self._turn_restricted(reason):
            return False
        self.delete(record)
        self._post(self.companions.post(record), restricted=True)
        return True

    def _turn_restricted(self, reason: str) -> bool:
        """From now on all pods keep to the restricted level, where the settings leave that open and this is the reason."""
        if self._restricted or self._core.defaults.pod_security != "auto" or not is_pod_security_denial(reason):
            return False
        logger.warning("the namespace enforces the restricted Pod Security level: containers are started with it from now on")
        self._restricted = True
        return True

    def _post(self, record: ContainerRecord, *, restricted: bool) -> None:
        defaults = self._defaults(record)
        defaults = replace(defaults, pod_security="restricted") if restricted else defaults
        if record.spec.workload == "inside":
            self.inside.begin(record)
            return
        names, kept = labels_of(self._core, record), self.companions.files(record)
        record = linked(self._core, record)
        if record.spec.workload == "deployment":
            self._core.cluster.create("Deployment", deployment_manifest(record, defaults, names, kept))
        else:
            self._core.watcher.expect(self._core.cluster.create("Pod", pod_manifest(record, defaults, names, kept)))

    def _defaults(self, record: ContainerRecord) -> PodDefaults:
        """The settings for its pod. Kubernetes adds the account's pull secrets to a pod that has none, so we do to others."""
        defaults = self._core.defaults
        if not record.with_login and not defaults.image_pull_secrets:
            return defaults
        return replace(defaults, image_pull_secrets=(*defaults.image_pull_secrets, *self._core.account_secrets()))

    def pod_of(self, record: ContainerRecord) -> str | None:
        """The pod that runs the record's run, as far as it is known."""
        return pod_of(self._core, record)

    def signal(self, record: ContainerRecord, name: str) -> None:
        """Send a signal to the first process, if there is one to be reached; see ``signals.deliver`` for errors."""
        pod = self.pod_of(record)
        if pod is None:
            return
        if record.spec.workload == "inside":
            self.inside.signal(pod, name)
        else:
            signals.deliver(self._core.cluster, pod, name, self._core.limits.signal)

    def end_hard(self, record: ContainerRecord, *, keep_log: bool = True) -> None:
        """KILL: save the log, take the pod away at once; the container has exited 137."""
        self.put_away(record, keep_log=keep_log and record.started_at is not None)
        self._lifecycle.end(record.id, record.run, Outcome(KILLED, self._core.now()))

    def scale_to_zero(self, record: ContainerRecord) -> None:
        """Ask the Deployment's controllers to end its pod; its last events carry the exit code.

        The pod goes with its end, and its log with it: that is read from now on to its end.
        """
        if record.object_name is None:
            return
        stream = self._follow_to_the_end(record)
        try:
            self._core.cluster.patch("Deployment", record.object_name, NO_REPLICAS)
        except KubedockError:
            if stream is not None:
                stream.close()
            raise

    def _follow_to_the_end(self, record: ContainerRecord) -> ByteStream | None:
        pod, segment = self.pod_of(record), _segment(record)
        if pod is None or self._core.archive.get(record.id, segment) is not None:
            return None
        self._wait_until_readable(record)
        try:
            stream = open_log(self._core, pod, LogOptions(follow=True, limit_bytes=SAVED_LOG))
        except KubedockError as error:
            logger.warning("container %s: its log cannot be saved: %s", record.short_id, error)
            return None
        self._core.tasks.submit(f"saving the log of {record.short_id}", lambda: self._keep(record, segment, stream))
        return stream

    def enforce_deadline(self, record: ContainerRecord) -> None:
        """Have the kubelet end a pod: TERM, then KILL after the pod's own grace period; pod and log stay."""
        pod = self.pod_of(record)
        if pod is not None:
            self._core.cluster.patch("Pod", pod, {"spec": {"activeDeadlineSeconds": 1}})

    def delete(self, record: ContainerRecord) -> None:
        """Take the run's objects away without waiting for the kubelet. What is gone already is fine."""
        if record.object_name is None:
            return
        try:
            if record.spec.workload == "inside":
                self.inside.end(record.object_name)
            elif record.spec.workload == "deployment":
                self._delete_deployment(record, record.object_name)
            else:
                self._core.cluster.delete("Pod", record.object_name, grace=0)
        except NotFound:
            logger.debug("%s is gone already", record.object_name)
        self.companions.delete(record)

    def _delete_deployment(self, record: ContainerRecord, name: str) -> None:
        """Its controllers must have let go of the pod first: they would replace one that is deleted, and run it twice."""
        observed = self._core.watcher.observed(record.short_id, record.run)
        if observed is not None and not observed.leaving and not observed.deleted:
            self._core.cluster.patch("Deployment", name, NO_REPLICAS)
            self._wait_until_leaving([record])
        self._core.cluster.delete("Deployment", name)
        self._core.cluster.delete_collection(
            "Pod", selector=labels.container_selector(self._core.defaults.instance, record.short_id), grace=0
        )

    def let_deployments_go(self) -> None:
        """At the end of the server, before everything is deleted at once: no controller brings a pod back then."""
        records = [r for r in self._core.containers.list() if r.spec.workload == "deployment" and r.alive and r.object_name]
        for record in records:
            with suppress(NotFound):
                self._core.cluster.patch("Deployment", record.object_name or "", NO_REPLICAS)
        self._wait_until_leaving(records)

    def _wait_until_leaving(self, records: Sequence[ContainerRecord]) -> None:
        """Until the controllers have begun to delete these runs' pods, for at most some seconds."""
        deadline = time.monotonic() + CONTROLLER_SECONDS
        for record in records:
            self._wait_until(record, lambda observed: observed.leaving or observed.deleted, deadline)

    def _wait_until_readable(self, record: ContainerRecord) -> None:
        """The log of a process that runs is refused until the status shows it, which it does within a second or so."""
        deadline = time.monotonic() + READABLE_SECONDS
        self._wait_until(record, lambda seen: seen.log_ready or not seen.running, deadline)

    def _wait_until(self, record: ContainerRecord, decided: Callable[[Observed], bool], deadline: float) -> None:
        """Until what is observed of a run is so, or nothing is known of it, at most until ``deadline`` (monotonic)."""
        with self._core.bell.listening(record.id) as changed:
            while (left := deadline - time.monotonic()) > 0:
                observed = self._core.watcher.observed(record.short_id, record.run)
                if observed is None or decided(observed):
                    return
                changed.wait(left)
                changed.clear()

    def put_away(self, record: ContainerRecord, *, keep_log: bool = True) -> None:
        """Save the run's log and take its objects away. Where that fails, the log is still the pod's."""
        segment = self.save_log(record) if keep_log else None
        try:
            self.delete(record)
        except KubedockError:
            if segment is not None:
                self._core.archive.drop(record.id, segment)
            raise

    def delete_or_try_later(self, record: ContainerRecord, pause: float | None = None) -> None:
        """For a pod that must not start behind our back, also when the cluster cannot be reached: tried until it is gone."""
        try:
            self.delete(record)
        except KubedockError as error:
            pause = RETRY_SECONDS if pause is None else pause
            logger.warning("container %s: its pod could not be deleted: %s; again in %.0f s", record.short_id, error, pause)
            longer = min(pause * 2, LONGEST_RETRY)
            self._core.tasks.submit(f"deleting {record.object_name}", lambda: self.delete_or_try_later(record, longer), after=pause)

    def save_log(self, record: ContainerRecord) -> Segment | None:
        """Keep the log of the record's run before its pod goes; what was saved now.

        A log that cannot be had is lost, which is logged.
        """
        pod = self.pod_of(record)
        segment = _segment(record)
        if pod is None or self._core.archive.get(record.id, segment) is not None:
            return None
        self._wait_until_readable(record)
        self._save(record, segment, pod)
        return segment

    def save_instance(self, record: ContainerRecord, segment: Segment, seen: Observed, *, previous: bool) -> None:
        """Keep the log of one instance of a Deployment's container, which has ended.

        The kubelet keeps a pod's last dead container alone: an instance that ends at once may be gone with its log before
        anybody could ask for it. ``seen`` says which instance was meant; what came too late is not that one's.
        """
        if not previous and self._core.archive.get(record.id, segment):
            return
        text = self._read(record, seen.pod, previous=previous)
        now = self._core.watcher.observed(record.short_id, record.run)
        if text and now is not None and (now.uid, now.restart_count) == (seen.uid, seen.restart_count):
            # Until the status tells of a restart, the next instance's log may have been given for this one's.
            self._core.archive.save(record.id, segment, text, certain=previous)
        elif previous and not self._core.archive.get(record.id, segment):
            logger.warning("container %s: the log of instance %s is lost", record.short_id, segment.instance)

    def _save(self, record: ContainerRecord, segment: Segment, pod: str) -> None:
        self._core.archive.save(record.id, segment, self._read(record, pod))

    def _read(self, record: ContainerRecord, pod: str, *, previous: bool = False) -> bytes:
        try:
            stream = open_log(self._core, pod, LogOptions(limit_bytes=SAVED_LOG, previous=previous))
        except KubedockError as error:
            logger.warning("container %s: its log could not be saved: %s", record.short_id, error)
            return b""
        return self._read_all(record, stream)

    def _keep(self, record: ContainerRecord, segment: Segment, stream: ByteStream) -> None:
        self._core.archive.save(record.id, segment, self._read_all(record, stream))

    def _read_all(self, record: ContainerRecord, stream: ByteStream) -> bytes:
        text = bytearray()
        try:
            with closing(stream):
                while data := stream.read():
                    text += data
        except KubedockError as error:
            logger.warning("container %s: its log could not be saved whole: %s", record.short_id, error)
        # Where there is no log the kubelet sends a remark of its own instead.
        return bytes(text) if parse_stamp(bytes(text[:40])) is not None else b""


def _segment(record: ContainerRecord) -> Segment:
    return Segment(record.run, record.restart_count if record.spec.workload == "deployment" else 0)
