"""The user's pod template: Kubernetes JSON merged underneath ours.

Ours wins wherever both say something. Mappings are merged key by key. A list whose items have a name (containers, env,
volumes ...) is merged item by item, the template's first; lists of plain values in ``UNITED`` become the union; any other
list of ours (``command``, ``args`` ...) replaces the template's. Nothing that is given is changed.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import Any

from kubedock.cluster import Json

KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "containers": ("name",),
        "initContainers": ("name",),
        "env": ("name",),
        "volumes": ("name",),
        "volumeMounts": ("mountPath",),
        "imagePullSecrets": ("name",),
        "hostAliases": ("ip",),
        "ports": ("containerPort", "protocol"),
        "sysctls": ("name",),
        "options": ("name",),
        "tolerations": ("key", "operator", "value", "effect"),
    }
)
"""What tells the items of a list apart, by the list's name."""

UNITED = frozenset({"add", "drop", "searches", "supplementalGroups", "hostnames"})
"""Lists of plain values that are united: capabilities, DNS domains, groups, names of a host."""

_OWN_METADATA = ("labels", "annotations")


def pod_parts(template: Mapping[str, Any] | None) -> Json:
    """Of a template (a Pod) what may go into ours: labels, annotations and the whole spec, as a copy."""
    if not template:
        return {"metadata": {}, "spec": {}}
    metadata = template.get("metadata") or {}
    return {
        "metadata": {key: deepcopy(dict(metadata[key])) for key in _OWN_METADATA if metadata.get(key)},
        "spec": deepcopy(dict(template.get("spec") or {})),
    }


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> Json:
    """A new object: ``over`` laid upon ``under``."""
    merged: Json = deepcopy(dict(under))
    for key, value in over.items():
        merged[key] = _merged(key, merged.get(key), value)
    return merged


def _merged(key: str, under: Any, over: Any) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return merge(under, over)
    if isinstance(under, list) and isinstance(over, list):
        if key in KEYS:
            return _merged_items(KEYS[key], under, over)
        if key in UNITED:
            return [*under, *(value for value in over if value not in under)]
    return deepcopy(over)


def _merged_items(keys: Sequence[str], under: list[Any], over: list[Any]) -> list[Any]:
    merged: dict[tuple[Any, ...], Json] = {}
    for item in (*under, *over):
        identity = tuple(item.get(key) for key in keys)
        merged[identity] = merge(merged[identity], item) if identity in merged else deepcopy(dict(item))
    return list(merged.values())
