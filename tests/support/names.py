"""Services with pods, as names are made of them."""

from datetime import UTC, datetime
from typing import Any

from kubedock.cluster.store import ObjectStore

READY = [{"type": "Ready", "status": "True"}]
UNREADY = [{"type": "Ready", "status": "False"}]


def a_store(*pods: tuple[str, str, list[dict[str, str]]], **service: Any) -> ObjectStore:
    """A store with the Service ``db`` for pods that carry ``app=db``: (name, address, conditions)."""
    store = ObjectStore("ns", lambda: datetime(2026, 1, 2, tzinfo=UTC))
    store.insert("Service", {"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}, **service}})
    for name, ip, conditions in pods:
        status = {"phase": "Running", "podIP": ip, "conditions": conditions}
        metadata = {"name": name, "labels": {"app": "db"}}
        store.insert("Pod", {"metadata": metadata, "spec": {"hostname": f"host-{name}", "subdomain": "db"}, "status": status})
    return store
