"""Secrets that nodes pull images with, written and read. Pure."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from kubedock.cluster import Json
from kubedock.domain.container import ContainerRecord
from kubedock.kube import labels
from kubedock.kube.manifest import PodDefaults

TYPE, KEY = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"
OLD_KEY = ".dockercfg"
"""Of the type ``kubernetes.io/dockercfg``: the entries by registry, without ``auths`` around them."""


def pull_secret(record: ContainerRecord, server: str, user: str, password: str, defaults: PodDefaults) -> Json:
    """The Secret of the record's current run, with a login at one registry; it is named as the run's object."""
    packed = base64.b64encode(f"{user}:{password}".encode()).decode()
    config = {"auths": {server: {"username": user, "password": password, "auth": packed}}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": record.object_name,
            "labels": labels.run_labels(record, defaults.instance, defaults.labels),
            "annotations": {**defaults.annotations, labels.NAME_ANNOTATION: record.name},
        },
        "type": TYPE,
        "immutable": True,
        "data": {KEY: base64.b64encode(json.dumps(config).encode()).decode()},
    }


def logins(secret: Json) -> Mapping[str, Any]:
    """The entries of a pull secret by registry, as in Docker's ``config.json``; none where it is another kind of Secret."""
    data = secret.get("data") or {}
    try:
        found = json.loads(base64.b64decode(data.get(KEY) or data.get(OLD_KEY) or "", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    if isinstance(found, dict) and KEY in data:
        found = found.get("auths")
    return found if isinstance(found, dict) else {}
