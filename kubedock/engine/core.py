"""What the use cases share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from kubedock.background.drain import Drain
from kubedock.background.health import Prober
from kubedock.background.listeners import Listeners
from kubedock.background.logfeed import LogFeeds
from kubedock.background.lookups import Lookups
from kubedock.background.tasks import Tasks
from kubedock.background.watcher import Watcher
from kubedock.cluster import Cluster
from kubedock.domain.container import ContainerRecord
from kubedock.domain.image import Reference
from kubedock.domain.imageconfig import RegistryImage
from kubedock.domain.network import Network
from kubedock.domain.volume import Volume
from kubedock.engine.events import EventBus
from kubedock.kube.manifest import PodDefaults
from kubedock.registry.inspector import Inspector
from kubedock.state.archive import LogArchive
from kubedock.state.files import FileStore
from kubedock.state.logins import Logins
from kubedock.state.sessions import Bell, Sessions
from kubedock.state.store import Store

PortMode = Literal["auto", "direct", "forward"]
"""How published ports reach their container: by its pod's address, through the API server, or as it turns out."""

OwnImages = Callable[[Reference], RegistryImage | None]
"""Looks an image up where no registry is needed; None for what is not there."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds.

    ``start``, ``pull`` and ``schedule`` are the user's; a ``signal`` must be delivered in that time, readers of an
    ended container may hold its automatic removal up for ``drain``, inspect waits for an ``address``, and a registry is
    asked for ``inspect``.
    """

    start: float = 60.0
    pull: float = 600.0
    schedule: float = 10.0
    signal: float = 10.0
    drain: float = 60.0
    address: float = 1.5
    inspect: float = 5.0


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that the groups of use cases work with; built once by ``runtime``.

    ``now`` and ``new_id`` (64 hex digits) are arguments, so that tests can decide them. ``publish_on`` are the addresses
    of this machine that ports are published on where the client names none, ``gateway`` is the one for clients elsewhere.
    Without an ``inspector`` no registry is asked. ``platform`` is that of the nodes, as in ``linux/amd64``; ``own_images``
    tells of what they have without any registry. ``account_secrets`` are the names of the pull secrets that pods get from
    their service account.
    ``warnings`` are what a user should know of the cluster itself.
    """

    cluster: Cluster
    containers: Store[ContainerRecord]
    networks: Store[Network]
    volumes: Store[Volume]
    watcher: Watcher
    feeds: LogFeeds
    archive: LogArchive
    sessions: Sessions
    bell: Bell
    events: EventBus
    tasks: Tasks
    drain: Drain
    prober: Prober
    listeners: Listeners
    lookups: Lookups
    defaults: PodDefaults
    limits: Limits
    workload: Literal["auto", "pod", "deployment"]
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    publish_on: Sequence[str]
    port_mode: PortMode = "auto"
    gateway: str = "127.0.0.1"
    warnings: Sequence[str] = ()
    files: FileStore = field(default_factory=FileStore)
    inspector: Inspector | None = None
    platform: str = "linux/amd64"
    logins: Logins = field(default_factory=Logins)
    own_images: OwnImages = lambda _: None
    account_secrets: Callable[[], Sequence[str]] = tuple
