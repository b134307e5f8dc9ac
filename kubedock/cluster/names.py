"""Cluster names -> the addresses of pods, from the objects of a store. Pure but for reading it.

Known are Services (``db.default.svc.cluster.local``) and their pods' own names (``HOSTNAME.db.default.svc…``). A Service
has the addresses of the pods that its selector fits; without a selector, those of the EndpointSlices that carry its name.
There are no virtual addresses: a Service that is not headless has the addresses of its pods as well.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kubedock.cluster.protocol import Json
from kubedock.cluster.store import ObjectStore

DOMAIN = "cluster.local"
SERVICE_NAME = "kubernetes.io/service-name"
SUFFIX = f".svc.{DOMAIN}"


class Endpoint(NamedTuple):
    """An address behind a Service, and the name of its own there, "" for none."""

    ip: str
    hostname: str = ""


def is_ours(name: str) -> bool:
    """A name that nobody else knows: of the cluster's domain, or without any dot. Lower case, no dot at its end."""
    return name == DOMAIN or name.endswith(f".{DOMAIN}") or "." not in name


def resolve(store: ObjectStore, name: str) -> list[str] | None:
    """The addresses of one of our names, None where there is no such name. Lower case, no dot at its end."""
    if not name.endswith(SUFFIX):
        return None
    labels = name.removesuffix(SUFFIX).split(".")
    if len(labels) not in (2, 3) or labels[-1] != store.namespace:
        return None
    with store.lock:
        service = store.peek("Service", labels[-2])
        if service is None:
            return None
        found = [one.ip for one in endpoints(store, service) if len(labels) == 2 or one.hostname == labels[0]]
    return list(dict.fromkeys(found)) or None


def endpoints(store: ObjectStore, service: Json) -> Iterator[Endpoint]:
    """What is behind a Service. The store's lock is held."""
    name, spec = service["metadata"]["name"], service.get("spec") or {}
    selector = spec.get("selector") or {}
    if selector:
        unready = bool(spec.get("publishNotReadyAddresses"))
        for pod in store.select("Pod", ",".join(f"{key}={value}" for key, value in selector.items())):
            if _is_up(pod, unready=unready):
                subdomain = pod["spec"].get("subdomain") == name
                yield Endpoint(pod["status"]["podIP"], str(pod["spec"].get("hostname") or "") if subdomain else "")
        return
    for each in store.select("EndpointSlice", f"{SERVICE_NAME}={name}"):
        for endpoint in each.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False or spec.get("publishNotReadyAddresses"):
                for ip in endpoint.get("addresses") or ():
                    yield Endpoint(ip, str(endpoint.get("hostname") or ""))


def _is_up(pod: Json, *, unready: bool) -> bool:
    """It has an address that is in use."""
    status = pod["status"]
    if not status.get("podIP") or status.get("phase") in ("Succeeded", "Failed"):
        return False
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
    return unready or (ready and "deletionTimestamp" not in pod["metadata"])


def host_lines(store: ObjectStore) -> list[tuple[str, tuple[str, ...]]]:
    """All names as lines of a hosts file, for pods that have no name server."""
    lines: list[tuple[str, tuple[str, ...]]] = []
    with store.lock:
        for service in store.select("Service"):
            name = service["metadata"]["name"]
            full = f"{name}.{store.namespace}"
            for one in endpoints(store, service):
                lines.append((one.ip, (name, full, f"{full}.svc", f"{full}{SUFFIX}")))
                if one.hostname:
                    lines.append((one.ip, (f"{one.hostname}.{full}{SUFFIX}",)))
    return list(dict.fromkeys(lines))


def addresses(store: ObjectStore) -> set[str]:
    """Those of all pods."""
    with store.lock:
        return {ip for pod in store.select("Pod") if (ip := pod["status"].get("podIP"))}
