"""The watcher: the newest picture of each run, whatever happens to its watches."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kubedock.background import watcher as module
from kubedock.background.watcher import Watcher
from kubedock.cluster import Json, Kind, ObjectList
from kubedock.cluster.fake import FakeCluster
from kubedock.domain.status import Observed
from kubedock.errors import Forbidden, KubedockError, System, Unavailable
from tests.support.running import left_behind
from tests.support.waiting import eventually

ID = "0123456789ab"
OTHER = "ba9876543210"
CUT = Unavailable("the connection broke")


class InterruptedList(FakeCluster):
    """``between`` is called after a list of pods was made and before it is given."""

    between: Callable[[], object] | None = None

    def list(self, kind: Kind, *, selector: str = "", fields: str = "") -> ObjectList:
        """See Cluster."""
        found = super().list(kind, selector=selector, fields=fields)
        between, self.between = (self.between, None) if kind == "Pod" else (None, self.between)
        if between is not None:
            between()
        return found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outages here last for milliseconds."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(module, "FORBIDDEN_PAUSE", 0.05)


@contextmanager
def watching(cluster: FakeCluster, told: list[str] | None = None) -> Iterator[Watcher]:
    """A watcher that runs; its threads end with it, and no watch stays open."""
    before = set(threading.enumerate())
    watcher = Watcher(cluster, "test")
    if told is not None:
        watcher.on_change = told.append
    watcher.start(5)
    try:
        yield watcher
    finally:
        watcher.stop(5)
        assert left_behind(before) == []
        assert cluster.open_watches == 0


def pod(name: str, container: str = ID, run: int = 1, *command: str) -> Json:
    """A manifest."""
    labels = {"kubedock.id": "test", "kubedock.containerid": container, "kubedock.run": str(run)}
    main = {"name": "main", "image": "alpine", "command": list(command) or ["sleep", "100"]}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"restartPolicy": "Never", "containers": [main]}}


def seen(watcher: Watcher, what: Callable[[Observed], Any], run: int = 1) -> Observed:
    """Wait until it is seen."""
    found = eventually(lambda: (now := watcher.observed(ID, run)) is not None and what(now) and now, every=0.005)
    assert isinstance(found, Observed)
    return found


def lists(cluster: FakeCluster, kind: str = "Pod") -> int:
    """How often this kind was listed."""
    return sum(verb == "list" and of == kind for verb, of, _ in cluster.requests)


def test_what_is_there_and_what_comes_is_seen() -> None:
    """Pods of before the start and later ones, from start to end, each with a call."""
    cluster, told = FakeCluster(), list[str]()
    cluster.create("Pod", pod("a"))
    with watching(cluster, told) as watcher:
        assert seen(watcher, lambda o: o.running).pod == "a"
        cluster.kubelet.finish("a", 3)
        ended = seen(watcher, lambda o: o.terminated)
        assert ended.terminated is not None
        assert (ended.running, ended.terminated.exit_code, ended.deleted) == (False, 3, False)
        cluster.delete("Pod", "a", grace=0)
        gone = seen(watcher, lambda o: o.deleted)
        assert gone.terminated == ended.terminated
        cluster.create("Pod", pod("b", OTHER))
        eventually(lambda: watcher.observed(OTHER, 1) is not None)
        eventually(lambda: OTHER in told)

    assert (lists(cluster), lists(cluster, "Event")) == (1, 1)
    assert set(told) == {ID, OTHER}


def test_other_instances_are_not_ours() -> None:
    """Neither are pods without a container's id, or with a run that is no number."""
    cluster, told = FakeCluster(), list[str]()
    with watching(cluster, told) as watcher:
        for number, change in enumerate(({"kubedock.id": "x"}, {"kubedock.run": "x"}, {"kubedock.containerid": ""})):
            manifest = pod(f"p{number}")
            manifest["metadata"]["labels"].update(change)
            cluster.create("Pod", manifest)
        cluster.create("Pod", pod("last", OTHER))
        eventually(lambda: watcher.observed(OTHER, 1) is not None)
        assert watcher.observed(ID, 1) is None


def test_nothing_between_the_list_and_the_watch_is_missed() -> None:
    """The watch goes on from the list's version."""
    cluster = InterruptedList()
    cluster.create("Pod", pod("a"))

    def between() -> None:
        cluster.delete("Pod", "a", grace=0)
        cluster.create("Pod", pod("b", OTHER))

    cluster.between = between
    with watching(cluster) as watcher:
        seen(watcher, lambda o: o.deleted)
        eventually(lambda: watcher.observed(OTHER, 1) is not None)


def test_a_version_that_is_too_old_leads_to_a_list() -> None:
    """410: what happened meanwhile is in the list."""
    cluster = FakeCluster()
    cluster.create("Pod", pod("a"))
    with watching(cluster) as watcher:
        seen(watcher, lambda o: o.running)
        cluster.refuse("Pod", "watch", CUT)
        cluster.break_watches()
        eventually(lambda: sum(verb == "watch" and kind == "Pod" for verb, kind, _ in cluster.requests) > 1)
        cluster.kubelet.finish("a", 4)
        cluster.compact()
        cluster.refuse("Pod", "watch", None)
        ended = seen(watcher, lambda o: o.terminated)
        assert ended.terminated is not None
        assert ended.terminated.exit_code == 4


def test_a_410_in_the_middle_of_a_watch() -> None:
    """It comes as a line of the watch, and leads to a list as well."""
    cluster = InterruptedList()
    cluster.between = cluster.compact
    cluster.create("Pod", pod("a"))
    cluster.create("ConfigMap", {"metadata": {"name": "newer"}})
    with watching(cluster) as watcher:
        cluster.create("Pod", pod("b", OTHER))
        eventually(lambda: watcher.observed(OTHER, 1) is not None)
        seen(watcher, lambda o: o.running)


@pytest.mark.parametrize("error", [CUT, System("etcd is on fire")])
def test_watches_that_are_cut_again_and_again(error: KubedockError) -> None:
    """Nothing is lost."""
    cluster = FakeCluster()
    with watching(cluster) as watcher:
        for number in range(20):
            cluster.break_watches()
            if number % 5 == 4:
                cluster.outage(error)
                cluster.outage(None)
            cluster.create("Pod", pod(f"p{number}", ID, number + 1))
        for number in range(20):
            seen(watcher, lambda o: o.running, number + 1)


def test_a_lasting_watch_is_resumed_without_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that held goes on where it was cut."""
    monkeypatch.setattr(module, "LASTING", 0.0)
    cluster = FakeCluster()
    with watching(cluster) as watcher:
        for number in range(5):
            cluster.create("Pod", pod(f"p{number}", ID, number + 1))
            seen(watcher, lambda o: o.running, number + 1)
            cluster.break_watches()
    assert lists(cluster) == 1


def test_a_missed_delete_is_noticed_by_the_next_list() -> None:
    """Also when an event about the pod comes while the list is under way."""
    cluster = InterruptedList()
    cluster.kubelet.hold()
    made = cluster.create("Pod", pod("a"))
    with watching(cluster) as watcher:
        seen(watcher, lambda o: o.phase == "Pending")
        cluster.refuse("Pod", "watch", CUT)
        cluster.break_watches()
        cluster.delete("Pod", "a", grace=0)
        cluster.compact()
        about = {"kind": "Pod", "name": "a", "uid": made["metadata"]["uid"]}
        event = {"metadata": {"name": "a.1"}, "involvedObject": about, "reason": "Scheduled", "message": "assigned"}

        def between() -> None:
            cluster.create("Event", event)
            eventually(lambda: "a.1" in watcher._events[made["metadata"]["uid"]], every=0.005)

        cluster.between = between
        cluster.refuse("Pod", "watch", None)
        seen(watcher, lambda o: o.deleted)


def test_a_pod_that_is_made_while_a_list_is_under_way_is_not_missing() -> None:
    """It is expected: the list is older than it."""
    cluster = InterruptedList()
    with watching(cluster) as watcher:
        states: list[Observed | None] = []

        def between() -> None:
            watcher.expect(cluster.create("Pod", pod("a")))

        listed = lists(cluster)
        cluster.between = between
        watcher.on_change = lambda _: states.append(watcher.observed(ID, 1))
        cluster.compact()
        cluster.break_watches()
        eventually(lambda: lists(cluster) > listed)
        seen(watcher, lambda o: o.running)

    assert [state for state in states if state is None or state.deleted] == []


def test_what_is_expected_takes_nothing_back() -> None:
    """The watch may have been faster."""
    cluster = FakeCluster()
    with watching(cluster) as watcher:
        made = cluster.create("Pod", pod("a"))
        before = seen(watcher, lambda o: o.running)
        watcher.expect(made)
        assert watcher.observed(ID, 1) == before


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
def test_of_two_pods_of_a_deployment_the_living_one_counts(order: tuple[str, str]) -> None:
    """Whichever is heard of first, and whatever is heard of the other one later."""
    cluster, told = FakeCluster(), list[str]()
    with watching(cluster, told) as watcher:
        for name in order:
            cluster.create("Pod", pod(name))
        eventually(lambda: watcher.observed(ID, 1) is not None)
        cluster.kubelet.fail("old", "Evicted", "the node was low on memory")
        seen(watcher, lambda o: o.pod == "new" and o.running)
        cluster.patch("Pod", "old", {"metadata": {"annotations": {"a": "b"}}})
        cluster.delete("Pod", "old", grace=0)
        cluster.create("Pod", pod("last", OTHER))
        eventually(lambda: OTHER in told)
        assert seen(watcher, lambda o: o.pod == "new").running
        cluster.delete("Pod", "new", grace=0)
        assert seen(watcher, lambda o: o.deleted).pod == "new"


def test_after_a_missed_delete_the_deployments_new_pod_counts() -> None:
    """Both changes are in one list."""
    cluster = FakeCluster()
    cluster.create("Pod", pod("old"))
    with watching(cluster) as watcher:
        seen(watcher, lambda o: o.pod == "old")
        cluster.refuse("Pod", "watch", CUT)
        cluster.break_watches()
        cluster.create("Pod", pod("new"))
        cluster.delete("Pod", "old", grace=0)
        cluster.compact()
        cluster.refuse("Pod", "watch", None)
        assert seen(watcher, lambda o: o.pod == "new").running


def test_events_may_come_before_their_pod() -> None:
    """They are kept until it is known."""
    cluster = FakeCluster()
    cluster.kubelet.hold()
    cluster.refuse("Pod", "list", CUT)
    before = set(threading.enumerate())
    watcher = Watcher(cluster, "test")
    made = cluster.create("Pod", pod("a"))
    cluster.kubelet.start("a")
    watcher.start(0.2)
    try:
        eventually(lambda: watcher._events.get(made["metadata"]["uid"]))
        assert watcher.observed(ID, 1) is None
        cluster.refuse("Pod", "list", None)
        assert not seen(watcher, lambda o: o.started).log_ready
    finally:
        watcher.stop(5)
    assert left_behind(before) == []


def test_the_started_event_is_seen_before_the_status() -> None:
    """It is what a start waits for; the status follows."""
    cluster = FakeCluster()
    cluster.kubelet.hold()
    with watching(cluster) as watcher:
        watcher.expect(cluster.create("Pod", pod("a")))
        assert not seen(watcher, lambda o: True).started
        cluster.kubelet.start("a")
        assert not seen(watcher, lambda o: o.started).log_ready
        cluster.kubelet.sync("a")
        assert seen(watcher, lambda o: o.log_ready).started


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_without_the_right_to_events_the_status_decides(verb: str) -> None:
    """It is known, tried again from time to time, and taken up when the right is there."""
    cluster = FakeCluster()
    cluster.deny(verb, "events")
    with watching(cluster) as watcher:
        eventually(lambda: watcher.events_forbidden)
        cluster.create("Pod", pod("a"))
        assert seen(watcher, lambda o: o.running).log_ready
        cluster._denied.clear()
        eventually(lambda: not watcher.events_forbidden)


def test_a_403_that_passes_does_not_blind_for_long() -> None:
    """An authorizer may be down for a moment."""
    cluster = FakeCluster()
    with watching(cluster) as watcher:
        cluster.refuse("Pod", "list", Forbidden("the webhook is down"))
        cluster.refuse("Pod", "watch", Forbidden("the webhook is down"))
        cluster.break_watches()
        cluster.create("Pod", pod("a"))
        cluster.refuse("Pod", "list", None)
        cluster.refuse("Pod", "watch", None)
        seen(watcher, lambda o: o.running)


def test_what_is_forgotten_does_not_come_back() -> None:
    """Whatever its pod still does; other runs are not touched."""
    cluster, told = FakeCluster(), list[str]()
    with watching(cluster, told) as watcher:
        cluster.create("Pod", pod("a"))
        cluster.create("Pod", pod("b", ID, 2))
        seen(watcher, lambda o: o.running, 2)
        watcher.forget(ID, 1)
        assert watcher.observed(ID, 1) is None
        cluster.delete("Pod", "a", grace=0)
        cluster.delete("Pod", "b", grace=0)
        seen(watcher, lambda o: o.deleted, 2)
        assert watcher.observed(ID, 1) is None
        watcher.forget(ID)
        cluster.create("Pod", pod("c", ID, 3))
        cluster.create("Pod", pod("last", OTHER))
        eventually(lambda: OTHER in told)
        assert [watcher.observed(ID, run) for run in (1, 2, 3)] == [None, None, None]
        assert [key for key in watcher._pods if key[0] == ID] == []


def test_a_listener_that_fails_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged."""
    cluster = FakeCluster()
    with watching(cluster) as watcher:

        def fail(_: str) -> None:
            raise ValueError("no luck")

        watcher.on_change = fail
        cluster.create("Pod", pod("a"))
        seen(watcher, lambda o: o.running)
        eventually(lambda: "was not taken over" in caplog.text)
        cluster.kubelet.finish("a", 0)
        seen(watcher, lambda o: o.terminated)


def test_a_watch_that_ends_at_once_is_no_busy_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends every watch in good order is asked less and less often."""
    monkeypatch.setattr(module, "LONGEST_PAUSE", 10.0)
    cluster = FakeCluster()
    ended = FakeCluster.watch

    def short(self: FakeCluster, kind: Kind, *, since: str, selector: str = "", fields: str = "", seconds: int = 300) -> Any:
        return ended(self, kind, since=since, selector=selector, fields=fields, seconds=0 if kind == "Pod" else seconds)

    monkeypatch.setattr(FakeCluster, "watch", short)
    with watching(cluster) as watcher:
        threading.Event().wait(0.4)
        count = sum(verb == "watch" and kind == "Pod" for verb, kind, _ in cluster.requests)
        cluster.create("Pod", pod("a"))
        seen(watcher, lambda o: o.running)

    assert 2 <= count <= 8


def test_a_start_without_a_cluster_ends_in_time() -> None:
    """The watcher goes on trying."""
    cluster = FakeCluster()
    cluster.outage(CUT)
    before = set(threading.enumerate())
    watcher = Watcher(cluster, "test")
    watcher.start(0.1)
    cluster.outage(None)
    cluster.create("Pod", pod("a"))
    seen(watcher, lambda o: o.running)
    watcher.stop(5)
    assert left_behind(before) == []


def test_a_run_without_a_pod_is_told_by_who_runs_it() -> None:
    """As if a watch had brought it; not once it is forgotten."""
    told: list[str] = []
    shown = Observed("own", uid="own", running=True)
    with watching(FakeCluster(), told) as watcher:
        watcher.put(ID, 1, shown)
        watcher.put(OTHER, 2, shown)
        assert (watcher.observed(ID, 1), watcher.observed(ID, 2), told) == (shown, None, [ID, OTHER])

        watcher.forget(ID)
        watcher.put(ID, 1, shown)
        watcher.forget(OTHER, 2)
        watcher.put(OTHER, 2, shown)

        assert (watcher.observed(ID, 1), watcher.observed(OTHER, 2), told) == (None, None, [ID, OTHER])
