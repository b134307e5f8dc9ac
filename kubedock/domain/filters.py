"""Docker's list filters as predicates over views.

Different keys must all hold; of one key's values one has to, except labels, which must all be there. An unknown key or a
value that makes no sense is InvalidParameter, whether or not there is anything to filter: callers check first
(``check``, or the ``*_matcher`` functions, which do).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from kubedock.domain import image as references
from kubedock.domain import ports, units
from kubedock.domain.event import Event
from kubedock.domain.network import Network
from kubedock.domain.view import ContainerView, Image
from kubedock.domain.volume import Volume
from kubedock.errors import InvalidParameter, NoSuchContainer

Filters = Mapping[str, tuple[str, ...]]
Test = Callable[[ContainerView], bool]

CONTAINER_KEYS = frozenset(
    (
        *("ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network"),
        *("publish", "since", "status", "volume"),
    )
)
CONTAINER_PRUNE_KEYS = NETWORK_PRUNE_KEYS = frozenset(("label", "label!", "until"))
NETWORK_KEYS = frozenset(("dangling", "driver", "id", "label", "name", "scope", "type"))
VOLUME_KEYS = frozenset(("dangling", "driver", "label", "name"))
VOLUME_PRUNE_KEYS = frozenset(("all", "label", "label!"))
IMAGE_KEYS = frozenset(("before", "dangling", "label", "reference", "since", "until"))
IMAGE_PRUNE_KEYS = frozenset(("dangling", "label", "label!", "until"))

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTHS = ("none", "starting", "healthy", "unhealthy")
NETWORK_TYPES = ("builtin", "custom")
SCOPE = "local"

_LONGEST_PATTERN, _MOST_REPEATS = 512, 4
_NESTED_REPEAT = re.compile(r"[*+}?][^()]*\)\s*[*+{]")
_PREFIX_ACTIONS = frozenset(("health_status", "exec_create", "exec_start"))
_ACTOR_KINDS = ("daemon", "container", "plugin", "volume", "network", "node", "service", "secret", "config")


class InvalidFilter(InvalidParameter):
    """A key that there is not, or a value that makes no sense for it."""

    def __init__(self, key: str, value: str | None = None, why: str = "") -> None:
        shown = key if value is None else f"{key}={value}"
        super().__init__(f"invalid filter '{shown}'" + (f": {why}" if why else ""))


# --- the common part -----------------------------------------------------------------------------------------------


def check(wanted: Filters, known: Iterable[str]) -> None:
    """InvalidFilter for a key that is not known here."""
    accepted = frozenset(known)
    for key in wanted:
        if key not in accepted:
            raise InvalidFilter(key)


def flag(wanted: Filters, key: str, *, default: bool) -> bool:
    """A filter that is true or false; InvalidFilter for anything else, and for both at once."""
    if key not in wanted:
        return default
    values = frozenset(wanted[key])
    true, false = values & {"1", "true"}, values & {"0", "false"}
    if bool(true) == bool(false) or values - true - false:
        raise InvalidFilter(key, f"[{' '.join(wanted[key])}]" if wanted[key] else None)
    return bool(true)


def labels_match(labels: Mapping[str, str], wanted: Filters) -> bool:
    """All of ``label`` are there (``key`` or ``key=value``), and not all of ``label!``."""
    return _all_there(labels, wanted.get("label", ())) and not ("label!" in wanted and _all_there(labels, wanted["label!"]))


def _all_there(labels: Mapping[str, str], pairs: Iterable[str]) -> bool:
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if key not in labels or (separator and labels[key] != value):
            return False
    return True


def created_before(created_at: datetime, wanted: Filters, now: datetime) -> bool:
    """The filter ``until``: a moment, or a duration that counts back from now."""
    values = wanted.get("until", ())
    if len(values) > 1:
        raise InvalidParameter("more than one until filter specified")
    limit = units.parse_timestamp(values[0], now) if values else None
    return limit is None or created_at <= limit


def prune_matches(labels: Mapping[str, str], created_at: datetime, wanted: Filters, now: datetime) -> bool:
    """What the prunes of containers and networks have in common."""
    check(wanted, CONTAINER_PRUNE_KEYS)
    return labels_match(labels, wanted) and created_before(created_at, wanted, now)


def _exact(wanted: Filters, key: str, value: str) -> bool:
    values = wanted.get(key)
    return not values or value in values


def _pattern(wanted: Filters, key: str) -> Callable[[str], bool]:
    """Docker's match of names and ids: exactly one of the values, or one of them as an unanchored regular expression."""
    values = wanted.get(key, ())
    if not values:
        return lambda _text: True
    patterns = [pattern for value in values if (pattern := _compiled(key, value)) is not None]
    return lambda text: text in values or any(pattern.search(text) for pattern in patterns)


def _compiled(key: str, source: str) -> re.Pattern[str] | None:
    # Docker's engine for expressions takes linear time, Python's may take for ever: such expressions are refused.
    repeats = sum(map(source.count, "*+{"))
    if len(source) > _LONGEST_PATTERN or repeats > _MOST_REPEATS or _NESTED_REPEAT.search(source):
        raise InvalidFilter(key, source, "the expression is too complex")
    try:
        return re.compile(source)
    except (re.error, OverflowError, RecursionError, Warning):
        return None  # as in Docker, what is no expression is still compared as it is


# --- containers ----------------------------------------------------------------------------------------------------


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
    fits = _pattern(wanted, "name")
    return lambda view: fits("/" + view.record.name) or fits(view.record.name)


def _by_id(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    fits = _pattern(wanted, "id")
    return lambda view: fits(view.record.id)


def _by_label(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    return lambda view: labels_match(view.record.spec.labels, wanted)


def _by_status(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    _one_of(wanted, "status", STATES)
    return lambda view: _exact(wanted, "status", view.status.state)


def _by_health(wanted: Filters, _others: Sequence[ContainerView]) -> Test:
    _one_of(wanted, "health", HEALTHS)
    return lambda view: _exact(wanted, "health", view.health.status if view.health is not None else "none")


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


# --- networks, volumes, images -------------------------------------------------------------------------------------


def network_matches(network: Network, wanted: Filters, *, used: bool) -> bool:
    """``used``: a container is on it. The built-in networks count as used."""
    types, dangling = wanted.get("type", ()), wanted.get("dangling", ())
    for kind in types:
        if kind not in NETWORK_TYPES:
            raise InvalidParameter(f"invalid filter: 'type'='{kind}'")
    if len(dangling) > 1:
        raise InvalidParameter('got more than one value for filter key "dangling"')
    unused = flag(wanted, "dangling", default=False) if dangling else None
    return (
        _pattern(wanted, "name")(network.name)
        and _pattern(wanted, "id")(network.id)
        and _exact(wanted, "driver", network.driver)
        and _exact(wanted, "scope", SCOPE)
        and labels_match(network.labels, wanted)
        and (not types or ("builtin" if network.predefined else "custom") in types)
        and (unused is None or unused is not (used or network.predefined))
    )


def volume_matches(volume: Volume, wanted: Filters, *, used: bool) -> bool:
    """``used``: a container mounts it."""
    unused = flag(wanted, "dangling", default=False) if "dangling" in wanted else None
    return (
        _pattern(wanted, "name")(volume.name)
        and _exact(wanted, "driver", volume.driver)
        and labels_match(volume.labels, wanted)
        and (unused is None or unused is not used)
    )


def image_matches(image: Image, wanted: Filters) -> bool:
    """``reference``, ``label`` and ``dangling``; the others are about time."""
    dangling = flag(wanted, "dangling", default=False) if "dangling" in wanted else None
    named = narrowed(image, wanted)
    has_name = bool(named.tags or named.digests)
    # As in Docker an image with digests alone is dangling, and not left out by dangling=false.
    return (
        labels_match(image.config.labels, wanted)
        and (has_name or not wanted.get("reference"))
        and (dangling is None or (not named.tags if dangling else has_name))
    )


def narrowed(image: Image, wanted: Filters) -> Image:
    """With those names alone that ``reference`` asks for, as Docker lists it."""
    if not wanted.get("reference"):
        return image
    patterns = [_glob(value) for value in wanted["reference"]]

    def fits(ref: str) -> bool:
        return any(pattern.fullmatch(form) for pattern in patterns for form in _familiar_forms(ref))

    return replace(image, tags=tuple(filter(fits, image.tags)), digests=tuple(filter(fits, image.digests)))


def _familiar_forms(ref: str) -> tuple[str, ...]:
    reference = references.parse(ref)
    return reference.familiar, reference.familiar_name


def _glob(source: str) -> re.Pattern[str]:
    """Go's ``path.Match``: ``*`` and ``?`` do not cross a slash."""
    parts = re.findall(r"\\.|\[\^?(?:\\.|[^\]\\])+\]|.", source, re.DOTALL)
    out = []
    for part in parts:
        if part in ("*", "?"):
            out.append("[^/]" + ("*" if part == "*" else ""))
        elif part.startswith("[") and len(part) > 1:
            out.append(re.sub(r"[\[&~|]", r"\\\g<0>", part[1:-1]).join("[]"))
        elif part in ("[", "\\"):
            raise InvalidParameter("syntax error in pattern")
        else:
            out.append(re.escape(part.removeprefix("\\") or "\\"))
    try:
        return re.compile("".join(out))
    except (re.error, Warning):
        raise InvalidParameter("syntax error in pattern") from None


# --- events --------------------------------------------------------------------------------------------------------


def event_matcher(wanted: Filters) -> Callable[[Event], bool]:
    """The predicate for events; as in Docker, a key that it does not know is no error here."""
    fuzzy = bool(_PREFIX_ACTIONS.intersection(wanted.get("event", ())))
    kinds = [kind for kind in _ACTOR_KINDS if wanted.get(kind)]

    def matches(event: Event) -> bool:
        return (
            (_exact(wanted, "event", event.action) or (fuzzy and event.action.startswith(wanted["event"])))
            and _exact(wanted, "type", event.kind)
            and _exact(wanted, "scope", SCOPE)
            and all(
                event.actor.startswith(wanted[kind]) or event.attributes.get("name", "").startswith(wanted[kind]) for kind in kinds
            )
            and _of_image(event, wanted)
            and labels_match(event.attributes, {"label": wanted.get("label", ())})
        )

    return matches


def _of_image(event: Event, wanted: Filters) -> bool:
    if not wanted.get("image"):
        return True
    name = event.attributes.get("name" if event.kind == "image" else "image", "")
    return not {event.actor, name, _without_tag(event.actor), _without_tag(name)}.isdisjoint(wanted["image"])


def _without_tag(text: str) -> str:
    try:
        return references.parse(text).familiar_name
    except InvalidParameter:
        return text
