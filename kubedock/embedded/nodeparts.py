"""What the workers of a node share."""

import threading
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
    """``starts`` bounds how many processes are being started at a time, ``pods`` is a folder for the pods' files.

    ``upstream`` is the machine's own DNS, ``host_ip`` its address as pods see it.
    """

    runtime: Runtime
    store: ObjectStore
    api: ObjectApi
    events: Events
    pulls: Pulls
    starts: threading.BoundedSemaphore
    pods: Path
    node: str
    host_ip: str
    upstream: Dns
    now: Callable[[], datetime]
