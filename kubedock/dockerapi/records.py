"""The bodies of requests about networks and volumes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubedock.dockerapi.kinds import Kind, optional
from kubedock.domain.network import NetworkRequest
from kubedock.errors import Forbidden, InvalidParameter, NotImplemented

Json = Mapping[str, Any]

_NETWORK: tuple[tuple[str, Kind], ...] = (
    ("Name", "string"),
    ("Driver", "string"),
    ("Scope", "string"),
    ("Internal", "boolean"),
    ("Attachable", "boolean"),
    ("Ingress", "boolean"),
    ("ConfigOnly", "boolean"),
    ("ConfigFrom", "object"),
    ("EnableIPv6", "boolean"),
    ("IPAM", "object"),
    ("Options", "map"),
    ("Labels", "map"),
)
_IPAM: tuple[tuple[str, Kind], ...] = (("Driver", "string"), ("Config", "objects"), ("Options", "map"))
_POOL: tuple[tuple[str, Kind], ...] = (
    ("Subnet", "string"),
    ("IPRange", "string"),
    ("Gateway", "string"),
    ("AuxiliaryAddresses", "map"),
)


@dataclass(frozen=True, slots=True)
class VolumeRequest:
    """What a client asks of a new volume."""

    name: str = ""
    driver: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


def network(body: Json) -> NetworkRequest:
    """The body of ``networks/create``. What belongs to swarm, or to networks made of others, is refused."""
    asked = _checked(_NETWORK, body, "")
    if asked.get("Scope") == "swarm" or asked.get("Ingress"):
        raise Forbidden("cannot create a swarm scoped network when swarm is not active")
    if asked.get("ConfigOnly") or (asked.get("ConfigFrom") or {}).get("Network"):
        raise NotImplemented("networks that are made of other networks' configuration are not supported: give each its own options")
    ipam = _checked(_IPAM, asked.get("IPAM") or {}, "IPAM.")
    config = [_checked(_POOL, entry, "IPAM.Config.") for entry in ipam.get("Config") or ()]
    return NetworkRequest(
        name=asked.get("Name", ""),
        driver=asked.get("Driver", ""),
        labels=_texts(asked.get("Labels")),
        options=_texts(asked.get("Options")),
        internal=asked.get("Internal", False),
        attachable=asked.get("Attachable", False),
        enable_ipv6=asked.get("EnableIPv6", False),
        ipam={**ipam, "Config": config},
    )


def network_warnings(body: Json) -> tuple[str, ...]:
    """What of a new network is kept and shown, and has no effect in the cluster."""
    unapplied = (
        (body.get("Internal"), "Internal is not applied: what a pod may reach is up to the cluster's network policies"),
        (body.get("EnableIPv6"), "EnableIPv6 is not applied: the cluster's network chooses a pod's addresses"),
        (body.get("EnableIPv4") is False, "EnableIPv4 is not applied: the cluster's network chooses a pod's addresses"),
        (body.get("Options"), "Options are not applied: they are a driver's, and the network is the cluster's"),
        ((body.get("IPAM") or {}).get("Config"), "IPAM is shown but not applied: the cluster's network chooses a pod's addresses"),
    )
    return tuple(sentence for asked, sentence in unapplied if asked)


def container(body: Json) -> str:
    """Which container ``networks/X/connect`` and ``disconnect`` are about."""
    ref = optional("string", body, "Container", "")
    if not ref:
        raise InvalidParameter("a container is needed: its name or id in Container")
    return str(ref)


def force(body: Json) -> bool:
    """``Force`` of ``networks/X/disconnect``."""
    return bool(optional("boolean", body, "Force", ""))


def volume(body: Json) -> VolumeRequest:
    """The body of ``volumes/create``; without a name the volume is anonymous."""
    kinds: tuple[tuple[str, Kind], ...] = (
        ("Name", "string"),
        ("Driver", "string"),
        ("Labels", "map"),
        ("DriverOpts", "map"),
        ("ClusterVolumeSpec", "object"),
    )
    asked = _checked(kinds, body, "")
    if asked.get("ClusterVolumeSpec"):
        raise NotImplemented("volumes of a swarm are not supported: Kubernetes does the clustering here")
    return VolumeRequest(
        asked.get("Name", ""), asked.get("Driver", ""), _texts(asked.get("Labels")), _texts(asked.get("DriverOpts"))
    )


def _checked(kinds: tuple[tuple[str, Kind], ...], values: Json, path: str) -> dict[str, Any]:
    """Only what is known, and only what says something."""
    found = {key: optional(kind, values, key, path) for key, kind in kinds}
    return {key: value for key, value in found.items() if value is not None}


def _texts(values: Mapping[str, str | None] | None) -> dict[str, str]:
    return {key: value or "" for key, value in (values or {}).items()}
