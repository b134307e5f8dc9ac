"""Networks and a container's place on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """What a client asks of one network; ``asked`` is its EndpointSettings, kept only to be shown again.

    ``links`` are other containers and the container's own names for them.
    """

    aliases: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place on one network. ``aliases`` and ``links`` are what was asked; addresses come from the pod."""

    network_id: str
    endpoint_id: str
    aliases: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A network: a record. ``subnet`` and ``gateway`` are what clients read, not what the cluster routes."""

    id: str
    name: str
    driver: str
    created_at: datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    enable_ipv6: bool = False
    ipam: Mapping[str, Any] = field(default_factory=dict)

    @property
    def predefined(self) -> bool:
        """One of the three that every engine has."""
        return self.name in PREDEFINED


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """What a client asks of a new network; ``ipam`` as it was written, checked for its shape only."""

    name: str
    driver: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    enable_ipv6: bool = False
    ipam: Mapping[str, Any] = field(default_factory=dict)


PREDEFINED = ("bridge", "host", "none")
