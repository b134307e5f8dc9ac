"""Filters of containers, as a predicate over their views."""

import re
from collections.abc import Callable, Sequence

from kubedock.domain import image as references
from kubedock.domain import ports, units
from kubedock.domain.filters import CONTAINER_KEYS, Filters, InvalidFilter, check, exact, flag, labels_match, pattern
from kubedock.domain.view import ContainerView
from kubedock.errors import InvalidParameter, NoSuchContainer

Test = Callable[[ContainerView], bool]

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTHS = ("none", "starting", "healthy", "unhealthy")


def container_matches(view: ContainerView, wanted: Filters, others: Sequence[ContainerView] = ()) -> bool:
    """One container; for many ``container_matcher`` is the way."""
    return container_matcher(wanted, others)(view)


def container_matcher(wanted: Filters, others: Sequence[ContainerView] = ()) -> Test:
    """The predicate for containers. ``others`` are all there are: ``before`` and ``since`` name one of them."""
    check(wanted, CONTAINER_KEYS)
    tests = [make(wanted, others) for key, make in _CONTAINER_TESTS.items() if key in wanted]
    # An isolation filter is for Windows; Docker on Linux lets it pass.
    return lambda view: all(test(view) for test in tests)


def _by_name(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    fits = pattern(wanted, "name")
    return lambda view: fits("/" + view.record.name) or fits(view.record.name)


def _by_id(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    fits = pattern(wanted, "id")
    return lambda view: fits(view.record.id)


def _by_label(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    return lambda view: labels_match(view.record.spec.labels, wanted)


def _by_status(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    _one_of(wanted, "status", STATES)
    return lambda view: exact(wanted, "status", view.status.state)


def _by_health(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    _one_of(wanted, "health", HEALTHS)
    return lambda view: exact(wanted, "health", view.health.status if view.health is not None else "none")


def _one_of(wanted: Filters, key: str, values: Sequence[str]) -> None:
    for value in wanted[key]:
        if value not in values:
            raise InvalidFilter(key, value)


def _by_exit_code(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    codes = set()
    for value in wanted["exited"]:
        try:
            codes.add(units.whole(value))
        except ValueError:
            raise InvalidFilter("exited", value, f'parsing "{value}": invalid syntax') from None
    if not codes:
        return lambda _view: True
    return lambda view: not view.status.running and view.status.started_at is not None and view.status.exit_code in codes


def _by_task(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    task = flag(wanted, "is-task", default=False)
    return lambda _view: not task


def _by_ancestor(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    fits = [_image_test(value) for value in wanted["ancestor"]]
    return lambda view: any(fit(view) for fit in fits)


def _image_test(value: str) -> Test:
    bare = value.removeprefix("sha256:")
    canonical = _canonical(value)

    def test(view: ContainerView) -> bool:
        record = view.record
        if canonical is not None and canonical in (_canonical(record.spec.image), _canonical(record.image_source)):
            return True
        return re.fullmatch("[0-9a-f]{4,64}", bare) is not None and record.image_id.removeprefix("sha256:").startswith(bare)

    return test


def _canonical(text: str) -> str | None:
    try:
        return references.parse(text).stored.canonical
    except InvalidParameter:
        return None


def _by_network(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    values = wanted["network"]

    def test(view: ContainerView) -> bool:
        ids = {endpoint.network_id for endpoint in view.record.endpoints.values()}
        names = {view.networks[network_id].name for network_id in ids if network_id in view.networks}
        return any(value in names or any(network_id.startswith(value) for network_id in ids) for value in values)

    return test


def _by_volume(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    values = frozenset(wanted["volume"])

    def test(view: ContainerView) -> bool:
        spec = view.record.spec
        places = {target for target, _ in spec.tmpfs}.union(*((mount.source, mount.target) for mount in spec.mounts))
        return bool(values & (places - {""}))

    return test


def _by_port(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    """One of its own ports, or one of the ports of this machine that they are published to."""
    exposed, published = _port_keys(wanted, "expose"), _port_keys(wanted, "publish")
    if not wanted.get("expose") and not wanted.get("publish"):
        return lambda _view: True

    def test(view: ContainerView) -> bool:
        own = view.has_ports and any(port.key in exposed for port in view.record.spec.ports)
        return own or any(f"{each.host_port}/{each.protocol}" in published for each in view.published)

    return test


def _port_keys(wanted: Filters, key: str) -> frozenset[str]:
    found: set[str] = set()
    for value in wanted.get(key, ()):
        if ":" in value:
            raise InvalidParameter(f"filter for '{key}' should not contain ':': {value}")
        try:
            found |= {port.key for port in ports.parse(value)}
        except InvalidParameter as error:
            raise InvalidParameter(f"error while looking up for {key} {value}: {error}") from None
    return frozenset(found)


def _by_age(wanted: Filters, others: Sequence[ContainerView]) -> Test:
    before = [_find(value, others).record.created_at for value in wanted.get("before", ())]
    since = [_find(value, others).record.created_at for value in wanted.get("since", ())]
    return lambda view: (
        all(view.record.created_at < limit for limit in before) and all(view.record.created_at > limit for limit in since)
    )


def _find(ref: str, others: Sequence[ContainerView]) -> ContainerView:
    name = ref.removeprefix("/")
    for view in others:
        if view.record.id == ref or view.record.name == name:
            return view
    fitting = [view for view in others if ref and view.record.id.startswith(ref)]
    if len(fitting) != 1:
        raise NoSuchContainer(ref)
    return fitting[0]


_CONTAINER_TESTS: dict[str, Callable[[Filters, Sequence[ContainerView]], Test]] = {
    "name": _by_name,
    "id": _by_id,
    "label": _by_label,
    "status": _by_status,
    "health": _by_health,
    "exited": _by_exit_code,
    "is-task": _by_task,
    "ancestor": _by_ancestor,
    "network": _by_network,
    "volume": _by_volume,
    "expose": _by_port,
    "publish": _by_port,
    "before": _by_age,
    "since": _by_age,
}
