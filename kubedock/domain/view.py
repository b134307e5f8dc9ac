"""What rendering and filtering may use: immutable pictures of things at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubedock.domain import ids
from kubedock.domain.container import ContainerRecord, Published
from kubedock.domain.health import Health
from kubedock.domain.image import parse
from kubedock.domain.imageconfig import ImageConfig, RegistryImage
from kubedock.domain.network import Network
from kubedock.domain.status import Observed, Status

NOTHING_KNOWN = ImageConfig()


@dataclass(frozen=True, slots=True)
class ContainerView:
    """A container as a client sees it. ``networks`` are those of its endpoints, by network id; ``now`` for ages.

    ``execs`` are the ids of those that have not ended. ``health`` is None where no check was asked for, or none was begun.
    ``gateway`` is the address where its published ports are reached.
    """

    record: ContainerRecord
    observed: Observed | None
    status: Status
    networks: Mapping[str, Network] = field(default_factory=dict)
    now: datetime | None = None
    execs: tuple[str, ...] = ()
    health: Health | None = None
    gateway: str = ""

    @property
    def has_ports(self) -> bool:
        """Its ports can be told of: it runs, and is not between two runs of its policy."""
        return self.record.alive and self.status.running

    @property
    def published(self) -> tuple[Published, ...]:
        """Where its ports are listened on now."""
        return self.record.published if self.has_ports else ()

    @property
    def ip(self) -> str:
        """The pod's address while the container runs, else ""."""
        return self.observed.ip if self.observed is not None and self.status.state == "running" else ""


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network and the containers that are on it."""

    network: Network
    members: tuple[ContainerView, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is known by having been pulled or tagged. ``id`` is ``sha256:`` and 64 hex digits.

    ``tags`` are familiar references (``alpine:latest``), ``digests`` as well, the one that was pulled last first.
    ``created_at`` is None where nobody tells. ``sources`` says for what was pulled by which reference nodes pull it, the
    last pull last: tags are our own and mean nothing to the cluster. ``found`` is what its registry has told, None
    where it could not be asked.
    """

    id: str
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    digests: tuple[str, ...] = ()
    platform: str = "linux/amd64"
    size: int = 0
    sources: Mapping[str, str] = field(default_factory=dict)
    found: RegistryImage | None = None
    tagged_at: datetime | None = None

    @property
    def config(self) -> ImageConfig:
        """Its configuration, an empty one where that is not known."""
        return NOTHING_KNOWN if self.found is None else self.found.config

    def source(self, ref: str = "") -> str:
        """The reference by which nodes pull it for who asks by this one: by its name, or else by what was pulled last."""
        known = list(self.sources.values()) or [""]
        if not ref or ids.is_full(ref):
            return known[-1]
        asked = parse(ref).stored
        of_name = [source for name, source in self.sources.items() if parse(name).familiar_name == asked.familiar_name]
        return self.sources.get(asked.familiar) or (of_name or known)[-1]
