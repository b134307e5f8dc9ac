"""Docker's grammar of ports: ``8080``, ``8080/tcp``, ``8000-8010/udp``."""

import re
from collections.abc import Iterable

from kubedock.domain.container import Port
from kubedock.errors import InvalidParameter

PROTOCOLS = ("tcp", "udp", "sctp")
HIGHEST = 65535

_SPEC = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/([A-Za-z]+))?")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def parse(text: str) -> tuple[Port, ...]:
    """The ports that a key of ExposedPorts or PortBindings names; InvalidParameter for what is none."""
    found = _SPEC.fullmatch(text)
    if found is None:
        raise InvalidParameter(f'invalid port specification: "{text}"')
    protocol = (found[3] or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidParameter(f"invalid proto: {protocol}")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= HIGHEST:
        raise InvalidParameter(f'invalid port specification: "{text}"')
    return tuple(Port(number, protocol) for number in range(first, last + 1))


def parse_host_port(text: str) -> str:
    """A HostPort as a binding gives it: "" or ``0`` for any, a number, or a range; returned as it is."""
    if text == "":
        return text
    found = _RANGE.fullmatch(text)
    if found is None or not 0 <= int(found[1]) <= int(found[2] or found[1]) <= HIGHEST:
        raise InvalidParameter(f'invalid port specification: "{text}"')
    return text


def merge(ports: Iterable[Port]) -> tuple[Port, ...]:
    """Each port once, with all that it is published to, by number and protocol."""
    published: dict[tuple[int, str], tuple[tuple[str, str], ...]] = {}
    for port in ports:
        key = (port.number, port.protocol)
        published[key] = published.get(key, ()) + port.published
    return tuple(Port(number, protocol, published[number, protocol]) for number, protocol in sorted(published))
