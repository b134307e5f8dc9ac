"""Links: other containers' addresses in a container's ``/etc/hosts``, as they are when it starts.

Docker's own follow a linked container to a new address and, on the default network, set environment variables as well.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace

from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.domain.names import is_subdomain
from kubedock.domain.naming import peer_names
from kubedock.engine.addresses import wait_for_address
from kubedock.engine.core import Core
from kubedock.errors import InvalidParameter, NotFound

logger = logging.getLogger(__name__)


def resolved(core: Core, spec: ContainerSpec) -> ContainerSpec:
    """With the ids of the containers that are linked on the default network, which must be there. InvalidParameter."""
    return replace(spec, links=tuple((_existing(core, target).id, alias) for target, alias in spec.links))


def _existing(core: Core, target: str) -> ContainerRecord:
    try:
        return core.containers.find(target)
    except NotFound as error:
        raise InvalidParameter(f"could not get container for {target}: {error}") from error


def linked(core: Core, record: ContainerRecord) -> ContainerRecord:
    """With the hosts that its links make. InvalidParameter where one on the default network does not run."""
    hosts = dict([*_on_the_default_network(core, record), *_on_others(core, record)])
    if not hosts:
        return record
    return replace(record, spec=replace(record.spec, extra_hosts=(*record.spec.extra_hosts, *hosts.items())))


def _on_the_default_network(core: Core, record: ContainerRecord) -> Iterator[tuple[str, str]]:
    for target_id, alias in record.spec.links:
        target = core.containers.get(target_id)
        if target is None or not target.alive:
            name = target.name if target is not None else target_id
            raise InvalidParameter(f"Cannot link to a non running container: /{name} AS /{record.name}/{alias}")
        yield from _hosts(core, record, target, alias)


def _on_others(core: Core, record: ContainerRecord) -> Iterator[tuple[str, str]]:
    """What the network itself knows is left to it: its names follow their containers."""
    for endpoint in record.endpoints.values():
        for name, alias in endpoint.links:
            try:
                target = core.containers.find(name)
            except NotFound:
                target = None
            place = target.endpoints.get(endpoint.network_id) if target is not None else None
            if target is None or place is None or not target.alive:
                logger.warning("container %s: link %s:%s is not applied: it does not run there", record.short_id, name, alias)
            elif alias not in peer_names(target, place):
                yield from _hosts(core, record, target, alias)


def _hosts(core: Core, record: ContainerRecord, target: ContainerRecord, alias: str) -> Iterator[tuple[str, str]]:
    address = wait_for_address(core, target, core.limits.address)
    if not address:
        logger.warning("container %s: link %s is not applied: the address is not known", record.short_id, alias)
        return
    for name in (alias, target.spec.hostname or target.short_id, target.name):
        if is_subdomain(name.lower()):
            yield name, address
