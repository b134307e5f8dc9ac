"""Services that hold the names of containers on a network. Pure.

A headless Service for each name selects the pods of the containers that share it on one network: those with the label
of that network and name. It has no port, so any port is reached, and publishes pods that are not ready, because Docker's
names are there as soon as a container runs.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from kubedock.cluster import Json
from kubedock.domain.network import Network
from kubedock.kube import labels
from kubedock.kube.manifest import PodDefaults

KEY_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a Service is: a kubedock's for one of its networks. ``instance`` is "" where kubedock has not made it.

    ``pods`` selects the pods behind it.
    """

    instance: str = ""
    network_id: str = ""
    network: str = ""
    pods: str = ""


def name_labels(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The labels of a pod that has these names, as (network id, name): one for each, its value the name."""
    return {_key(network_id, name): name for network_id, name in names}


def service(name: str, network: Network, defaults: PodDefaults) -> Json:
    """The Service by which the containers of a network that share a name are found."""
    ours = {labels.NETWORK_ID_ANNOTATION: network.id, labels.NETWORK_ANNOTATION: network.name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "labels": {**defaults.labels, **labels.instance_labels(defaults.instance), labels.NAME: name},
            "annotations": {**defaults.annotations, **ours},
        },
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {_key(network.id, name): name}},
    }


def holder(found: Json) -> Holder:
    """Whose a Service of the cluster is."""
    metadata = found["metadata"]
    marks, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if labels.NAME not in marks or not marks.get(labels.INSTANCE):
        return Holder()
    selector = found["spec"].get("selector") or {}
    return Holder(
        instance=marks[labels.INSTANCE],
        network_id=notes.get(labels.NETWORK_ID_ANNOTATION, ""),
        network=notes.get(labels.NETWORK_ANNOTATION, ""),
        pods=",".join(f"{key}={value}" for key, value in selector.items()),
    )


def _key(network_id: str, name: str) -> str:
    """A label's key for a name on a network: both together would be too long for one."""
    return labels.NAME_PREFIX + hashlib.sha256(f"{network_id}/{name}".encode()).hexdigest()[:KEY_LENGTH]
