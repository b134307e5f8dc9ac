"""Files that were put into a container before its start, as a ConfigMap, and as mounts of it. Pure.

Each file is a mount of its own, of its own key (a sub-path): so nothing else in its directory is hidden. A mount makes the
directories above it where the image lacks them. Keys cannot hold paths, hence their hashes.
"""

import base64
import hashlib
from collections.abc import Mapping

from kubedock.cluster import Json
from kubedock.domain.container import ContainerRecord
from kubedock.domain.kept import Kept
from kubedock.kube import labels

VOLUME = "kubedock-files"


def config_map(record: ContainerRecord, kept: Kept, instance: str, extra: Mapping[str, str] = labels.NONE) -> Json:
    """The ConfigMap of the record's current run; it is named as the run's object."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": record.object_name, "labels": labels.run_labels(record, instance, extra)},
        "immutable": True,
        "binaryData": {_key(path): base64.b64encode(file.data).decode() for path, file in kept.files.items()},
    }


def volume_and_mounts(record: ContainerRecord, kept: Kept) -> tuple[list[Json], list[Json]]:
    """The pod's volume and main's mounts; none where no files are kept."""
    if not kept.files:
        return [], []
    items = [{"key": _key(path), "path": _key(path), "mode": file.mode} for path, file in kept.files.items()]
    mounts = [{"name": VOLUME, "mountPath": path, "subPath": _key(path), "readOnly": True} for path in kept.files]
    return [{"name": VOLUME, "configMap": {"name": record.object_name, "items": items}}], mounts


def _key(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()[:32]
