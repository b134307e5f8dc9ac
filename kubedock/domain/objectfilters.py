"""Filters of networks, volumes, images and events, as predicates."""

import re
from collections.abc import Callable
from dataclasses import replace

from kubedock.domain import image as references
from kubedock.domain.event import Event
from kubedock.domain.filters import Filters, exact, flag, labels_match, pattern
from kubedock.domain.network import Network
from kubedock.domain.view import Image
from kubedock.domain.volume import Volume
from kubedock.errors import InvalidParameter

NETWORK_TYPES = ("builtin", "custom")
SCOPE = "local"

_PREFIX_ACTIONS = frozenset(("health_status", "exec_create", "exec_start"))
_ACTOR_KINDS = ("daemon", "container", "plugin", "volume", "network", "node", "service", "secret", "config")


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
        pattern(wanted, "name")(network.name)
        and pattern(wanted, "id")(network.id)
        and exact(wanted, "driver", network.driver)
        and exact(wanted, "scope", SCOPE)
        and labels_match(network.labels, wanted)
        and (not types or ("builtin" if network.predefined else "custom") in types)
        and (unused is None or unused is not (used or network.predefined))
    )


def volume_matches(volume: Volume, wanted: Filters, *, used: bool) -> bool:
    """``used``: a container mounts it."""
    unused = flag(wanted, "dangling", default=False) if "dangling" in wanted else None
    return (
        pattern(wanted, "name")(volume.name)
        and exact(wanted, "driver", volume.driver)
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
            (exact(wanted, "event", event.action) or (fuzzy and event.action.startswith(wanted["event"])))
            and exact(wanted, "type", event.kind)
            and exact(wanted, "scope", SCOPE)
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
