"""Label and field selectors, as the API server reads them. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from kubedock.cluster.admission_metadata import key_fault
from kubedock.cluster.protocol import Json, Kind
from kubedock.errors import InvalidParameter

FIELDS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"),
    "Event": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "Secret": ("type",),
}

Predicate = Callable[[Json], bool]


def _at(item: Json, path: str) -> str:
    value: Any = item
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    return str(value)


def _label_term(term: str) -> Predicate:
    def labels(item: Json) -> Mapping[str, str]:
        return item["metadata"].get("labels") or {}

    within = re.fullmatch(r"(\S+)\s+(in|notin)\s+\((.*)\)", term)
    if within:
        key, word, values = _checked(term, within[1]), within[2], {value.strip() for value in within[3].split(",")}
        return lambda item: (labels(item).get(key) in values) == (word == "in")
    if "!=" in term:
        key, value = (part.strip() for part in term.split("!=", 1))
        _checked(term, key)
        return lambda item: labels(item).get(key) != value
    if "=" in term:
        key, value = (part.strip() for part in re.split("==?", term, maxsplit=1))
        _checked(term, key)
        return lambda item: labels(item).get(key) == value
    key = _checked(term, term.removeprefix("!").strip())
    if term.startswith("!"):
        return lambda item: key not in labels(item)
    return lambda item: key in labels(item)


def _checked(term: str, key: str) -> str:
    """The key of a term: InvalidParameter where it is none."""
    why = key_fault(key)
    if why:
        raise InvalidParameter(f'unable to parse requirement: {term}: Invalid value: "{key}": {why}')
    return key


def _field_term(kind: Kind, term: str) -> Predicate:
    wanted, (path, *rest) = "!=" not in term, re.split("!=|==?", term, maxsplit=1)
    if not rest:
        raise InvalidParameter(f"invalid selector: '{term}'; can't understand '{term}'")
    value = rest[0]
    if path not in ("metadata.name", "metadata.namespace", *FIELDS.get(kind, ())):
        raise InvalidParameter(f"field label not supported: {path}")
    return lambda item: (_at(item, path) == value) == wanted


def predicate(kind: Kind, selector: str, fields: str) -> Predicate:
    """What a label and a field selector ask for."""
    terms = [_label_term(term.strip()) for term in re.split(r",(?![^(]*\))", selector) if term.strip()]
    terms += [_field_term(kind, term.strip()) for term in fields.split(",") if term.strip()]
    return lambda item: all(term(item) for term in terms)
