"""Execs behind the API: what becomes of one when its client, its container or its connection goes."""

import pytest

from kubedock.cluster import statuses
from kubedock.cluster.fake import FakeCluster
from kubedock.cluster.fake_streams import FakeChannels
from kubedock.domain.container import RestartPolicy
from kubedock.domain.exec import ExecSpec, ExecStart, wrapped
from kubedock.engine import Engine
from kubedock.errors import Conflict, InvalidParameter, KubedockError, NoSuchExec, NotImplemented, NotRunning, System
from kubedock.state.execs import KEPT
from kubedock.streams.cancel import Cancel
from tests.support.running import history, refused, run
from tests.support.waiting import eventually

SLEEP = ExecSpec(("sleep", "100"), stdout=True, stderr=True)


def test_a_client_that_leaves_does_not_end_the_command(engine: Engine, cluster: FakeCluster) -> None:
    """Its output is drained; its end is noted all the same."""
    container = run(engine, "web", "sleep", "100")
    made = engine.execs.create(container, SLEEP)
    running = engine.execs.start(made, ExecStart())
    assert running is not None
    output = running.batches(Cancel())
    assert list(next(output)) == []
    output.close()
    running.close()

    assert engine.core.drain.count == 1
    assert engine.execs.inspect(made).running
    assert engine.containers.inspect(container).execs == (made,)
    with pytest.raises(Conflict, match="already running"):
        engine.execs.start(made, ExecStart())
    cluster._channels[-1].finish(b'{"status": "Success"}')
    eventually(lambda: engine.execs.inspect(made).exit_code == 0)
    assert history(engine)[-1] == "exec_die 0"


def test_a_detached_command_that_says_nothing_is_drained(
    engine: Engine, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on by itself; that it had not begun may be known too late for an answer, and stands in the log."""
    made = engine.execs.create(run(engine, "web", "sleep", "100"), SLEEP)
    assert engine.execs.start(made, ExecStart(detach=True)) is None

    assert (engine.core.drain.count, engine.execs.inspect(made).running) == (1, True)
    cluster._channels[-1].finish(statuses.cannot_exec('exec: "late": permission denied: unknown'))
    eventually(lambda: engine.execs.inspect(made).exit_code == 126)
    assert f'exec {made[:12]}: OCI runtime exec failed: exec failed: unable to start container process: exec: "late"' in caplog.text


def opened(said: bytes, status: bytes | None) -> FakeChannels:
    """An exec of which this has come already; a status of None is a connection that broke."""
    channels = FakeChannels()
    if said:
        channels.put(2, said)
    if status is None:
        channels.snap()
    else:
        channels.finish(status)
    return channels


NO_DIRECTORY = (
    'OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd ("/x") set in config.json failed:'
    " no such file or directory: unknown"
)
NOT_APP = "kubedock: exec as app is not possible: Kubernetes runs an exec as the container's own user, 0:0"


@pytest.mark.parametrize(
    ("spec", "said", "status", "error", "code"),
    [
        (ExecSpec(("a",), working_dir="/x"), NO_DIRECTORY, statuses.exited(127), InvalidParameter, 127),
        (ExecSpec(("a",), user="app"), NOT_APP, statuses.exited(126), NotImplemented, 126),
        (ExecSpec(("a",)), NOT_APP, statuses.exited(126), None, 126),
        (ExecSpec(("a",)), "out", statuses.exited(0), None, 0),
        (ExecSpec(("a",)), "out", None, None, 255),
    ],
)
def test_what_a_detached_start_tells(
    engine: Engine,
    cluster: FakeCluster,
    monkeypatch: pytest.MonkeyPatch,
    *,
    spec: ExecSpec,
    said: str,
    status: bytes | None,
    error: type[KubedockError] | None,
    code: int,
) -> None:
    """Why the command did not begin; how one ends that did is the exec's matter."""
    made = engine.execs.create(run(engine, "web", "sleep", "100"), spec)
    channels = opened(f"{said}\n".encode(), status)
    monkeypatch.setattr(cluster, "exec", lambda *_, **__: channels)
    if error is None:
        assert engine.execs.start(made, ExecStart(detach=True)) is None
    else:
        with refused(error, said):
            engine.execs.start(made, ExecStart(detach=True))
    eventually(lambda: engine.execs.inspect(made).exit_code == code)
    assert channels.fileno() == -1


@pytest.mark.parametrize(
    ("status", "error", "code", "sentence"),
    [
        (statuses.no_container("main"), NotRunning, 137, "container {} is not running"),
        (statuses.internal_error("odd"), System, 126, "Internal error occurred: odd"),
    ],
)
def test_what_the_cluster_says_after_the_handshake(
    engine: Engine,
    cluster: FakeCluster,
    monkeypatch: pytest.MonkeyPatch,
    *,
    status: bytes,
    error: type[KubedockError],
    code: int,
    sentence: str,
) -> None:
    """Of a container that has just gone, and anything else."""
    container = run(engine, "web", "sleep", "100")
    made = engine.execs.create(container, SLEEP)
    monkeypatch.setattr(cluster, "exec", lambda *_, **__: opened(b"", status))
    with refused(error, sentence.format(container)):
        engine.execs.start(made, ExecStart(detach=True))
    assert engine.execs.inspect(made).exit_code == code


def test_a_client_that_was_never_attached(engine: Engine) -> None:
    """The command runs all the same."""
    made = engine.execs.create(run(engine, "web", "sleep", "100"), ExecSpec(("sh", "-c", "exit 4")))
    running = engine.execs.start(made, ExecStart())
    assert running is not None
    running.close()
    eventually(lambda: engine.execs.inspect(made).exit_code == 4)


@pytest.mark.parametrize(("killed", "code"), [(True, 137), (False, 255)])
def test_a_connection_that_breaks(engine: Engine, cluster: FakeCluster, killed: bool, code: int) -> None:
    """With the container it is a kill; alone, what happened is not known."""
    container = run(engine, "web", "sleep", "100")
    made = engine.execs.create(container, SLEEP)
    running = engine.execs.start(made, ExecStart())
    assert running is not None
    output = running.batches(Cancel())
    next(output)
    if killed:
        engine.containers.kill(container, signal=None)
    cluster._channels[-1].snap()
    said = b"".join(data for batch in output for _, data in batch)

    assert engine.execs.inspect(made).exit_code == code
    assert (b"its exit code is not known" in said) is (not killed)
    running.close()


def test_a_container_that_is_restarting_takes_none(engine: Engine, cluster: FakeCluster) -> None:
    """Also where the kubelet brings it back: neither a new one, nor one that was made before."""
    cluster.kubelet.restarts_by_itself = 0
    container = run(engine, "web", "sleep", "100", restart=RestartPolicy("always"))
    made = engine.execs.create(container, SLEEP)
    cluster.kubelet.finish(cluster.kubelet.pods()[0], 3)
    eventually(lambda: engine.containers.inspect("web").status.state == "restarting")
    sentence = f"Container {container} is restarting, wait until the container is running"

    with refused(Conflict, sentence):
        engine.execs.create("web", SLEEP)
    with refused(Conflict, sentence):
        engine.execs.start(made, ExecStart())
    assert not engine.execs.inspect(made).started


def test_an_exec_whose_container_is_being_forgotten(engine: Engine) -> None:
    """It is the exec that is not there, by its own id."""
    container = run(engine, "web", "sleep", "100")
    made = engine.execs.create(container, SLEEP)
    engine.core.containers.remove(container)
    with refused(NoSuchExec, f"No such exec instance: {made}"):
        engine.execs.start(made, ExecStart())


def test_those_that_do_not_run_are_bounded(engine: Engine) -> None:
    """The oldest go first; all go with their container."""
    container = run(engine, "web", "sleep", "100")
    ids = [engine.execs.create(container, SLEEP) for _ in range(KEPT + 2)]
    with pytest.raises(NoSuchExec):
        engine.execs.inspect(ids[1])
    assert not engine.execs.inspect(ids[2]).started
    engine.containers.remove(container, force=True, volumes=False)
    with pytest.raises(NoSuchExec):
        engine.execs.inspect(ids[-1])


@pytest.mark.parametrize(
    ("spec", "begins"),
    [
        (ExecSpec(("a", "b")), ["a", "b"]),
        (ExecSpec(("a",), user="root"), ["sh", "-c"]),
        (ExecSpec(("a",), user="5", working_dir="/w"), ["a"]),
        (ExecSpec(("a",), user="5:6"), ["a"]),
        (ExecSpec(("a",), env=(("K", "v w"), ("G", None))), ["env", "-u", "G", "K=v w", "a"]),
        (ExecSpec(("a",), user="7"), ["sh", "-c"]),
        (ExecSpec(("a=b",), env=(("K", "v"),)), ["env", "K=v", "sh", "-c"]),
    ],
)
def test_what_the_container_has_already_needs_no_tool(spec: ExecSpec, begins: list[str]) -> None:
    """A container of user 5, group 6, in /w."""
    assert wrapped(spec, user=5, group=6, working_dir="/w").argv[: len(begins)] == begins


@pytest.mark.parametrize(
    ("asked", "user", "group", "begins"),
    [
        ("root", 0, None, ["a"]),
        ("root:root", 0, 0, ["a"]),
        ("0:root", 0, 0, ["a"]),
        ("root:root", 0, None, ["sh", "-c"]),
        ("root", None, None, ["sh", "-c"]),
    ],
)
def test_root_is_0(asked: str, user: int | None, group: int | None, begins: list[str]) -> None:
    """Where the container's user is known; an image's own is not."""
    spec = ExecSpec(("a",), user=asked)
    assert wrapped(spec, user=user, group=group, working_dir="").argv[: len(begins)] == begins
