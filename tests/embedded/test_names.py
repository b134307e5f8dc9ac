"""Names of the embedded cluster: by its name server, and by hosts files."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dnslib
import pytest

from kubedock.cluster.names import host_lines, resolve
from kubedock.cluster.store import ObjectStore
from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.dns import NameServer
from kubedock.embedded.fake import FakeRuntime
from kubedock.embedded.runtime import Hosts
from kubedock.errors import NotFound
from tests.support.pods import a_pod, main, reaches
from tests.support.waiting import eventually

READY = [{"type": "Ready", "status": "True"}]
UNREADY = [{"type": "Ready", "status": "False"}]


def a_store(*pods: tuple[str, str, list[dict[str, str]]], **service: Any) -> ObjectStore:
    """A store with the Service ``db`` for pods that carry ``app=db``: (name, address, conditions)."""
    store = ObjectStore("ns", lambda: datetime(2026, 1, 2, tzinfo=UTC))
    store.insert("Service", {"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}, **service}})
    for name, ip, conditions in pods:
        status = {"phase": "Running", "podIP": ip, "conditions": conditions}
        metadata = {"name": name, "labels": {"app": "db"}}
        store.insert("Pod", {"metadata": metadata, "spec": {"hostname": f"host-{name}", "subdomain": "db"}, "status": status})
    return store


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


# --- the name server -------------------------------------------------------------------------------------------------


@contextmanager
def serving(store: ObjectStore, *upstream: tuple[str, int]) -> Iterator[int]:
    """A name server that runs; its port."""
    server = NameServer(store, "127.0.0.1", upstream, port=0)
    server.start()
    yield server.port
    server.stop(5.0)


def asked(port: int, name: str, kind: str = "A") -> tuple[str, list[str]]:
    """The answer's code and addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(dnslib.DNSRecord.question(name, kind).pack(), ("127.0.0.1", port))
        reply = dnslib.DNSRecord.parse(client.recv(65536))
    return dnslib.RCODE[reply.header.rcode], [str(record.rdata) for record in reply.rr]


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        ("db.ns.svc.cluster.local", "A", ("NOERROR", ["10.0.0.1"])),
        ("DB.ns.Svc.cluster.local.", "A", ("NOERROR", ["10.0.0.1"])),
        ("db.ns.svc.cluster.local", "AAAA", ("NOERROR", [])),
        ("db", "A", ("NXDOMAIN", [])),
        ("nosuch.ns.svc.cluster.local", "A", ("NXDOMAIN", [])),
        ("1.0.0.10.in-addr.arpa", "PTR", ("NXDOMAIN", [])),
        ("elsewhere.example", "A", ("NXDOMAIN", [])),
    ],
)
def test_the_name_server_answers(name: str, kind: str, answer: tuple[str, list[str]]) -> None:
    """In any case of letters; where there is no other server, other names do not exist."""
    with serving(a_store(("a", "10.0.0.1", READY))) as port:
        assert asked(port, name, kind) == answer


def test_other_names_are_handed_on() -> None:
    """To the machine's servers, the next one where the first is silent; never those of the cluster."""
    with serving(a_store(("a", "10.0.0.1", READY))) as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with serving(a_store(), silent.getsockname(), ("127.0.0.1", far)) as port:
            assert asked(port, "elsewhere.example") == ("NXDOMAIN", [])
            assert asked(port, "db.ns.svc.cluster.local") == ("NXDOMAIN", [])
        silent.settimeout(10)
        assert str(dnslib.DNSRecord.parse(silent.recv(65536)).q.qname) == "elsewhere.example."


def test_where_all_servers_are_silent_the_answer_says_so() -> None:
    """A failure, which clients do not take for an unknown name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with serving(a_store(), silent.getsockname()) as port:
            assert asked(port, "elsewhere.example") == ("SERVFAIL", [])


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
