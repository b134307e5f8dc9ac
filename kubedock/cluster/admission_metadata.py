"""What an API server refuses of names, labels and annotations. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from kubedock.cluster.faults import NAME, Faults

LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LONGEST_LABEL = 63
LARGEST_ANNOTATIONS = 256 * 1024
WORDS = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"


def check_metadata(faults: Faults, meta: Mapping[str, Any]) -> None:
    """An object's own: it has a name, or the beginning of one."""
    name = meta.get("name") or str(meta.get("generateName") or "").rstrip("-.")
    if name:
        faults.subdomain("metadata.name", name)
    else:
        faults.add("metadata.name", "Required value: name or generateName is required")
    check_marks(faults, meta, "metadata")


def check_marks(faults: Faults, meta: Mapping[str, Any], where: str) -> None:
    """Labels and annotations; a template's metadata has nothing else that counts."""
    check_labels(faults, meta.get("labels") or {}, f"{where}.labels")
    annotations: Mapping[str, str] = meta.get("annotations") or {}
    for key in annotations:
        _check_key(faults, f"{where}.annotations", key.lower(), key)
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > LARGEST_ANNOTATIONS:
        faults.add(f"{where}.annotations", f"Too long: may not be more than {LARGEST_ANNOTATIONS} bytes")


def check_labels(faults: Faults, labels: Mapping[str, str], where: str) -> None:
    """Labels, or the labels that a selector wants."""
    for key, value in labels.items():
        _check_key(faults, where, key, key)
        if len(value) > LONGEST_LABEL:
            faults.invalid(where, value, f"must be no more than {LONGEST_LABEL} characters")
        elif not LABEL_VALUE.fullmatch(value):
            faults.invalid(where, value, f"a valid label must be an empty string or {WORDS.removeprefix('must ')}")


def _check_key(faults: Faults, where: str, key: str, shown: str) -> None:
    why = key_fault(key)
    if why:
        faults.invalid(where, shown, why)


def key_fault(key: str) -> str:
    """What is wrong with a key (``name`` or ``prefix.example/name``), "" for nothing."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return f"a qualified name {WORDS} with an optional DNS subdomain prefix and '/'"
    if slash and not prefix:
        return "prefix part must be non-empty"
    if slash and (len(prefix) > 253 or not NAME.fullmatch(prefix)):
        return "prefix part a lowercase RFC 1123 subdomain is needed"
    if not name:
        return "name part must be non-empty"
    if len(name) > LONGEST_LABEL:
        return f"name part must be no more than {LONGEST_LABEL} characters"
    return "" if LABEL_NAME.fullmatch(name) else f"name part {WORDS}"
