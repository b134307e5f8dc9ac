"""Docker's list filters: what those of all kinds of things have in common.

The predicates are in ``containerfilters`` and ``objectfilters``.
Different keys must all hold; of one key's values one has to, except labels, which must all be there. An unknown key or a
value that makes no sense is InvalidParameter, whether or not there is anything to filter: callers check first
(``check``, or the ``*_matcher`` functions, which do).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from kubedock.domain import units
from kubedock.errors import InvalidParameter

Filters = Mapping[str, tuple[str, ...]]

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

_LONGEST_PATTERN, _MOST_REPEATS = 512, 4
_NESTED_REPEAT = re.compile(r"[*+}?][^()]*\)\s*[*+{]")


class InvalidFilter(InvalidParameter):
    """A key that there is not, or a value that makes no sense for it."""

    def __init__(self, key: str, value: str | None = None, why: str = "") -> None:
        shown = key if value is None else f"{key}={value}"
        super().__init__(f"invalid filter '{shown}'" + (f": {why}" if why else ""))


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


def exact(wanted: Filters, key: str, value: str) -> bool:
    """One of the key's values, where there are any, is this one."""
    values = wanted.get(key)
    return not values or value in values


def pattern(wanted: Filters, key: str) -> Callable[[str], bool]:
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
