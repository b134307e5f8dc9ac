"""Connections to published ports: forwarded or direct, refused at once, ended with their container."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import Port, RestartPolicy
from kubedock.engine import Engine
from kubedock.engine.connections import DIRECT
from kubedock.engine.core import Limits
from kubedock.errors import Forbidden
from tests.support.running import engine_with_alpine, make, run
from tests.support.waiting import eventually, in_thread

ECHO = ("nc", "-ll", "-p", "80", "-e", "cat")
HELLO = ("nc", "-ll", "-p", "80", "-e", "echo", "hello")
PUBLISHED = {"ports": (Port(80, "tcp", (("", ""),)),)}
QUICK = Limits(start=5.0, pull=5.0, schedule=0.2, signal=2.0, drain=2.0, address=0.2)

Dial = Callable[[Engine, str], socket.socket]


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Connect to the one published port of a container."""
    with contextlib.ExitStack() as stack:

        def connect(engine: Engine, ref: str) -> socket.socket:
            port = engine.core.containers.find(ref).published[0].host_port
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))

        yield connect


def rest(sock: socket.socket) -> bytes:
    """All until the end."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def said(client: socket.socket, text: bytes) -> bytes:
    """What an echo says."""
    client.sendall(text)
    return client.recv(100)


def is_reset(client: Callable[[], socket.socket]) -> bool:
    """The connection breaks without a byte, if it comes about at all."""
    try:
        client().recv(1)
    except ConnectionResetError:
        return True
    return False


def forwards(cluster: FakeCluster) -> int:
    """How often the cluster was asked for one."""
    return sum(verb == "forward" for verb, _, _ in cluster.requests)


# --- through the API server ------------------------------------------------------------------------------------------


@pytest.fixture
def forwarding(cluster: FakeCluster) -> Iterator[Engine]:
    """An engine that only forwards."""
    with engine_with_alpine(cluster, port_mode="forward") as engine:
        yield engine


def test_each_connection_has_a_forward(forwarding: Engine, cluster: FakeCluster, dial: Dial) -> None:
    """At once after the start."""
    made = run(forwarding, "web", *ECHO, **PUBLISHED)
    clients = [dial(forwarding, made) for _ in range(3)]

    assert [said(client, b"%d" % number) for number, client in enumerate(clients)] == [b"0", b"1", b"2"]
    assert forwards(cluster) == 3


def test_the_event_is_enough_for_a_forward(forwarding: Engine, cluster: FakeCluster, dial: Dial) -> None:
    """The status does not know the container yet."""
    cluster.kubelet.hold()
    made = make(forwarding, "web", *ECHO, **PUBLISHED)
    started = in_thread(lambda: forwarding.containers.start(made))
    (pod,) = eventually(cluster.kubelet.pods)
    cluster.kubelet.start(pod)
    started()

    assert said(dial(forwarding, made), b"x") == b"x"


def test_before_it_runs_it_refuses(forwarding: Engine, cluster: FakeCluster, dial: Dial) -> None:
    """Like a port where nothing listens yet."""
    cluster.kubelet.hold()
    made = make(forwarding, "web", *ECHO, **PUBLISHED)
    started = in_thread(lambda: forwarding.containers.start(made))
    eventually(lambda: forwarding.core.containers.find(made).published)

    assert is_reset(lambda: dial(forwarding, made))
    assert forwards(cluster) == 0
    cluster.kubelet.release()
    started()


def test_a_port_where_nothing_listens_is_a_reset(forwarding: Engine, dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    """Wait strategies try again and again: nothing is logged."""
    made = run(forwarding, "web", "forever", **PUBLISHED)

    assert is_reset(lambda: dial(forwarding, made))
    assert [record for record in caplog.records if record.levelno >= logging.INFO and "port" in record.message] == []


def test_what_the_pod_says_is_heard_to_its_end(forwarding: Engine, dial: Dial) -> None:
    """An end, not a reset."""
    made = run(forwarding, "web", *HELLO, **PUBLISHED)

    assert rest(dial(forwarding, made)) == b"hello\n"


def test_a_broken_forward_is_a_reset_and_told_once(
    forwarding: Engine, cluster: FakeCluster, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    """The next connection is a new one."""
    made = run(forwarding, "web", *ECHO, **PUBLISHED)
    for _ in range(2):
        client = dial(forwarding, made)
        assert said(client, b"x") == b"x"
        cluster.break_streams()
        with pytest.raises(ConnectionResetError):
            client.recv(1)

    assert said(dial(forwarding, made), b"x") == b"x"
    lines = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == [
        f"container {made[:12]}: a connection to its port 80/tcp broke: [Errno 103] the connection to the cluster broke"
    ]


def test_without_the_right_a_connection_is_a_reset(
    forwarding: Engine, cluster: FakeCluster, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log says why."""
    made = run(forwarding, "web", *ECHO, **PUBLISHED)
    cluster.refuse("Pod", "forward", Forbidden('User "me" cannot create resource "pods/portforward"'))

    assert is_reset(lambda: dial(forwarding, made))
    eventually(lambda: 'cannot create resource "pods/portforward"' in caplog.text)


@pytest.mark.parametrize("end", ["stop", "remove", "its own"])
def test_connections_end_with_their_container(forwarding: Engine, cluster: FakeCluster, dial: Dial, end: str) -> None:
    """And leave no thread."""
    made = run(forwarding, "web", *ECHO, **PUBLISHED)
    client = dial(forwarding, made)
    assert said(client, b"x") == b"x"

    match end:
        case "stop":
            forwarding.containers.stop(made, signal=None, timeout=1)
        case "remove":
            forwarding.containers.remove(made, force=True, volumes=False)
        case _:
            cluster.kubelet.finish(cluster.kubelet.pods()[0])

    with contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    eventually(lambda: forwarding.core.listeners.connections == 0)


def test_a_deployments_next_pod_is_found(forwarding: Engine, cluster: FakeCluster, dial: Dial) -> None:
    """Its pod may change under it."""
    made = run(forwarding, "web", *ECHO, restart=RestartPolicy("always"), workload="deployment", **PUBLISHED)
    (first,) = cluster.kubelet.pods()
    cluster.delete("Pod", first, grace=0)
    (second,) = eventually(lambda: [pod for pod in cluster.kubelet.pods() if pod != first])
    eventually(lambda: (seen := forwarding.core.watcher.observed(made[:12], 1)) is not None and seen.pod == second)

    assert said(dial(forwarding, made), b"x") == b"x"


# --- directly --------------------------------------------------------------------------------------------------------


class Pods:
    """Stands where the pods' addresses are: on port 80 of 127.1.0.0/16, or on another one."""

    def __init__(self, cluster: FakeCluster) -> None:
        cluster.kubelet.network = "127.1"
        self.seen: list[bytes] = []

    @contextlib.contextmanager
    def listening(self, address: str, port: int) -> Iterator[None]:
        """A server that answers what it was told to the end with its length, one connection after the other."""
        with socket.create_server((address, port)) as server:

            def serve() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        peer, _ = server.accept()
                        with peer:
                            peer.sendall(b"%d" % len(rest(peer)))

            thread = threading.Thread(target=serve, name="the pod", daemon=True)  # noqa: TID251 - joined below
            thread.start()
            try:
                yield
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join(10)


@pytest.fixture
def pods(cluster: FakeCluster) -> Pods:
    """The pods of this cluster can be reached."""
    return Pods(cluster)


def free_port() -> int:
    """Of the pods' first address."""
    with socket.create_server(("127.1.0.2", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def on(port: int) -> dict[str, tuple[Port, ...]]:
    """The spec of a container that publishes this port of its own."""
    return {"ports": (Port(port, "tcp", (("", ""),)),)}


def asked(client: socket.socket, question: bytes) -> bytes:
    """What is answered to a question that ends with a half-close."""
    client.sendall(question)
    client.shutdown(socket.SHUT_WR)
    return rest(client)


@pytest.mark.parametrize("mode", ["auto", "direct"])
def test_a_pod_that_can_be_reached_is_connected_directly(
    cluster: FakeCluster, pods: Pods, dial: Dial, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    """With half-closes passed on; the answer is remembered, and told once."""
    caplog.set_level(logging.INFO)
    port = free_port()
    with engine_with_alpine(cluster, port_mode=mode) as engine:
        made = run(engine, "web", "forever", **on(port))
        with pods.listening(engine.containers.inspect(made).ip, port):
            assert [asked(dial(engine, made), b"question") for _ in range(2)] == [b"8", b"8"]
        assert is_reset(lambda: dial(engine, made))

    assert forwards(cluster) == 0
    assert [record.message for record in caplog.records if "directly" in record.message] == [DIRECT] * (mode == "auto")


def test_who_refuses_first_is_not_believed(cluster: FakeCluster, pods: Pods, dial: Dial) -> None:
    """It may be a firewall: the forward tells; the next connection tries again."""
    with engine_with_alpine(cluster, port_mode="auto") as engine:
        port = free_port()
        made = run(engine, "web", "nc", "-ll", "-p", str(port), "-e", "cat", **on(port))

        assert said(dial(engine, made), b"x") == b"x"

        assert forwards(cluster) == 1
        with pods.listening(engine.containers.inspect(made).ip, port):
            assert asked(dial(engine, made), b"question") == b"8"
        assert forwards(cluster) == 1


def test_pods_that_cannot_be_reached_are_forwarded(
    cluster: FakeCluster, dial: Dial, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once."""
    tried = []

    def nobody(host: str, *_: object) -> socket.socket:
        tried.append(host)
        raise TimeoutError(110, "Connection timed out")

    monkeypatch.setattr("kubedock.engine.connections.dial", nobody)
    caplog.set_level(logging.INFO)
    with engine_with_alpine(cluster, port_mode="auto") as engine:
        made = run(engine, "web", *ECHO, **PUBLISHED)
        assert [said(dial(engine, made), b"x") for _ in range(3)] == [b"x"] * 3

    assert len(tried) == 1
    assert "published ports are forwarded through the API server" in caplog.text


def test_a_pods_address_is_waited_for(cluster: FakeCluster, pods: Pods, dial: Dial) -> None:
    """It comes with the status, after the start was answered."""
    cluster.kubelet.hold()
    port = free_port()
    with engine_with_alpine(cluster, port_mode="direct", limits=Limits(address=10.0)) as engine:
        made = make(engine, "web", "forever", **on(port))
        started = in_thread(lambda: engine.containers.start(made))
        (pod,) = eventually(cluster.kubelet.pods)
        cluster.kubelet.start(pod)
        started()
        with pods.listening("127.1.0.2", port):
            client = dial(engine, made)
            client.sendall(b"question")
            client.shutdown(socket.SHUT_WR)
            eventually(lambda: engine.core.listeners.connections == 1)
            cluster.kubelet.sync(pod)
            assert rest(client) == b"8"


def test_a_pod_without_an_address(cluster: FakeCluster, dial: Dial) -> None:
    """Direct or nothing, where that was asked for; else by a forward. The end of the container ends the wait."""
    for mode, limits, answer in (("direct", QUICK, None), ("auto", QUICK, b"x"), ("direct", Limits(address=60.0), None)):
        cluster.kubelet.hold()
        with engine_with_alpine(cluster, port_mode=mode, limits=limits) as engine:
            made = make(engine, f"web-{mode}", *ECHO, **PUBLISHED)
            started = in_thread(lambda engine=engine, made=made: engine.containers.start(made))
            (pod,) = eventually(cluster.kubelet.pods)
            cluster.kubelet.start(pod)
            started()
            client = dial(engine, made)
            client.sendall(b"x")
            if limits is not QUICK:
                eventually(lambda engine=engine: engine.core.listeners.connections == 1)
                engine.containers.kill(made, signal=None)
            try:
                assert client.recv(1) == (answer or b"")
            except ConnectionResetError:
                assert answer is None
            engine.containers.remove(made, force=True, volumes=False)
