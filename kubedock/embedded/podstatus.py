"""The states of a pod's containers -> its ``status``, as a kubelet writes it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubedock.cluster import Json
from kubedock.cluster.objects import precise, timestamp

EPOCH = "1970-01-01T00:00:00Z"
START_FAILED = 128


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """One container: ``state`` and ``last`` are Kubernetes' states (waiting, running or terminated).

    ``sidecar``: an init container that goes on beside the others; ``begun``: its process has run.
    """

    name: str
    image: str
    init: bool = False
    image_id: str = ""
    container_id: str = ""
    state: Json = field(default_factory=dict)
    last: Json = field(default_factory=dict)
    restarts: int = 0
    sidecar: bool = False
    begun: bool = False

    @property
    def running(self) -> bool:
        """Its process runs."""
        return "running" in self.state

    @property
    def code(self) -> int | None:
        """Its exit code, None while it has not ended."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    @property
    def initialized(self) -> bool:
        """Of an init container: nothing waits for it any more."""
        return self.begun if self.sidecar else self.code == 0


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod on the node. ``failure`` is (reason, message) of a pod that the node has ended: DeadlineExceeded."""

    containers: Sequence[ContainerStatus]
    restart_policy: str
    started_at: datetime
    host_ip: str
    ip: str = ""
    failure: tuple[str, str] | None = None


def waiting(reason: str, message: str = "") -> Json:
    """The state of a container that waits."""
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def running(since: datetime) -> Json:
    """The state of a container whose process runs."""
    return {"running": {"startedAt": precise(since)}}


def not_started(text: str, now: datetime, container_id: str) -> Json:
    """The state of a container whose process could not be started."""
    ended = {
        "exitCode": START_FAILED,
        "reason": "StartError",
        "message": text,
        "startedAt": EPOCH,
        "finishedAt": precise(now),
        "containerID": container_id,
    }
    return {"terminated": ended}


def terminated(code: int, times: tuple[datetime, datetime], container_id: str, *, oom: bool = False, message: str = "") -> Json:
    """The state of a container whose process has ended; ``times`` are its start and its end."""
    ended: dict[str, Any] = {
        "exitCode": code,
        "reason": "OOMKilled" if oom else "Completed" if code == 0 else "Error",
        "startedAt": precise(times[0]),
        "finishedAt": precise(times[1]),
        "containerID": container_id,
    }
    return {"terminated": ended | ({"message": message} if message else {})}


def phase(pod: PodState) -> str:
    """Pending, Running, Succeeded or Failed."""
    if pod.failure is not None:
        return "Failed"
    found = outcome(pod)
    if found and not any(one.running for one in pod.containers):
        return found
    begun = any(one.running or one.code is not None or one.last for one in pod.containers if not one.init)
    return "Running" if begun else "Pending"


def outcome(pod: PodState) -> str:
    """What the pod comes to once its sidecars have ended, too: Succeeded or Failed; "" while others have something to do."""
    if pod.restart_policy == "Never" and any(one.code for one in pod.containers if one.init and not one.sidecar):
        return "Failed"
    main = [one for one in pod.containers if not one.init]
    if not all(one.initialized for one in pod.containers if one.init):
        return ""
    if any(one.code is None or _starts_again(one, pod.restart_policy) for one in main):
        return ""
    return "Failed" if any(one.code for one in main) else "Succeeded"


def _starts_again(container: ContainerStatus, policy: str) -> bool:
    """It has ended, and will be brought back."""
    return policy == "Always" or (policy == "OnFailure" and container.code != 0)


def status(pod: PodState, before: Json, now: datetime) -> Json:
    """The pod's whole status; ``before`` gives the times of conditions that have not changed."""
    found = phase(pod)
    result: Json = {
        "phase": found,
        "qosClass": before.get("qosClass", "Burstable"),
        "startTime": timestamp(pod.started_at),
        "hostIP": pod.host_ip,
        "hostIPs": [{"ip": pod.host_ip}],
        "conditions": _conditions(pod, found, before, now),
        "containerStatuses": [_shown(one) for one in pod.containers if not one.init],
    }
    init = [_shown(one) for one in pod.containers if one.init]
    if init:
        result["initContainerStatuses"] = init
    if pod.ip:
        result |= {"podIP": pod.ip, "podIPs": [{"ip": pod.ip}]}
    if pod.failure is not None:
        result |= {"reason": pod.failure[0], "message": pod.failure[1]}
    return result


def _conditions(pod: PodState, found: str, before: Json, now: datetime) -> list[Json]:
    initialized = all(one.initialized for one in pod.containers if one.init)
    ready = found == "Running" and all(one.running for one in pod.containers if one.sidecar or not one.init)
    done = "PodCompleted" if found == "Succeeded" else "PodFailed" if found == "Failed" else "ContainersNotReady"
    wanted: Mapping[str, tuple[bool, str]] = {
        "PodReadyToStartContainers": (bool(pod.ip) and found in ("Pending", "Running"), ""),
        "Initialized": (initialized, "" if initialized else "ContainersNotInitialized"),
        "Ready": (ready, "" if ready else done),
        "ContainersReady": (ready, "" if ready else done),
        "PodScheduled": (True, ""),
    }
    known = {one["type"]: one for one in before.get("conditions") or ()}
    return [
        _condition(name, holds=holds, reason=reason, before=known.get(name), now=now) for name, (holds, reason) in wanted.items()
    ]


def _condition(name: str, *, holds: bool, reason: str, before: Json | None, now: datetime) -> Json:
    shown = "True" if holds else "False"
    same = before is not None and before["status"] == shown
    since = before["lastTransitionTime"] if same and before is not None else timestamp(now)
    return {"type": name, "status": shown, "lastTransitionTime": since} | ({"reason": reason} if reason else {})


def _shown(container: ContainerStatus) -> Json:
    ready = container.running or (container.init and not container.sidecar and container.code == 0)
    result: Json = {
        "name": container.name,
        "image": container.image,
        "imageID": container.image_id,
        "ready": ready,
        "started": container.running,
        "restartCount": container.restarts,
        "state": dict(container.state),
        "lastState": dict(container.last),
    }
    return result | ({"containerID": container.container_id} if container.container_id else {})
