"""Published ports: bound before anything starts, gone with the run, the same numbers again."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from kubedock.background.listeners import bind
from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import Port, Published, RestartPolicy
from kubedock.engine import Engine
from kubedock.errors import CannotPublish, PortAllocated, Unavailable
from tests.support.running import engine_with_alpine, make, refused, run
from tests.support.waiting import eventually

ANY = ("", "")


@contextlib.contextmanager
def taken(host: str = "127.0.0.1") -> Iterator[int]:
    """A number that somebody else listens on."""
    (sock,) = bind([host], 0)
    with sock:
        yield sock.getsockname()[1]


def free() -> int:
    """A number that nobody listens on."""
    with taken() as number:
        return number


def is_open(number: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection((host, number), timeout=5).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:  # by the container, where nothing listens
        return True
    return True


def web(*published: tuple[str, str], number: int = 80) -> dict[str, tuple[Port, ...]]:
    """The spec of a container with one port."""
    return {"ports": (Port(number, "tcp", published),)}


def published(engine: Engine, ref: str) -> tuple[Published, ...]:
    """What its view shows."""
    return engine.containers.inspect(ref).published


def number(engine: Engine, ref: str) -> int:
    """The one number that it is published under."""
    (found,) = {each.host_port for each in published(engine, ref)}
    return found


def test_a_port_is_published_while_its_container_runs(engine: Engine) -> None:
    """On both families under one number, complete when start returns."""
    made = make(engine, "web", "forever", **web(ANY))
    assert published(engine, made) == ()

    engine.containers.start(made)

    port = number(engine, made)
    assert published(engine, made) == tuple(Published(80, "tcp", host, port) for host in ("0.0.0.0", "::"))
    assert is_open(port)
    assert is_open(port, "::1")
    engine.containers.stop(made, signal=None, timeout=1)
    assert not is_open(port)
    assert published(engine, made) == ()


@pytest.mark.parametrize("end", ["stop", "kill", "remove", "its own", "deleted"])
def test_it_is_released_with_the_end_of_the_run(engine: Engine, cluster: FakeCluster, end: str) -> None:
    """Whatever ends it."""
    made = run(engine, "web", "forever", **web(ANY))
    port = number(engine, made)
    (pod,) = cluster.kubelet.pods()

    match end:
        case "stop":
            engine.containers.stop(made, signal=None, timeout=1)
        case "kill":
            engine.containers.kill(made, signal=None)
        case "remove":
            engine.containers.remove(made, force=True, volumes=False)
        case "deleted":
            cluster.delete("Pod", pod, grace=0)
        case _:
            cluster.kubelet.finish(pod)

    eventually(lambda: not is_open(port), what="the end")


def test_the_same_numbers_after_a_stop_and_a_restart(engine: Engine) -> None:
    """Also the random ones, where they are free still."""
    made = run(engine, "web", "forever", **web(ANY, ("127.0.0.1", f"{free()}-65535")))
    before = published(engine, made)
    assert len({each.host_port for each in before}) == 2

    engine.containers.stop(made, signal=None, timeout=1)
    engine.containers.start(made)
    assert published(engine, made) == before
    engine.containers.restart(made, signal=None, timeout=1)
    assert published(engine, made) == before


def test_another_number_where_it_is_taken(engine: Engine) -> None:
    """Any number will do."""
    made = run(engine, "web", "forever", **web(ANY))
    before = number(engine, made)
    engine.containers.stop(made, signal=None, timeout=1)
    (other,) = bind(["127.0.0.1"], before)

    with other:
        engine.containers.start(made)

        assert number(engine, made) != before


def test_the_same_number_after_a_restart_by_policy(engine: Engine, cluster: FakeCluster) -> None:
    """Between the two runs nothing listens, as in Docker."""
    made = run(engine, "web", "forever", restart=RestartPolicy("on-failure"), **web(ANY))
    before = published(engine, made)
    (pod,) = cluster.kubelet.pods()

    cluster.kubelet.finish(pod, 1)

    eventually(lambda: engine.core.containers.find(made).run == 2 and published(engine, made) == before, what="the next run")
    assert is_open(before[0].host_port)


def test_a_port_that_is_taken_starts_nothing(engine: Engine, cluster: FakeCluster) -> None:
    """Docker's sentence and state; what was bound already is released."""
    with taken() as port:
        first = free()
        ports = (Port(80, "tcp", (("", str(first)),)), Port(81, "tcp", (("", str(port)),)))
        made = make(engine, "web", "forever", ports=ports)
        endpoint = next(iter(engine.core.containers.find(made).endpoints.values()))
        sentence = f"driver failed programming external connectivity on endpoint web ({endpoint.endpoint_id}): "
        sentence += f"Bind for 0.0.0.0:{port} failed: port is already allocated"
        asked = len(cluster.requests)

        with refused(CannotPublish, sentence):
            engine.containers.start(made)

        status = engine.containers.inspect(made).status
        assert (status.state, status.exit_code, status.error) == ("created", 128, sentence)
        assert [request for request in list(cluster.requests)[asked:] if request[0] not in ("watch", "list")] == []
        assert not is_open(first)
    engine.containers.start(made)
    assert {each.host_port for each in published(engine, made)} == {first, port}


def test_a_port_that_another_container_has(engine: Engine) -> None:
    """It is free again when that one has ended."""
    number = str(free())
    first = run(engine, "first", "forever", **web(("", number)))
    second = make(engine, "second", "forever", **web(("", number)))
    with pytest.raises(CannotPublish, match=f"Bind for 0.0.0.0:{number} failed: port is already allocated"):
        engine.containers.start(second)

    engine.containers.remove(first, force=True, volumes=False)

    engine.containers.start(second)
    assert is_open(int(number))


@pytest.mark.parametrize(
    ("bindings", "reason"),
    [
        ((("", "{}"), ("", "{}")), "Bind for 0.0.0.0:{} failed: port is already allocated"),
        ((("127.0.0.1", "{}"), ("", "{}")), "Bind for 127.0.0.1:{} failed: port is already allocated"),
        ((("198.18.255.1", "{}"),), "cannot listen on 198.18.255.1:{}: Cannot assign requested address"),
    ],
)
def test_what_cannot_be_published(engine: Engine, bindings: tuple[tuple[str, str], ...], reason: str) -> None:
    """The same number twice, an address of another machine."""
    number = free()
    made = make(engine, "web", "forever", **web(*((host, text.format(number)) for host, text in bindings)))

    with pytest.raises(CannotPublish, match=rf"^driver failed .*\): {reason.format(number)}$"):
        engine.containers.start(made)


def test_a_range_is_searched(engine: Engine) -> None:
    """The first number that is free; none is an error."""
    with taken() as port:
        one = make(engine, "one", "forever", **web(("127.0.0.1", f"{port}-{port}")))
        some = make(engine, "some", "forever", **web(("127.0.0.1", f"{port}-{min(port + 50, 65535)}")))
        with pytest.raises(CannotPublish, match=f"Bind for 127.0.0.1:{port} failed: port is already allocated"):
            engine.containers.start(one)
        engine.containers.start(some)
        (first,) = published(engine, some)
        assert port < first.host_port <= port + 50
        none = make(engine, "none", "forever", **web(("127.0.0.1", f"{port}-{port + 1}")))
        with contextlib.ExitStack() as others:
            with contextlib.suppress(PortAllocated):
                others.enter_context(bind(["127.0.0.1"], port + 1)[0])
            with pytest.raises(CannotPublish, match="all ports are allocated"):
                engine.containers.start(none)


def test_an_address_is_bound_as_it_is_named(engine: Engine) -> None:
    """And there alone."""
    made = run(engine, "web", "forever", **web(("127.0.0.2", "")))

    (shown,) = published(engine, made)
    assert shown.host_ip == "127.0.0.2"
    assert is_open(shown.host_port, "127.0.0.2")
    assert not is_open(shown.host_port)


def test_a_server_that_serves_another_address_publishes_there_too(cluster: FakeCluster) -> None:
    """Beside loopback, and shown as all."""
    with engine_with_alpine(cluster, publish_on=("127.0.0.1", "127.0.0.3", "198.18.255.1")) as engine:
        made = run(engine, "web", "forever", **web(ANY))

        assert published(engine, made) == (Published(80, "tcp", "0.0.0.0", number(engine, made)),)
        assert [is_open(number(engine, made), f"127.0.0.{last}") for last in (1, 2, 3)] == [True, False, True]


def test_a_start_that_fails_releases_its_ports(engine: Engine, cluster: FakeCluster) -> None:
    """The pod was refused."""
    port = free()
    cluster.refuse("Pod", "create", Unavailable("not now"))
    made = make(engine, "web", "forever", **web(("", str(port))))

    with refused(Unavailable, "not now"):
        engine.containers.start(made)

    assert not is_open(port)


def test_a_next_run_that_could_not_begin_releases_its_ports(engine: Engine, cluster: FakeCluster) -> None:
    """In an outage, after which it is stopped before it runs again."""
    made = run(engine, "web", "forever", restart=RestartPolicy("on-failure"), **web(ANY))
    port = number(engine, made)
    (pod,) = cluster.kubelet.pods()
    cluster.refuse("Pod", "create", Unavailable("not now"))
    cluster.kubelet.finish(pod, 1)
    eventually(lambda: engine.core.containers.find(made).run == 2, what="the next run's try")

    eventually(lambda: not is_open(port), what="the end")

    engine.containers.stop(made, signal=None, timeout=1)
    assert not is_open(port)


def test_the_end_of_the_server_releases_all(cluster: FakeCluster) -> None:
    """Whatever runs."""
    with engine_with_alpine(cluster) as engine:
        ports = [number(engine, run(engine, name, "forever", **web(ANY))) for name in ("one", "two")]
        assert all(map(is_open, ports))

    assert not any(map(is_open, ports))


def test_two_starts_share_no_random_number(engine: Engine) -> None:
    """Each has its own."""
    made = [run(engine, f"web{index}", "forever", **web(ANY)) for index in range(5)]

    assert len({number(engine, each) for each in made}) == 5
