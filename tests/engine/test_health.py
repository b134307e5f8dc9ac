"""Health checks behind the API: what becomes of a container's health, and of the commands."""

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from kubedock.background.health import End
from kubedock.cluster.fake import WITHOUT_TOOLS, FakeCluster
from kubedock.cluster.fake_program import PROCESS
from kubedock.cluster.fake_streams import FakeChannels
from kubedock.domain.container import ContainerSpec, RestartPolicy
from kubedock.domain.exec import ExecSpec
from kubedock.domain.health import KEPT, Health, Healthcheck, killing, traced
from kubedock.engine import Engine
from kubedock.engine.health import SLOW, HealthChecks, RunCheck, Verdict, judge, judge_late
from kubedock.errors import Forbidden, NotFound, NotRunning, System, Unavailable
from tests.support.running import QUICK as LIMITS
from tests.support.running import engine_with_alpine, history, make, run
from tests.support.waiting import eventually

CHECK = "check"
QUICK = Healthcheck((CHECK,), interval=0.01, timeout=20.0, retries=2)
RARE = Healthcheck((CHECK,), interval=3600.0)
SLEEP = ("sleep", "1000")
FINE, BAD = ("sh", "-c", "echo fine"), ("sh", "-c", "echo bad >&2; exit 3")


class Patient(FakeCluster):
    """Its containers' program ``check`` is what the test says; ``asked`` are the commands that were run.

    ``silent`` are those of whose process nothing comes: all ``checks``, or what ``kills`` them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.check: Sequence[str] = FINE
        self.silent = ""
        self.asked: list[list[str]] = []

    def exec(self, pod: str, argv: Sequence[str], **options: Any) -> Any:
        """Run it."""
        self.asked.append(list(argv))
        if self.silent and (CHECK in argv) is (self.silent == "checks"):
            return self._opened(FakeChannels())
        words = [word for given in argv for word in (self.check if given == CHECK else (given,))]
        return super().exec(pod, words, **options)


@pytest.fixture
def cluster() -> Patient:
    """Its containers are well."""
    return Patient()


@pytest.fixture
def engine(cluster: Patient) -> Iterator[Engine]:
    """Running; no thread is left behind."""
    with engine_with_alpine(cluster) as engine:
        yield engine


def health(engine: Engine, ref: str = "web") -> Health | None:
    """As it is shown."""
    return engine.containers.inspect(ref).health


def becomes(engine: Engine, status: str, ref: str = "web") -> Health:
    """Wait for it."""

    def found() -> Health | None:
        now = health(engine, ref)
        return now if now is not None and now.status == status else None

    return eventually(found, what=status) or Health()


def told(engine: Engine) -> list[str]:
    """The events, but those of the checks' execs."""
    return [action for action in history(engine) if not action.startswith("exec")]


# --- what is seen --------------------------------------------------------------------------------------------------


def test_a_container_without_a_check_has_no_health(engine: Engine, cluster: Patient) -> None:
    """And nothing is run in it."""
    run(engine, "web", *SLEEP)
    assert (health(engine), cluster.asked, engine.core.prober.count) == (None, [], 0)


def test_health_follows_the_results(engine: Engine, cluster: Patient) -> None:
    """Each change is told once; the last five results are kept, oldest first."""
    run(engine, "web", *SLEEP, healthcheck=QUICK)
    fine = becomes(engine, "healthy")
    cluster.check = BAD
    bad = becomes(engine, "unhealthy")
    eventually(lambda: getattr(health(engine), "failing_streak", 0) > KEPT)
    cluster.check = FINE
    becomes(engine, "healthy")

    assert (fine.results[-1].exit_code, fine.results[-1].output, fine.failing_streak) == (0, "fine\n", 0)
    assert [(each.exit_code, each.output) for each in bad.results[-2:]] == [(3, "bad\n")] * 2
    assert all(each.began_at <= each.ended_at for each in bad.results)
    assert told(engine)[2:] == ["health_status: healthy", "health_status: unhealthy", "health_status: healthy"]
    assert len(getattr(health(engine), "results", ())) == KEPT


def test_it_is_starting_from_the_start_on(engine: Engine, cluster: Patient) -> None:
    """Before the first check; one that was only created has no health."""
    container = make(engine, "web", *SLEEP, healthcheck=RARE)
    assert health(engine) is None
    engine.containers.start(container)
    assert (health(engine), cluster.asked) == (Health(), [])


def test_the_start_period(engine: Engine, cluster: Patient) -> None:
    """Checks are frequent and failures do not count; then they do."""
    cluster.check = BAD
    check = Healthcheck((CHECK,), interval=0.01, start_period=0.3, start_interval=0.01, retries=1)
    run(engine, "web", *SLEEP, healthcheck=check)
    first = eventually(lambda: (now := health(engine)) and now.results and now)
    assert isinstance(first, Health)
    assert (first.status, first.failing_streak) == ("starting", 0)
    assert becomes(engine, "unhealthy").failing_streak > 0


def test_at_the_end_of_a_run(engine: Engine, cluster: Patient) -> None:
    """What has exited keeps its results and is unhealthy, as with Docker; a start begins anew; a removal forgets."""
    container = run(engine, "web", *SLEEP, healthcheck=QUICK)
    results = becomes(engine, "healthy").results
    engine.containers.stop("web", signal=None, timeout=5)
    ended = health(engine)
    assert isinstance(ended, Health)
    assert (ended.status, len(ended.results) >= len(results)) == ("unhealthy", True)
    eventually(lambda: engine.core.prober.count == 0)
    assert told(engine)[-3:] == ["kill 15", "die 143", "stop"]

    cluster.check = ("sleep", "1")
    engine.containers.start("web")
    assert health(engine) == Health(results=ended.results)
    engine.containers.remove("web", force=True, volumes=False)
    assert engine.core.sessions.healths._found == {}
    eventually(lambda: engine.core.prober.count == 0)
    executed = [action.split(":")[0] for action in history(engine) if action.startswith("exec")]
    assert executed.count("exec_create") == executed.count("exec_start") == sum(e.startswith("exec_die") for e in executed)
    assert container not in engine.core.sessions.execs._of


def test_after_a_restart_by_policy(engine: Engine, cluster: Patient) -> None:
    """On-failure: another run, another beginning."""
    run(engine, "web", *SLEEP, healthcheck=QUICK, restart=RestartPolicy("on-failure"))
    becomes(engine, "healthy")
    cluster.check = ("sleep", "1")
    cluster.kubelet.finish(cluster.kubelet.pods()[0], 3)
    eventually(lambda: told(engine).count("start") == 2)
    assert becomes(engine, "starting").failing_streak == 0
    cluster.check = FINE


def test_after_the_kubelets_restart(engine: Engine, cluster: Patient) -> None:
    """A Deployment's container: unhealthy while it is down, starting when it is back, and checked again."""
    cluster.kubelet.restarts_by_itself = 0
    run(engine, "web", *SLEEP, healthcheck=QUICK, restart=RestartPolicy("always"))
    becomes(engine, "healthy")
    pod = cluster.kubelet.pods()[0]
    cluster.kubelet.finish(pod, 3)
    eventually(lambda: engine.containers.inspect("web").status.state == "restarting")
    becomes(engine, "unhealthy")
    eventually(lambda: engine.core.prober.count == 0)

    cluster.check = ("sleep", "1")
    cluster.kubelet.restart(pod)
    assert becomes(engine, "starting").failing_streak == 0
    cluster.check = FINE
    assert told(engine)[2:] == ["health_status: healthy", "die 3", "start"]


# --- what a check finds --------------------------------------------------------------------------------------------

NO_RIGHT = Forbidden('pods "web" is forbidden: User "x" cannot create resource "pods/exec"')
NOT_THERE = 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found'


@pytest.mark.parametrize(
    ("check", "exit_code", "output"),
    [
        (FINE, 0, "fine\n"),
        (("sh", "-c", "exit 2"), 2, ""),
        (("sh", "-c", "exit 127"), 127, ""),
        (("sh", "-c", "echo a; echo b >&2; exit 1"), 1, "a\nb\n"),
        (("nosuch",), -1, NOT_THERE + " in $PATH: unknown"),
    ],
)
def test_a_result(engine: Engine, cluster: Patient, check: Sequence[str], exit_code: int, output: str) -> None:
    """Its code and its output; a command that cannot be begun is the runtime's text, with -1."""
    cluster.check = check
    run(engine, "web", *SLEEP, healthcheck=QUICK)
    found = eventually(lambda: (now := health(engine)) and now.results)
    assert isinstance(found, tuple)
    assert (found[0].exit_code, found[0].output) == (exit_code, output)


def test_an_image_without_a_shell(engine: Engine, cluster: Patient) -> None:
    """The check is run as it is."""
    for _ in engine.images.pull(WITHOUT_TOOLS, "latest"):
        pass
    spec = ContainerSpec(WITHOUT_TOOLS, command=SLEEP, healthcheck=QUICK)
    engine.containers.start(engine.containers.create(spec, name="bare", endpoints={}).id)
    eventually(lambda: len(cluster.asked) > 2)
    assert cluster.asked[:3] == [traced((CHECK,)), [CHECK], [CHECK]]


def test_a_check_that_takes_too_long(engine: Engine, cluster: Patient) -> None:
    """Is a failure; its process is ended before the next one begins."""
    cluster.check = ("sleep", "1")
    run(engine, "web", *SLEEP, healthcheck=Healthcheck((CHECK,), interval=0.01, timeout=0.01, retries=1))
    found = becomes(engine, "unhealthy").results[0]
    eventually(lambda: len(cluster.asked) > 2)
    assert (found.exit_code, found.output) == (-1, "Health check exceeded timeout (10ms)")
    assert cluster.asked[:3] == [traced((CHECK,)), killing(PROCESS), traced((CHECK,))]
    assert "exec_die 137" in history(engine)


def test_a_missing_right_is_a_failure_with_the_clusters_text(
    engine: Engine, cluster: Patient, caplog: pytest.LogCaptureFixture
) -> None:
    """As any check that cannot be run, with Docker; it is logged once."""
    cluster.refuse("Pod", "exec", NO_RIGHT)
    with caplog.at_level(logging.WARNING, "kubedock.engine.health"):
        run(engine, "web", *SLEEP, healthcheck=QUICK)
        found = becomes(engine, "unhealthy")
    assert {(each.exit_code, each.output) for each in found.results} == {(-1, str(NO_RIGHT))}
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith(f"its health check could not be run, that counts as a failure: {NO_RIGHT}")


@pytest.mark.parametrize("breaks", [False, True])
def test_an_outage_says_nothing_of_the_container(
    engine: Engine, cluster: Patient, caplog: pytest.LogCaptureFixture, breaks: bool
) -> None:
    """Its health stays; the log says so, once an outage. When the cluster is back, checks go on."""
    run(engine, "web", *SLEEP, healthcheck=QUICK)
    before = becomes(engine, "healthy")
    with caplog.at_level(logging.WARNING, "kubedock.engine.health"):
        if breaks:
            cluster.check = ("sleep", "1")
            asked = len(cluster.asked)
            eventually(lambda: len(cluster.asked) > asked)
            eventually(lambda: cluster.break_streams() or caplog.records)
        else:
            cluster.refuse("Pod", "exec", Unavailable("the cluster cannot be reached"))
            eventually(lambda: caplog.records)
        now = health(engine)
        assert isinstance(now, Health)
        assert (now.status, now.failing_streak) == ("healthy", 0)
        cluster.refuse("Pod", "exec", None)
        cluster.check = FINE
        eventually(
            lambda: cluster.break_streams() or getattr(health(engine), "results", ())[-1].began_at > before.results[-1].ended_at
        )
    assert len(caplog.records) == 1
    assert "its health stays as it was" in caplog.records[0].getMessage()


@pytest.mark.parametrize("silent", ["checks", "kills"])
def test_a_cluster_that_hangs_says_nothing_of_the_container(
    cluster: Patient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    """Neither where a check's process does not begin in time, nor where one cannot be ended that is late."""
    monkeypatch.setattr("kubedock.engine.health.BEGIN_SECONDS", 0.01)
    with engine_with_alpine(cluster, limits=replace(LIMITS, signal=0.01)) as engine:
        run(engine, "web", *SLEEP, healthcheck=replace(QUICK, timeout=0.05))
        becomes(engine, "healthy")
        cluster.check, cluster.silent = ("sleep", "1"), silent
        eventually(lambda: caplog.records)
        now = health(engine)
        assert isinstance(now, Health)
        assert (now.status, now.failing_streak) == ("healthy", 0)
        assert caplog.records[0].getMessage().endswith("its health stays as it was: the cluster took too long")
        cluster.check, cluster.silent = BAD, ""
        becomes(engine, "unhealthy")


LATE, BROKEN = End(late=True), End()


def status(text: str) -> End:
    """A failure of the cluster's."""
    return End(b'{"status": "Failure", "message": "%s"}' % text.encode())


@pytest.mark.parametrize(
    ("end", "output", "verdict"),
    [
        (End(b'{"status": "Success"}'), "fine", Verdict(0, 0, "fine")),
        (LATE, "", Verdict(137, -1, "Health check exceeded timeout (1.5s)")),
        (LATE, "so far", Verdict(137, -1, "Health check exceeded timeout (1.5s): so far")),
        (BROKEN, "x", Verdict(255, None, "the connection broke")),
        (End(error=Unavailable("no route")), "", Verdict(126, None, "no route")),
        (End(error=NO_RIGHT), "", Verdict(126, -1, str(NO_RIGHT))),
        (End(error=System("a bug")), "", Verdict(126, -1, "a bug")),
        (End(error=NotFound("pods x not found")), "", Verdict(137, None)),
        (End(error=NotRunning("x")), "", Verdict(137, None)),
        (status("container not found (main)"), "", Verdict(137, None)),
        (
            status("error: OCI runtime exec failed: exec: nosuch: executable file not found"),
            "",
            Verdict(127, -1, "OCI runtime exec failed: exec: nosuch: executable file not found"),
        ),
        (End(b"what?"), "", Verdict(126, -1, "what?")),
    ],
)
def test_verdicts(end: End, output: str, verdict: Verdict) -> None:
    """What does not say anything of the container is no result."""
    assert judge(end, 1.5, output) == verdict


@pytest.mark.parametrize(
    ("kill", "verdict"),
    [
        (End(b'{"status": "Success"}'), Verdict(137, -1, "Health check exceeded timeout (1s): so far")),
        (status("no such process"), Verdict(137, -1, "Health check exceeded timeout (1s): so far")),
        (LATE, Verdict(255, None, SLOW)),
        (BROKEN, Verdict(255, None, "the connection broke")),
        (End(error=Unavailable("no route")), Verdict(126, None, "no route")),
        (status("container not found (main)"), Verdict(137, None)),
    ],
)
def test_verdicts_of_what_is_late(kill: End, verdict: Verdict) -> None:
    """By what came of killing it."""
    assert judge_late(kill, 1.0, "so far") == verdict


def test_a_container_that_has_just_ended(engine: Engine, cluster: Patient, caplog: pytest.LogCaptureFixture) -> None:
    """A check that meets its end is no failure, and nothing to log."""
    run(engine, "web", *SLEEP, healthcheck=QUICK)
    becomes(engine, "healthy")
    cluster.refuse("Pod", "exec", NotFound('pods "web" not found'))
    asked = len(cluster.asked)
    eventually(lambda: len(cluster.asked) > asked + 2)
    now = health(engine)
    assert isinstance(now, Health)
    assert (now.status, now.failing_streak, caplog.records) == ("healthy", 0, [])


def test_a_check_that_was_due_when_its_run_ended(engine: Engine, cluster: Patient) -> None:
    """Is not begun any more, and its end is nobody's."""
    container = run(engine, "web", *SLEEP, healthcheck=RARE)
    record = engine.core.containers.find(container)
    left, gone = (RunCheck(owner_of(engine), record, QUICK) for _ in range(2))
    left.leave()
    with pytest.raises(NotRunning):
        left.begin()
    assert left.end(End(b'{"status": "Success"}')) is None
    engine.core.watcher.forget(record.short_id)
    with pytest.raises(NotRunning):
        gone.begin()
    assert (health(engine), cluster.asked) == (Health(), [])


def owner_of(engine: Engine) -> HealthChecks:
    """Who follows the runs of an engine's containers for their checks."""
    lifecycle: Any = engine.execs._lifecycle
    (found,) = [each for each in lifecycle.followers if isinstance(each, HealthChecks)]
    return found


# --- its execs -----------------------------------------------------------------------------------------------------


def test_a_check_is_an_exec_while_it_runs(engine: Engine, cluster: Patient) -> None:
    """Told of as any, without what makes it end in time; then forgotten, so that the user's own are not."""
    cluster.check = ("sleep", "1")
    container = run(engine, "web", *SLEEP, healthcheck=QUICK)
    mine = engine.execs.create(container, ExecSpec(("true",)))
    (check,) = eventually(lambda: [each for each in engine.containers.inspect("web").execs if each != mine])
    assert engine.execs.inspect(check).running
    assert f"exec_create: {CHECK} " in history(engine)
    cluster.check = FINE
    cluster._channels[-1].finish(b'{"status": "Success"}')
    becomes(engine, "healthy")
    assert "exec_die 0" in history(engine)
    assert engine.core.sessions.execs._of[container][0] == mine
    assert check not in engine.core.sessions.execs._execs


# --- many ----------------------------------------------------------------------------------------------------------


def test_many_containers_need_one_thread(engine: Engine, cluster: Patient, caplog: pytest.LogCaptureFixture) -> None:
    """Fifty, checked again and again: one thread waits for all. What ends a run ends its checks."""
    names = [f"web-{number}" for number in range(50)]
    for name in names:
        run(engine, name, *SLEEP, healthcheck=Healthcheck((CHECK,), interval=0.05))
    for name in names:
        eventually(lambda name=name: len(getattr(health(engine, name), "results", ())) == KEPT, what=name)  # type: ignore[misc]
    threads = [thread.name for thread in threading.enumerate()]
    assert threads.count("health-checks") == 1
    assert len([name for name in threads if not name.startswith("task-")]) < 15
    assert engine.core.prober.count == 50
    cluster.refuse("Pod", "exec", Unavailable("away"))
    eventually(lambda: len(caplog.records) >= 50)
    asked = len(cluster.asked)
    eventually(lambda: len(cluster.asked) > asked + 200)
    assert len(caplog.records) == 50
    for name in names:
        engine.containers.kill(name, signal=None)
    eventually(lambda: engine.core.prober.count == 0)
    assert {getattr(health(engine, name), "status", "") for name in names} == {"unhealthy"}
