"""A pod and its events -> ``Observed``. Pure.

Three sources say whether main runs: the pod's status, once a second; the kubelet's ``Started`` event, at once; the
watch's DELETED, which is the last word. The event counts where it tells of more starts than the status knows of.

All shapes here were seen on Kubernetes 1.34 with containerd; tests/kube/pods holds them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kubedock.cluster import Json
from kubedock.domain.status import Failure, FailureKind, Observed, Terminated
from kubedock.kube import failures, labels
from kubedock.kube.manifest import MAIN
from kubedock.kube.podevents import Told, moment, path_of, told

_OVER = ("Succeeded", "Failed")
_DEADLINE = "DeadlineExceeded"
_TAKEN_AWAY = {
    "Evicted": "the pod was evicted",
    "EvictionByEvictionAPI": "the pod was evicted",
    "TerminationByKubelet": "the pod was evicted",
    "DeletionByTaintManager": "the pod was evicted",
    "DeletionByPodGC": "the pod's node is lost",
    "NodeLost": "the pod's node is lost",
    "NodeShutdown": "the pod's node was shut down",
    "Shutdown": "the pod's node was shut down",
    "Terminated": "the pod's node was shut down",
    "Preempting": "the pod was preempted",
    "PreemptionByScheduler": "the pod was preempted",
}
"""Why pods are taken away, by ``status.reason`` and by the reason of the condition DisruptionTarget."""


def observe(pod: Json, events: Sequence[Json], *, deleted: bool = False) -> Observed:
    """What a pod tells, with the events about it in any order. ``deleted``: this is the last that was seen of it."""
    metadata, spec, status = pod.get("metadata") or {}, pod.get("spec") or {}, pod.get("status") or {}
    main = _main(status)
    known = told(events, MAIN)
    phase = str(status.get("phase") or "Pending")
    over = deleted or phase in _OVER
    newer = known.starts > _starts(main)
    ended = None if over and ("running" in _state(main) or newer) else _terminated(main, status)
    running = not over and ("running" in _state(main) or newer)
    started = running or ended is not None or "running" in _state(main) or known.starts > 0
    failure = None if started else _failure(metadata, spec, status, main, known)
    ready = _log_ready(main)
    return Observed(
        pod=str(metadata.get("name", "")),
        uid=str(metadata.get("uid", "")),
        node=str(spec.get("nodeName") or ""),
        ip=str(status.get("podIP") or ""),
        phase=phase,
        started=started,
        running=running,
        log_ready=ready,
        started_at=_started_at(main, known, running=running),
        terminated=ended,
        replaced=_end(last) if (last := _last(main)) is not None and _ran(last) else None,
        restart_count=int(main.get("restartCount") or 0),
        waiting_reason="" if running or over else str(_state(main).get("waiting", {}).get("reason") or ""),
        failure=failure,
        pulling_since=None if started or over or failure is not None else known.pulling_since,
        pull_seconds=known.pull_seconds,
        lost=_lost(status, main, started=started, over=over) if failure is None else "",
        leaving="deletionTimestamp" in metadata,
        deleted=deleted,
        image_id=str(main.get("imageID") or ""),
    )


def rejection(deployment: Json) -> str:
    """Why the API server denies a Deployment's pod (quota, admission, Pod Security), "" when it does not.

    The Deployment itself is accepted all the same: only its status tells.
    """
    for condition in (deployment.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("message") or condition.get("reason") or "")
    return ""


def _main(status: Mapping[str, Any]) -> Json:
    """Main's container status, ``{}`` while the kubelet has written none."""
    found = [one for one in status.get("containerStatuses") or [] if one.get("name") == MAIN]
    return found[0] if found else {}


def _state(container: Json) -> Json:
    return {key: value or {} for key, value in (container.get("state") or {}).items()}


def _last(container: Json) -> Json | None:
    """The end of the run before the one that the status is about."""
    return (container.get("lastState") or {}).get("terminated")


def _ran(terminated: Json | None) -> bool:
    return terminated is not None and terminated.get("reason") not in failures.START_REASONS


def _starts(main: Json) -> int:
    """How many starts the status knows of, failed ones included."""
    restarts = int(main.get("restartCount") or 0)
    state = _state(main)
    if "running" in state or "terminated" in state or _last(main) is not None:
        return restarts + 1
    return restarts


def _log_ready(main: Json) -> bool:
    """The API server serves the log: it does not for a container that waits for its first start."""
    state = _state(main)
    if "terminated" in state:
        return _ran(state["terminated"]) or _ran(_last(main))
    return "running" in state or _ran(_last(main))


def _started_at(main: Json, known: Told, *, running: bool) -> datetime | None:
    state = _state(main)
    if "running" in state:
        return moment(state["running"].get("startedAt"))
    if running:
        return known.started_at
    ended = state.get("terminated") or _last(main) or {}
    return moment(ended.get("startedAt")) or known.started_at


def _terminated(main: Json, status: Mapping[str, Any]) -> Terminated | None:
    """The newest end of a process that ran; what the kubelet had to say of it is its message."""
    ends = [end for end in (_state(main).get("terminated"), _last(main)) if end is not None and _ran(end)]
    deadline = status.get("reason") == _DEADLINE
    return _end(ends[0], message=str(status.get("message") or "") if deadline else "") if ends else None


def _end(terminated: Json, *, message: str = "") -> Terminated:
    return Terminated(
        exit_code=int(terminated.get("exitCode") or 0),
        started_at=moment(terminated.get("startedAt")),
        finished_at=moment(terminated.get("finishedAt")),
        oom_killed=terminated.get("reason") == "OOMKilled",
        message=message,
    )


def _lost(status: Mapping[str, Any], main: Json, *, started: bool, over: bool) -> str:
    """Why the pod was taken away, once it is; "" when its container ended by itself or the pod is still there."""
    ended = _state(main).get("terminated")
    if ended is not None and ended.get("reason") == "ContainerStatusUnknown":
        return str(ended.get("message") or "the container's end is not known")
    if status.get("phase") == "Unknown" or status.get("reason") == "NodeLost":
        return _TAKEN_AWAY["NodeLost"]
    if not over and ended is None:
        return ""
    if status.get("phase") == "Failed" and status.get("reason") not in (None, "", _DEADLINE):
        return _reason(str(status["reason"]), status.get("message"))
    for condition in status.get("conditions") or []:
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return _reason(str(condition.get("reason") or ""), condition.get("message"))
    if status.get("phase") == "Failed" and started and ended is None:
        return "the pod failed and its container's end is not known"
    return ""


def _reason(reason: str, message: str | None) -> str:
    what = _TAKEN_AWAY.get(reason) or f"the pod failed ({reason})"
    return f"{what}: {message.strip()}" if message and message.strip() else what


# --- why main does not start ---------------------------------------------------------------------------------------


def _failure(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any], main: Json, known: Told
) -> Failure | None:
    """Why main has not started, if something is in the way."""
    image = str((metadata.get("annotations") or {}).get(labels.IMAGE_ANNOTATION) or "")
    found = _scheduling(status) or _init_failure(spec, status, known) or _waiting_failure(main, path_of(MAIN), known, image)
    found = found or _told_failure(spec, known, image)
    if found is not None:
        return found
    if status.get("phase") == "Failed":
        return failures.refused(str(status.get("reason") or ""), str(status.get("message") or "").strip())
    return failures.trouble(known.trouble) if known.trouble else None


def _told_failure(spec: Mapping[str, Any], known: Told, asked: str) -> Failure | None:
    """What events tell for certain before the status does, up to a second earlier. ``asked``: see ``_waiting_failure``."""
    if known.start_failure:
        return failures.start_failure(known.start_failure)
    causes = known.causes(path_of(MAIN))
    if not causes:
        return None
    image = next((str(one.get("image", "")) for one in spec.get("containers") or [] if one.get("name") == MAIN), "")
    found = failures.image_failure(asked or image, "ErrImagePull", "", causes=causes, attempts=known.attempts(path_of(MAIN)))
    return found if found.permanent else None


def _scheduling(status: Mapping[str, Any]) -> Failure | None:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return failures.unschedulable(str(condition.get("message") or ""))
    return None


def _waiting_failure(container: Json, path: str, known: Told, asked: str = "") -> Failure | None:
    """Of a container that has not started: its image, its manifest or its process.

    ``asked`` is the image as the user wrote it, "" where that is what the pod says.
    """
    state = _state(container)
    failed = state.get("terminated") or _last(container)
    waiting = state.get("waiting") or {}
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    if reason in failures.IMAGE_REASONS or reason in ("InvalidImageName", "ErrImageNeverPull"):
        reference = asked or str(container.get("image") or "")
        causes, attempts = known.causes(path), known.attempts(path)
        return failures.image_failure(reference, reason, message, causes=causes, attempts=attempts)
    if reason in failures.CONFIG_REASONS:
        return failures.config_failure(reason, message)
    if failed is not None and failed.get("reason") in failures.START_REASONS:
        return failures.start_failure(str(failed.get("message") or message))
    return failures.start_failure(message) if reason == "RunContainerError" else None


def _init_failure(spec: Mapping[str, Any], status: Mapping[str, Any], known: Told) -> Failure | None:
    """Of the pod template's init containers: main waits for each of them."""
    for container in status.get("initContainerStatuses") or []:
        name = str(container.get("name", ""))
        found = _waiting_failure(container, path_of(name, init=True), known)
        ended = _state(container).get("terminated") or _last(container)
        if found is None and ended is not None and ended.get("exitCode"):
            again = spec.get("restartPolicy") != "Never"
            code = int(ended["exitCode"])
            found = Failure("config", f"ended with exit code {code}", permanent=not again, exit_code=failures.START_FAILED)
        if found is not None:
            text = f"init container {name} of the pod template: {found.message}"
            kind: FailureKind = "image" if found.kind == "image" else "config"
            return Failure(kind, text, found.permanent, found.missing, failures.START_FAILED)
    return None
