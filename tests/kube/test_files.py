"""Files that were put before a start, as Kubernetes has them."""

from dataclasses import replace
from hashlib import sha256

from kubedock.domain.container import ContainerSpec
from kubedock.domain.kept import Kept, KeptDirectory, KeptFile
from kubedock.domain.volume import Mount
from kubedock.kube.files import config_map
from kubedock.kube.manifest import deployment_manifest, pod_manifest
from tests.kube.test_manifest import DEFAULTS, LABELS, POD, RECORD, SPEC

NAME = "kubedock-web-0123456789ab-r2"
KEPT = Kept(
    {"/etc/a b": KeptFile(b"\0\xff", 0o640, 5), "/data/ü": KeptFile(b"")},
    {"/etc/dir": KeptDirectory()},
)


def key(path: str) -> str:
    """A file's key: paths are no keys."""
    return sha256(path.encode()).hexdigest()[:32]


def test_the_config_map() -> None:
    """Named as the run's object, labelled as it, and not to be changed."""
    assert config_map(RECORD, KEPT, "abc", {"team": "x"}) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "labels": {"team": "x", **LABELS}},
        "immutable": True,
        "binaryData": {key("/etc/a b"): "AP8=", key("/data/ü"): ""},
    }


VOLUME = {
    "name": "kubedock-files",
    "configMap": {
        "name": NAME,
        "items": [
            {"key": key("/etc/a b"), "path": key("/etc/a b"), "mode": 0o640},
            {"key": key("/data/ü"), "path": key("/data/ü"), "mode": 0o644},
        ],
    },
}
FILE_MOUNTS = [
    {"name": "kubedock-files", "mountPath": "/etc/a b", "subPath": key("/etc/a b"), "readOnly": True},
    {"name": "kubedock-files", "mountPath": "/data/ü", "subPath": key("/data/ü"), "readOnly": True},
]


def test_the_mounts() -> None:
    """Each file by itself, behind the volumes that it may be in."""
    record = replace(RECORD, spec=ContainerSpec("alpine", mounts=(Mount("volume", "/data", "data"),)))
    [main] = SPEC["containers"]
    data = {"name": "kubedock-volume-0", "mountPath": "/data"}
    spec = {
        **SPEC,
        "containers": [{**main, "volumeMounts": [data, *FILE_MOUNTS]}],
        "volumes": [{"name": "kubedock-volume-0", "emptyDir": {}}, VOLUME],
    }
    assert pod_manifest(record, DEFAULTS, kept=KEPT) == {**POD, "spec": {**spec, "restartPolicy": "Never"}}
    assert deployment_manifest(record, DEFAULTS, kept=KEPT)["spec"]["template"]["spec"] == {**spec, "restartPolicy": "Always"}
