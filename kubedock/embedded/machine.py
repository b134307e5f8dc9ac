"""The Node object of the machine that the embedded cluster runs on."""

import os
import platform
import socket

from kubedock.cluster import Json
from kubedock.cluster.nodes import node

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}
MOST_PODS = 500


def node_object(runtime: str) -> Json:
    """``runtime`` is the name of what runs the containers."""
    name = node_name()
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resources = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory // 1024}Ki", "pods": str(MOST_PODS)}
    return node(
        name,
        architecture,
        resources,
        kernelVersion=platform.release(),
        osImage=_pretty_name(),
        containerRuntimeVersion=f"{runtime}://kubedock",
    )


def node_name() -> str:
    """The machine's name as a node may have it."""
    kept = "".join(char if char.isalnum() or char == "-" else "-" for char in socket.gethostname().lower())
    return kept.strip("-")[:63].rstrip("-") or "embedded"


def _pretty_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"
