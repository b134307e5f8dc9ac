"""Pods for tests of clusters, and what is seen of them."""

from typing import Any

from kubedock.cluster import Cluster, LogOptions
from tests.support.waiting import eventually


def main(*command: str, name: str = "main", image: str = "alpine", **fields: Any) -> dict[str, Any]:
    """A container."""
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "command": list(command), **fields}


def a_pod(*containers: dict[str, Any], name: str = "p", **spec: Any) -> dict[str, Any]:
    """A pod that ends once."""
    return {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": list(containers), **spec}}


def status_of(cluster: Cluster, pod: str = "p", container: str = "main") -> dict[str, Any]:
    """A container's status, ``{}`` where there is none."""
    status = cluster.get("Pod", pod)["status"]
    found = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return next((one for one in found if one["name"] == container), {})


def reaches(cluster: Cluster, state: str, pod: str = "p", container: str = "main") -> dict[str, Any]:
    """The container's state once it is this one: waiting, running or terminated."""
    found: dict[str, Any] = eventually(
        lambda: status_of(cluster, pod, container).get("state", {}).get(state), what=f"{pod}/{container} {state}"
    )
    return found


def phase_of(cluster: Cluster, pod: str = "p") -> str:
    """A pod's phase."""
    return str(cluster.get("Pod", pod)["status"]["phase"])


def told_of(cluster: Cluster, pod: str = "p") -> list[tuple[str, str]]:
    """(reason, message) of a pod's events."""
    items = cluster.list("Event", fields=f"involvedObject.kind=Pod,involvedObject.name={pod}").items
    return [(item["reason"], item["message"]) for item in items]


def text_of(cluster: Cluster, pod: str = "p", **options: Any) -> bytes:
    """A log without its times."""
    return b"".join(texts(all_of(cluster, pod, LogOptions(**options))))


def main_state(cluster: Cluster, pod: str) -> dict[str, Any]:
    """The state of a pod's container."""
    statuses = cluster.get("Pod", pod)["status"].get("containerStatuses") or [{}]
    state: dict[str, Any] = statuses[0].get("state", {})
    return state


def ended(cluster: Cluster, pod: str) -> dict[str, Any]:
    """How a pod's container ended."""
    state: dict[str, Any] = eventually(lambda: main_state(cluster, pod).get("terminated"))
    return state


def all_of(cluster: Cluster, pod: str, options: LogOptions | None = None) -> bytes:
    """A log to its end."""
    stream, data = cluster.logs(pod, options or LogOptions()), b""
    while part := stream.read():
        data += part
    stream.close()
    return data


def texts(log: bytes) -> list[bytes]:
    """A log's lines without their times, which must be well formed."""
    lines = []
    for line in log.splitlines(keepends=True):
        moment, _, text = line.partition(b" ")
        assert len(moment) == 30, line
        assert moment.endswith(b"Z"), line
        lines.append(text)
    return lines
