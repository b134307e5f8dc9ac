"""The Node object of a cluster of one."""

from collections.abc import Mapping

from kubedock.cluster.protocol import Json

VERSION = "v1.34.0"
"""The Kubernetes whose behaviour these clusters have."""


def node(name: str, architecture: str, resources: Mapping[str, str], **info: str) -> Json:
    """A node that is ready. ``info`` is more of its ``nodeInfo``."""
    return {
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/arch": architecture, "kubernetes.io/os": "linux"},
        },
        "spec": {},
        "status": {
            "capacity": dict(resources),
            "allocatable": dict(resources),
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"architecture": architecture, "operatingSystem": "linux", "kubeletVersion": VERSION, **info},
        },
    }
