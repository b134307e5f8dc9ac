"""The names by which containers of one network know each other, and which of them a cluster's Service can have."""

import re

from kubedock.domain.container import ContainerRecord
from kubedock.domain.network import Endpoint

SERVICE_RULE = 'a Service\'s name begins with a letter and has letters, digits and "-", at most 63'

_SERVICE = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def peer_names(record: ContainerRecord, endpoint: Endpoint) -> tuple[str, ...]:
    """Docker's DNSNames of a container's place on a user-defined network, in its order, each once."""
    names = (record.name, *endpoint.aliases, record.short_id, record.spec.hostname)
    return tuple(dict.fromkeys(filter(None, names)))


def service_name(name: str) -> str:
    """What the Service of a name is called, "" where none can be. DNS takes letters in any case, Services small ones."""
    lowered = name.lower()
    return lowered if _SERVICE.fullmatch(lowered) else ""
