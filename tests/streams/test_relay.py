"""The relay: every byte both ways, half-closes and resets passed on, over sockets and over a port-forward."""

import contextlib
import errno
import hashlib
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from kubedock.cluster.fake_streams import FakeChannels
from kubedock.streams import relay as relaying
from kubedock.streams.cancel import Cancel
from kubedock.streams.forward import ANSWERED_SECONDS, DATA, FAILURE, UNANSWERED_SECONDS, ForwardSide
from kubedock.streams.pump import PING_SECONDS
from kubedock.streams.relay import SocketSide, dial, linger, relay
from tests.support.waiting import eventually, in_thread

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def connect() -> Iterator[Callable[[], Pair]]:
    """Pairs of TCP sockets that are connected to each other, closed at the end."""
    with contextlib.ExitStack() as stack:

        def pair() -> Pair:
            with socket.create_server(("127.0.0.1", 0)) as server:
                one = stack.enter_context(socket.create_connection(server.getsockname(), timeout=10))
                other = stack.enter_context(server.accept()[0])
            return one, other

        yield pair


class Relayed:
    """A client and a target, and a relay between them in a thread of its own."""

    def __init__(self, connect: Callable[[], Pair]) -> None:
        self.cancel = Cancel()
        self.client, near = connect()
        self.target, far = connect()
        self.target.settimeout(10)

        def run() -> None:
            with near, far:
                relay(SocketSide(near), SocketSide(far), self.cancel)

        self.result = in_thread(run)

    @property
    def ends(self) -> Pair:
        """The client, the target."""
        return self.client, self.target


@pytest.fixture
def relayed(connect: Callable[[], Pair]) -> Relayed:
    """Running."""
    return Relayed(connect)


def rest(sock: socket.socket) -> bytes:
    """All until the end."""
    found = bytearray()
    while data := sock.recv(1 << 20):
        found += data
    return bytes(found)


def abort(sock: socket.socket) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_half_closes_are_passed_on(relayed: Relayed) -> None:
    """In both orders, and the relay ends with the second."""
    relayed.client.sendall(b"question")
    relayed.client.shutdown(socket.SHUT_WR)
    assert rest(relayed.target) == b"question"

    relayed.target.sendall(b"answer")
    relayed.target.close()

    assert rest(relayed.client) == b"answer"
    relayed.result()


def test_a_target_may_end_first(relayed: Relayed) -> None:
    """The client may go on."""
    relayed.target.sendall(b"bye")
    relayed.target.shutdown(socket.SHUT_WR)
    assert rest(relayed.client) == b"bye"

    relayed.client.sendall(b"last words")
    relayed.client.close()

    assert rest(relayed.target) == b"last words"
    relayed.result()


def test_every_byte_arrives_both_ways_at_once(relayed: Relayed) -> None:
    """32 MiB each way, with readers that begin late: what waits is bounded by the sockets and a piece."""
    sent = {sock: hashlib.sha256(bytes([number]) * 7).digest() * (1 << 20) for number, sock in enumerate(relayed.ends)}

    def send(sock: socket.socket) -> Callable[[], object]:
        def work() -> None:
            sock.sendall(sent[sock])
            sock.shutdown(socket.SHUT_WR)

        return in_thread(work)

    senders = [send(sock) for sock in relayed.ends]
    heard = [in_thread(lambda sock=sock: rest(sock)) for sock in relayed.ends]

    assert [digest(each()) for each in heard] == [digest(sent[relayed.target]), digest(sent[relayed.client])]
    for each in senders:
        each()
    relayed.result()


def digest(data: bytes) -> str:
    """Short enough for a message."""
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("who", ["client", "target"])
def test_a_reset_breaks_it(relayed: Relayed, who: str) -> None:
    """Whoever gives up."""
    relayed.client.sendall(b"x")
    assert relayed.target.recv(1) == b"x"

    abort(getattr(relayed, who))

    with pytest.raises(ConnectionResetError):
        relayed.result()


def test_a_reset_is_noticed_while_nothing_can_be_written(relayed: Relayed) -> None:
    """The target does not read, and the client gives up."""
    relayed.client.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            relayed.client.send(b"x" * (1 << 20))

    def gone() -> None:
        abort(relayed.client)
        relayed.result()

    with pytest.raises(ConnectionResetError):
        gone()


def test_it_can_be_cancelled(relayed: Relayed) -> None:
    """From another thread."""
    relayed.cancel.set("over")

    relayed.result()
    assert rest(relayed.client) == rest(relayed.target) == b""


# --- a port-forward --------------------------------------------------------------------------------------------------


class Forwarded:
    """A client, and a relay to channels that the test plays the pod's side of; ``given`` is what came to it."""

    def __init__(self, connect: Callable[[], Pair]) -> None:
        self.cancel, self.given = Cancel(), bytearray()
        self.client, near = connect()

        def take(_: FakeChannels, data: bytes | None) -> None:
            self.given += data or b""

        self.pod = FakeChannels(take)

        def run() -> None:
            with near, self.pod:
                relay(SocketSide(near), ForwardSide(self.pod), self.cancel)
                linger(near)

        self.result = in_thread(run)


@pytest.fixture
def forwarded(connect: Callable[[], Pair]) -> Forwarded:
    """Running."""
    return Forwarded(connect)


def test_data_goes_through_a_forward(forwarded: Forwarded) -> None:
    """The pod's end is the client's, also behind data that came with it; the client's own is waited for."""
    forwarded.client.sendall(b"question")
    eventually(lambda: bytes(forwarded.given) == b"question")

    forwarded.pod.put(DATA, b"answer")
    forwarded.pod.end()

    assert rest(forwarded.client) == b"answer"
    forwarded.client.close()
    forwarded.result()


def test_the_answer_to_a_half_close_is_read(forwarded: Forwarded) -> None:
    """Kubernetes knows no half-close: the forward is kept open for it."""
    forwarded.client.sendall(b"question")
    forwarded.client.shutdown(socket.SHUT_WR)
    eventually(lambda: bytes(forwarded.given) == b"question")

    forwarded.pod.put(DATA, b"late answer")
    forwarded.pod.end()

    assert rest(forwarded.client) == b"late answer"
    forwarded.result()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"dial tcp4 127.0.0.1:80: connect: connection refused", ConnectionResetError),
        (b"read: connection reset by peer", ConnectionResetError),
        (b"no such namespace", ConnectionAbortedError),
    ],
)
def test_what_the_cluster_says_of_a_port_breaks_it(forwarded: Forwarded, text: bytes, kind: type[OSError]) -> None:
    """A target that refuses is ordinary, other reasons are not."""
    forwarded.pod.put(FAILURE, text)
    forwarded.pod.end()

    with pytest.raises(kind, match=text.decode()):
        forwarded.result()


def test_a_cut_forward_is_no_end(forwarded: Forwarded) -> None:
    """What came may be incomplete."""
    forwarded.pod.put(DATA, b"half an ans")
    assert forwarded.client.recv(100) == b"half an ans"

    forwarded.pod.snap()

    with pytest.raises(ConnectionAbortedError, match="the connection to the cluster broke"):
        forwarded.result()


def test_a_client_that_does_not_end_is_waited_for_a_moment(connect: Callable[[], Pair]) -> None:
    """What it still sends is dropped."""
    client, near = connect()
    client.sendall(b"more")
    times = iter([0.0, 0.1, 0.2, relaying.LINGER_SECONDS])

    linger(near, lambda: next(times))

    assert client.recv(1) == b""


@pytest.mark.parametrize(
    ("answered", "patience"),
    [(False, UNANSWERED_SECONDS), (True, ANSWERED_SECONDS)],
)
def test_a_forward_whose_client_has_ended_is_given_up_when_idle(answered: bool, patience: float) -> None:
    """Nothing else would end it. The client that has got its answer has probably closed."""
    now = [100.0]
    channels = FakeChannels()
    with channels:
        side = ForwardSide(channels, lambda: now[0])
        assert side.patience == PING_SECONDS
        side.send(memoryview(b"question"))
        if answered:
            channels.put(DATA, b"answer")
            assert side.recv() == b"answer"
        side.end()
        now[0] += patience - 1
        side.tick()
        assert (side.dead, side.patience, side.recv()) == (False, 1.0, None)

        channels.put(DATA, b"more")
        assert side.recv() == b"more"
        now[0] += ANSWERED_SECONDS
        side.tick()

        assert (side.dead, side.pending(), side.recv()) == (True, True, b"")
        assert side.send(memoryview(b"dropped")) == len(b"dropped")


# --- dial ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_dial(host: str) -> None:
    """What listens is reached, what does not refuses."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        with dial(host, port, 5, Cancel()) as sock, server.accept()[0] as peer:
            peer.sendall(b"x")
            sock.settimeout(5)
            assert sock.recv(1) == b"x"

    with pytest.raises(ConnectionRefusedError):
        dial(host, port, 5, Cancel())


@contextlib.contextmanager
def full() -> Iterator[int]:
    """A port whose queue of connections is full, so that the next one gets no answer."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def test_dial_gives_up_in_time() -> None:
    """Nobody answers."""
    with full() as port, pytest.raises(TimeoutError):
        dial("127.0.0.1", port, 0.05, Cancel())


def test_dial_can_be_cancelled() -> None:
    """At once."""
    cancel = Cancel()
    with full() as port:
        result = in_thread(lambda: dial("127.0.0.1", port, 60, cancel))
        cancel.set("over")
        with pytest.raises(ConnectionAbortedError) as error:
            result()
    assert error.value.errno == errno.ECONNABORTED
