"""The cluster's contract: the same tests over the cluster in memory and over a real one."""

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kubedock.cluster import Channels, Cluster, Kind, LogOptions
from kubedock.cluster.fake import FakeCluster
from kubedock.cluster.protocol import DATA, FAILURE
from kubedock.domain.files import file_path
from kubedock.domain.filetools import ABSENT, ENDED, NO_DIRECTORY, checking, extracting, reading
from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.fake import FakeRuntime
from kubedock.errors import Conflict, Gone, InvalidParameter, NotFound, Unavailable
from kubedock.streams import tar
from kubedock.streams.channels import ExitStatus, exit_status
from tests.support.embedded import embedded_cluster
from tests.support.runtimes import embedded_tools, running, tiny_images
from tests.support.tars import contents, of_files
from tests.support.waiting import converse, eventually, gathered, in_thread


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the image that pods run on this machine."""
    embedded_tools()
    return tiny_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(
    params=[
        "memory",
        "embedded",
        pytest.param("runc", marks=pytest.mark.embedded),
        pytest.param("chroot", marks=pytest.mark.embedded),
        pytest.param("real", marks=pytest.mark.cluster),
    ]
)
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster to work with: in memory, the embedded one over each of its runtimes, a real one."""
    if request.param == "memory":
        yield FakeCluster()
        return
    if request.param == "embedded":
        with embedded_cluster(FakeRuntime(tmp_path / "runtime"), tmp_path) as embedded:
            yield embedded
        return
    if request.param in ("runc", "chroot"):
        images: Path = request.getfixturevalue("images")
        with running(request.param, tmp_path, images) as runtime, embedded_cluster(runtime, tmp_path) as embedded:
            runtime.pull("alpine", timeout=60)
            yield embedded
        return
    from kubedock.kube.gateway import KubeGateway

    real = request.getfixturevalue("real_cluster")
    gateway = KubeGateway.connect(str(real.kubeconfig), None, real.namespace)
    yield gateway
    gateway.close()


@pytest.fixture
def label(cluster: Cluster) -> Iterator[str]:
    """A value for the label ``test``, by which everything is deleted afterwards."""
    value = secrets.token_hex(4)
    yield value
    for kind in ("Deployment", "Pod", "ConfigMap", "Service"):
        cluster.delete_collection(kind, selector=f"test={value}", grace=0)


@pytest.fixture
def pod(cluster: Cluster, label: str) -> Callable[..., str]:
    """Create a pod; its name."""

    def create(*command: str, image: str = "alpine", started: bool = True, **spec: Any) -> str:
        name = f"p-{secrets.token_hex(4)}"
        main = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": list(command)}
        manifest = {
            "metadata": {"name": name, "labels": {"test": label}},
            "spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [main], **spec},
        }
        cluster.create("Pod", manifest)
        if started:
            eventually(lambda: main_state(cluster, name).keys() & {"running", "terminated"})
        return name

    return create


@pytest.fixture
def configmap(cluster: Cluster, label: str) -> Callable[..., str]:
    """Create a ConfigMap; its name."""

    def create(**data: str) -> str:
        name = f"c-{secrets.token_hex(4)}"
        cluster.create("ConfigMap", {"metadata": {"name": name, "labels": {"test": label}}, "data": data})
        return name

    return create


def main_state(cluster: Cluster, pod: str) -> dict[str, Any]:
    """The state of a pod's container."""
    statuses = cluster.get("Pod", pod)["status"].get("containerStatuses") or [{}]
    state: dict[str, Any] = statuses[0].get("state", {})
    return state


def ended(cluster: Cluster, pod: str) -> dict[str, Any]:
    """How a pod's container ended."""
    state: dict[str, Any] = eventually(lambda: main_state(cluster, pod).get("terminated"))
    return state


def all_of(cluster: Cluster, pod: str, options: LogOptions | None = None) -> bytes:
    """A log to its end."""
    stream, data = cluster.logs(pod, options or LogOptions()), b""
    while part := stream.read():
        data += part
    stream.close()
    return data


def texts(log: bytes) -> list[bytes]:
    """A log's lines without their times, which must be well formed."""
    lines = []
    for line in log.splitlines(keepends=True):
        moment, _, text = line.partition(b" ")
        assert len(moment) == 30, line
        assert moment.endswith(b"Z"), line
        lines.append(text)
    return lines


# --- objects ---------------------------------------------------------------------------------------------------------


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


# --- pods ------------------------------------------------------------------------------------------------------------


def test_a_pod_runs_to_its_end(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Its exit code, its phase, its log and the events of its start."""
    name = pod("sh", "-c", "echo out; exit 42")

    state = ended(cluster, name)
    log = all_of(cluster, name)
    found = cluster.list("Event", fields=f"involvedObject.kind=Pod,involvedObject.name={name}").items

    assert (state["exitCode"], state["reason"]) == (42, "Error")
    # The kubelet may tell the container's end a look before the pod's.
    eventually(lambda: cluster.get("Pod", name)["status"]["phase"] == "Failed")
    assert texts(log) == [b"out\n"]
    assert [event["reason"] for event in found] == ["Scheduled", "Pulled", "Created", "Started"]
    assert [event["involvedObject"].get("fieldPath") for event in found] == [None, *["spec.containers{main}"] * 3]


def test_a_missing_executable_is_a_start_error(cluster: Cluster, pod: Callable[..., str]) -> None:
    """It comes as an end, with containerd's text and a start in 1970."""
    state = ended(cluster, pod("nosuch"))

    assert (state["reason"], state["exitCode"], state["startedAt"]) == ("StartError", 128, "1970-01-01T00:00:00Z")
    assert 'exec: "nosuch": executable file not found in $PATH' in state["message"]


def test_a_missing_image_is_waited_for(cluster: Cluster, pod: Callable[..., str]) -> None:
    """The registry's answer stands in the status; the log is refused."""
    name = pod("true", image="nosuch/image", started=False)

    waiting = eventually(lambda: ((state := main_state(cluster, name).get("waiting")) and "Image" in state["reason"]) and state)

    assert waiting["reason"] in ("ErrImagePull", "ImagePullBackOff")
    if "lookup" not in waiting["message"]:  # the embedded node alone may have no registry to ask
        assert "docker.io/nosuch/image:latest: not found" in waiting["message"]
    with pytest.raises(InvalidParameter, match=f'^container "main" in pod "{name}" is waiting to start: '):
        cluster.logs(name, LogOptions())


def test_a_pod_is_deleted_at_once_without_grace(cluster: Cluster, pod: Callable[..., str], label: str) -> None:
    """The watch tells so, too."""
    name = pod("sleep", "100")
    since = cluster.list("Pod", selector=f"test={label}").resource_version

    cluster.delete("Pod", name, grace=0)

    with pytest.raises(NotFound):
        cluster.get("Pod", name)
    for event in cluster.watch("Pod", since=since, selector=f"test={label}", seconds=20):
        if event.type == "DELETED":
            return
    pytest.fail("no DELETED was seen")


def test_a_deployment_keeps_its_pod(cluster: Cluster, label: str) -> None:
    """A pod that is taken away is replaced; none is left when it is scaled to none."""
    main = {"name": "main", "image": "alpine", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "100"]}
    labels = {"test": label}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "strategy": {"type": "Recreate"},
        "template": {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [main]}},
    }
    name = f"d-{label}"
    cluster.create("Deployment", {"metadata": {"name": name, "labels": labels}, "spec": spec})

    def pods() -> set[str]:
        return {item["metadata"]["name"] for item in cluster.list("Pod", selector=f"test={label}").items}

    (first,) = eventually(pods)
    assert first.startswith(f"{name}-")
    cluster.delete("Pod", first, grace=0)
    (second,) = eventually(lambda: pods() - {first})
    assert second != first
    cluster.patch("Deployment", name, {"spec": {"replicas": 0}})
    eventually(lambda: not pods())


# --- logs ------------------------------------------------------------------------------------------------------------


def test_logs_can_be_cut(cluster: Cluster, pod: Callable[..., str]) -> None:
    """By their number of lines, by time, by bytes."""
    name = pod("sh", "-c", "echo 1; echo 2; echo 3")
    ended(cluster, name)

    assert texts(all_of(cluster, name)) == [b"1\n", b"2\n", b"3\n"]
    assert texts(all_of(cluster, name, LogOptions(tail=2))) == [b"2\n", b"3\n"]
    assert all_of(cluster, name, LogOptions(tail=0)) == b""
    assert len(all_of(cluster, name, LogOptions(limit_bytes=10))) == 10
    assert all_of(cluster, name, LogOptions(since=datetime.now(UTC) + timedelta(minutes=5))) == b""
    assert len(texts(all_of(cluster, name, LogOptions(since=datetime.now(UTC) - timedelta(minutes=5))))) == 3


def test_a_followed_log_ends_with_its_container(cluster: Cluster, pod: Callable[..., str]) -> None:
    """The end is an end, not a break."""
    name = pod("sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while true; do sleep 0.1; done")
    if isinstance(cluster, FakeCluster) or (isinstance(cluster, EmbeddedCluster) and cluster.runtime == "fake"):
        name = pod("sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; sleep 100")
    stream = cluster.logs(name, LogOptions(follow=True))
    assert texts(stream.read()) == [b"up\n"]
    rest = in_thread(lambda: stream.read() + stream.read())

    if not cluster.signal(name, 15):
        with cluster.exec(name, ["kill", "-TERM", "1"]) as channels:
            assert exit_status(gathered(converse(channels))[3]) == ExitStatus(0)

    assert texts(rest()) == [b"bye\n"]
    assert ended(cluster, name)["exitCode"] == 3


def test_closing_a_log_wakes_its_reader(cluster: Cluster, pod: Callable[..., str]) -> None:
    """From another thread; the reader gets the end."""
    name = pod("sh", "-c", "echo up; sleep 100")
    stream = cluster.logs(name, LogOptions(follow=True))
    assert texts(stream.read()) == [b"up\n"]
    rest = in_thread(stream.read)

    stream.close()

    assert rest() == b""
    assert stream.read() == b""


def test_logs_that_are_not_there(cluster: Cluster, pod: Callable[..., str]) -> None:
    """No container of that name, no run before this one, no split streams."""
    name = pod("true")

    refused = [
        (LogOptions(container="other"), f"^container other is not valid for pod {name}$"),
        (LogOptions(previous=True), f'^previous terminated container "main" in pod "{name}" not found$'),
    ]
    if not isinstance(cluster, EmbeddedCluster):
        refused.append((LogOptions(stream="Stdout"), "stream: Forbidden: may not be specified"))
    for options, text in refused:
        with pytest.raises(InvalidParameter, match=text):
            cluster.logs(name, options)


# --- exec and attach -------------------------------------------------------------------------------------------------


def test_an_exec_has_streams_and_an_exit_code(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Output apart, the Status last."""
    name = pod("sleep", "100")

    with cluster.exec(name, ["sh", "-c", "echo out; echo err >&2; exit 7"]) as channels:
        *output, status = converse(channels)

    assert gathered(iter(output)) == {1: b"out\n", 2: b"err\n"}
    assert (status[0], exit_status(status[1])) == (3, ExitStatus(7))


def test_an_exec_reads_to_the_end_of_its_input(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Protocol v5 ends stdin; 100 kB go there and back."""
    name, sent = pod("sleep", "100"), b"0123456789" * 10_000

    with cluster.exec(name, ["cat"], stdin=True) as channels:
        channels.send(0, sent)
        assert channels.close_channel(0)
        heard = gathered(converse(channels))

    assert (heard[1], exit_status(heard[3])) == (sent, ExitStatus(0))


def test_an_exec_of_nothing_says_so(cluster: Cluster, pod: Callable[..., str]) -> None:
    """A missing executable is 127 with the runtime's text."""
    with cluster.exec(pod("sleep", "100"), ["nosuch"]) as channels:
        code, message = exit_status(gathered(converse(channels))[3])

    assert code == 127
    assert 'exec: "nosuch": executable file not found in $PATH' in message


def test_an_exec_in_an_ended_container_says_so(cluster: Cluster, pod: Callable[..., str]) -> None:
    """After the handshake, on the error channel; attach likewise."""
    name = pod("true")
    ended(cluster, name)

    for channels in (cluster.exec(name, ["true"]), cluster.attach(name)):
        with channels:
            assert exit_status(gathered(converse(channels))[3]).container_gone
    with pytest.raises(InvalidParameter, match=f"^container other is not valid for pod {name}$"):
        cluster.exec(name, ["true"], container="other")


def test_process_1_gets_signals_from_inside(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Those that it handles; KILL never reaches it from its own namespace."""
    if isinstance(cluster, EmbeddedCluster) and cluster.runtime == "chroot":
        pytest.skip("process 1 is the machine's there")
    name = pod("sh", "-c", "trap 'exit 9' INT; echo up; sleep 100 & wait")
    eventually(lambda: all_of(cluster, name))  # it handles the signal from now on

    with cluster.exec(name, ["kill", "-KILL", "1"]) as channels:
        assert exit_status(gathered(converse(channels))[3]) == ExitStatus(0)
    # The end of process 1 ends all others of its namespace, the one that brought the signal too, before or after its own end.
    with cluster.exec(name, ["sh", "-c", "kill -s INT 1"]) as channels:
        gathered(converse(channels))

    assert ended(cluster, name)["exitCode"] == 9


def test_a_signal_where_the_cluster_has_such_a_thing(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Kubernetes has not; what does not run gets none."""
    name = pod("sh", "-c", "trap 'exit 9' INT; echo up; sleep 100 & wait")
    eventually(lambda: all_of(cluster, name))  # it handles the signal from now on

    if cluster.signal(name, 2):
        assert ended(cluster, name)["exitCode"] == 9
        with pytest.raises(Conflict, match=f"^container main of pod {name} is not running$"):
            cluster.signal(name, 2)


def test_attach_sees_what_comes(cluster: Cluster, pod: Callable[..., str]) -> None:
    """From now on, streams apart, to the end; stdin reaches the process."""
    main = {
        "name": "main",
        "image": "alpine",
        "imagePullPolicy": "IfNotPresent",
        "command": ["cat"],
        "stdin": True,
        "stdinOnce": True,
    }
    name = pod(containers=[main])

    with cluster.attach(name, stdin=True) as channels:
        channels.send(0, b"hello\n")
        assert channels.close_channel(0)
        heard = gathered(converse(channels))

    assert heard[1] == b"hello\n"
    assert ended(cluster, name)["exitCode"] == 0


# --- copying ---------------------------------------------------------------------------------------------------------


def told(cluster: Cluster, pod: str, argv: list[str], sent: bytes = b"", *, until: bytes = b"") -> tuple[bytes, bytes, int]:
    """Run a script that takes input: its output, what it says, and its exit code.

    Its input ends at once, or when it has said ``until``.
    """
    out, said, code = b"", b"", 0
    with cluster.exec(pod, argv, stdin=True) as channels:
        channels.send(0, sent)
        waiting = until != b"" or not channels.close_channel(0)
        for channel, data in converse(channels):
            out, said = out + data * (channel == 1), said + data * (channel == 2)
            code = exit_status(data).code if channel == 3 else code
            if waiting and until in said:
                waiting = not channels.close_channel(0)
    return out, said, code


FILES = {"d/a": b"1" * 1000, "d/b": b""}


def test_files_are_checked_extracted_and_read(cluster: Cluster, pod: Callable[..., str]) -> None:
    """The scripts of ``domain.filetools``, and what a container has of them."""
    name = pod("sleep", "100")
    questions = b"directory\nd\nother\ne\nother\na\n"

    assert told(cluster, name, checking("/tmp", keep=True), questions) == (b"ready\nok\nok\nok\n", b"", 0)
    assert told(cluster, name, extracting("/tmp", own=False, as_text=False), of_files(FILES)) == (b"", b"", 0)
    questions = b"other\nd\ndirectory\nd/a\n"
    assert told(cluster, name, checking("/tmp", keep=True), questions) == (b"ready\ndirectory\nother\n", b"", 0)

    out, said, code = told(cluster, name, reading(file_path("/tmp/d")), until=ENDED.encode())
    assert (said, code) == (f"{ENDED}0\n".encode(), 0)
    assert contents(out) == {"d": None, **FILES}
    assert told(cluster, name, reading(file_path("/tmp/nosuch"))) == (b"", b"", ABSENT)
    assert told(cluster, name, reading(file_path("/tmp/d/a/"))) == (b"", b"", NO_DIRECTORY)
    assert told(cluster, name, checking("/tmp/nosuch", keep=True)) == (b"", b"", ABSENT)


def test_files_of_a_config_map_are_mounted_one_by_one(cluster: Cluster, pod: Callable[..., str], label: str) -> None:
    """Beside the image's own, with their permissions; a pod waits for its ConfigMap."""
    name = f"c-{secrets.token_hex(4)}"
    main = {
        "name": "main",
        "image": "alpine",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "100"],
        "volumeMounts": [{"name": "f", "mountPath": "/etc/new/x y", "subPath": "k", "readOnly": True}],
    }
    source = {"name": name, "items": [{"key": "k", "path": "k", "mode": 0o640}]}
    waits = pod(containers=[main], volumes=[{"name": "f", "configMap": source}], started=False)
    eventually(
        lambda: [e for e in cluster.list("Event").items if e["reason"] == "FailedMount" and e["involvedObject"]["name"] == waits]
    )
    manifest = {"metadata": {"name": name, "labels": {"test": label}}, "immutable": True, "binaryData": {"k": "AP8="}}
    cluster.create("ConfigMap", manifest)

    runs = pod(containers=[main], volumes=[{"name": "f", "configMap": source}])

    out, _, _ = told(cluster, runs, reading(file_path("/etc/new/x y")), until=ENDED.encode())
    [entry, *data] = tar.read([out])
    assert isinstance(entry, tar.Entry)
    assert (entry.name, entry.mode, data) == ("x y", 0o640, [b"\0\xff"])


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


def test_a_label_is_put_on_a_running_pod_and_taken_off(cluster: Cluster, label: str, pod: Callable[..., str]) -> None:
    """A merge patch; null takes it away."""
    name, key = pod("sleep", "100"), f"kubedock.name/{label}"

    put = cluster.patch("Pod", name, {"metadata": {"labels": {key: "db"}}})["metadata"]["labels"]
    taken = cluster.patch("Pod", name, {"metadata": {"labels": {key: None}}})["metadata"]["labels"]

    assert (put[key], key in taken) == ("db", False)


# --- port-forward ----------------------------------------------------------------------------------------------------


def test_a_port_is_forwarded(cluster: Cluster, pod: Callable[..., str]) -> None:
    """To what listens in the pod: a megabyte goes there and back, on a connection of its own each time."""
    name, sent = pod("nc", "-ll", "-p", "8080", "-e", "cat"), secrets.token_bytes(1 << 20)

    for data in (b"hello", sent):
        with eventually(lambda: reached(cluster, name, 8080)) as channels:
            channels.send(DATA, data)
            heard = b""
            for channel, part in converse(channels):
                assert channel == DATA
                heard += part
                if len(heard) == len(data):
                    break
        assert heard == data


def reached(cluster: Cluster, pod: str, port: int) -> Channels | None:
    """A forward to a program that has begun to listen; it echoes."""
    channels = cluster.forward(pod, port)
    channels.send(DATA, b"?")
    for message in converse(channels):
        if message == (DATA, b"?"):
            return channels
    channels.close()
    return None


def test_a_forward_ends_with_the_pods_side(cluster: Cluster, pod: Callable[..., str]) -> None:
    """All that was said comes before the end."""
    name = pod("nc", "-ll", "-p", "8080", "-e", "echo", "hello")

    def said() -> dict[int, bytes]:
        with cluster.forward(name, 8080) as channels:
            return gathered(converse(channels))

    assert eventually(lambda: (heard := said()).get(FAILURE) is None and heard) == {DATA: b"hello\n"}


def test_a_port_where_nothing_listens_says_so(cluster: Cluster, pod: Callable[..., str]) -> None:
    """On a channel of its own, then it is over."""
    with cluster.forward(pod("sleep", "100"), 8080) as channels:
        heard = gathered(converse(channels))

    assert list(heard) == [FAILURE]
    assert b"connection refused" in heard[FAILURE]


def test_nothing_is_forwarded_to_a_pod_that_has_ended(cluster: Cluster, pod: Callable[..., str]) -> None:
    """There is no network to forward to."""
    name = pod("true")
    ended(cluster, name)

    def refusal() -> str:
        try:
            cluster.forward(name, 8080).close()
        except Unavailable as error:
            return str(error)
        return ""  # its network goes a moment after its end

    assert eventually(refusal) == f'pod not found ("{name}_{cluster.namespace}")'
