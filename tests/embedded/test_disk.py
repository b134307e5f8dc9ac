"""What the embedded cluster keeps on disk."""

import json
from pathlib import Path
from typing import Any

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
    (tmp_path / "objects/configmaps/broken.json").write_text("{")

    with embedded_cluster(FakeRuntime(tmp_path / "runtime"), tmp_path) as cluster:
        assert cluster.get("ConfigMap", "record") == record
        assert [item["metadata"]["name"] for item in cluster.list("ConfigMap").items] == ["record"]
        assert (cluster.list("Pod").items, cluster.list("Service").items) == ([], [])
        assert int(cluster.list("ConfigMap").resource_version) >= version
    assert set(kept(tmp_path)) == {"configmaps/record.json"}
