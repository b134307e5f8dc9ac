"""The node: a worker for each pod, and what they share. It is the ``PodRunner`` of the embedded cluster's API."""

import shutil
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kubedock.cluster import Json
from kubedock.cluster.api import ObjectApi
from kubedock.cluster.store import ObjectStore
from kubedock.embedded.dns import PORT, NameServer
from kubedock.embedded.events import Events
from kubedock.embedded.hostsfiles import HostsFiles
from kubedock.embedded.logfiles import LogFile, Notifier
from kubedock.embedded.machine import node_name
from kubedock.embedded.nodeparts import NodeParts
from kubedock.embedded.podcontainer import PodContainer
from kubedock.embedded.podworker import PodWorker
from kubedock.embedded.pulls import Pulls
from kubedock.embedded.runtime import Runtime
from kubedock.embedded.sandbox import upstream_of
from kubedock.errors import InvalidParameter
from kubedock.parsing import quantity

LOOPBACK = "127.0.0.1"
RESOLV_CONF = Path("/etc/resolv.conf")


class Node:
    """Runs the store's pods. ``start`` it when the runtime is open."""

    def __init__(self, store: ObjectStore, runtime: Runtime, folder: Path, now: Callable[[], datetime]) -> None:
        """``folder`` is for the pods' volumes and logs."""
        self.name = node_name()
        self.notifier = Notifier()
        self.events = Events(store, now)
        self._store, self._runtime, self._pods, self._now = store, runtime, folder / "pods", now
        self._pulls = Pulls(runtime)
        self._workers: dict[str, PodWorker] = {}
        self._lock = threading.Lock()
        self._threads: set[PodWorker] = set()
        self._parts: NodeParts | None = None
        self._names: NameServer | HostsFiles | None = None

    def start(self, api: ObjectApi) -> None:
        """Begin: pods may be added from now on."""
        if self._pods.exists():
            shutil.rmtree(self._pods)  # of a server that was killed
        self._pods.mkdir(mode=0o711, parents=True)
        upstream = upstream_of(RESOLV_CONF.read_text() if RESOLV_CONF.exists() else "")
        self._parts = NodeParts(
            runtime=self._runtime,
            store=self._store,
            api=api,
            events=self.events,
            pulls=self._pulls,
            pods=self._pods,
            node=self.name,
            host_ip=self._runtime.gateway or LOOPBACK,
            upstream=upstream,
            now=self._now,
        )
        self.notifier.start()
        if self._runtime.gateway:
            self._names = NameServer(self._store, self._runtime.gateway, [(server, PORT) for server in upstream.nameservers])
        else:
            self._names = HostsFiles(self._store, self._runtime)
            self._store.listen(self._names.changed)
        self._names.start()

    def stop(self, timeout: float) -> None:
        """End the pods' workers and all other threads, also after a start that failed; the runtime ends the processes."""
        deadline = time.monotonic() + timeout
        self._pulls.stop(min(1.0, timeout))
        with self._lock:
            workers = list(self._threads)
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        if self._names is not None:
            self._names.stop(1.0)
        self.notifier.stop(1.0)

    # --- PodRunner: under the store's lock --------------------------------------------------------------------------

    def added(self, pod: Json) -> None:
        """See PodRunner: the scheduler and the kubelet in one."""
        misfit = self._misfit(pod)
        if misfit:
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": misfit}
            self._store.update("Pod", pod["metadata"]["name"], lambda item: item["status"].update(conditions=[condition]))
            self.events.tell(pod, "FailedScheduling", misfit, warning=True)
            return
        if self._parts is None:
            return
        worker = PodWorker(pod, self._parts, self._forget)
        worker.place()
        try:
            with self._lock:  # which it takes at its end
                worker.start()
                self._threads.add(worker)
        except RuntimeError as error:  # a limit of the system
            refusal = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": f"the pod was not admitted: {error}"}
            self._store.update("Pod", worker.name, lambda item: item["status"].update(refusal))
            return
        self._workers[worker.name] = worker

    def expire(self, pod: str) -> None:
        """See PodRunner."""
        worker = self._workers.get(pod)
        if worker is not None:
            worker.expire(self._store.find("Pod", pod)["spec"].get("activeDeadlineSeconds"))

    def ending(self, pod: str) -> bool:
        """See PodRunner: the worker drops the pod when its processes have ended."""
        worker = self._workers.get(pod)
        if worker is None:
            return True
        worker.end(self._store.find("Pod", pod)["metadata"]["deletionGracePeriodSeconds"])
        return False

    def removed(self, pod: str) -> None:
        """See PodRunner."""
        worker = self._workers.pop(pod, None)
        if worker is not None:
            worker.remove()

    def _forget(self, worker: PodWorker) -> None:
        with self._lock:
            self._threads.discard(worker)

    def _misfit(self, pod: Json) -> str:
        """Why the pod cannot run here, in the scheduler's words; "" when it can."""
        node, spec = self._store.find("Node", self.name), pod["spec"]
        if (spec.get("nodeSelector") or {}).items() - node["metadata"]["labels"].items():
            return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
        for name, shown in (("cpu", "cpu"), ("memory", "memory")):
            asked = sum(
                quantity(str(((one.get("resources") or {}).get("requests") or {}).get(name) or "0")) for one in spec["containers"]
            )
            if asked > quantity(node["status"]["allocatable"][name]):
                return f"0/1 nodes are available: 1 Insufficient {shown}."
        return ""

    # --- what execs, attaches and logs need --------------------------------------------------------------------------

    def container(self, pod: str, container: str) -> PodContainer | None:
        """A container that was placed here, None where its pod was not: NotFound, InvalidParameter."""
        with self._store.lock:
            spec = self._store.find("Pod", pod)["spec"]
            known = [one["name"] for one in (*(spec.get("initContainers") or ()), *spec["containers"])]
            if container not in known:
                raise InvalidParameter(f"container {container} is not valid for pod {pod}")
            worker = self._workers.get(pod)
        return None if worker is None else next(one for one in worker.containers if one.name == container)

    def running(self, pod: str, container: str) -> str:
        """The id of a container's run that lives, "" when none does: NotFound, InvalidParameter."""
        found = self.container(pod, container)
        if found is None:
            raise InvalidParameter(f"pod {pod} does not have a host assigned")
        return found.id

    def log(self, pod: str, container: str, *, previous: bool) -> LogFile:
        """A container's log: InvalidParameter while it waits for its first start."""
        found = self.container(pod, container)
        if previous:
            log = None if found is None else found.previous
            if log is None:
                raise InvalidParameter(f'previous terminated container "{container}" in pod "{pod}" not found')
            return log
        if found is None or found.log is None or not (found.id or found.status.last or "terminated" in found.status.state):
            reason = "" if found is None else str(found.status.state.get("waiting", {}).get("reason") or "")
            shown = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}.get(
                reason, reason or "ContainerCreating"
            )
            raise InvalidParameter(f'container "{container}" in pod "{pod}" is waiting to start: {shown}')
        return found.log

    def uid(self, pod: str) -> str:
        """A placed pod's uid: NotFound, InvalidParameter."""
        with self._store.lock:
            item = self._store.find("Pod", pod)
        if "nodeName" not in item["spec"]:
            raise InvalidParameter(f"pod {pod} does not have a host assigned")
        return str(item["metadata"]["uid"])
