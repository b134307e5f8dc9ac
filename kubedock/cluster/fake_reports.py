"""What the simulated kubelet and scheduler tell of a pod: its status and its events. Under the store's lock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from kubedock.cluster.fake_files import FakeFiles
from kubedock.cluster.fake_program import Program
from kubedock.cluster.fake_streams import FakeLog
from kubedock.cluster.objects import timestamp
from kubedock.cluster.podevents import pod_event
from kubedock.cluster.protocol import Json
from kubedock.cluster.store import ObjectStore

MAIN = "main"
NODE = "node-1"


@dataclass(slots=True)
class Run:
    """A pod on the node, and the current run of its main container. ``finished`` is the state that the status will show."""

    pod: str
    uid: str
    state: Literal["new", "scheduled", "running", "ended"] = "new"
    log: FakeLog = field(default_factory=FakeLog)
    previous: FakeLog | None = None
    program: Program | None = None
    started_at: datetime | None = None
    finished: Json | None = None
    last: Json = field(default_factory=dict)
    restarts: int = 0
    synced: bool = False
    ip: str = ""
    files: FakeFiles = field(default_factory=FakeFiles)


def main_of(pod: Json) -> Json:
    """The main container of a pod's spec, or its first."""
    containers: list[Json] = pod["spec"]["containers"]
    return next((each for each in containers if each["name"] == MAIN), containers[0])


class PodReports:
    """Writes into the store; nothing where the pod is gone."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime]) -> None:
        self._store, self._now = store, now
        self._events = 0

    def place(self, pod: str) -> None:
        """It is on the node."""
        now = timestamp(self._now())

        def placed(item: Json) -> None:
            item["spec"]["nodeName"] = NODE
            item["status"] |= {
                "startTime": now,
                "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": now}],
            }

        self._change(pod, placed)

    def status(self, pod: str, **fields: object) -> None:
        """Fields of its status."""
        self._change(pod, lambda item: item["status"].update(fields))

    def show(self, pod: str, state: Json, *, started: bool, phase: str = "", run: Run | None = None) -> None:
        """The main container's state, and the pod's phase, in its status."""
        self._change(pod, lambda item: self._show(item, state, started=started, phase=phase, run=run))

    def event(self, pod: str, reason: str, message: str, *, warning: bool = False, source: str = "kubelet") -> None:
        """One more event about it; the kubelet's are about its main container."""
        item = self._store.peek("Pod", pod)
        if item is None:
            return
        self._events += 1
        of = f"spec.containers{{{main_of(item)['name']}}}" if source == "kubelet" else ""
        name = f"{pod}.{self._events:016x}"
        self._store.insert("Event", pod_event(item, name, reason, message, timestamp(self._now()), container=of, warning=warning))

    def _change(self, pod: str, change: Callable[[Json], object]) -> None:
        def changed(item: Json) -> None:
            change(item)

        if self._store.peek("Pod", pod) is not None:
            self._store.update("Pod", pod, changed)

    def _show(self, item: Json, state: Json, *, started: bool, phase: str = "", run: Run | None = None) -> None:
        now, status = timestamp(self._now()), item["status"]
        status |= {"phase": phase or status.get("phase", "Pending"), "hostIP": "192.0.2.1", "qosClass": "Burstable"}
        ready = "True" if "running" in state else "False"
        others = [each for each in status.get("conditions") or () if each["type"] == "PodScheduled"]
        status["conditions"] = [*others, {"type": "Ready", "status": ready, "lastTransitionTime": now}]
        if run is not None and run.ip:
            status |= {"podIP": run.ip, "podIPs": [{"ip": run.ip}]}
        shown = main_of(item)
        known = run is not None and run.started_at is not None
        status["containerStatuses"] = [
            {
                "name": shown["name"],
                "image": shown["image"],
                "imageID": f"{shown['image'].partition('@')[0]}@sha256:{'a' * 64}" if known else "",
                "ready": "running" in state,
                "started": started,
                "restartCount": run.restarts if run else 0,
                "state": state,
                "lastState": dict(run.last) if run else {},
            }
            | ({"containerID": f"containerd://{item['metadata']['uid'].replace('-', '')}"} if known else {})
        ]
