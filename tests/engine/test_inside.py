"""Containers that kubedock does itself, to the rest of the engine: like any other, without a pod."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerSpec, Outcome, Port, RestartPolicy
from kubedock.domain.exec import ExecSpec, ExecStart
from kubedock.domain.network import NetworkRequest
from kubedock.engine import Engine
from kubedock.engine.containers import ListQuery
from kubedock.engine.logs import AttachQuery, LogQuery
from kubedock.engine.ryuk import STARTED
from kubedock.errors import CannotKill, NotModified
from kubedock.streams.cancel import Cancel
from tests.support.running import ended, history, log
from tests.support.waiting import eventually, in_thread

IMAGE = "testcontainers/ryuk:0.14.0"
NEW_MAY_GO = ("RYUK_RETRY_OFFSET", "0s")
AT_ONCE = (("RYUK_RECONNECTION_TIMEOUT", "0s"), NEW_MAY_GO)
ANY = ("", "")


def a_ryuk(engine: Engine, name: str = "ryuk", *, start: bool = True, **spec: Any) -> str:
    """Created as clients do it; its id."""
    for _ in engine.images.pull(IMAGE):
        pass
    asked = ContainerSpec(IMAGE, workload="inside", ports=(Port(8080, "tcp", (ANY,)),), env=AT_ONCE)
    made = engine.containers.create(replace(asked, **spec), name=name, endpoints={}).id
    if start:
        engine.containers.start(made)
    return made


@contextmanager
def client(engine: Engine, ref: str, port: int = 8080) -> Iterator[socket.socket]:
    """A client of one of its ports."""
    published = engine.containers.inspect(ref).published
    number = next(each.host_port for each in published if each.number == port)
    with socket.create_connection(("127.0.0.1", number), timeout=10) as made:
        yield made


def tell(client: socket.socket, text: bytes) -> None:
    """A filter, which is acknowledged."""
    client.sendall(text)
    assert client.recv(10) == b"ACK\n"


def messages(text: bytes) -> list[str]:
    """What a log's lines say, without times and addresses."""
    lines = [line.partition(" level=")[2] for line in text.decode().splitlines()]
    return [" ".join(word for word in line.split() if not word.startswith("address=127.")) for line in lines]


BEGINNING = [
    "INFO msg=starting connection_timeout=60s reconnection_timeout=0s shutdown_timeout=600s remove_retries=10"
    " retry_offset=0s changes_retry_interval=1s port=8080",
    "INFO msg=Started address=[::]:8080",
    f'INFO msg="{STARTED}"',
]


def test_it_runs_without_a_pod(engine: Engine, cluster: FakeCluster) -> None:
    """When its start returns it runs, its ports are published, and its log says so. An inspect waits for no address."""
    made = a_ryuk(engine)
    view = engine.containers.inspect(made)

    assert (view.status.state, view.ip) == ("running", "")
    assert {(each.number, each.host_ip) for each in view.published} == {(8080, "0.0.0.0"), (8080, "::")}
    assert messages(log(engine, made)) == BEGINNING
    assert [found.record.id for found in engine.containers.list(ListQuery(filters={"status": ("running",)}))] == [made]
    assert history(engine) == ["create", "start"]
    assert cluster.list("Pod").items == []
    with pytest.raises(NotModified):
        engine.containers.start(made)


def test_what_a_client_names_is_removed_when_it_has_left(engine: Engine) -> None:
    """Then it ends by itself, as the real one, and goes if it is to be removed."""
    made = a_ryuk(engine, auto_remove=True)
    waiting = engine.containers.wait(made, condition="removed", cancel=Cancel())
    network = engine.networks.create(NetworkRequest("n1", labels={"session": "1"}))
    engine.volumes.create("v1", labels={"session": "1"})
    engine.volumes.create("v2", labels={"session": "2"})
    with engine.core.sessions.reading(made):
        with client(engine, made) as first, client(engine, made) as second:
            tell(first, b"label=session=1\n")
            tell(second, b"label=session=3\r\n")
        eventually(lambda: engine.core.containers.find(made).outcome is not None)
        said = messages(log(engine, made))

    result = waiting.result()
    assert result is not None
    assert result.exit_code == 0
    assert [volume.name for volume in engine.volumes.list({})] == ["v2"]
    assert [found.network.name for found in engine.networks.list({})] == ["bridge", "host", "none"]
    assert history(engine) == ["create", "start", "die 0", "destroy"]
    assert 'INFO msg="adding filter" type=label values="[session=1]"' in said
    assert said[-4:] == [
        f"INFO msg=remove resource=network id={network.id}",
        "INFO msg=remove resource=volume id=v1",
        "INFO msg=removed containers=0 networks=1 volumes=1 images=0",
        "INFO msg=done",
    ]


def test_its_log_is_followed(engine: Engine) -> None:
    """From the beginning, or as attached from now on, to its end; and is still there afterwards."""
    made = a_ryuk(engine)
    whole = in_thread(lambda: log(engine, made, follow=True))
    output = engine.logs.attach(made, AttachQuery(stdout=True, stream=True), Cancel())
    assert list(next(output)) == []
    live = in_thread(lambda: b"".join(data for batch in output for _, data in batch))
    eventually(lambda: len(engine.core.feeds._feeds) == 1 and len(next(iter(engine.core.feeds._feeds.values()))[1]) == 2)
    with client(engine, made) as one:
        tell(one, b"label=a\n")
    assert ended(engine, made) == 0
    attached = live()
    output.close()

    assert messages(attached)[0] == 'INFO msg="client connected" clients=1'
    assert messages(attached)[-1] == "INFO msg=done"
    assert messages(whole()) == BEGINNING + messages(attached)
    assert messages(log(engine, made)) == BEGINNING + messages(attached)
    assert log(engine, made, tail=1).endswith(b"msg=done\n")


def test_a_stop_without_clients_removes_what_they_had_named(engine: Engine) -> None:
    """TERM is handled, so the exit code is its own."""
    made = a_ryuk(engine, env=(("RYUK_RECONNECTION_TIMEOUT", "1h"), NEW_MAY_GO))
    engine.volumes.create("v1", labels={"session": "1"})
    with client(engine, made) as one:
        tell(one, b"label=session=1\n")
    eventually(lambda: b"client disconnected" in log(engine, made))

    engine.containers.stop(made, signal=None, timeout=20)

    assert engine.core.containers.find(made).outcome == replace(outcome(engine, made), exit_code=0, error="")
    assert engine.volumes.list({}) == []
    assert history(engine) == ["create", "start", "kill 15", "die 0", "stop"]


def outcome(engine: Engine, ref: str) -> Outcome:
    """How it has ended."""
    found = engine.core.containers.find(ref).outcome
    assert found is not None
    return found


@pytest.mark.parametrize("how", ["kill", "remove", "stop"])
def test_a_hard_end_removes_nothing(engine: Engine, how: str) -> None:
    """Its clients are disconnected, its port is free, its log stays as long as it does."""
    made = a_ryuk(engine)
    engine.volumes.create("v1", labels={"session": "1"})
    with client(engine, made) as one:
        tell(one, b"label=session=1\n")
        match how:
            case "kill":
                engine.containers.kill(made, signal=None)
            case "stop":
                engine.containers.stop(made, signal=None, timeout=0)
            case "remove":
                engine.containers.remove(made, force=True, volumes=False)
        assert one.recv(10) == b""

    assert [volume.name for volume in engine.volumes.list({})] == ["v1"]
    assert engine.core.sessions.own_logs._logs == {}
    if how == "remove":
        assert history(engine) == ["create", "start", "kill 9", "die 137", "destroy"]
        return
    assert outcome(engine, made).exit_code == 137
    assert 'INFO msg="adding filter" type=label values="[session=1]"' in messages(log(engine, made))
    with pytest.raises(CannotKill):
        engine.containers.kill(made, signal=None)


def test_it_starts_again_without_its_filters(engine: Engine) -> None:
    """Under the same number; the log of the run before stays."""
    made = a_ryuk(engine)
    with client(engine, made) as one:
        tell(one, b"label=session=1\n")
        before = engine.containers.inspect(made).published
        engine.containers.restart(made, signal=None, timeout=0)
    engine.volumes.create("v1", labels={"session": "1"})
    assert engine.containers.inspect(made).published == before
    with client(engine, made) as again:
        tell(again, b"label=session=2\n")

    assert ended(engine, made) == 0
    assert [volume.name for volume in engine.volumes.list({})] == ["v1"]
    assert messages(log(engine, made)).count(BEGINNING[1]) == 2


def test_a_restart_policy_brings_it_back(engine: Engine) -> None:
    """As any container's."""
    made = a_ryuk(engine, restart=RestartPolicy("always"))
    with client(engine, made) as one:
        tell(one, b"label=a\n")

    eventually(lambda: engine.core.containers.find(made).run == 2)
    eventually(lambda: engine.containers.inspect(made).status.state == "running")
    assert engine.containers.inspect(made).status.restart_count == 1


def test_settings_that_make_no_sense_end_it(engine: Engine) -> None:
    """The start was fine; its log tells why it has ended."""
    made = a_ryuk(engine, env=(("RYUK_RECONNECTION_TIMEOUT", "soon"),))

    assert ended(engine, made) == 1
    assert messages(log(engine, made)) == ['ERROR msg=run error="load config: time: invalid duration \\"soon\\""']
    assert history(engine) == ["create", "start", "die 1"]


def test_where_it_does_not_listen_a_client_is_reset(engine: Engine) -> None:
    """It listens where RYUK_PORT says."""
    ports = (Port(8080, "tcp", (ANY,)), Port(9000, "tcp", (ANY,)))
    made = a_ryuk(engine, ports=ports, env=(("RYUK_PORT", "9000"),))
    with pytest.raises(ConnectionResetError), client(engine, made, 8080) as one:
        one.recv(10)
    with client(engine, made, 9000) as one:
        tell(one, b"label=a\n")


def test_an_exec_finds_no_program(engine: Engine) -> None:
    """As in the real one's image; testcontainers-go tries a shell in every container whose port it waits for."""
    made = engine.execs.create(a_ryuk(engine), ExecSpec(("/bin/sh", "-c", "true"), stdout=True))
    running = engine.execs.start(made, ExecStart())
    assert running is not None
    said = b"".join(data for batch in running.batches(Cancel()) for _, data in batch)
    running.close()

    assert said == (
        b'OCI runtime exec failed: exec failed: unable to start container process: exec: "/bin/sh": executable file not found'
        b" in $PATH: kubedock does Ryuk's work itself, there is no program in this container\r\n"
    )
    assert engine.execs.inspect(made).exit_code == 127


def test_it_has_no_names_on_networks(engine: Engine, cluster: FakeCluster) -> None:
    """There is no pod that they could find."""
    network = engine.networks.create(NetworkRequest("n1")).id
    made = a_ryuk(engine, network_mode=network)

    assert engine.containers.inspect(made).networks[network].name == "n1"
    assert [request for request in cluster.requests if request[:2] == ("create", "Service")] == []


def test_the_log_of_one_that_was_never_started(engine: Engine) -> None:
    """Is empty."""
    made = a_ryuk(engine, start=False)

    output = engine.logs.read(made, LogQuery(stdout=True), Cancel())
    assert [data for batch in output for _, data in batch] == []
    output.close()
