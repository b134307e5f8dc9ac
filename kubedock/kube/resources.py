"""Paths of the API."""

from urllib.parse import quote

from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.protocol import Kind


def path(kind: Kind, namespace: str, name: str = "", subresource: str = "") -> str:
    """Where a kind's collection, an object (with ``name``) or a part of it (``log``, ``exec``) is."""
    resource = RESOURCES[kind]
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = f"/namespaces/{quote(namespace, safe='')}" if resource.namespaced else ""
    return f"{root}{scope}/{resource.plural}" + "".join(f"/{quote(part, safe='')}" for part in (name, subresource) if part)
