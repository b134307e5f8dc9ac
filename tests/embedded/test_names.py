"""Names of the embedded cluster: what they resolve to, and as hosts files."""

from pathlib import Path

import pytest

from kubedock.cluster.names import host_lines, resolve
from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.fake import FakeRuntime
from kubedock.embedded.runtime import Hosts
from kubedock.errors import NotFound
from tests.support.names import READY, UNREADY, a_store
from tests.support.pods import a_pod, main, reaches
from tests.support.waiting import eventually


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("db.ns.svc.cluster.local", ["10.0.0.1"]),
        ("host-a.db.ns.svc.cluster.local", ["10.0.0.1"]),
        ("host-b.db.ns.svc.cluster.local", None),
        ("other.ns.svc.cluster.local", None),
        ("db.other.svc.cluster.local", None),
        ("db", None),
        ("a.b.db.ns.svc.cluster.local", None),
    ],
)
def test_a_service_has_the_addresses_of_its_ready_pods(name: str, found: list[str] | None) -> None:
    """And they have names of their own in it."""
    assert resolve(a_store(("a", "10.0.0.1", READY), ("b", "10.0.0.2", UNREADY)), name) == found


def test_a_service_may_publish_what_is_not_ready() -> None:
    """But never what has ended."""
    store = a_store(("a", "10.0.0.1", UNREADY), ("b", "10.0.0.2", READY), publishNotReadyAddresses=True)
    store.update("Pod", "b", lambda pod: pod["status"].update(phase="Failed"))

    assert resolve(store, "db.ns.svc.cluster.local") == ["10.0.0.1"]
    assert host_lines(store) == [
        ("10.0.0.1", ("db", "db.ns", "db.ns.svc", "db.ns.svc.cluster.local")),
        ("10.0.0.1", ("host-a.db.ns.svc.cluster.local",)),
    ]


def test_a_service_without_a_selector_has_those_of_its_slices() -> None:
    """With their own names."""
    store = a_store(selector=None)
    endpoints = [{"addresses": ["10.0.0.3"], "hostname": "one"}, {"addresses": ["10.0.0.4"], "conditions": {"ready": False}}]
    metadata = {"name": "db-1", "labels": {"kubernetes.io/service-name": "db"}}
    store.insert("EndpointSlice", {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints})

    assert resolve(store, "db.ns.svc.cluster.local") == ["10.0.0.3"]
    assert resolve(store, "one.db.ns.svc.cluster.local") == ["10.0.0.3"]


# --- hosts files -----------------------------------------------------------------------------------------------------


def test_a_pod_that_goes_meanwhile_is_no_trouble(
    cluster: EmbeddedCluster, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The others have their names."""
    set_hosts = runtime.set_hosts
    for name in ("gone", "here"):
        cluster.create("Pod", a_pod(main("sleep", "100"), name=name))
        reaches(cluster, "running", pod=name)
    uids = {name: str(cluster.get("Pod", name)["metadata"]["uid"]) for name in ("gone", "here")}

    def gone(uid: str, hosts: Hosts) -> None:
        if uid == uids["gone"]:
            raise NotFound("there is no such sandbox")
        set_hosts(uid, hosts)

    monkeypatch.setattr(runtime, "set_hosts", gone)
    spec = {"clusterIP": "None", "selector": {"app": "db"}}
    cluster.create("Service", {"metadata": {"name": "db"}, "spec": spec})
    cluster.create("Pod", {**a_pod(main("sleep", "100"), name="db"), "metadata": {"name": "db", "labels": {"app": "db"}}})

    eventually(lambda: uids["here"] in runtime.hosts)
    assert caplog.messages == []


def test_hosts_files_follow_the_services(cluster: EmbeddedCluster, runtime: FakeRuntime, tmp_path: Path) -> None:
    """Where pods have no name server, each pod's own lines come first."""
    del tmp_path
    one = a_pod(main("sleep", "100"), name="one", hostAliases=[{"ip": "192.0.2.1", "hostnames": ["other"]}])
    two = a_pod(main("sleep", "100"), name="two")
    two["metadata"]["labels"] = {"app": "db"}
    for pod in (one, two):
        cluster.create("Pod", pod)
        reaches(cluster, "running", pod["metadata"]["name"])
    ip, uid = cluster.get("Pod", "two")["status"]["podIP"], cluster.get("Pod", "one")["metadata"]["uid"]
    own = ("192.0.2.1", ("other",))

    cluster.create("Service", {"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}}})
    eventually(
        lambda: runtime.hosts.get(uid) == [own, (ip, ("db", "db.default", "db.default.svc", "db.default.svc.cluster.local"))]
    )

    cluster.delete("Pod", "two", grace=0)
    eventually(lambda: runtime.hosts.get(uid) == [own])
