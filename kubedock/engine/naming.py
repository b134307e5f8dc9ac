"""Names on user-defined networks, the plain way: a headless Service for each, while a running container has it.

A Service finds its pods by a label that they carry from their start, so containers of one network share a name without
anything being written anew. Who has which name follows from the records each time. A name that several networks need is
the first one's, and goes to the next when nobody of that network is left.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kubedock.domain.container import ContainerRecord
from kubedock.domain.naming import SERVICE_RULE, peer_names, service_name
from kubedock.domain.network import Network
from kubedock.engine.addresses import wait_for_address
from kubedock.engine.core import Core
from kubedock.engine.nameservices import NameServices
from kubedock.engine.pods import pod_of
from kubedock.errors import Forbidden, KubedockError, NotFound
from kubedock.kube import labels
from kubedock.kube.services import Holder, name_labels

logger = logging.getLogger(__name__)

RETRY_SECONDS = 3.0


class Claim(NamedTuple):
    """A name that a container has on a user-defined network; ``service`` is "" where no Service can hold it."""

    network: Network
    name: str
    service: str


def claims(core: Core, record: ContainerRecord) -> list[Claim]:
    """All names of a container, in Docker's order; none of one that has no pod that they could find."""
    if record.spec.workload == "inside":
        return []
    networks = ((endpoint, core.networks.get(endpoint.network_id)) for endpoint in record.endpoints.values())
    return [
        Claim(network, name, service_name(name))
        for endpoint, network in networks
        if network is not None and not network.predefined
        for name in peer_names(record, endpoint)
    ]


def labels_of(core: Core, record: ContainerRecord) -> dict[str, str]:
    """The labels by which the Services of its names find a container's pod."""
    return name_labels((claim.network.id, claim.service) for claim in claims(core, record) if claim.service)


class Names:
    """Keeps the Services in step with the containers. A Follower and an InstanceFollower of the lifecycle."""

    def __init__(self, core: Core) -> None:
        self._core, self._instance = core, core.defaults.instance
        self._services = NameServices(core, self._takers)
        self._relabelled: dict[str, dict[str, str | None]] = {}
        self._ended: dict[str, int] = {}
        self._refusal = ""

    @property
    def used(self) -> bool:
        """There may be Services to clean up."""
        return self._services.used

    def _takers(self, name: str) -> dict[str, Network]:
        """The networks on which a container with this name runs, the oldest container's first.

        An end is heard of before the record tells of it.
        """
        return {
            claim.network.id: claim.network
            for record in self._core.containers.list()
            if record.alive and record.run > self._ended.get(record.id, 0)
            for claim in claims(self._core, record)
            if claim.service == name
        }

    # --- what a client is told -------------------------------------------------------------------------------------

    def warnings(self, record: ContainerRecord) -> tuple[str, ...]:
        """Which of a new container's names do not resolve, or not to it. One request where it has any, else none."""
        claimed = claims(self._core, record)
        if not claimed:
            return ()
        try:
            holders = self._services.holders({claim.service for claim in claimed})
        except Forbidden as error:
            return (*_impossible(claimed), f"Names on networks do not resolve: {error}")
        except KubedockError as error:
            return (*_impossible(claimed), f"Names on networks may resolve to somebody else: {error}")
        return (*_impossible(claimed), *self._taken(claimed, holders))

    def _taken(self, claimed: Sequence[Claim], holders: Mapping[str, Holder]) -> Iterator[str]:
        for claim in claimed:
            found = holders.get(claim.service)
            if found is not None and not self._reaches(found, claim.service, claimed):
                yield f'Name "{claim.name}" on network {claim.network.name} resolves to {self._whose(found)}'

    def _reaches(self, found: Holder, name: str, claimed: Sequence[Claim]) -> bool:
        """The Service finds the container with these claims: it has the name on the network that holds it."""
        ours = found.instance == self._instance
        return ours and any(claim.service == name and claim.network.id == found.network_id for claim in claimed)

    def _whose(self, found: Holder) -> str:
        if not found.instance:
            return "the Service of that name in the cluster's namespace, which is not kubedock's"
        if found.instance != self._instance:
            return f"containers of another kubedock ({labels.INSTANCE}={found.instance})"
        return f"the containers of network {found.network}"

    # --- what changes ----------------------------------------------------------------------------------------------

    def publish(self, record: ContainerRecord) -> None:
        """A run was posted: its names find it as soon as the cluster knows its address, see ``wait``.

        What cannot be done in an outage is done later; what a client cannot be told any more is logged.
        """
        claimed = claims(self._core, record)
        holders = {name: found for name in _services(claimed) if (found := self._settle(name)) is not None}
        for sentence in (*_impossible(claimed), *self._taken(claimed, holders)):
            logger.warning("container %s: %s", record.short_id, sentence)

    def wait(self, record: ContainerRecord) -> None:
        """Until the names of a run that has begun resolve.

        Who asked too early would be told for as long as the cluster's DNS remembers it that there is no such name.
        """
        if any(self._services.held(claim.service, claim.network) for claim in claims(self._core, record)):
            wait_for_address(self._core, record, self._core.limits.address)

    def release(self, record: ContainerRecord) -> None:
        """A run has ended, or a container has left a network: names that nobody has any more go, or to the next."""
        self._settle_all(_services(claims(self._core, record)))

    def changed(self, before: ContainerRecord, after: ContainerRecord) -> None:
        """A container's name or networks are others now. Nothing is to be done unless it runs.

        Raises what the cluster says when it does not take the change.
        """
        if not after.alive:
            return
        with self._core.sessions.exclusive(after.id):  # a pod that is being posted cannot be labelled
            old, new = labels_of(self._core, before), labels_of(self._core, after)
            change = {key: new.get(key) for key in old | new if old.get(key) != new.get(key)}
            self._label(after, change)
            self._relabelled[after.id] = {**self._relabelled.get(after.id, {}), **change}
        self.release(before)
        self.publish(after)
        self.wait(after)

    def _label(self, record: ContainerRecord, change: Mapping[str, str | None]) -> None:
        pod = pod_of(self._core, record)
        if change and pod is not None:
            try:
                self._core.cluster.patch("Pod", pod, {"metadata": {"labels": dict(change)}})
            except NotFound:
                logger.debug("pod %s has gone before it was labelled", pod)

    # --- what follows from the lifecycle ---------------------------------------------------------------------------

    def began(self, record: ContainerRecord) -> None:
        """See Follower: its start has published the names."""

    def ended(self, record: ContainerRecord) -> None:
        """See Follower. Who ended it may have to wait until its names have gone, and calls ``release`` itself."""
        self._relabelled.pop(record.id, None)
        self._ended[record.id] = record.run
        names = _services(claims(self._core, record))
        if names:
            self._core.tasks.submit(f"names of {record.short_id}", lambda: self._settle_all(names))

    def gone(self, record: ContainerRecord) -> None:
        """See Follower: its end has released the names."""
        self._ended.pop(record.id, None)

    def instance_began(self, record: ContainerRecord) -> None:
        """See InstanceFollower. A new pod has the labels of the container's start: those of later changes are missing."""
        change = self._relabelled.get(record.id)
        if change:
            self._core.tasks.submit(f"labels of {record.short_id}", lambda: self._label(record, change))

    def instance_ended(self, record: ContainerRecord) -> None:
        """See InstanceFollower: the next one has its names."""

    # --- parts -----------------------------------------------------------------------------------------------------

    def _settle_all(self, names: Iterable[str]) -> None:
        for name in names:
            self._settle(name)

    def _settle(self, name: str) -> Holder | None:
        try:
            return self._services.settle(name)
        except Forbidden as error:
            if str(error) != self._refusal:
                self._refusal = str(error)
                logger.warning("names on networks do not resolve: %s", error)
        except KubedockError as error:
            logger.warning("the Service of the name %s: %s; again in %.0f s", name, error, RETRY_SECONDS)
            self._core.tasks.submit(f"name {name}", lambda: self._settle_all([name]), after=RETRY_SECONDS)
        return None


def _services(claimed: Iterable[Claim]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(claim.service for claim in claimed if claim.service))


def _impossible(claimed: Iterable[Claim]) -> Iterator[str]:
    for claim in claimed:
        if not claim.service:
            yield f'Name "{claim.name}" on network {claim.network.name} does not resolve: {SERVICE_RULE}'
