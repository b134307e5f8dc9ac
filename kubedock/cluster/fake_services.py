"""Services of the in-memory cluster: what the API server refuses in one, and whom a headless one finds."""

import re

from kubedock.cluster.fake_store import FakeStore
from kubedock.cluster.protocol import Json
from kubedock.errors import InvalidParameter

NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
HEADLESS = "None"


def check_service(service: Json) -> None:
    """Refuse what the API server does not take."""
    name, spec = service["metadata"].get("name", ""), service.get("spec") or {}
    if not NAME.fullmatch(name):
        raise InvalidParameter(
            f'Service "{name}" is invalid: metadata.name: Invalid value: "{name}": a DNS-1035 label must consist of lower case'
            " alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character"
        )
    if spec.get("clusterIP") != HEADLESS and not spec.get("ports"):
        raise InvalidParameter(f'Service "{name}" is invalid: spec.ports: Required value')


def addresses(store: FakeStore, name: str) -> list[str]:
    """What the cluster's DNS answers for a name of the namespace: the addresses of the pods behind its headless Service."""
    service = store.peek("Service", name)
    selector = (service or {}).get("spec", {}).get("selector") or {}
    if not selector:
        return []
    pods = store.select("Pod", ",".join(f"{key}={value}" for key, value in selector.items()))
    living = (pod["status"] for pod in pods if pod["status"].get("phase") not in ("Succeeded", "Failed"))
    return [status["podIP"] for status in living if status.get("podIP")]
