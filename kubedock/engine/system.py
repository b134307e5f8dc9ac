"""What is known of the engine as a whole: versions, the cluster's size, counts."""

import logging
import os
import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from kubedock import __version__
from kubedock.cluster import Json
from kubedock.domain.status import status
from kubedock.domain.view import Image
from kubedock.domain.volume import Volume
from kubedock.engine.core import Core
from kubedock.engine.images import Images
from kubedock.engine.networks import Networks
from kubedock.engine.volumes import Volumes
from kubedock.errors import Forbidden, KubedockError
from kubedock.registry.inspector import Places

logger = logging.getLogger(__name__)

MERGED_LOGS = (
    "Logs: Kubernetes keeps one log per container, so stdout and stderr cannot be told apart; all of it is shown as stdout"
)
LOGS_ROTATE = "Logs: what the node's kubelet has rotated away (10 MiB by default) cannot be shown any more"
VOLUMES_ARE_EMPTY = "Volumes: a volume is an empty folder that lives as long as its container's pod"
NO_EVENTS = "Starts are slower: the right to watch events is missing, so only the pods' status tells when a container runs"

_FACTORS: dict[str, Decimal] = {
    **{suffix: Decimal(2) ** (10 * power) for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), start=1)},
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate(("k", "M", "G", "T", "P"), start=1)},
    "m": Decimal("0.001"),
}


@dataclass(frozen=True, slots=True)
class Capacity:
    """What there is to run containers on: CPUs, bytes of memory, and how many nodes they are of (0: not known)."""

    cpus: int
    memory: int
    nodes: int = 0
    operating_system: str = ""
    kernel: str = ""
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Info:
    """`docker info`. ``states`` counts containers by running, paused and stopped.

    ``mirrors`` and ``insecure`` are those registries by which images are looked up.
    """

    id: str
    namespace: str
    cluster_version: str
    capacity: Capacity
    running: int
    paused: int
    stopped: int
    images: int
    warnings: tuple[str, ...]
    now: datetime
    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """`docker version`. ``cluster`` is Kubernetes' version, "" where it could not be asked."""

    kubedock: str
    cluster: str
    platform: str
    architecture: str
    kernel: str


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """`docker system df`: things and how many containers use each (volumes by name, images by id)."""

    images: tuple[Image, ...]
    volumes: tuple[Volume, ...]
    image_users: dict[str, int]
    volume_users: dict[str, int]


class System:
    """The use cases of the engine itself."""

    def __init__(self, core: Core, *, images: Images, networks: Networks, volumes: Volumes) -> None:
        self._core, self._images, self._networks, self._volumes = core, images, networks, volumes
        self._id = core.new_id()

    def info(self) -> Info:
        """Answers also while the cluster cannot be reached: clients ask it first, and its own size is an honest answer."""
        states = Counter(
            _kind(status(record, self._core.watcher.observed(record.short_id, record.run)).state)
            for record in self._core.containers.list()
        )
        warnings = [*self._core.warnings, MERGED_LOGS, VOLUMES_ARE_EMPTY]
        if self._core.watcher.events_forbidden:
            warnings.append(NO_EVENTS)
        capacity = self._capacity()
        if not capacity.nodes:
            warnings.append("CPUs and memory are those of kubedock's own machine: the right to list nodes is missing")
        places = Places() if self._core.inspector is None else self._core.inspector.places
        return Info(
            self._id,
            self._core.cluster.namespace,
            self._cluster_version().get("gitVersion", ""),
            capacity,
            states["running"],
            states["paused"],
            states["stopped"],
            len(self._images.list({})),
            tuple(warnings),
            self._core.now(),
            tuple(map(str, places.mirrors)),
            tuple(places.insecure),
        )

    def version(self) -> Version:
        """Versions of kubedock and of the cluster."""
        cluster = self._cluster_version()
        system, _, architecture = str(cluster.get("platform", "")).partition("/")
        return Version(
            __version__,
            str(cluster.get("gitVersion", "")),
            system or "linux",
            architecture or _architecture(platform.machine()),
            platform.release(),
        )

    def disk_usage(self) -> DiskUsage:
        """Images and volumes, and who uses them. Sizes are the nodes' secret."""
        return DiskUsage(
            tuple(self._images.list({})),
            tuple(self._volumes.list({})),
            self._images.users(),
            {name: len(users) for name, users in self._volumes.users().items()},
        )

    def _cluster_version(self) -> Json:
        try:
            return self._core.cluster.version()
        except KubedockError as error:
            logger.warning("the cluster's version is not known: %s", error)
            return {}

    def _capacity(self) -> Capacity:
        try:
            nodes = self._core.cluster.list("Node").items
        except Forbidden:
            nodes = []
        except KubedockError as error:
            logger.warning("the cluster's nodes are not known: %s", error)
            nodes = []
        return _sum(nodes) if nodes else _own()


def _sum(nodes: Iterable[Json]) -> Capacity:
    nodes = list(nodes)
    capacities = [node.get("status", {}).get("capacity", {}) for node in nodes]
    about = nodes[0].get("status", {}).get("nodeInfo", {})
    return Capacity(
        sum(int(quantity(capacity.get("cpu", "0"))) for capacity in capacities),
        sum(int(quantity(capacity.get("memory", "0"))) for capacity in capacities),
        len(nodes),
        str(about.get("osImage", "")),
        str(about.get("kernelVersion", "")),
        str(about.get("architecture", "")),
    )


def _own() -> Capacity:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Capacity(os.cpu_count() or 1, memory, 0, platform.system(), platform.release(), _architecture(platform.machine()))


def _architecture(machine: str) -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _kind(state: str) -> str:
    return state if state in ("running", "paused") else "running" if state == "restarting" else "stopped"


def quantity(text: str) -> Decimal:
    """A number as Kubernetes writes it: ``4``, ``3920m``, ``16393284Ki``; 0 for what is none."""
    text = str(text).strip()
    number, factor = text, Decimal(1)
    for suffix, value in _FACTORS.items():
        if text.endswith(suffix):
            number, factor = text.removesuffix(suffix), value
            break
    try:
        return Decimal(number) * factor
    except InvalidOperation:
        return Decimal(0)
