"""Which ports of this machine a container's ports are to be published to: what to bind, in which order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kubedock.domain.container import ContainerSpec, Port, Published

PROTOCOLS = ("tcp",)
"""Those that can be published."""
ANY_FOUR, ANY_SIX = "0.0.0.0", "::"  # noqa: S104 - shown, not bound


@dataclass(frozen=True, slots=True)
class Wanted:
    """One number to be listened on, the same on all ``hosts`` ("" stands for the server's own addresses).

    It is from ``first`` to ``last``; 0 is any that is free. ``before`` is the number that it had in an earlier run, 0
    where it had none: it is tried first.
    """

    port: Port
    hosts: tuple[str, ...]
    first: int = 0
    last: int = 0
    before: int = 0

    @property
    def exact(self) -> bool:
        """No other number will do."""
        return self.first == self.last != 0

    @property
    def candidates(self) -> Iterator[int]:
        """The numbers to try, in order."""
        if self.before:
            yield self.before
        yield from range(self.first, self.last + 1)

    def published(self, hosts: Sequence[str], number: int) -> tuple[Published, ...]:
        """How this is shown when it listens under this number, on these addresses for ""."""
        shown = [each for host in self.hosts for each in ([host] if host else shown_hosts(hosts))]
        return tuple(Published(self.port.number, self.port.protocol, host, number) for host in shown)


def wanted(spec: ContainerSpec, before: Sequence[Published] = ()) -> tuple[Wanted, ...]:
    """What a container publishes; exact numbers come first, so that none of them is taken for any.

    Bindings of a port that differ in their address alone get one number, as in Docker: clients choose an address by its
    family. ``before`` is what was published in its run before.
    """
    if spec.host_network:
        return ()
    found = [each for port in spec.ports if port.protocol in PROTOCOLS for each in _of(port)]
    remembered = list(before)
    return tuple(_remembering(each, remembered) for each in sorted(found, key=_order))


def shown_hosts(hosts: Sequence[str]) -> tuple[str, ...]:
    """What stands for the server's own addresses: clients of Docker know "all" of each family."""
    families = {ANY_SIX if ":" in host else ANY_FOUR for host in hosts}
    return tuple(sorted(families))


def _of(port: Port) -> list[Wanted]:
    groups: dict[tuple[int, int, int], list[str]] = {}
    times: dict[tuple[str, str], int] = {}
    for host, text in port.published:
        first, _, last = text.partition("-")
        # What is asked for twice needs a number of its own; an exact one then collides, as in Docker.
        times[host, text] = time = times.get((host, text), 0) + 1
        groups.setdefault((int(first or 0), int(last or first or 0), time), []).append(host)
    return [Wanted(port, tuple(hosts), first, last) for (first, last, _), hosts in groups.items()]


def _order(each: Wanted) -> tuple[bool, int, int, int]:
    return not each.exact, each.port.number, each.first, each.last


def _remembering(each: Wanted, remembered: list[Published]) -> Wanted:
    """With the number that it had before, which nobody else gets then."""
    if each.exact:
        return each
    for known in remembered:
        place = known.host_ip in each.hosts or ("" in each.hosts and known.host_ip in (ANY_FOUR, ANY_SIX))
        fits = each.last == 0 or each.first <= known.host_port <= each.last
        if (known.number, known.protocol) == (each.port.number, each.port.protocol) and place and fits:
            remembered[:] = [other for other in remembered if other.host_port != known.host_port]
            return Wanted(each.port, each.hosts, each.first, each.last, known.host_port)
    return each
