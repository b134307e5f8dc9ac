"""Names of labels and annotations, what an object is labelled with, and selectors."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from kubedock.domain.container import ContainerRecord

MARK = "kubedock"
INSTANCE = "kubedock.id"
CONTAINER = "kubedock.containerid"
RUN = "kubedock.run"
NAME = "kubedock.name"
"""Of a Service: the name that it holds."""
NAME_PREFIX = "kubedock.name/"
"""Of a pod: keys that begin so say which names it has on its networks."""
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "kubedock"

NAME_ANNOTATION = "kubedock.containername"
"""The container's name when the object was made; annotations take any text, labels do not."""

IMAGE_ANNOTATION = "kubedock.image"
"""Of a pod: its container's image as the user has written it; nodes pull it by its digest."""

NETWORK_ANNOTATION, NETWORK_ID_ANNOTATION = "kubedock.network", "kubedock.networkid"
"""Of a Service: the network whose containers it finds."""

NONE: Mapping[str, str] = MappingProxyType({})

_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def valid(key: str, value: str) -> bool:
    """Kubernetes takes this pair as a label."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or _PREFIX.fullmatch(prefix) is None):
        return False
    return _WORD.fullmatch(name) is not None and (value == "" or _WORD.fullmatch(value) is not None)


def instance_labels(instance: str) -> dict[str, str]:
    """What every object of one kubedock carries."""
    return {MARK: "true", INSTANCE: instance, MANAGED_BY: MANAGER}


def object_labels(record: ContainerRecord, instance: str, extra: Mapping[str, str] = NONE) -> dict[str, str]:
    """The labels of an object of a container: ``extra``, then Docker's that Kubernetes takes, then ours, which win."""
    docker = {key: value for key, value in record.spec.labels.items() if valid(key, value)}
    return {**extra, **docker, **instance_labels(instance), CONTAINER: record.short_id}


def run_labels(record: ContainerRecord, instance: str, extra: Mapping[str, str] = NONE) -> dict[str, str]:
    """The labels of what belongs to one run of a container: a pod, or a Deployment and its pods."""
    return {**object_labels(record, instance, extra), RUN: str(record.run)}


def selector(instance: str) -> str:
    """All objects of one kubedock."""
    return f"{INSTANCE}={instance}"


def container_selector(instance: str, short_id: str) -> str:
    """All objects of one container."""
    return f"{INSTANCE}={instance},{CONTAINER}={short_id}"


def name_selector(instance: str, name: str) -> str:
    """The Service that holds a name for one kubedock."""
    return f"{INSTANCE}={instance},{NAME}={name}"


def run_selector(instance: str, short_id: str, run: int) -> str:
    """The objects of one run of a container."""
    return f"{container_selector(instance, short_id)},{RUN}={run}"
