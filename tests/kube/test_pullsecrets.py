"""Secrets that nodes pull images with."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.kube.manifest import PodDefaults
from kubedock.kube.pullsecrets import logins, pull_secret

RECORD = ContainerRecord(
    id="0123456789ab" + "0" * 52,
    name="web",
    spec=ContainerSpec("quay.io/me/app", labels={"team": "b"}),
    created_at=datetime(2026, 1, 2, tzinfo=UTC),
    run=1,
    object_name="kubedock-web-0123456789ab",
)
ENTRY = {"username": "me", "password": "pässword", "auth": "bWU6cMOkc3N3b3Jk"}


def packed(value: Any) -> str:
    """JSON as a Secret has it."""
    return base64.b64encode(json.dumps(value).encode()).decode()


def test_a_secret():
    """With what the settings put on all objects."""
    defaults = PodDefaults("abc", labels={"team": "a", "of": "all"}, annotations={"note": "n"})

    assert pull_secret(RECORD, "quay.io", "me", "pässword", defaults) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "kubedock-web-0123456789ab",
            "labels": {
                "of": "all",
                "team": "b",
                "kubedock": "true",
                "kubedock.id": "abc",
                "app.kubernetes.io/managed-by": "kubedock",
                "kubedock.containerid": "0123456789ab",
                "kubedock.run": "1",
            },
            "annotations": {"note": "n", "kubedock.containername": "web"},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "immutable": True,
        "data": {".dockerconfigjson": packed({"auths": {"quay.io": ENTRY}})},
    }


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({".dockerconfigjson": packed({"auths": {"quay.io": ENTRY}})}, {"quay.io": ENTRY}),
        ({".dockercfg": packed({"quay.io": ENTRY})}, {"quay.io": ENTRY}),
        ({".dockerconfigjson": packed({"auths": []})}, {}),
        ({".dockerconfigjson": packed([])}, {}),
        ({".dockerconfigjson": "%"}, {}),
        ({".dockerconfigjson": base64.b64encode(b"[" * 100_000).decode()}, {}),
        ({"password": "c2VjcmV0"}, {}),
        (None, {}),
    ],
)
def test_the_logins_of_a_secret(data: Any, found: dict[str, Any]):
    """Of both types; anything else has none."""
    assert logins({"kind": "Secret", "data": data}) == found
