"""Containers from create to remove, over the in-memory cluster."""

from dataclasses import replace

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerSpec, Outcome, RestartPolicy
from kubedock.domain.status import Status
from kubedock.engine import Engine
from kubedock.engine.containers import Containers, ListQuery
from kubedock.engine.logs import LogQuery
from kubedock.errors import (
    CannotKill,
    CannotRemoveRunning,
    Forbidden,
    InvalidParameter,
    KubedockError,
    NameTaken,
    NoSuchContainer,
    NoSuchImage,
    NotFound,
    NotModified,
    System,
    Unavailable,
)
from kubedock.streams.cancel import Cancel
from tests.support.running import QUICK, ended, engine_with_alpine, history, log, make, run
from tests.support.waiting import eventually, in_thread

NOT_FOUND = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
    'unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown'
)


def _state(engine: Engine, ref: str) -> Status:
    return replace(engine.containers.inspect(ref).status, started_at=None, finished_at=None)


def test_a_life(engine: Engine) -> None:
    """Created, started, ended by itself, removed: states and events as Docker's."""
    container = make(engine, "web", "sh", "-c", "echo one; exit 42")
    assert _state(engine, "web") == Status("created")

    engine.containers.start("web")
    assert ended(engine, "web") == 42
    assert _state(engine, "web") == Status("exited", exit_code=42)
    assert log(engine, "web") == b"one\n"

    engine.containers.remove("web", force=False, volumes=False)
    with pytest.raises(NoSuchContainer):
        engine.containers.inspect(container)
    assert history(engine) == ["create", "start", "die 42", "destroy"]


@pytest.mark.parametrize("code", [0, 1, 42, 125, 126, 127, 128, 137, 255])
def test_exit_codes_are_exact(engine: Engine, code: int) -> None:
    """Whatever the program says."""
    run(engine, "web", "sh", "-c", f"exit {code}")

    assert ended(engine, "web") == code


def test_a_start_that_fails(engine: Engine, cluster: FakeCluster) -> None:
    """Docker's sentence; the container is kept as created, its pod is not."""
    make(engine, "bad", "nosuch")
    with pytest.raises(InvalidParameter) as caught:
        engine.containers.start("bad")

    assert str(caught.value) == NOT_FOUND
    assert _state(engine, "bad") == Status("created", exit_code=127, error=NOT_FOUND)
    assert log(engine, "bad") == b""
    assert cluster.list("Pod").items == []
    assert history(engine) == ["create"]


def test_a_failed_start_with_rm_removes_and_ends_the_wait(engine: Engine) -> None:
    """Else `docker run --rm` would hang."""
    container = make(engine, "bad", "nosuch", auto_remove=True)
    waiting = engine.containers.wait("bad", condition="removed", cancel=Cancel())
    with pytest.raises(InvalidParameter):
        engine.containers.start("bad")

    assert waiting.result() == (127,)
    assert engine.core.containers.get(container) is None


def test_a_failed_start_can_be_tried_again(engine: Engine, cluster: FakeCluster) -> None:
    """The reason goes with the next run."""
    make(engine, "web", "true")
    cluster.refuse("Pod", "create", Forbidden('pods "x" is forbidden: exceeded quota: small'))
    with pytest.raises(Forbidden):
        engine.containers.start("web")
    assert _state(engine, "web").error == 'pods "x" is forbidden: exceeded quota: small'
    cluster.refuse("Pod", "create", None)

    engine.containers.start("web")

    assert ended(engine, "web") == 0
    assert _state(engine, "web") == Status("exited")


def test_an_image_that_the_registry_lacks(engine: Engine) -> None:
    """Tracked, because it was asked for; the kubelet finds out."""
    for _ in engine.images.pull("nosuch/image"):
        pass
    engine.containers.create(ContainerSpec("nosuch/image"), name="web", endpoints={})

    with pytest.raises(NotFound) as caught:
        engine.containers.start("web")

    assert "nosuch/image" in str(caught.value)


def test_an_image_that_was_not_pulled(engine: Engine) -> None:
    """Clients pull after this answer."""
    with pytest.raises(NoSuchImage) as caught:
        engine.containers.create(ContainerSpec("redis"), name=None, endpoints={})

    assert str(caught.value) == "No such image: redis:latest"


def test_a_tag_of_our_own_is_pulled_by_its_source(engine: Engine, cluster: FakeCluster) -> None:
    """The cluster knows nothing of `docker tag`."""
    engine.images.tag("alpine", repository="mine", tag="1")
    engine.containers.create(ContainerSpec("mine:1", command=("sleep",)), name="web", endpoints={})
    engine.containers.start("web")

    assert cluster.list("Pod").items[0]["spec"]["containers"][0]["image"] == "alpine:latest"


def test_names(engine: Engine) -> None:
    """Unique, also by renaming, and free after a removal."""
    first = make(engine, "web", "true")
    make(engine, "db", "true")
    with pytest.raises(NameTaken) as caught:
        make(engine, "web", "true")
    assert str(caught.value).startswith(f'Conflict. The container name "/web" is already in use by container "{first}".')
    with pytest.raises(NameTaken):
        engine.containers.rename("web", to="db")

    engine.containers.rename("web", to="api")
    engine.containers.remove("api", force=False, volumes=False)

    make(engine, "api", "true")
    assert history(engine) == ["create", "create", "rename /web", "destroy", "create"]


def test_stop_by_signal(engine: Engine) -> None:
    """TERM ends it; a second stop is no change; the pod and its log stay."""
    run(engine, "web", "sleep", "1000")
    engine.containers.stop("web", signal=None, timeout=5)

    assert _state(engine, "web") == Status("exited", exit_code=143)
    with pytest.raises(NotModified):
        engine.containers.stop("web", signal=None, timeout=5)
    assert history(engine) == ["create", "start", "kill 15", "die 143", "stop"]


def test_stop_of_what_does_not_listen_ends_hard(engine: Engine, cluster: FakeCluster) -> None:
    """137 at once, the log is kept, the pod is gone."""
    run(engine, "web", "sleep", "1000")
    cluster.kubelet.write(cluster.list("Pod").items[0]["metadata"]["name"], b"last words\n")
    engine.containers.stop("web", signal=None, timeout=0)

    assert _state(engine, "web") == Status("exited", exit_code=137)
    assert log(engine, "web") == b"last words\n"
    assert cluster.list("Pod").items == []
    assert history(engine) == ["create", "start", "kill 15", "kill 9", "die 137", "stop"]


def test_kill(engine: Engine) -> None:
    """KILL by default; 409 when it does not run."""
    run(engine, "web", "sleep", "1000")
    engine.containers.kill("web", signal=None)

    assert _state(engine, "web") == Status("exited", exit_code=137)
    with pytest.raises(CannotKill):
        engine.containers.kill("web", signal="TERM")
    assert history(engine) == ["create", "start", "kill 9", "die 137"]


def test_kill_with_another_signal(engine: Engine) -> None:
    """It reaches the process."""
    run(engine, "web", "sleep", "1000")
    engine.containers.kill("web", signal="SIGINT")

    assert ended(engine, "web") == 130


def test_restart(engine: Engine) -> None:
    """Docker's order of events; the log of both runs stays."""
    run(engine, "web", "sh", "-c", "echo up; sleep 1000")
    engine.containers.restart("web", signal=None, timeout=5)

    assert _state(engine, "web") == Status("running")
    assert log(engine, "web") == b"up\nup\n"
    assert history(engine) == ["create", "start", "kill 15", "die 143", "stop", "start", "restart"]


def test_start_twice(engine: Engine) -> None:
    """No change."""
    run(engine, "web", "sleep", "1000")
    with pytest.raises(NotModified):
        engine.containers.start("web")


def test_remove(engine: Engine, cluster: FakeCluster) -> None:
    """A running one only by force; its pod goes without a wait."""
    run(engine, "web", "sleep", "1000")
    with pytest.raises(CannotRemoveRunning) as caught:
        engine.containers.remove("web", force=False, volumes=False)
    assert str(caught.value) == (
        'cannot remove container "/web": container is running: stop the container before removing or force remove'
    )

    engine.containers.remove("web", force=True, volumes=False)

    assert cluster.list("Pod").items == []
    assert history(engine) == ["create", "start", "kill 9", "die 137", "destroy"]


def test_who_reads_the_log_reads_it_to_its_end_whoever_removes_the_container(engine: Engine) -> None:
    """docker-py opens the log, waits, removes, and reads only then."""
    container = make(engine, "web", "sh", "-c", "echo one; echo two")
    output = engine.logs.read("web", LogQuery(stdout=True, follow=True), Cancel())
    engine.containers.start("web")
    ended(engine, "web")
    engine.containers.remove("web", force=False, volumes=False)

    assert b"".join(data for batch in output for _, data in batch) == b"one\ntwo\n"
    assert engine.core.archive.segments(container) != []
    output.close()
    assert engine.core.archive.segments(container) == []


@pytest.mark.parametrize("how", ["stop", "remove"])
def test_what_is_ended_before_it_ran_has_not_started(engine: Engine, cluster: FakeCluster, how: str) -> None:
    """Its start says so, and nobody is told of the end of what never began."""
    cluster.kubelet.hold()
    make(engine, "web", "sleep", "1000")
    starting = in_thread(lambda: engine.containers.start("web"))
    eventually(cluster.kubelet.pods)
    if how == "stop":
        engine.containers.stop("web", signal=None, timeout=None)
    else:
        engine.containers.remove("web", force=True, volumes=False)

    with pytest.raises(KubedockError, match=r"the container was stopped before it ran|No such container"):
        starting()
    assert history(engine) == ["create", {"stop": "stop", "remove": "destroy"}[how]]
    assert cluster.list("Pod").items == []


def test_automatic_removal(engine: Engine, cluster: FakeCluster) -> None:
    """After its end, when its output was read."""
    container = run(engine, "web", "echo", "hi", auto_remove=True)
    result = engine.containers.wait(container[:12], condition="removed", cancel=Cancel()) if _there(engine, container) else None

    assert result is None or result.result() == (0,)
    eventually(lambda: not _there(engine, container))
    assert cluster.list("Pod").items == []
    assert history(engine) == ["create", "start", "die 0", "destroy"]


def test_automatic_removal_waits_for_the_cluster(engine: Engine, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker run --rm` waits for it: an outage delays it, and no more."""
    monkeypatch.setattr(Containers._remove_after_end, "__defaults__", (0.01,))
    cluster.refuse("Pod", "delete", Unavailable("away"))
    container = run(engine, "web", "true", auto_remove=True)
    waiting = engine.containers.wait(container, condition="removed", cancel=Cancel())
    eventually(lambda: [request for request in cluster.requests if request[:2] == ("delete", "Pod")] != [])
    assert _there(engine, container)

    cluster.refuse("Pod", "delete", None)

    assert waiting.result() == (0,)


def _there(engine: Engine, container: str) -> bool:
    return engine.core.containers.get(container) is not None


def test_a_restart_by_policy_outlives_an_outage(engine: Engine, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A next run that cannot be posted is posted later; it counts once."""
    monkeypatch.setattr("kubedock.engine.starting.RETRY_SECONDS", 0.01)
    container = run(engine, "web", "sleep", "1000", restart=RestartPolicy("on-failure", 1))
    cluster.refuse("Pod", "create", Unavailable("away"))
    cluster.kubelet.finish(cluster.list("Pod").items[0]["metadata"]["name"], 5)
    eventually(lambda: [request[:2] for request in cluster.requests].count(("create", "Pod")) > 2)
    assert engine.core.containers.find(container).restarting

    cluster.refuse("Pod", "create", None)

    eventually(lambda: _state(engine, "web") == Status("running", restart_count=1))


@pytest.mark.parametrize("signal", [None, "SIGTERM"])
def test_a_kill_between_two_runs_of_a_policy(engine: Engine, signal: str | None) -> None:
    """There is no next run, and who waits hears of it. A signal that ends nothing leaves the policy alone."""
    run(engine, "web", "sh", "-c", "exit 3", restart=RestartPolicy("on-failure"))
    eventually(lambda: engine.core.containers.find("web").restart_count == 1)
    waiting = engine.containers.wait("web", condition="not-running", cancel=Cancel())
    eventually(lambda: engine.core.containers.find("web").restarting)
    engine.containers.kill("web", signal="USR1")
    assert _state(engine, "web").state == "restarting"

    engine.containers.kill("web", signal=signal)

    assert waiting.result() == (3,)
    assert _state(engine, "web").state == "exited"
    with pytest.raises(CannotKill):
        engine.containers.kill("web", signal=None)


def test_a_restart_by_policy_waits_for_the_cluster(engine: Engine, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the ended run's pod cannot be put away there is no next run; then there is."""
    monkeypatch.setattr("kubedock.engine.starting.RETRY_SECONDS", 0.01)
    cluster.refuse("Pod", "delete", Unavailable("away"))
    run(engine, "web", "sh", "-c", "exit 3", restart=RestartPolicy("on-failure", 1))
    eventually(lambda: [request for request in cluster.requests if request[:2] == ("delete", "Pod")] != [])
    assert _state(engine, "web").state == "restarting"

    cluster.refuse("Pod", "delete", None)

    assert ended(engine, "web") == 3
    assert _state(engine, "web") == Status("exited", exit_code=3, restart_count=1)


def test_on_failure_runs_again_and_keeps_all_logs(engine: Engine) -> None:
    """Three retries are four runs; the wait ends with the last."""
    run(engine, "web", "sh", "-c", "echo run; exit 3", restart=RestartPolicy("on-failure", 3))

    assert ended(engine, "web") == 3
    assert _state(engine, "web") == Status("exited", exit_code=3, restart_count=3)
    assert log(engine, "web") == b"run\n" * 4
    assert log(engine, "web", tail=3) == b"run\n" * 3
    assert history(engine) == ["create", *["start", "die 3"] * 4]


def test_on_failure_is_over_with_a_success_or_a_stop(engine: Engine) -> None:
    """Neither is a failure."""
    run(engine, "good", "true", restart=RestartPolicy("on-failure"))
    run(engine, "ended", "sleep", "1000", restart=RestartPolicy("on-failure"))
    engine.containers.stop("ended", signal=None, timeout=5)

    assert ended(engine, "good") == 0
    assert _state(engine, "ended") == Status("exited", exit_code=143)


def test_always_is_a_deployment_that_a_stop_ends_for_good(engine: Engine, cluster: FakeCluster) -> None:
    """The exit code comes from the last events of its pod."""
    run(engine, "web", "sleep", "1000", restart=RestartPolicy("always"))
    assert [item["spec"]["replicas"] for item in cluster.list("Deployment").items] == [1]
    engine.containers.stop("web", signal=None, timeout=5)

    assert _state(engine, "web") == Status("exited", exit_code=143)
    assert [item["spec"]["replicas"] for item in cluster.list("Deployment").items] == [0]
    engine.containers.start("web")
    assert _state(engine, "web") == Status("running")
    engine.containers.remove("web", force=True, volumes=False)
    assert cluster.list("Deployment").items + cluster.list("Pod").items == []


def test_always_comes_back(engine: Engine, cluster: FakeCluster) -> None:
    """By the kubelet: a restart, counted and told of."""
    run(engine, "web", "sleep", "1000", restart=RestartPolicy("always"))
    cluster.kubelet.finish(cluster.list("Pod").items[0]["metadata"]["name"], 5)

    eventually(lambda: _state(engine, "web") == Status("running", restart_count=1))
    assert history(engine) == ["create", "start", "die 5", "start"]


def test_always_of_what_ends_at_once(engine: Engine, cluster: FakeCluster) -> None:
    """Each instance is counted, told of and kept, also one that has ended between two looks."""
    run(engine, "web", "sh", "-c", "echo run; exit 4", restart=RestartPolicy("always"))

    eventually(lambda: _state(engine, "web").restart_count == 1)
    assert _state(engine, "web").state == "restarting"
    eventually(lambda: log(engine, "web") == b"run\n" * 2)
    assert history(engine) == ["create", "start", *["die 4", "start"], "die 4"]
    cluster.kubelet.restart(cluster.list("Pod").items[0]["metadata"]["name"])
    eventually(lambda: _state(engine, "web").restart_count == 2)
    eventually(lambda: log(engine, "web") == b"run\n" * 3)
    assert history(engine) == ["create", "start", *["die 4", "start"] * 2, "die 4"]


def test_a_deployment_for_what_must_not_run_twice_is_refused(engine: Engine) -> None:
    """Until the once guard exists."""
    with pytest.raises(InvalidParameter) as caught:
        make(engine, "web", "true", workload="deployment")

    assert str(caught.value) == ("a Deployment can run only containers with the restart policy always or unless-stopped, not no")


def test_a_pod_that_somebody_deletes(engine: Engine, cluster: FakeCluster) -> None:
    """137, with the reason."""
    run(engine, "web", "sleep", "1000")
    cluster.delete("Pod", cluster.list("Pod").items[0]["metadata"]["name"], grace=0)

    assert ended(engine, "web") == 137
    assert _state(engine, "web").error != ""


def test_out_of_memory(engine: Engine, cluster: FakeCluster) -> None:
    """OOMKilled, 137, and its event."""
    run(engine, "web", "sleep", "1000")
    cluster.kubelet.finish(cluster.list("Pod").items[0]["metadata"]["name"], 137, oom=True)

    assert ended(engine, "web") == 137
    assert _state(engine, "web") == Status("exited", exit_code=137, oom_killed=True)
    assert history(engine) == ["create", "start", "oom", "die 137"]


def test_a_start_that_takes_too_long(cluster: FakeCluster) -> None:
    """A sentence with what the pod waits for; the pod does not start behind our back."""
    cluster.kubelet.hold()
    with engine_with_alpine(cluster, limits=replace(QUICK, start=0.05)) as engine:
        make(engine, "web", "true")
        with pytest.raises(System) as caught:
            engine.containers.start("web")

    assert str(caught.value).startswith("the container did not start within 0 s: ")
    assert cluster.list("Pod").items == []


@pytest.mark.parametrize(
    ("condition", "before", "result"),
    [("", "created", (0,)), ("not-running", "exited", (3,)), ("next-exit", "running", (3,)), ("removed", "exited", (3,))],
)
def test_waiting(engine: Engine, cluster: FakeCluster, condition: str, before: str, result: tuple[int]) -> None:
    """Docker's three conditions, from where the container stands."""
    make(engine, "web", "sleep" if before == "running" else "sh", "-c", "exit 3")
    if before != "created":
        engine.containers.start("web")
    if before == "exited":
        ended(engine, "web")
    waiting = engine.containers.wait("web", condition=condition, cancel=Cancel())
    if before == "running":
        cluster.kubelet.finish(cluster.list("Pod").items[0]["metadata"]["name"], 3)
    if condition == "removed":
        engine.containers.remove("web", force=True, volumes=False)

    assert waiting.result() == result


def test_waiting_is_over_when_the_client_leaves(engine: Engine) -> None:
    """No thread stays."""
    run(engine, "web", "sleep", "1000")
    cancel = Cancel()
    waiting = engine.containers.wait("web", condition="", cancel=cancel)
    cancel.set("client gone")

    assert waiting.result() is None
    with pytest.raises(InvalidParameter):
        engine.containers.wait("web", condition="nonsense", cancel=cancel)


def test_lists(engine: Engine) -> None:
    """Running ones, or all, or the newest few."""
    for name in ("one", "two", "three"):
        make(engine, name, "sleep", "1000")
    engine.containers.start("two")

    assert [view.record.name for view in engine.containers.list(ListQuery())] == ["two"]
    assert [view.record.name for view in engine.containers.list(ListQuery(all=True))] == ["three", "two", "one"]
    assert [view.record.name for view in engine.containers.list(ListQuery(limit=1))] == ["three"]


def test_prune(engine: Engine) -> None:
    """All that do not run."""
    made = make(engine, "one", "true")
    run(engine, "two", "sleep", "1000")

    assert engine.containers.prune({}) == [made]
    assert [view.record.name for view in engine.containers.list(ListQuery(all=True))] == ["two"]


def test_an_end_is_written_once(engine: Engine) -> None:
    """Whoever notices first; the second changes nothing."""
    container = run(engine, "web", "true")
    ended(engine, "web")
    for lifecycle_end in [Outcome(9), Outcome(8)]:
        engine.containers._lifecycle.end(container, 1, lifecycle_end)

    assert _state(engine, "web") == Status("exited")
    assert issubclass(NotModified, KubedockError)
