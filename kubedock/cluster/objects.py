"""Objects as JSON: copies, patches, times. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kubedock.cluster.protocol import Json


def copied(value: Any) -> Any:
    """A deep copy of JSON."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [copied(item) for item in value]
    return value


def merged(target: Any, change: Any) -> Any:
    """A JSON merge patch (RFC 7386) applied: a new value."""
    if not isinstance(change, Mapping):
        return copied(change)
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def timestamp(moment: datetime) -> str:
    """Kubernetes' time in metadata and status: whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def precise(moment: datetime) -> str:
    """A time with its microseconds, as Kubernetes has it in some places, and the embedded node in its statuses and events."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def owners(item: Json) -> list[str]:
    """The uids of an object's owners."""
    return [str(owner.get("uid", "")) for owner in item["metadata"].get("ownerReferences") or ()]
