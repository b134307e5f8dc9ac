"""What the API server of the in-memory cluster says: its node, what it refuses, how commands end. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from kubedock.cluster.fake_kubelet import NODE
from kubedock.cluster.fake_store import NAME
from kubedock.cluster.protocol import Json
from kubedock.errors import InvalidParameter


def node() -> Json:
    """Its one node."""
    resources = {"cpu": "4", "memory": "8388608Ki", "pods": "250"}
    return {
        "metadata": {
            "name": NODE,
            "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"},
        },
        "spec": {},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "kubeletVersion": "v1.34.0",
                "kernelVersion": "6.1.0",
            },
        },
    }


def check_pod(pod: Json) -> None:
    """What the API server refuses in a pod."""
    name, spec = pod["metadata"].get("name", ""), pod["spec"]
    containers = spec.get("containers") or []
    if not containers:
        raise InvalidParameter(f'Pod "{name}" is invalid: spec.containers: Required value')
    for index, container in enumerate(containers):
        for key in ("name", "image"):
            if not container.get(key):
                raise InvalidParameter(f'Pod "{name}" is invalid: spec.containers[{index}].{key}: Required value')
    hostname = spec.get("hostname")
    if hostname and (len(hostname) > 63 or "." in hostname or not NAME.fullmatch(hostname)):
        raise InvalidParameter(
            f'Pod "{name}" is invalid: spec.hostname: Invalid value: "{hostname}": a lowercase RFC 1123 label is needed'
        )


def check_pod_patch(name: str, change: Mapping[str, Any]) -> None:
    """Of a pod's spec, little may be changed."""
    allowed = {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}
    if set(change.get("spec") or {}) - allowed:
        raise InvalidParameter(
            f'Pod "{name}" is invalid: spec: Forbidden: pod updates may not change fields other than'
            " `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`"
        )


def exited(code: int) -> bytes:
    """The Status of a command that has ended."""
    if code == 0:
        return b'{"metadata":{},"status":"Success"}'
    text = f"command terminated with non-zero exit code: exit status {code}"
    causes = [{"reason": "ExitCode", "message": str(code)}]
    status = {"metadata": {}, "status": "Failure", "message": text, "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return json.dumps(status).encode()


def cannot_exec(reason: str) -> bytes:
    """The Status of a command that could not be started."""
    return internal_error(
        "error executing command in container: failed to exec in container: failed to start exec"
        f' "{"e" * 64}": OCI runtime exec failed: exec failed: unable to start container process: {reason}'
    )


def internal_error(text: str) -> bytes:
    """The Status of what the node could not do."""
    message = f"Internal error occurred: {text}"
    return json.dumps({"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}).encode()
