"""What the cluster in memory can do beyond the contract: failures at will, a kubelet moved by hand."""

import pytest

from kubedock.cluster import Json, LogOptions
from kubedock.cluster.fake import FakeCluster
from kubedock.errors import Forbidden, Gone, InvalidParameter, NotFound, Unavailable
from kubedock.streams.channels import ExitStatus, exit_status
from tests.support.waiting import converse, gathered, in_thread


def pod(name: str = "p", *command: str, image: str = "alpine", **spec: object) -> Json:
    """A pod's manifest."""
    main = {"name": "main", "image": image, "command": list(command) or ["sleep", "100"]}
    return {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [main], **spec}}


def state(cluster: FakeCluster, name: str = "p") -> Json:
    """The state of a pod's container."""
    status: Json = cluster.get("Pod", name)["status"]["containerStatuses"][0]["state"]
    return status


def events(cluster: FakeCluster) -> list[str]:
    """Reasons of all events."""
    return [event["reason"] for event in cluster.list("Event").items]


def log(cluster: FakeCluster, name: str = "p", options: LogOptions | None = None) -> bytes:
    """A log's text."""
    return b"".join(
        line.partition(b" ")[2] for line in cluster.logs(name, options or LogOptions()).read().splitlines(keepends=True)
    )


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_call_is_refused_until_it_is_not() -> None:
    """By kind and verb."""
    cluster = FakeCluster()
    quota = Forbidden('pods "p" is forbidden: exceeded quota')
    cluster.refuse("Pod", "create", quota)

    with pytest.raises(Forbidden) as caught:
        cluster.create("Pod", pod())
    assert caught.value is quota
    assert not cluster.allowed("create", "", "pods")
    cluster.refuse("Pod", "create", None)
    cluster.create("Pod", pod())


def test_a_right_is_denied() -> None:
    """Calls and the review say so, each for its own right."""
    cluster = FakeCluster()
    cluster.create("Pod", pod())
    cluster.deny("watch", "events")
    cluster.deny("create", "pods/exec")

    with pytest.raises(Forbidden, match=r'^events "" is forbidden: User "fake" cannot watch resource "events"'):
        cluster.watch("Event", since="")
    with pytest.raises(Forbidden, match='cannot create resource "pods/exec"'):
        cluster.exec("p", ["true"])
    assert [cluster.allowed("watch", "", "events"), cluster.allowed("list", "", "events")] == [False, True]
    assert [cluster.allowed("create", "", "pods", "exec"), cluster.allowed("create", "", "pods")] == [False, True]


def test_an_outage_and_cut_connections() -> None:
    """Calls fail while it lasts; open streams break when they are told to."""
    cluster = FakeCluster()
    cluster.create("Pod", pod())
    watch, stream, channels = cluster.watch("Pod", since=""), cluster.logs("p", LogOptions(follow=True)), cluster.attach("p")
    cluster.outage(Unavailable("down"))
    with pytest.raises(Unavailable, match="down"):
        cluster.get("Pod", "p")
    cluster.outage(None)
    cluster.break_watches()
    cluster.break_streams()

    with pytest.raises(Unavailable):
        list(watch)
    with pytest.raises(Unavailable):
        stream.read()
    assert list(converse(channels)) == []
    assert cluster.open_watches == 0
    channels.close()


def test_what_was_compacted_is_gone() -> None:
    """An open watch goes on; one from before gets Gone."""
    cluster = FakeCluster()
    since = cluster.list("Pod").resource_version
    cluster.create("Pod", pod())
    cluster.compact()
    cluster.bookmarks()

    with pytest.raises(Gone):
        list(cluster.watch("Pod", since=since))
    now = cluster.list("Pod").resource_version
    watch = cluster.watch("Pod", since=now)
    cluster.bookmarks()
    first = next(iter(watch))
    assert (first.type, first.object["metadata"]) == ("BOOKMARK", {"resourceVersion": now})
    watch.close()


def test_calls_are_noted() -> None:
    """With verb, kind and name."""
    cluster = FakeCluster()
    cluster.create("Pod", pod())
    cluster.delete_collection("Pod", selector="a=b", grace=0)

    assert list(cluster.requests) == [("create", "Pod", "p"), ("deletecollection", "Pod", "a=b")]


# --- the kubelet by hand ---------------------------------------------------------------------------------------------


def test_a_pod_step_by_step() -> None:
    """Held, scheduled, started (by its event alone), known to the status, ended."""
    cluster = FakeCluster()
    cluster.kubelet.hold()
    cluster.create("Pod", pod("p", "sh", "-c", "echo up; sleep 100; echo late"))
    assert "nodeName" not in cluster.get("Pod", "p")["spec"]
    with pytest.raises(InvalidParameter, match="does not have a host assigned"):
        cluster.exec("p", ["true"])

    cluster.kubelet.pulling("p")
    assert (events(cluster), state(cluster)) == (["Scheduled", "Pulling"], {"waiting": {"reason": "ContainerCreating"}})
    cluster.kubelet.event_only("p")
    assert events(cluster) == ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    assert state(cluster) == {"waiting": {"reason": "ContainerCreating"}}
    with pytest.raises(InvalidParameter, match="is waiting to start: ContainerCreating"):
        cluster.logs("p", LogOptions())
    with cluster.exec("p", ["true"]) as channels:
        assert exit_status(gathered(converse(channels))[3]) == ExitStatus(0)
    cluster.kubelet.sync("p")
    assert state(cluster).keys() == {"running"}
    assert cluster.get("Pod", "p")["status"]["podIP"] == "10.1.0.2"
    cluster.kubelet.write("p", b"more\n", stream=2)
    cluster.kubelet.wake("p")
    assert (state(cluster)["terminated"]["exitCode"], log(cluster)) == (0, b"up\nmore\nlate\n")


@pytest.mark.parametrize(("code", "oom", "reason"), [(0, False, "Completed"), (3, False, "Error"), (0, True, "OOMKilled")])
def test_the_end_of_a_process(*, code: int, oom: bool, reason: str) -> None:
    """Told by a test, with its reason."""
    cluster = FakeCluster()
    cluster.create("Pod", pod())
    followed = in_thread(cluster.logs("p", LogOptions(follow=True)).read)

    cluster.kubelet.finish("p", code, oom=oom)

    ended = state(cluster)["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137 if oom else code, reason)
    assert followed() == b""


def test_the_node_ends_a_pod() -> None:
    """Evicted, deadline over, unschedulable: the pod says why."""
    cluster = FakeCluster()
    for name in ("evicted", "late"):
        cluster.create("Pod", pod(name))
    cluster.create("Pod", pod("picky", nodeSelector={"disk": "ssd"}))
    cluster.kubelet.fail("evicted", "Evicted", "The node was low on resource: memory.")
    cluster.patch("Pod", "late", {"spec": {"activeDeadlineSeconds": 1}})

    shown = {name: cluster.get("Pod", name)["status"] for name in ("evicted", "late", "picky")}
    assert [shown[name].get("reason") for name in shown] == ["Evicted", "DeadlineExceeded", None]
    assert [shown[name]["phase"] for name in shown] == ["Failed", "Failed", "Pending"]
    assert state(cluster, "late")["terminated"]["exitCode"] == 143
    assert shown["picky"]["conditions"][0]["reason"] == "Unschedulable"
    assert events(cluster)[-1] == "Started" or "FailedScheduling" in events(cluster)


def test_images_that_cannot_be_had() -> None:
    """Missing, or no name of an image."""
    cluster = FakeCluster()
    cluster.create("Pod", pod("missing", image="nosuch"))
    cluster.create("Pod", pod("wrong", image="Upper"))

    missing, wrong = state(cluster, "missing")["waiting"], state(cluster, "wrong")["waiting"]
    assert (missing["reason"], wrong["reason"]) == ("ErrImagePull", "InvalidImageName")
    assert missing["message"].endswith("docker.io/library/nosuch:latest: not found")


def test_a_container_is_brought_back_then_waits() -> None:
    """Once at once, then by CrashLoopBackOff; the run before keeps its log and its end."""
    cluster = FakeCluster()
    cluster.create("Pod", pod("p", "sh", "-c", "echo run; exit 4", restartPolicy="Always"))

    status = cluster.get("Pod", "p")["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["state"]["waiting"]["reason"]) == (1, "CrashLoopBackOff")
    assert status["lastState"]["terminated"]["exitCode"] == 4
    cluster.kubelet.restart("p")
    assert cluster.get("Pod", "p")["status"]["containerStatuses"][0]["restartCount"] == 2
    assert log(cluster, options=LogOptions(previous=True)) == b"run\n"


def test_owners_take_their_own_with_them() -> None:
    """The garbage collector, and a Deployment's pods."""
    cluster = FakeCluster()
    owner = cluster.create("ConfigMap", {"metadata": {"name": "record"}})["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "record", "uid": owner["uid"]}
    owned = pod("owned")
    owned["metadata"]["ownerReferences"] = [reference]
    cluster.create("Pod", owned)
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "main", "image": "alpine"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "d"}}, "template": template}
    cluster.create("Deployment", {"metadata": {"name": "d"}, "spec": spec})
    assert len(cluster.list("Pod").items) == 3

    cluster.delete("ConfigMap", "record")
    cluster.delete("Deployment", "d")

    assert cluster.list("Pod").items == []


def test_a_pod_lingers() -> None:
    """Deleted with grace, it is there until the test lets it go; without grace it goes at once."""
    cluster = FakeCluster()
    cluster.lingering = True
    cluster.create("Pod", pod("p", "sh", "-c", "trap 'echo bye' TERM; sleep 100"))
    since = cluster.list("Pod").resource_version
    cluster.delete("Pod", "p")
    assert cluster.get("Pod", "p")["metadata"]["deletionGracePeriodSeconds"] == 30

    cluster.vanish("p")

    with pytest.raises(NotFound):
        cluster.get("Pod", "p")
    watch = cluster.watch("Pod", since=since)
    seen = [event for _, event in zip(range(3), watch, strict=False)]
    watch.close()
    assert [event.type for event in seen] == ["MODIFIED", "MODIFIED", "DELETED"]
    assert seen[-1].object["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137


def test_images_without_tools() -> None:
    """Nothing can be run in them beside main."""
    cluster = FakeCluster()
    cluster.create("Pod", pod(image="scratch/app"))

    with cluster.exec("p", ["kill", "-TERM", "1"]) as channels:
        code, message = exit_status(gathered(converse(channels))[3])

    assert (code, "executable file not found in $PATH" in message) == (127, True)
    assert cluster.kubelet.signals("p") == []


@pytest.mark.parametrize(
    ("argv", "heard"),
    [
        (["kill", "-TERM", "1"], ["TERM"]),
        (["kill", "-s", "INT", "1"], ["INT"]),
        (["/bin/kill", "-9", "1"], ["KILL"]),
        (["sh", "-c", "kill -s USR1 1"], ["USR1"]),
        (["sh", "-c", "nosuch 2>/dev/null || kill -HUP 1"], ["HUP"]),
        (["kill", "1"], ["TERM"]),
        (["kill", "-0", "1"], []),
        (["kill", "-TERM", "99"], []),
    ],
)
def test_signals_reach_process_1(argv: list[str], heard: list[str]) -> None:
    """However they are spelt."""
    cluster = FakeCluster()
    cluster.create("Pod", pod("p", "sh", "-c", "trap '' TERM INT USR1 HUP; sleep 100"))

    with cluster.exec("p", argv):
        assert cluster.kubelet.signals("p") == heard


def test_split_streams() -> None:
    """Where the cluster can split them."""
    cluster = FakeCluster(split_streams=True)
    cluster.create("Pod", pod("p", "sh", "-c", "echo out; echo err >&2"))

    assert [log(cluster, options=LogOptions(stream=name)) for name in ("Stdout", "Stderr", "")] == [
        b"out\n",
        b"err\n",
        b"out\nerr\n",
    ]


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_name_is_that_of_a_headless_service() -> None:
    """It resolves to the pods behind it that have an address and have not ended."""
    cluster = FakeCluster()
    cluster.create("Service", {"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}}})
    cluster.create("Service", {"metadata": {"name": "nobody"}, "spec": {"clusterIP": "None"}})
    for name, spec in (("1db", {"clusterIP": "None"}), ("ported", {})):
        with pytest.raises(InvalidParameter, match=f'^Service "{name}" is invalid: '):
            cluster.create("Service", {"metadata": {"name": name}, "spec": spec})
    for name in ("a", "b", "c", "d"):
        manifest = pod(name)
        manifest["metadata"]["labels"] = {"app": "db" if name != "d" else "web"}
        cluster.create("Pod", manifest)
    cluster.kubelet.finish("b")
    cluster.delete("Pod", "c", grace=0)

    assert cluster.resolve("db") == [cluster.get("Pod", "a")["status"]["podIP"]]
    assert (cluster.resolve("nobody"), cluster.resolve("nothing")) == ([], [])
