"""Events about pods, as the scheduler and the kubelet write them. Pure."""

from kubedock.cluster.protocol import Json


def pod_event(pod: Json, name: str, reason: str, message: str, now: str, *, container: str = "", warning: bool = False) -> Json:
    """A new event; ``now`` is a time as Kubernetes writes it.

    ``container`` is the field that it is about (``spec.containers{main}``), "" for the pod itself. The scheduler's are
    those about the pod's place.
    """
    source = "default-scheduler" if reason in ("Scheduled", "FailedScheduling") else "kubelet"
    meta = pod["metadata"]
    involved = {
        "kind": "Pod",
        "apiVersion": "v1",
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
    }
    return {
        "metadata": {"name": name},
        "involvedObject": involved | ({"fieldPath": container} if container else {}),
        "reason": reason,
        "message": message,
        "type": "Warning" if warning else "Normal",
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "eventTime": None,
        "reportingComponent": source,
        "source": {"component": source},
    }
