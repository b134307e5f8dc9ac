"""Logs and attach: history, following from run to run, and one stream from the cluster for all followers."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubedock.background import logfeed
from kubedock.cluster import LogOptions
from kubedock.cluster.fake import FakeCluster
from kubedock.cluster.fake_streams import FakeLogStream
from kubedock.domain.container import ContainerSpec, RestartName, RestartPolicy
from kubedock.engine import Engine, following, lifecycle
from kubedock.engine.following import BILLION
from kubedock.engine.logs import AttachQuery, LogQuery, Output
from kubedock.errors import Conflict, InvalidParameter, KubedockError, NoSuchContainer, NotImplemented, Unavailable
from kubedock.streams.cancel import Cancel
from kubedock.streams.logs import parse_stamp
from tests.support.running import ended, engine_with_alpine, left_behind, log, make, refused, run
from tests.support.waiting import eventually, in_thread

CUT = Unavailable("the connection broke")


class Counting(FakeCluster):
    """Knows the log streams that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, LogOptions, FakeLogStream]] = []

    def logs(self, pod: str, options: LogOptions) -> FakeLogStream:
        """See Cluster."""
        stream = super().logs(pod, options)
        self.asked.append((pod, options, stream))
        return stream

    @property
    def follows(self) -> list[str]:
        """The pods whose logs were followed."""
        return [pod for pod, options, _ in self.asked if options.follow]

    @property
    def open_follows(self) -> int:
        """Streams that are followed now."""
        return sum(options.follow and not stream._closed and not stream._broken for _, options, stream in self.asked)


@pytest.fixture
def cluster() -> FakeCluster:
    """In memory."""
    return Counting()


@pytest.fixture
def engine(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Its threads end with it, whatever followed a log."""
    monkeypatch.setattr(logfeed, "PAUSE", 0.02)
    monkeypatch.setattr(logfeed, "GRACE", 0.05)
    monkeypatch.setattr(following, "SPIN", 0.02)
    before = set(threading.enumerate())
    with engine_with_alpine(cluster) as engine:
        yield engine
        assert engine.core.feeds._feeds == {}
    assert left_behind(before) == []


class Reading:
    """A client that reads in a thread."""

    def __init__(self, output: Output, cancel: Cancel) -> None:
        self._output, self.cancel, self.data = output, cancel, b""
        self.flushed = threading.Event()
        self._result = in_thread(self._read)

    def _read(self) -> bytes:
        try:
            for batch in self._output:
                self.flushed.set()
                self.data += b"".join(data for _, data in batch)
        finally:
            self._output.close()
        return self.data

    def sees(self, text: bytes) -> None:
        """Wait for what it has read so far."""
        eventually(lambda: self.data == text, every=0.005, seconds=10)

    def end(self) -> bytes:
        """All of it."""
        data: bytes = self._result()
        return data

    def leave(self) -> bytes:
        """The client goes away."""
        self.cancel.set("client gone")
        return self.end()


def follow(engine: Engine, ref: str, **query: Any) -> Reading:
    """``logs -f``."""
    cancel = Cancel()
    return Reading(engine.logs.read(ref, LogQuery(stdout=True, follow=True, **query), cancel), cancel)


def attach(engine: Engine, ref: str, **query: bool) -> Reading:
    """``attach``, connected when this returns."""
    cancel = Cancel()
    wanted = {"stdout": True, "stderr": True, "stream": True} | query
    reading = Reading(engine.logs.attach(ref, AttachQuery(**wanted), cancel), cancel)
    assert reading.flushed.wait(5)
    return reading


def pod_of(engine: Engine, ref: str) -> str:
    """The pod of its present run."""
    name = engine.core.containers.find(ref).object_name
    assert name is not None
    return name


# --- what is there ---------------------------------------------------------------------------------------------------


def test_all_of_a_log(engine: Engine) -> None:
    """Of a container that runs and of one that has ended; both streams are stdout."""
    run(engine, "web", "sh", "-c", "echo one; echo two >&2; sleep 100")
    run(engine, "job", "sh", "-c", "echo one; exit 3")
    ended(engine, "job")

    assert (log(engine, "web"), log(engine, "job")) == (b"one\ntwo\n", b"one\n")


def test_stderr_alone_is_empty(engine: Engine) -> None:
    """What was given as stdout must not be given again; a follower hears of the end."""
    run(engine, "web", "sh", "-c", "echo one; sleep 100")
    output = engine.logs.read("web", LogQuery(stderr=True), Cancel())
    assert list(output) == [()]
    output.close()
    cancel = Cancel()
    reading = Reading(engine.logs.read("web", LogQuery(stderr=True, follow=True), cancel), cancel)
    assert reading.flushed.wait(5)
    engine.containers.kill("web", signal=None)
    assert reading.end() == b""


def test_a_log_without_a_stream_is_refused(engine: Engine) -> None:
    """With Docker's sentence, before anything else."""
    with pytest.raises(InvalidParameter, match="you must choose at least one stream"):
        engine.logs.read("nosuch", LogQuery(), Cancel())
    with pytest.raises(NoSuchContainer):
        engine.logs.read("nosuch", LogQuery(stdout=True), Cancel())


def test_a_container_that_was_not_started_has_no_log(engine: Engine) -> None:
    """It is empty, and nothing is asked of the cluster."""
    make(engine, "web", "true")
    assert log(engine, "web") == log(engine, "web", tail=5) == b""


@pytest.mark.parametrize(
    ("tail", "expected"),
    [(0, b""), (1, b"4\n"), (3, b"2\n3\n4\n"), (99, b"0\n1\n2\n3\n4\n"), (None, b"0\n1\n2\n3\n4\n")],
)
@pytest.mark.parametrize("alive", [True, False])
def test_the_tail(engine: Engine, tail: int | None, expected: bytes, alive: bool) -> None:
    """The last lines, of a running and of an ended container, followed or not."""
    run(engine, "web", "sh", "-c", "echo 0; echo 1; echo 2; echo 3; echo 4; sleep 100")
    if not alive:
        engine.containers.kill("web", signal=None)
    assert log(engine, "web", tail=tail) == expected
    reading = follow(engine, "web", tail=tail)
    reading.sees(expected)
    if alive:
        engine.core.cluster.kubelet.write(pod_of(engine, "web"), "5\n")  # type: ignore[attr-defined]
        reading.sees(expected + b"5\n")
        engine.containers.kill("web", signal=None)
        assert reading.end() == expected + b"5\n"
    assert reading.end() == reading.data


def test_timestamps_since_and_until(engine: Engine, cluster: FakeCluster) -> None:
    """Lines carry their time, and times choose lines, to the nanosecond."""
    run(engine, "web", "sleep", "100")
    for number in range(4):
        cluster.kubelet.write(pod_of(engine, "web"), f"{number}\n")
        threading.Event().wait(0.002)
    lines = log(engine, "web", timestamps=True).splitlines()
    times = [found[0] for line in lines if (found := parse_stamp(line))]

    assert [line[30:] for line in lines] == [b" 0", b" 1", b" 2", b" 3"]
    assert all(line[29:30] == b"Z" for line in lines)
    assert log(engine, "web", since=times[1]) == b"1\n2\n3\n"
    assert log(engine, "web", since=times[1] + 1) == b"2\n3\n"
    assert log(engine, "web", until=times[2]) == b"0\n1\n2\n"
    assert log(engine, "web", until=times[2] - 1) == b"0\n1\n"
    assert log(engine, "web", since=times[1], until=times[1]) == b"1\n"
    assert log(engine, "web", since=times[1], tail=1) == b"3\n"
    assert log(engine, "web", since=times[3] + 3600 * BILLION) == b""
    assert log(engine, "web", since=0, until=253402300799 * BILLION).count(b"\n") == 4


def test_a_follower_ends_at_until(engine: Engine, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is there when that is past; else when the time has come, or a later line."""
    monkeypatch.setattr(following, "LATE", 0.2)
    run(engine, "web", "sh", "-c", "echo 0; sleep 100")
    assert follow(engine, "web", until=time.time_ns()).end() == b"0\n"
    assert follow(engine, "web", until=time.time_ns() + 3 * BILLION // 10).end() == b"0\n"
    monkeypatch.setattr(following, "LATE", 60.0)
    reading = follow(engine, "web", until=time.time_ns() + BILLION // 5)
    reading.sees(b"0\n")
    threading.Event().wait(0.25)
    cluster.kubelet.write(pod_of(engine, "web"), "1\n")
    assert reading.end() == b"0\n"


# --- followers -------------------------------------------------------------------------------------------------------


def test_a_follower_sees_all_runs(engine: Engine, cluster: FakeCluster) -> None:
    """From before the start to the last run of a restart policy."""
    make(engine, "web", "sh", "-c", "echo run; exit 3", restart=RestartPolicy("on-failure", 3))
    reading = follow(engine, "web")
    assert reading.flushed.wait(5)
    engine.containers.start("web")
    assert reading.end() == b"run\n" * 4
    assert log(engine, "web") == b"run\n" * 4
    assert log(engine, "web", tail=3) == b"run\n" * 3
    assert follow(engine, "web", tail=2).end() == b"run\n" * 2


def test_a_slow_follower_misses_no_run(engine: Engine) -> None:
    """Runs that have come and gone while its client did not read."""
    make(engine, "web", "sh", "-c", "echo run; exit 3", restart=RestartPolicy("on-failure", 3))
    output = engine.logs.read("web", LogQuery(stdout=True, follow=True), Cancel())
    assert next(output) == ()
    engine.containers.start("web")
    first = next(output)
    assert ended(engine, "web") == 3
    assert [first, *output] == [[(1, b"run\n")]] * 4
    output.close()


def test_a_follower_sees_the_kubelets_restarts(engine: Engine, cluster: FakeCluster) -> None:
    """Of a Deployment, to its stop."""
    cluster.kubelet.restarts_by_itself = 0
    run(engine, "web", "sh", "-c", "trap 'exit 0' TERM; echo up; sleep 100", restart=RestartPolicy("always"))
    reading = follow(engine, "web")
    reading.sees(b"up\n")
    (pod,) = cluster.kubelet.pods()
    cluster.kubelet.write(pod, "last words\n")
    cluster.kubelet.finish(pod, 1)
    reading.sees(b"up\nlast words\n")
    cluster.kubelet.restart(pod)
    reading.sees(b"up\nlast words\nup\n")
    eventually(lambda: log(engine, "web") == reading.data)
    engine.containers.stop("web", signal=None, timeout=5)
    assert reading.end() == b"up\nlast words\nup\n"
    eventually(lambda: log(engine, "web") == reading.data)


def test_many_followers_and_one_stream(engine: Engine, cluster: Counting) -> None:
    """Early ones and late ones; none is left when they have gone."""
    run(engine, "web", "sh", "-c", "echo 0; sleep 100")
    pod = pod_of(engine, "web")
    readers = [follow(engine, "web", tail=tail) for tail in (None, None, 1, None)]
    for reader in readers:
        reader.sees(b"0\n")
    for number in range(1, 50):
        cluster.kubelet.write(pod, f"{number}\n")
        if number % 10 == 0:
            readers.append(follow(engine, "web"))
    whole = b"".join(b"%d\n" % number for number in range(50))
    for reader in readers:
        reader.sees(whole)
    assert cluster.follows == [pod]
    assert [reader.leave() for reader in readers] == [whole] * 8
    eventually(lambda: not cluster.open_follows)
    again = follow(engine, "web", tail=1)
    again.sees(b"49\n")
    eventually(lambda: cluster.follows == [pod, pod])
    again.leave()


def test_a_follower_from_a_time_and_one_from_the_start(engine: Engine, cluster: Counting) -> None:
    """The feed begins late for the first; the second reads the rest by itself, and joins."""
    run(engine, "web", "sh", "-c", "echo 0; sleep 100")
    pod = pod_of(engine, "web")
    first = follow(engine, "web", since=time.time_ns() + 3600 * BILLION)
    eventually(lambda: cluster.follows)
    second = follow(engine, "web")
    second.sees(b"0\n")
    cluster.kubelet.write(pod, "1\n")
    second.sees(b"0\n1\n")
    assert cluster.follows == [pod]
    assert (first.leave(), second.leave()) == (b"", b"0\n1\n")


def test_a_break_loses_and_repeats_nothing(engine: Engine, cluster: Counting) -> None:
    """Streams that are cut, and an outage."""
    run(engine, "web", "sleep", "100")
    pod = pod_of(engine, "web")
    readers = [follow(engine, "web"), follow(engine, "web", since=time.time_ns() - 3600 * BILLION)]
    for number in range(100):
        cluster.kubelet.write(pod, f"{number}\n")
        if number % 20 == 7:
            cluster.break_streams()
        if number == 50:
            cluster.outage(CUT)
            cluster.break_streams()
        if number == 80:
            late = follow(engine, "web", tail=3)
            cluster.outage(None)
            readers.append(follow(engine, "web"))
    whole = b"".join(b"%d\n" % number for number in range(100))
    for reader in readers:
        reader.sees(whole)
    eventually(lambda: late.data.endswith(b"99\n"))
    assert whole.endswith(late.leave())
    assert [reader.leave() for reader in readers] == [whole] * 3


def test_a_short_outage_delays_a_log_and_a_long_one_is_told(
    engine: Engine, cluster: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without follow nobody waits for ever."""
    run(engine, "web", "sh", "-c", "echo 0; sleep 100")
    cluster.outage(CUT)
    reading = in_thread(lambda: log(engine, "web", tail=1))
    threading.Event().wait(0.15)
    cluster.outage(None)
    assert reading() == b"0\n"
    monkeypatch.setattr("kubedock.engine.segments.PATIENCE", 0.1)
    cluster.outage(CUT)
    with pytest.raises(Unavailable):
        log(engine, "web")
    cluster.outage(None)


def test_a_missing_right_is_told(engine: Engine, cluster: Counting) -> None:
    """Also to a follower, who would wait for ever."""
    run(engine, "web", "sh", "-c", "echo 0; sleep 100")
    cluster.deny("get", "pods/log")
    for reading in (follow(engine, "web"), follow(engine, "web", tail=1)):
        with pytest.raises(KubedockError, match="cannot get resource"):
            reading.end()


def test_a_log_that_is_not_ready_is_waited_for(engine: Engine, cluster: Counting) -> None:
    """The start was told by the event; the status, and with it the log, comes later."""
    cluster.kubelet.hold()
    make(engine, "web", "sh", "-c", "echo 0; sleep 100")
    starting = in_thread(lambda: engine.containers.start("web"))
    eventually(cluster.kubelet.pods)
    cluster.kubelet.start(pod_of(engine, "web"))
    starting()
    readers = [in_thread(lambda: log(engine, "web")), in_thread(lambda: log(engine, "web", tail=1))]
    follower = follow(engine, "web")
    assert follower.flushed.wait(5)
    assert cluster.asked == []
    cluster.kubelet.sync(pod_of(engine, "web"))
    assert [reader() for reader in readers] == [b"0\n", b"0\n"]
    follower.sees(b"0\n")
    follower.leave()


@pytest.mark.parametrize("policy", ["no", "always"])
def test_a_kill_right_after_the_start_keeps_the_log(engine: Engine, cluster: Counting, policy: RestartName) -> None:
    """The status, without which there is no log, comes up to a second after the process ran: the pod stays until then."""
    cluster.kubelet.hold()
    make(engine, "web", "sh", "-c", "echo 0; sleep 100", restart=RestartPolicy(policy))
    starting = in_thread(lambda: engine.containers.start("web"))
    eventually(cluster.kubelet.pods)
    pod = cluster.kubelet.pods()[0]
    cluster.kubelet.start(pod)
    starting()
    killing = in_thread(lambda: engine.containers.kill("web", signal=None))
    eventually(lambda: engine.core.containers.find("web").stopped)
    assert cluster.asked == []

    cluster.kubelet.sync(pod)
    killing()

    eventually(lambda: log(engine, "web") == b"0\n")


def test_a_kill_that_fails_takes_no_log_away(engine: Engine, cluster: Counting) -> None:
    """In an outage nothing can be saved, and nothing ended: the log goes on, also for those who follow it."""
    run(engine, "web", "sh", "-c", "echo 0; sleep 100")
    reader = follow(engine, "web")
    reader.sees(b"0\n")
    cluster.outage(CUT)
    with pytest.raises(Unavailable):
        engine.containers.kill("web", signal=None)
    with pytest.raises(Unavailable):
        engine.containers.remove("web", force=True, volumes=False)
    cluster.break_streams()
    cluster.outage(None)
    assert engine.containers.inspect("web").status.state == "running"
    cluster.kubelet.write(pod_of(engine, "web"), "1\n")
    reader.sees(b"0\n1\n")
    assert log(engine, "web") == b"0\n1\n"
    engine.containers.kill("web", signal=None)
    assert reader.end() == log(engine, "web") == b"0\n1\n"


def test_a_removed_container_ends_its_followers(engine: Engine) -> None:
    """With all that it had written."""
    run(engine, "web", "sh", "-c", "echo 0; sleep 100")
    readers = [follow(engine, "web"), attach(engine, "web", logs=True)]
    for reader in readers:
        reader.sees(b"0\n")
    engine.containers.remove("web", force=True, volumes=False)
    assert [reader.end() for reader in readers] == [b"0\n"] * 2


def test_a_removed_container_ends_followers_that_wait_for_its_start(engine: Engine) -> None:
    """Of logs, and attached ones."""
    make(engine, "web", "true")
    readers = [follow(engine, "web"), attach(engine, "web"), attach(engine, "web", stdout=False)]
    for reader in readers:
        assert reader.flushed.wait(5)
    engine.containers.remove("web", force=False, volumes=False)
    assert [reader.end() for reader in readers] == [b""] * 3


@pytest.mark.parametrize("open_it", [follow, attach])
@pytest.mark.parametrize("started", [False, True])
def test_a_client_that_leaves_ends_its_stream(engine: Engine, open_it: Callable[..., Reading], started: bool) -> None:
    """Whatever it waits for."""
    make(engine, "web", "sleep", "100")
    if started:
        engine.containers.start("web")
    reader = open_it(engine, "web")
    assert reader.flushed.wait(5)
    assert reader.leave() == b""


# --- attach ----------------------------------------------------------------------------------------------------------


def test_attach_before_the_start_gets_all_of_it(engine: Engine, cluster: Counting) -> None:
    """From the first line to the end, a hundred times, by one stream at most."""
    for number in range(100):
        make(engine, f"c{number}", "sh", "-c", "echo hi; exit 3")
        reader = attach(engine, f"c{number}")
        engine.containers.start(f"c{number}")
        assert reader.end() == b"hi\n"
        assert ended(engine, f"c{number}") == 3
    assert len(cluster.asked) <= 200


def test_a_failed_start_ends_an_attach(engine: Engine) -> None:
    """Without output; with and without --rm."""
    for name, remove in (("web", False), ("job", True)):
        make(engine, name, "nosuch", auto_remove=remove)
        reader = attach(engine, name)
        with pytest.raises(KubedockError, match="executable file not found"):
            engine.containers.start(name)
        assert reader.end() == b""


def test_attach_to_an_automatically_removed_container_gets_all_of_it(engine: Engine) -> None:
    """The removal waits for its readers."""
    for number in range(20):
        make(engine, f"c{number}", "sh", "-c", "echo hi; echo ho", auto_remove=True)
        reader = attach(engine, f"c{number}")
        engine.containers.start(f"c{number}")
        assert reader.end() == b"hi\nho\n"
    eventually(lambda: engine.core.containers.list() == [])


def test_attach_while_it_runs_has_both_streams(engine: Engine, cluster: Counting) -> None:
    """What comes from now on, apart; the connection ends with it, or with its reader."""
    run(engine, "web", "sh", "-c", "echo before; sleep 100")
    output = engine.logs.attach("web", AttachQuery(stdout=True, stderr=True, stream=True), Cancel())
    assert next(output) == ()
    cluster.kubelet.write(pod_of(engine, "web"), "out\n")
    assert next(output) == [(1, b"out\n")]
    cluster.kubelet.write(pod_of(engine, "web"), "err\n", stream=2)
    assert next(output) == [(2, b"err\n")]
    engine.containers.kill("web", signal=None)
    assert list(output) == []
    output.close()
    assert cluster._channels[-1].fileno() == -1


def test_an_attach_that_is_never_read_is_closed(engine: Engine, cluster: Counting) -> None:
    """Its client has left before the first byte."""
    run(engine, "web", "sleep", "100")
    engine.logs.attach("web", AttachQuery(stdout=True, stream=True), Cancel()).close()
    assert cluster._channels[-1].fileno() == -1


@pytest.mark.parametrize(("stream", "expected"), [(True, b"0\n1\n"), (False, b"0\n")])
def test_attach_with_history(engine: Engine, cluster: Counting, stream: bool, expected: bytes) -> None:
    """What was written before first; without ``stream`` that is all."""
    run(engine, "web", "sh", "-c", "echo 0; sleep 100")
    reader = attach(engine, "web", logs=True, stream=stream)
    reader.sees(b"0\n")
    cluster.kubelet.write(pod_of(engine, "web"), "1\n")
    reader.sees(expected)
    engine.containers.kill("web", signal=None)
    assert reader.end() == expected
    assert attach(engine, "web", stream=False).end() == b""


@pytest.mark.parametrize(
    ("spec", "query", "sentence"),
    [
        (ContainerSpec("alpine", open_stdin=True), AttachQuery(stdin=True, stdout=True, stream=True), "stdin"),
        (ContainerSpec("alpine", tty=True), AttachQuery(stdout=True, stream=True), "terminal"),
    ],
)
def test_what_attach_cannot_do_yet(engine: Engine, spec: ContainerSpec, query: AttachQuery, sentence: str) -> None:
    """A sentence that says what to do instead."""
    engine.containers.create(spec, name="web", endpoints={})
    with pytest.raises(NotImplemented, match=sentence):
        engine.logs.attach("web", query, Cancel())


def test_attach_between_two_runs_is_a_conflict(engine: Engine, cluster: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Docker."""
    run(engine, "web", "sleep", "100", restart=RestartPolicy("on-failure", 9))
    monkeypatch.setattr(lifecycle, "FIRST_BACKOFF", 60.0)
    cluster.kubelet.finish(pod_of(engine, "web"), 1)
    eventually(lambda: engine.core.containers.find("web").restarting)
    with refused(Conflict, "container web is restarting, wait until the container is running"):
        attach(engine, "web")


def test_attach_while_the_kubelet_brings_a_container_back_is_a_conflict(engine: Engine, cluster: Counting) -> None:
    """The record does not know: what is observed tells."""
    cluster.kubelet.restarts_by_itself = 0
    run(engine, "web", "sleep", "100", restart=RestartPolicy("always"))
    cluster.kubelet.finish(cluster.kubelet.pods()[0], 3)
    eventually(lambda: engine.containers.inspect("web").status.state == "restarting")
    with refused(Conflict, "container web is restarting, wait until the container is running"):
        attach(engine, "web")
