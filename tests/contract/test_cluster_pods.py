"""The cluster's contract: what becomes of pods, and their logs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from kubedock.cluster import Cluster, LogOptions
from kubedock.cluster.fake import FakeCluster
from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.errors import InvalidParameter, NotFound
from kubedock.streams.channels import ExitStatus, exit_status
from tests.support.pods import all_of, ended, main_state, texts
from tests.support.waiting import converse, eventually, gathered, in_thread


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


def test_a_label_is_put_on_a_running_pod_and_taken_off(cluster: Cluster, label: str, pod: Callable[..., str]) -> None:
    """A merge patch; null takes it away."""
    name, key = pod("sleep", "100"), f"kubedock.name/{label}"

    put = cluster.patch("Pod", name, {"metadata": {"labels": {key: "db"}}})["metadata"]["labels"]
    taken = cluster.patch("Pod", name, {"metadata": {"labels": {key: None}}})["metadata"]["labels"]

    assert (put[key], key in taken) == ("db", False)


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
