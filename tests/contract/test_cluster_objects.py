"""The cluster's contract: objects and watches of them, the same over the cluster in memory and over a real one."""

from collections.abc import Callable
from typing import Any

import pytest

from kubedock.cluster import Cluster, Kind, LogOptions
from kubedock.cluster.fake import FakeCluster
from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.errors import Conflict, Gone, InvalidParameter, NotFound
from tests.support.waiting import eventually, in_thread


def test_an_object_is_got_as_it_was_created(cluster: Cluster, configmap: Callable[..., str]) -> None:
    """What is posted comes back with what the API adds."""
    name = configmap(a="1")

    stored = cluster.get("ConfigMap", name)

    assert (stored["kind"], stored["apiVersion"], stored["data"]) == ("ConfigMap", "v1", {"a": "1"})
    assert stored["metadata"]["namespace"] == cluster.namespace
    assert {"uid", "resourceVersion", "creationTimestamp"} <= stored["metadata"].keys()


def test_a_name_is_taken_once(cluster: Cluster, configmap: Callable[..., str]) -> None:
    """The second object of a name is a conflict."""
    name = configmap()

    with pytest.raises(Conflict, match=f'^configmaps "{name}" already exists$'):
        cluster.create("ConfigMap", {"metadata": {"name": name}})


def test_unknown_objects_are_not_found(cluster: Cluster) -> None:
    """All that takes a name says so."""
    for attempt in (
        lambda: cluster.get("Pod", "nosuch"),
        lambda: cluster.delete("Pod", "nosuch"),
        lambda: cluster.patch("Pod", "nosuch", {"metadata": {"labels": {"a": "b"}}}),
        lambda: cluster.logs("nosuch", LogOptions()),
        lambda: cluster.exec("nosuch", ["true"]),
        lambda: cluster.attach("nosuch"),
        lambda: cluster.forward("nosuch", 80),
    ):
        with pytest.raises(NotFound, match=r'^pods "nosuch" not found$'):
            attempt()
    with pytest.raises(NotFound, match=r'^deployments.apps "nosuch" not found$'):
        cluster.get("Deployment", "nosuch")


@pytest.mark.parametrize(
    "metadata",
    [{"name": "Upper"}, {"name": "a_b"}, {"name": "a" * 254}, {"name": "good", "labels": {"test": "not good"}}, {}],
    ids=str,
)
def test_malformed_objects_are_refused(cluster: Cluster, metadata: dict[str, Any]) -> None:
    """Names and labels have their rules."""
    with pytest.raises(InvalidParameter):
        cluster.create("ConfigMap", {"metadata": metadata})


def test_host_names_are_labels(cluster: Cluster) -> None:
    """A pod's hostname holds neither dots nor upper case."""
    for hostname in ("a.b", "Upper", "under_score", "a" * 64):
        spec = {"hostname": hostname, "containers": [{"name": "main", "image": "alpine"}]}
        with pytest.raises(InvalidParameter, match=r"spec\.hostname"):
            cluster.create("Pod", {"metadata": {"name": "host"}, "spec": spec})


MAIN = {"name": "main", "image": "alpine"}


@pytest.mark.parametrize(
    ("kind", "spec", "texts"),
    [
        ("Pod", {"containers": []}, ["spec.containers: Required value"]),
        ("Pod", {"containers": [{"name": "main"}]}, ["spec.containers[0].image: Required value"]),
        ("Pod", {"containers": [{"image": "alpine"}]}, ["spec.containers[0].name: Required value"]),
        ("Pod", {"containers": [MAIN, MAIN]}, ['spec.containers[1].name: Duplicate value: "main"']),
        ("Pod", {"containers": [{**MAIN, "ports": [{"containerPort": 0}]}]}, ["spec.containers[0].ports[0].containerPort: "]),
        (
            "Pod",
            {"containers": [{**MAIN, "ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]}]},
            ['spec.containers[0].ports[1].name: Duplicate value: "a"'],
        ),
        (
            "Pod",
            {"containers": [{**MAIN, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
            ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
        ),
        ("Pod", {"containers": [MAIN], "restartPolicy": "Sometimes"}, ['spec.restartPolicy: Unsupported value: "Sometimes"']),
        ("Pod", {"containers": [MAIN], "activeDeadlineSeconds": 0}, ["spec.activeDeadlineSeconds: Invalid value: 0: "]),
        (
            "Pod",
            {"containers": [{"name": "main"}, {"image": "alpine"}]},
            ["spec.containers[0].image: Required value", "spec.containers[1].name: Required value"],
        ),
        (
            "Deployment",
            {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "c"}}, "spec": {"containers": [MAIN]}},
            },
            ["spec.template.metadata.labels: Invalid value: "],
        ),
        (
            "Deployment",
            {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [MAIN], "activeDeadlineSeconds": 1}},
            },
            ["spec.template.spec.activeDeadlineSeconds: Forbidden: "],
        ),
        ("Service", {}, ["spec.ports: Required value"]),
        ("Service", {"ports": [{"port": 1}, {"port": 2}]}, ["spec.ports[0].name: Required value"]),
        ("Service", {"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}, ["spec.ports[1]: Duplicate value: "]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_senseless_objects_are_refused(cluster: Cluster, kind: Kind, spec: dict[str, Any], texts: list[str]) -> None:
    """Admission names the object and each of the fields."""
    subject = {"Deployment": 'Deployment.apps "senseless"'}.get(kind, f'{kind} "senseless"')

    with pytest.raises(InvalidParameter) as raised:
        cluster.create(kind, {"metadata": {"name": "senseless"}, "spec": spec})

    assert str(raised.value).startswith(f"{subject} is invalid: ")
    assert [text for text in texts if text not in str(raised.value)] == []


def test_the_data_of_a_configmap_has_its_limits(cluster: Cluster) -> None:
    """Keys are file names, and a MiB is the most."""
    for data, text in (
        ({"a/b": ""}, r'data\[a/b\]: Invalid value: "a/b"'),
        ({"a": "x" * 1_100_000}, "Too long: may not be more than"),
    ):
        with pytest.raises(InvalidParameter, match=text):
            cluster.create("ConfigMap", {"metadata": {"name": "bad"}, "data": data})


def test_a_change_of_an_older_version_is_a_conflict(cluster: Cluster, configmap: Callable[..., str]) -> None:
    """Who says which version is changed is told when somebody else was faster."""
    name = configmap(a="1")
    version = cluster.get("ConfigMap", name)["metadata"]["resourceVersion"]
    cluster.patch("ConfigMap", name, {"metadata": {"resourceVersion": version}, "data": {"a": "2"}})

    with pytest.raises(Conflict, match=r"^Operation cannot be fulfilled on configmaps .*: the object has been modified"):
        cluster.patch("ConfigMap", name, {"metadata": {"resourceVersion": version}, "data": {"a": "3"}})


def test_owners_take_what_they_own_with_them(cluster: Cluster, configmap: Callable[..., str], label: str) -> None:
    """The garbage collector: with the last owner, and at once where the owner is gone already."""
    one, two = configmap(), configmap()

    def reference(name: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": cluster.get("ConfigMap", name)["metadata"]["uid"]}

    def owned(name: str, *by: dict[str, Any]) -> None:
        cluster.create(
            "ConfigMap", {"metadata": {"name": f"{name}-{label}", "labels": {"test": label}, "ownerReferences": list(by)}}
        )

    def there() -> set[str]:
        items = cluster.list("ConfigMap", selector=f"test={label}").items
        return {item["metadata"]["name"].removesuffix(f"-{label}") for item in items}

    first = reference(one)
    owned("single", first)
    owned("double", first, reference(two))
    cluster.delete("ConfigMap", one)
    eventually(lambda: there() == {two, "double"})
    owned("late", first)
    eventually(lambda: there() == {two, "double"})
    cluster.delete("ConfigMap", two)
    eventually(lambda: there() == set())


def test_lists_are_selected_by_labels_and_fields(cluster: Cluster, configmap: Callable[..., str], label: str) -> None:
    """Selectors are Kubernetes'."""
    names = sorted([configmap(), configmap()])
    cluster.patch("ConfigMap", names[0], {"metadata": {"labels": {"first": "yes"}}})

    def found(selector: str, fields: str = "") -> list[str]:
        items = cluster.list("ConfigMap", selector=selector, fields=fields).items
        assert all(item["kind"] == "ConfigMap" for item in items)
        return sorted(item["metadata"]["name"] for item in items)

    mine = f"test={label}"
    assert found(mine) == names
    assert found(f"{mine},first=yes") == [names[0]]
    assert found(f"{mine},first!=yes") == [names[1]]
    assert found(f"{mine},first") == [names[0]]
    assert found(f"{mine},!first") == [names[1]]
    assert found(f"test in ({label},other)") == names
    assert found("", f"metadata.name={names[1]}") == [names[1]]
    with pytest.raises(InvalidParameter):
        found("", "data.a=b")


def test_a_merge_patch_changes_and_takes_away(cluster: Cluster, configmap: Callable[..., str]) -> None:
    """RFC 7386: null takes a key away."""
    name = configmap(a="1", b="2")

    changed = cluster.patch("ConfigMap", name, {"data": {"a": None, "c": "3"}})

    assert changed["data"] == {"b": "2", "c": "3"} == cluster.get("ConfigMap", name)["data"]


def test_a_pods_spec_is_not_changed(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Of a pod, labels may be changed, its spec may not."""
    name = pod("sleep", "100", started=False)

    with pytest.raises(InvalidParameter):
        cluster.patch("Pod", name, {"spec": {"hostname": "other"}})


def test_a_collection_is_deleted_by_label(cluster: Cluster, configmap: Callable[..., str], label: str) -> None:
    """One request for all that match, and for nothing else."""
    configmap()
    kept = configmap()
    cluster.patch("ConfigMap", kept, {"metadata": {"labels": {"kept": "yes"}}})

    cluster.delete_collection("ConfigMap", selector=f"test={label},!kept", grace=0)

    assert [item["metadata"]["name"] for item in cluster.list("ConfigMap", selector=f"test={label}").items] == [kept]


def test_the_cluster_tells_of_itself(cluster: Cluster) -> None:
    """Version, namespace, nodes and rights."""
    assert cluster.version()["major"] == "1"
    assert cluster.get("Namespace", cluster.namespace)["metadata"]["name"] == cluster.namespace
    assert {"cpu", "memory"} <= cluster.list("Node").items[0]["status"]["capacity"].keys()
    assert cluster.allowed("watch", "", "events")
    assert cluster.allowed("create", "", "pods", "exec")


# --- watches ---------------------------------------------------------------------------------------------------------


def test_a_watch_tells_what_came_after_a_list(cluster: Cluster, configmap: Callable[..., str], label: str) -> None:
    """Nothing between the list and the watch is lost, and a selector's leavers are gone for it."""
    configmap()
    since = cluster.list("ConfigMap", selector=f"test={label}").resource_version
    name = configmap(a="1")
    cluster.patch("ConfigMap", name, {"data": {"a": "2"}})
    watch = cluster.watch("ConfigMap", since=since, selector=f"test={label},!left")
    cluster.patch("ConfigMap", name, {"metadata": {"labels": {"left": "yes"}}})
    cluster.patch("ConfigMap", name, {"metadata": {"labels": {"left": None}}})
    cluster.delete("ConfigMap", name)

    seen = []
    for event in watch:
        seen.append((event.type, event.object["metadata"]["name"], event.object.get("data")))
        if len(seen) == 5:
            break
    watch.close()

    one, two = {"a": "1"}, {"a": "2"}
    assert seen == [
        ("ADDED", name, one),
        ("MODIFIED", name, two),
        ("DELETED", name, two),
        ("ADDED", name, two),
        ("DELETED", name, two),
    ]


def test_closing_a_watch_wakes_its_reader(cluster: Cluster, label: str) -> None:
    """From another thread; the reader sees the end."""
    since = cluster.list("ConfigMap", selector=f"test={label}").resource_version
    watch = cluster.watch("ConfigMap", since=since, selector=f"test={label}")
    events = in_thread(lambda: [event for event in watch if event.type != "BOOKMARK"])

    watch.close()

    assert events() == []
    watch.close()


def test_a_watch_ends_after_its_time(cluster: Cluster, label: str) -> None:
    """The server ends it in good order."""
    since = cluster.list("ConfigMap", selector=f"test={label}").resource_version

    assert [event.type for event in cluster.watch("ConfigMap", since=since, selector=f"test={label}", seconds=1)] in (
        [],
        ["BOOKMARK"],
    )


def test_an_old_version_is_gone(cluster: Cluster, configmap: Callable[..., str], request: pytest.FixtureRequest) -> None:
    """A watch that wants to go on from what was compacted. Of events, which no API server caches: the store alone decides."""
    configmap()
    if isinstance(cluster, FakeCluster | EmbeddedCluster):
        cluster.compact()
    else:
        request.getfixturevalue("real_cluster").compact()

    with pytest.raises(Gone):
        next(iter(cluster.watch("Event", since="1")))


# --- services --------------------------------------------------------------------------------------------------------


def test_a_service_has_a_stricter_name_than_others(cluster: Cluster, label: str) -> None:
    """It begins with a letter; without ports it has to be headless."""
    for name, spec, complaint in (
        ("1db", {"clusterIP": "None"}, "a DNS-1035 label must consist of"),
        ("d.b", {"clusterIP": "None"}, "a DNS-1035 label must consist of"),
        ("d" * 64, {"clusterIP": "None"}, "63|a DNS-1035 label must consist of"),
        (f"s-{label}", {}, "spec.ports: Required value"),
    ):
        with pytest.raises(InvalidParameter, match=complaint):
            cluster.create("Service", {"metadata": {"name": name, "labels": {"test": label}}, "spec": spec})


def test_headless_services(cluster: Cluster, label: str) -> None:
    """A name is there once; one is deleted by its labels, others stay."""

    def manifest(name: str) -> dict[str, Any]:
        labels = {"test": label, "kubedock.name": name}
        spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {f"kubedock.name/{label}": name}}
        return {"metadata": {"name": f"{name}-{label}", "labels": labels}, "spec": spec}

    made = cluster.create("Service", manifest("a"))
    cluster.create("Service", manifest("b"))
    with pytest.raises(Conflict, match=rf'^services "a-{label}" already exists$'):
        cluster.create("Service", manifest("a"))
    assert (made["spec"]["clusterIP"], made["spec"]["selector"]) == ("None", {f"kubedock.name/{label}": "a"})

    cluster.delete_collection("Service", selector=f"test={label},kubedock.name=a")

    assert [item["metadata"]["name"] for item in cluster.list("Service", selector=f"test={label}").items] == [f"b-{label}"]
    with pytest.raises(NotFound):
        cluster.get("Service", f"a-{label}")
