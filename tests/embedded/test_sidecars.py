"""Sidecars: init containers that run on beside the others."""

from typing import Any

import pytest

from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.fake import FakeRuntime
from tests.support.pods import a_pod, main, phase_of, reaches, status_of, text_of, told_of
from tests.support.waiting import eventually

UNTIL_TERM = ("sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; sleep 100")


def sidecar(*command: str, name: str = "side") -> dict[str, Any]:
    """One."""
    return main(*command, name=name, restartPolicy="Always")


def conditions(cluster: EmbeddedCluster) -> dict[str, str]:
    """The pod's, by type."""
    return {one["type"]: one["status"] for one in cluster.get("Pod", "p")["status"]["conditions"]}


def test_the_others_start_when_it_runs(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """The init containers after it, too; nobody waits for its end."""
    init = [main("true", name="one"), sidecar("sleep", "100"), main("sleep", "100", name="two")]
    cluster.create("Pod", a_pod(main("sleep", "100"), initContainers=init))
    reaches(cluster, "running", container="two")
    assert (phase_of(cluster), conditions(cluster)["Initialized"]) == ("Pending", "False")

    runtime.finish("two")
    reaches(cluster, "running")

    assert [spec.name for spec in runtime.started] == ["one", "side", "two", "main"]
    assert (phase_of(cluster), conditions(cluster)["Initialized"], conditions(cluster)["Ready"]) == ("Running", "True", "True")
    side = status_of(cluster, container="side")
    assert (side["ready"], side["started"], side["state"].keys()) == (True, True, {"running"})


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (4, "Failed")])
def test_it_ends_after_the_others(cluster: EmbeddedCluster, runtime: FakeRuntime, code: int, phase: str) -> None:
    """With its stop signal; what the pod came to is for the others to say."""
    cluster.create("Pod", a_pod(main("sh", "-c", f"exit {code}"), initContainers=[sidecar(*UNTIL_TERM)]))

    assert reaches(cluster, "terminated", container="side")["exitCode"] == 3
    eventually(lambda: phase_of(cluster) == phase)
    eventually(lambda: not runtime.sandboxes)
    assert text_of(cluster, container="side") == b"up\nbye\n"
    assert ("Killing", "Stopping container side") in told_of(cluster)
    assert "reason" not in cluster.get("Pod", "p")["status"]


def test_it_is_brought_back_whatever_the_pods_policy_is(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """While the others run."""
    cluster.create("Pod", a_pod(main("sleep", "100"), initContainers=[sidecar("sleep", "100")]))
    reaches(cluster, "running")

    runtime.finish("side", 0)

    eventually(lambda: (side := status_of(cluster, container="side"))["restartCount"] == 1 and "running" in side["state"])
    assert phase_of(cluster) == "Running"


def test_what_cannot_begin_holds_the_others_up(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """Until it does."""
    cluster.create("Pod", a_pod(main("sleep", "100"), initContainers=[sidecar("nosuch")]))

    eventually(lambda: len(runtime.started) == 3)

    assert {spec.name for spec in runtime.started} == {"side"}
    assert phase_of(cluster) == "Pending"


def test_a_failing_init_container_ends_it(cluster: EmbeddedCluster) -> None:
    """With the pod."""
    cluster.create("Pod", a_pod(main("sleep", "100"), initContainers=[sidecar(*UNTIL_TERM), main("false", name="init")]))

    assert reaches(cluster, "terminated", container="side")["exitCode"] == 3
    eventually(lambda: phase_of(cluster) == "Failed")


def test_sidecars_end_last_of_all_and_the_first_at_the_end(cluster: EmbeddedCluster) -> None:
    """When the pod is deleted; each waits for the one before."""
    init = [sidecar(*UNTIL_TERM, name="a"), sidecar(*UNTIL_TERM, name="b")]
    cluster.create("Pod", a_pod(main(*UNTIL_TERM), initContainers=init))
    reaches(cluster, "running")

    cluster.delete("Pod", "p")

    eventually(lambda: not cluster.list("Pod").items)
    stopped = [message for reason, message in told_of(cluster) if reason == "Killing"]
    assert stopped == [f"Stopping container {name}" for name in ("main", "b", "a")]
