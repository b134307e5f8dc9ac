"""Requests and limits of a container. Pure.

Requests are always written: without one Kubernetes makes the limit the request, and ``-m 4g`` cannot be scheduled.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from kubedock.cluster import Json
from kubedock.parsing import quantity


class Shares(Protocol):
    """The server's settings: CPU in billionths of one, memory in bytes; a limit of 0 is none."""

    @property
    def request_cpu(self) -> int: ...
    @property
    def limit_cpu(self) -> int: ...
    @property
    def request_memory(self) -> int: ...
    @property
    def limit_memory(self) -> int: ...


def sized(template: Mapping[str, Any], asked: Mapping[str, Any], defaults: Shares) -> Json:
    """``resources`` of a container: what Docker asked, else the pod template's, else the settings'.

    No request is above its limit.
    """
    found: Json = {key: value for key, value in template.items() if key not in ("limits", "requests")}
    limits = {
        **_quantities(defaults.limit_cpu, defaults.limit_memory),
        **template.get("limits", {}),
        **asked.get("limits", {}),
    }
    requests = {
        **_quantities(defaults.request_cpu, defaults.request_memory),
        **template.get("requests", {}),
        **asked.get("requests", {}),
    }
    for name, limit in limits.items():
        if name in requests and quantity(str(requests[name])) > quantity(str(limit)):
            requests[name] = limit
    return {**found, "requests": requests, **({"limits": limits} if limits else {})}


def _quantities(nano_cpus: int, memory: int) -> Json:
    found = {}
    if nano_cpus:
        found["cpu"] = f"{-(-nano_cpus // 1_000_000)}m"
    if memory:
        found["memory"] = f"{memory >> 20}Mi" if memory % (1 << 20) == 0 else str(memory)
    return found
