"""Networks: records with Docker's rules. Subnets are what clients read, not what the cluster routes; names are real."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from typing import Any

from kubedock.domain import filters, ids
from kubedock.domain.container import ContainerRecord
from kubedock.domain.event import Event
from kubedock.domain.filters import Filters
from kubedock.domain.network import PREDEFINED, Endpoint, EndpointRequest, Network, NetworkRequest
from kubedock.domain.objectfilters import network_matches
from kubedock.domain.status import status
from kubedock.domain.view import ContainerView, NetworkView
from kubedock.engine.core import Core
from kubedock.engine.naming import Names
from kubedock.errors import (
    AliasOnPredefined,
    Conflict,
    Forbidden,
    InvalidParameter,
    KubedockError,
    NoSuchNetwork,
    NotFound,
    NotImplemented,
    System,
)

logger = logging.getLogger(__name__)

BRIDGE_SUBNET = IPv4Network("172.17.0.0/16")
POOLS = ((IPv4Network("172.16.0.0/12"), 16), (IPv4Network("192.168.0.0/16"), 20), (IPv4Network("10.128.0.0/9"), 24))
"""Where subnets come from, and the length of each: Docker's own pools first, then enough for thousands."""

NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'
)
_DRIVERS = {"bridge": "bridge", "host": "host", "none": "null"}


class NetworkNameTaken(Conflict):
    """Names of networks are unique, too."""

    def __init__(self, name: str) -> None:
        super().__init__(f"network with name {name} already exists")


class PredefinedNetwork(Forbidden):
    """One of the three that every engine has cannot be made."""

    def __init__(self, name: str) -> None:
        super().__init__(f"operation is not permitted on predefined {name} network ")


class Networks:
    """The use cases of networks. The three built-in ones are there from the beginning."""

    def __init__(self, core: Core, names: Names) -> None:
        """Make the built-in networks where the store does not have them yet. ``names`` are those of their containers."""
        self._core, self.names = core, names
        for name in PREDEFINED:
            # Clients in a container take the bridge's gateway for the address of published ports.
            config = [{"Subnet": str(BRIDGE_SUBNET), "Gateway": core.gateway}] if name == "bridge" else []
            ipam = {"Driver": "default", "Options": None, "Config": config}
            try:
                core.networks.add(Network(core.new_id(), name, _DRIVERS[name], core.now(), ipam=ipam))
            except Conflict:
                logger.debug("network %s is there already", name)

    def builtin(self) -> list[Network]:
        """The three that every engine has: bridge, host, none."""
        return [self._core.networks.find(name) for name in PREDEFINED]

    def resolve(self, ref: str) -> Network:
        """By id, name, or prefix of an id; NoSuchNetwork."""
        return self._core.networks.find(ref)

    def create(self, request: NetworkRequest) -> Network:
        """Make a network under Docker's rules: a free name, a known driver, a subnet of its own."""
        if request.name in PREDEFINED:
            raise PredefinedNetwork(request.name)
        if not request.name.strip():
            raise InvalidParameter("invalid name: name is empty")
        driver = _checked_driver(request.driver or "bridge")
        ipam = self._ipam(request)
        network = Network(
            self._core.new_id(),
            request.name,
            driver,
            self._core.now(),
            dict(request.labels),
            dict(request.options),
            request.internal,
            request.attachable,
            request.enable_ipv6,
            ipam,
        )
        self._core.networks.add(network)
        self._publish("create", network)
        return network

    def inspect(self, ref: str) -> NetworkView:
        """A network and the running containers on it."""
        return self._view(self.resolve(ref), self._views())

    def remove(self, ref: str) -> None:
        """Remove a network that no running container is on."""
        network = self.resolve(ref)
        if network.predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        members = self._view(network, self._views()).members
        if members:
            listed = ", ".join(_endpoint_text(member.record, network) for member in members)
            raise Forbidden(f"error while removing network: network {network.name} has active endpoints ({listed})")
        if not self._discard(network):
            raise NoSuchNetwork(ref)

    def prune(self, wanted: Filters) -> list[str]:
        """Remove those without a running container; the names of what is gone."""
        filters.check(wanted, filters.NETWORK_PRUNE_KEYS)
        views, now = self._views(), self._core.now()
        gone = [
            network.name
            for network in self._core.networks.list()
            if not network.predefined
            and not self._view(network, views).members
            and filters.labels_match(network.labels, wanted)
            and filters.created_before(network.created_at, wanted, now)
            and self._discard(network)
        ]
        self._core.events.publish(Event("network", "prune", "", {"reclaimed": "0"}, now))
        return gone

    def connect(self, ref: str, container: str, request: EndpointRequest) -> None:
        """Put a container on one more network; before its start it takes effect with it."""
        record, network = self._core.containers.find(container), self.resolve(ref)
        running = self._running(record)
        if network.predefined and request.aliases:
            raise AliasOnPredefined
        endpoint = Endpoint(network.id, self._core.new_id(), request.aliases, request.asked, request.links)

        def change(before: ContainerRecord) -> ContainerRecord:
            if before.removing:
                raise _marked_for_removal(before)
            if network.id in before.endpoints:
                if running:
                    raise Forbidden(f"endpoint with name {before.name} already exists in network {network.name}")
                return before
            self._check_modes(before, network)
            return replace(before, endpoints={**before.endpoints, network.id: endpoint})

        self._update(record, change)
        if running:
            self.publish_endpoint("connect", network, record.id)

    def disconnect(self, ref: str, container: str, *, force: bool) -> None:
        """Take a container off a network; System where it is on no such one, as Docker has no kind for that."""
        record, network = self._core.containers.find(container), self.resolve(ref)
        running = self._running(record)
        if record.spec.host_network and network.name == "host":
            raise InvalidParameter("cannot disconnect container from host network - container was created in host network mode")

        def change(before: ContainerRecord) -> ContainerRecord:
            if before.removing and not force:
                raise _marked_for_removal(before)
            if network.id not in before.endpoints:
                raise System(f"container {before.id} is not connected to {'' if running else 'the '}network {network.name}")
            return replace(before, endpoints={key: e for key, e in before.endpoints.items() if key != network.id})

        self._update(record, change)
        if running:
            self.publish_endpoint("disconnect", network, record.id)

    def publish_endpoint(self, action: str, network: Network, container_id: str) -> None:
        """Tell that a container was connected to a network or disconnected: at its start and end, too."""
        self._publish(action, network, container=container_id)

    # --- parts -------------------------------------------------------------------------------------------------

    def _update(self, record: ContainerRecord, change: Callable[[ContainerRecord], ContainerRecord]) -> None:
        """Change a container's places, and its names with them; all or nothing."""
        made = self._core.containers.update(record.id, change)
        if made is None:
            raise _marked_for_removal(record)
        try:
            self.names.changed(made.before, made.after)
        except KubedockError:
            self._core.containers.update(record.id, lambda now: replace(now, endpoints=made.before.endpoints))
            raise

    def _check_modes(self, record: ContainerRecord, network: Network) -> None:
        if network.name == "host":
            raise InvalidParameter("cannot connect container to host network - container must be created in host network mode")
        others = [self._core.networks.get(key) for key in record.endpoints]
        names = [other.name for other in others if other is not None]
        if record.spec.host_network or "host" in names or record.spec.network_mode.startswith("container:"):
            raise InvalidParameter(
                "container sharing network namespace with another container or host cannot be connected to any other network"
            )
        if names and "none" in (*names, network.name):
            raise InvalidParameter(
                "container cannot be connected to multiple networks with one of the networks in private (none) mode"
            )

    def _running(self, record: ContainerRecord) -> bool:
        return status(record, self._core.watcher.observed(record.short_id, record.run)).running

    def _views(self) -> list[ContainerView]:
        """The running containers: only those have a place on their networks, as in Docker."""
        views = []
        networks = {network.id: network for network in self._core.networks.list()}
        now = self._core.now()
        for record in self._core.containers.list():
            observed = self._core.watcher.observed(record.short_id, record.run)
            state = status(record, observed)
            if state.running:
                mine = {key: networks[key] for key in record.endpoints if key in networks}
                views.append(ContainerView(record, observed, state, mine, now, gateway=self._core.gateway))
        return views

    def _view(self, network: Network, running: Iterable[ContainerView]) -> NetworkView:
        return NetworkView(network, tuple(view for view in running if network.id in view.record.endpoints))

    def _discard(self, network: Network) -> bool:
        gone = self._core.networks.remove(network.id) is not None
        if gone:
            self._publish("destroy", network)
        return gone

    def _publish(self, action: str, network: Network, **attributes: str) -> None:
        about = {**attributes, "name": network.name, "type": network.driver}
        self._core.events.publish(Event("network", action, network.id, about, self._core.now()))

    def _ipam(self, request: NetworkRequest) -> dict[str, Any]:
        """What was asked, made whole: a subnet where none is given, a gateway for each."""
        taken = [subnet for network in self._core.networks.list() for subnet in subnets(network)]
        asked = [config for config in request.ipam.get("Config") or () if config]
        config: list[dict[str, Any]] = []
        for entry in asked:
            pool = _checked(entry)
            if any(pool.version == other.version and pool.overlaps(other) for other in taken):
                raise Forbidden("invalid pool request: Pool overlaps with other one on this address space")
            taken.append(pool)
            config.append({"Gateway": _first(pool), **entry})
        if not any(ip_network(entry["Subnet"], strict=False).version == 4 for entry in config):
            # Not with the gateway in it: a client that finds its server's address in a network believes to be on that one.
            config.insert(0, _pool(_free([*taken, ip_network(self._core.gateway)])))
        return {"Driver": request.ipam.get("Driver") or "default", "Options": request.ipam.get("Options"), "Config": config}

    def list(self, wanted: Filters) -> list[NetworkView]:
        """All networks that match."""
        filters.check(wanted, filters.NETWORK_KEYS)
        views = self._views()
        found = (self._view(network, views) for network in self._core.networks.list())
        return [view for view in found if network_matches(view.network, wanted, used=bool(view.members))]


def subnets(network: Network) -> Iterator[IPv4Network | IPv6Network]:
    """The subnets of a network."""
    for entry in network.ipam.get("Config") or ():
        yield ip_network(entry["Subnet"], strict=False)


def _free(taken: list[IPv4Network | IPv6Network]) -> IPv4Network:
    used = [subnet for subnet in taken if isinstance(subnet, IPv4Network)]
    for pool, length in POOLS:
        for candidate in pool.subnets(new_prefix=length):
            if not any(candidate.overlaps(other) for other in used) and candidate != IPv4Network("172.16.0.0/16"):
                return candidate
    raise System("all predefined address pools have been fully subnetted")


def _pool(subnet: IPv4Network) -> dict[str, Any]:
    return {"Subnet": str(subnet), "Gateway": _first(subnet)}


def _first(subnet: IPv4Network | IPv6Network) -> str:
    return str(subnet.network_address + (1 if subnet.num_addresses > 1 else 0))


def _checked(entry: Mapping[str, Any]) -> IPv4Network | IPv6Network:
    text = entry.get("Subnet")
    if not text:
        raise InvalidParameter("invalid network config:\ninvalid subnet : a subnet is needed for a gateway or a range")
    try:
        pool = ip_network(text, strict=False)
    except (ValueError, TypeError):
        raise InvalidParameter(f"invalid network config:\ninvalid subnet {text}") from None
    if ip_interface(text).ip != pool.network_address:
        raise InvalidParameter(f"invalid network config:\ninvalid subnet {text}: it should be {pool}")
    return pool


def _checked_driver(driver: str) -> str:
    if driver in ("host", "null", "none"):
        raise Forbidden(f'only one instance of "{"null" if driver == "none" else driver}" network is allowed')
    if driver == "overlay":
        raise Forbidden(NOT_A_MANAGER)
    if driver in ("macvlan", "ipvlan"):
        raise NotImplemented(f"the network driver {driver} needs a host's interfaces, which a pod does not have; use bridge")
    if driver != "bridge":
        raise NotFound(f"could not find plugin {driver} in v1 plugin registry: plugin not found")
    return driver


def _endpoint_text(record: ContainerRecord, network: Network) -> str:
    return f'name:"{record.name}" id:"{ids.short(record.endpoints[network.id].endpoint_id)}"'


def _marked_for_removal(record: ContainerRecord) -> Conflict:
    return Conflict(f"Container {record.id} is marked for removal and cannot be connected or disconnected to the network")
