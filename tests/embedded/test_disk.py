"""What the embedded cluster keeps on disk."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from kubedock.embedded.fake import FakeRuntime
from tests.support.embedded import embedded_cluster
from tests.support.pods import a_pod, main, reaches
from tests.support.waiting import eventually


def kept(folder: Path) -> dict[str, Any]:
    """The files, by their path below ``objects``."""
    root = folder / "objects"
    return {str(path.relative_to(root)): json.loads(path.read_text()) for path in root.glob("*/*.json")}


def test_objects_outlast_the_server(tmp_path: Path) -> None:
    """With their uids and versions; pods, their controllers and what they own do not."""
    with embedded_cluster(FakeRuntime(tmp_path / "runtime"), tmp_path) as cluster:
        record = cluster.create("ConfigMap", {"metadata": {"name": "record"}, "data": {"a": "1"}})
        pod = cluster.create("Pod", a_pod(main("sleep", "100")))
        reaches(cluster, "running")
        owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": pod["metadata"]["uid"]}
        cluster.create("Service", {"metadata": {"name": "s", "ownerReferences": [owner]}, "spec": {"clusterIP": "None"}})
        cluster.create("ConfigMap", {"metadata": {"name": "gone"}})
        cluster.delete("ConfigMap", "gone")
        version = int(cluster.list("Pod").resource_version)
        eventually(lambda: set(kept(tmp_path)) == {"configmaps/record.json", "pods/p.json", "services/s.json"})
    assert kept(tmp_path)["configmaps/record.json"] == record
    for name in ("broken.json", "unfinished.new"):
        (tmp_path / "objects/configmaps" / name).write_text("{")

    with embedded_cluster(FakeRuntime(tmp_path / "runtime"), tmp_path) as cluster:
        assert cluster.get("ConfigMap", "record") == record
        assert [item["metadata"]["name"] for item in cluster.list("ConfigMap").items] == ["record"]
        assert (cluster.list("Pod").items, cluster.list("Service").items) == ([], [])
        assert int(cluster.list("ConfigMap").resource_version) >= version
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob("objects/*/*")] == ["objects/configmaps/record.json"]


def stored(folder: Path, plural: str, kind: str, name: str, *owners: str, label: str = "") -> None:
    """A file of a server that was killed. Its uid is its name."""
    path = folder / "objects" / plural / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    references = [{"apiVersion": "v1", "kind": "X", "name": owner, "uid": owner} for owner in owners]
    meta = {"name": name, "uid": name, "resourceVersion": "7", "ownerReferences": references, "labels": {label: "true"}}
    path.write_text(json.dumps({"apiVersion": "v1", "kind": kind, "metadata": meta}))


def taken_up(folder: Path) -> list[str]:
    """Of the objects that a new server has, and nothing else is on disk."""
    with embedded_cluster(FakeRuntime(folder / "runtime"), folder) as cluster:
        kinds = ("ConfigMap", "Secret", "Service", "EndpointSlice", "Pod", "Deployment")
        found = sorted(item["metadata"]["name"] for kind in kinds for item in cluster.list(kind).items)
    assert sorted(path.stem for path in folder.glob("objects/*/*")) == found
    return found


def test_what_a_server_made_for_its_containers_is_not_taken_up(tmp_path: Path) -> None:
    """It has the server's label, whoever owns it: files that were put into a container, logins, names."""
    for plural, kind in (("configmaps", "ConfigMap"), ("secrets", "Secret"), ("services", "Service"), ("pods", "Pod")):
        stored(tmp_path, plural, kind, f"ours-{plural}", label="ours")
        stored(tmp_path, plural, kind, f"others-{plural}", label="others")

    assert taken_up(tmp_path) == ["others-configmaps", "others-secrets", "others-services"]


def test_what_nobody_owns_any_more_is_not_taken_up(tmp_path: Path) -> None:
    """Whether the owner is of another kind, or not there at all; and what that owned in turn."""
    stored(tmp_path, "pods", "Pod", "pod")
    stored(tmp_path, "services", "Service", "of-pod", "pod")
    stored(tmp_path, "endpointslices", "EndpointSlice", "of-service", "of-pod")
    stored(tmp_path, "configmaps", "ConfigMap", "a-third", "of-service")
    stored(tmp_path, "configmaps", "ConfigMap", "of-nobody-here", "long-gone")
    stored(tmp_path, "configmaps", "ConfigMap", "lasting")
    stored(tmp_path, "secrets", "Secret", "of-lasting", "long-gone", "lasting")
    stored(tmp_path, "secrets", "Secret", "of-ours", "ours")
    stored(tmp_path, "configmaps", "ConfigMap", "ours", label="ours")

    assert taken_up(tmp_path) == ["lasting", "of-lasting"]


@pytest.mark.parametrize("exists", [False, True])
def test_nobody_else_reads_the_objects(exists: bool, tmp_path: Path) -> None:
    """Secrets are among them; a folder that an earlier server made too wide is made narrow."""
    if exists:
        (tmp_path / "objects").mkdir(mode=0o755)
    with embedded_cluster(FakeRuntime(tmp_path / "runtime"), tmp_path) as cluster:
        cluster.create("Secret", {"metadata": {"name": "s"}, "data": {"password": base64.b64encode(b"x").decode()}})
        eventually((tmp_path / "objects/secrets/s.json").exists)

    paths = [tmp_path / "objects", *(tmp_path / "objects").rglob("*")]
    assert {str(path.relative_to(tmp_path)): oct(path.stat().st_mode & 0o777) for path in paths} == {
        "objects": "0o700",
        "objects/secrets": "0o700",
        "objects/secrets/s.json": "0o600",
    }
