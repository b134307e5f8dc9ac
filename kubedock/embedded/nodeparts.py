"""What the workers of a node share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubedock.cluster.api import ObjectApi
from kubedock.cluster.store import ObjectStore
from kubedock.embedded.events import Events
from kubedock.embedded.pulls import Pulls
from kubedock.embedded.runtime import Dns, Runtime


@dataclass(frozen=True, slots=True)
class NodeParts:
    """``pods`` is a folder for the pods' files, ``upstream`` the machine's own DNS, ``host_ip`` its address as pods see it."""

    runtime: Runtime
    store: ObjectStore
    api: ObjectApi
    events: Events
    pulls: Pulls
    pods: Path
    node: str
    host_ip: str
    upstream: Dns
    now: Callable[[], datetime]
