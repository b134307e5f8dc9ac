"""Label and field selectors, as the API server reads them. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

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
        key, word, values = within[1], within[2], {value.strip() for value in within[3].split(",")}
        return lambda item: (labels(item).get(key) in values) == (word == "in")
    if "!=" in term:
        key, value = term.split("!=", 1)
        return lambda item: labels(item).get(key.strip()) != value.strip()
    if "=" in term:
        key, value = re.split("==?", term, maxsplit=1)
        return lambda item: labels(item).get(key.strip()) == value.strip()
    if term.startswith("!"):
        return lambda item: term[1:].strip() not in labels(item)
    return lambda item: term in labels(item)


def _field_term(kind: Kind, term: str) -> Predicate:
    wanted, (path, value) = "!=" not in term, re.split("!=|==?", term, maxsplit=1)
    if path not in ("metadata.name", "metadata.namespace", *FIELDS.get(kind, ())):
        raise InvalidParameter(f"field label not supported: {path}")
    return lambda item: (_at(item, path) == value) == wanted


def predicate(kind: Kind, selector: str, fields: str) -> Predicate:
    """What a label and a field selector ask for."""
    terms = [_label_term(term.strip()) for term in re.split(r",(?![^(]*\))", selector) if term.strip()]
    terms += [_field_term(kind, term.strip()) for term in fields.split(",") if term.strip()]
    return lambda item: all(term(item) for term in terms)
