"""A Ryuk's run: what clients say, when it removes, how it ends. Timers are fired by hand, nothing is waited for."""

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import pytest

from kubedock.domain import ryuk
from kubedock.domain.ryuk import LONGEST_LINE, Settings
from kubedock.engine import ryuk as module
from kubedock.engine.ryuk import STARTED, Looked, Removed, Ryuk, Say, Thing
from tests.support.waiting import eventually, in_thread

CONTAINER, NETWORK = Thing("container", "c1"), Thing("network", "n1")


class Timer(NamedTuple):
    """A job that is due after some seconds."""

    seconds: float
    job: Callable[[], None]


class World:
    """What surrounds a Ryuk: its log, its timers, its end, and a reaper that answers what it is told to."""

    def __init__(self, **settings: Any) -> None:
        self.log: list[str] = []
        self.timers: list[Timer] = []
        self.ended: list[int] = []
        self.asked: list[tuple[ryuk.Filters, ...]] = []
        self.looks: list[Looked] = []
        self.removals: list[Removed] = []
        self.removing: list[tuple[Thing, ...]] = []
        self.while_looking: Callable[[], object] = lambda: None
        self.after: dict[str, Callable[[], object]] = {}  # what happens once, when a message has been logged
        self.now = 0.0
        self.offsets: list[float] = []
        self.ryuk = Ryuk(Settings(**settings), self, self.say, self.later, self.ended.append, clock=lambda: self.now)

    def say(self, level: str, message: str, **about: object) -> None:
        """As it is logged, without the ports of clients."""
        if str(about.get("address")).startswith("127."):
            del about["address"]
        self.log.append(" ".join(filter(None, (level, message, ryuk.fields(about)))))
        self.after.pop(message, lambda: None)()

    def later(self, _what: str, job: Callable[[], None], *, after: float) -> None:
        """Not before the test says so."""
        self.timers.append(Timer(after, job))

    def fire(self) -> float:
        """The newest timer's job when its time has come; how long it was to wait."""
        timer = self.timers.pop()
        self.now += timer.seconds
        timer.job()
        return timer.seconds

    def look(self, wanted: Iterable[ryuk.Filters], _say: Say, *, offset: float) -> Looked:
        """See Reaper."""
        self.offsets.append(offset)
        self.asked.append(tuple(wanted))
        self.while_looking()
        return self.looks.pop(0) if self.looks else Looked(())

    def remove(self, things: Iterable[Thing], _say: Say) -> Removed:
        """See Reaper."""
        self.removing.append(tuple(things))
        return self.removals.pop(0) if self.removals else Removed(Counter(thing.kind for thing in self.removing[-1]))

    @contextmanager
    def client(self) -> Iterator[socket.socket]:
        """A client; it has left when the block has ended."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname(), timeout=10)
            connection, _ = server.accept()
        served = in_thread(lambda: self._serve(connection))
        with client:
            yield client
        served()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self.ryuk.serve(connection)


@pytest.fixture
def world() -> World:
    """A Ryuk that waits for its first client, with an empty log."""
    made = World()
    made.ryuk.start()
    made.log.clear()
    return made


def say(client: socket.socket, text: bytes) -> bytes:
    """Tell it this, and no more; all that it answers."""
    client.sendall(text)
    client.shutdown(socket.SHUT_WR)
    answer = b""
    while data := client.recv(1000):
        answer += data
    return answer


def tell(world: World, *lines: bytes) -> None:
    """A client that comes, tells this, and leaves."""
    with world.client() as client:
        client.sendall(b"".join(line + b"\n" for line in lines))
        answers = b""
        while len(answers) < 4 * len(lines):
            answers += client.recv(1000)
        assert answers == ryuk.ACK * len(lines)


def label(*values: str) -> ryuk.Filters:
    """Filters by labels."""
    return (("label", values),)


def test_the_start() -> None:
    """The words that clients wait for, and the time that the first of them has."""
    world = World(connection_timeout=5.5, port=9000)
    world.ryuk.start()

    assert world.log == [
        "INFO starting connection_timeout=5.5s reconnection_timeout=10s shutdown_timeout=600s remove_retries=10"
        " retry_offset=-1s changes_retry_interval=1s port=9000",
        "INFO Started address=[::]:9000",
        f"INFO {STARTED}",
    ]
    assert [timer.seconds for timer in world.timers] == [5.5]


def test_without_any_client_it_ends(world: World) -> None:
    """And removes nothing."""
    assert world.fire() == 60

    assert (world.asked, world.removing, world.ended) == ([()], [()], [0])
    assert world.log == ["INFO prune check clients=0", "INFO removed containers=0 networks=0 volumes=0 images=0", "INFO done"]


def test_it_removes_some_time_after_the_last_client_has_left(world: World) -> None:
    """What any of them has told, each once."""
    tell(world, b"label=a&label=b")
    tell(world, b"label=b&label=a", b"label=c\r")
    world.looks = [Looked((CONTAINER, NETWORK))]
    world.log.clear()

    assert world.fire() == 10
    assert (world.asked, world.removing, world.ended) == ([(label("a", "b"), label("c"))], [(CONTAINER, NETWORK)], [0])
    assert world.log == ["INFO prune check clients=0", "INFO removed containers=1 networks=1 volumes=0 images=0", "INFO done"]


def test_timers_of_a_turn_that_is_over_mean_nothing(world: World) -> None:
    """The first client has come, or somebody has come back: nothing is removed."""
    tell(world, b"label=a")
    with world.client() as client:
        client.sendall(b"label=b\n")
        assert client.recv(10) == ryuk.ACK
        for timer in world.timers:
            timer.job()

        assert (world.asked, world.ended) == ([], [])
    assert world.fire() == 10
    assert (len(world.asked), world.ended) == (1, [0])


@pytest.mark.parametrize(
    ("sent", "answer", "logged"),
    [
        (b"label=a\n", b"ACK\n", ["INFO adding filter type=label values=[a]"]),
        (b"x=1&a=b+c\r\n", b"ACK\n", ['INFO adding filter type=a values="[b c]"', "INFO adding filter type=x values=[1]"]),
        (b"label=a", b"ACK\n", ["INFO adding filter type=label values=[a]"]),
        (b"\n", b"", ["WARN empty filter received"]),
        (b"%zz\n", b"ACK\n", ['ERROR add filter error="parse query: invalid URL escape \\"%zz\\""']),
        (b"a" * (LONGEST_LINE + 1), b"", ['ERROR scan error="bufio.Scanner: token too long"']),
        (b"", b"", []),
    ],
    ids=["filter", "filters", "no-newline", "empty", "garbage", "too-long", "nothing"],
)  # fmt: skip
def test_what_is_answered(world: World, sent: bytes, answer: bytes, logged: list[str]) -> None:
    """As the real one does: an answer to all but an empty line, and an end to a line without end."""
    with world.client() as client:
        assert say(client, sent) == answer

    assert world.log == ["INFO client connected clients=1", *logged, "INFO client disconnected clients=0"]


def test_filters_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is known is none too many."""
    monkeypatch.setattr(module, "MOST_FILTERS", 2)
    tell(world, b"label=a", b"label=b", b"label=c", b"label=a")
    world.fire()

    assert world.asked == [(label("a"), label("b"))]
    assert 'ERROR add filter error="parse query: there are 2 filters already"' in world.log


def test_clients_are_counted(world: World) -> None:
    """The last one to leave counts."""
    with world.client():
        eventually(lambda: len(world.log) == 1)
        tell(world, b"label=a")
        world.timers.clear()

    assert [line for line in world.log if "client" in line] == [
        "INFO client connected clients=1",
        "INFO client connected clients=2",
        "INFO client disconnected clients=1",
        "INFO client disconnected clients=0",
    ]
    assert [timer.seconds for timer in world.timers] == [10]


def test_who_comes_while_the_last_one_leaves_keeps_everything(world: World) -> None:
    """Its connection is younger than the timer that the other one's end sets."""
    with ExitStack() as stack:

        def come() -> None:
            stack.enter_context(world.client())
            eventually(lambda: world.log[-1] == "INFO client connected clients=1")

        world.after["client disconnected"] = come
        tell(world, b"label=a")
        for timer in world.timers:
            timer.job()

        assert world.asked == []


def test_what_is_new_is_waited_for(world: World) -> None:
    """Somebody is at work; whoever comes back keeps everything."""
    world.looks = [Looked((CONTAINER,), new=(NETWORK,)), Looked((CONTAINER,), new=(NETWORK,))]
    tell(world, b"label=a")

    assert [world.fire(), world.fire()] == [10, 1]
    assert (world.removing, world.ended) == ([], [])
    assert 'WARN change detected, waiting again error="1 created after the check began"' in world.log
    tell(world, b"label=a")
    world.timers.pop(-2).job()
    assert (len(world.asked), world.removing) == (2, [])
    assert world.fire() == 10
    assert (len(world.asked), world.ended) == (3, [0])


def test_who_comes_back_while_it_looks_keeps_everything(world: World) -> None:
    """The decision falls after the look."""
    tell(world, b"label=a")
    world.while_looking = lambda: tell(world, b"label=a")
    world.looks = [Looked((CONTAINER,))]
    timer = world.timers.pop()
    timer.job()

    assert (world.removing, world.ended) == ([], [])
    assert [timer.seconds for timer in world.timers[-1:]] == [10]


def test_what_cannot_be_removed_is_tried_again(world: World) -> None:
    """With the same answer in the end."""
    world.looks = [Looked((CONTAINER, NETWORK))]
    world.removals = [Removed(Counter(container=1), left=(NETWORK,))]
    tell(world, b"label=a")

    assert [world.fire(), world.fire()] == [10, 1]
    assert (world.removing, world.ended) == ([(CONTAINER, NETWORK), (NETWORK,)], [0])
    assert world.log[-2:] == ["INFO removed containers=1 networks=1 volumes=0 images=0", "INFO done"]


def test_it_gives_up_after_some_tries() -> None:
    """The exit code tells."""
    world = World(remove_retries=3)
    world.looks = [Looked((NETWORK,))]
    world.removals = [Removed(Counter(), left=(NETWORK,))] * 3
    tell(world, b"label=a")

    assert [world.fire(), world.fire(), world.fire()] == [10, 1, 1]
    assert (len(world.removing), world.timers, world.ended) == (3, [], [1])
    assert world.log[-3:] == [
        "INFO removed containers=0 networks=0 volumes=0 images=0",
        'ERROR run error="1 could not be removed"',
        "INFO done",
    ]


def test_what_could_not_be_listed_is_a_failure(world: World) -> None:
    """The rest is removed."""
    world.looks = [Looked((CONTAINER,), failed=True)]
    tell(world, b"label=a")
    world.fire()

    assert (world.removing, world.ended) == ([(CONTAINER,)], [1])


def test_who_comes_too_late_gets_no_answer(world: World) -> None:
    """So it looks for another Ryuk."""
    world.fire()
    with world.client() as client:
        assert client.recv(10) == b""

    assert world.log[-1] == "WARN shutdown, aborting client"


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_a_signal_without_clients(world: World, signal: str) -> None:
    """What they had told is removed at once."""
    tell(world, b"label=a")
    world.ryuk.signal(signal)
    world.ryuk.signal(signal)

    assert world.fire() == 0
    assert (world.asked, world.ended) == ([(label("a"),)], [0])
    assert "INFO signal received clients=0 shutdown_timeout=600s" in world.log


def test_a_signal_with_clients(world: World) -> None:
    """They may finish, for some time; no other one may come."""
    with world.client() as client:
        eventually(lambda: world.log)
        world.ryuk.signal("TERM")
        with world.client() as late:
            assert late.recv(10) == b""
        assert say(client, b"label=a\n") == ryuk.ACK

    assert [timer.seconds for timer in world.timers] == [60, 600, 10]
    world.timers[1].job()
    assert world.asked == []
    world.timers[2].job()
    assert (world.asked, world.ended) == ([(label("a"),)], [0])


def test_clients_that_stay_after_a_signal(world: World) -> None:
    """Are not waited for without end."""
    with world.client():
        eventually(lambda: world.log)
        world.ryuk.signal("TERM")

        assert world.fire() == 600
        assert world.ended == [0]
        assert "WARN prune check clients=1" in world.log


def test_what_is_new_is_not_waited_for_without_end_after_a_signal() -> None:
    """When the time is over what is old is removed, and the exit code tells that it is not all."""
    world = World(shutdown_timeout=5.0, changes_retry_interval=2.0)
    world.looks = [Looked((CONTAINER,), new=(NETWORK,))] * 4
    tell(world, b"label=a")
    world.ryuk.signal("TERM")

    assert [world.fire() for _ in range(4)] == [0, 2, 2, 2]
    assert (world.removing, world.timers[1:], world.ended) == ([(CONTAINER,)], [], [1])
    news = 'error="1 created after the check began"'
    assert [line for line in world.log if "created" in line] == [
        *[f"WARN change detected, waiting again {news}"] * 3,
        f"WARN shutdown timeout reached, forcing prune {news}",
    ]


def test_what_is_new_is_waited_for_without_end_before_a_signal() -> None:
    """As often as it is asked for, and with its word of what is new."""
    world = World(shutdown_timeout=5.0, changes_retry_interval=2.0, retry_offset=-3.0)
    world.looks = [Looked((CONTAINER,), new=(NETWORK,))] * 9
    tell(world, b"label=a")

    assert [world.fire() for _ in range(9)] == [10, *[2] * 8]
    assert (world.removing, world.ended, world.offsets) == ([], [], [-3.0] * 9)


def test_other_signals_do_nothing(world: World) -> None:
    """As for process 1 of a container that does not handle them."""
    world.ryuk.signal("HUP")

    assert (len(world.timers), world.log) == (1, [])


def test_a_ryuk_that_is_closed_removes_nothing_more(world: World) -> None:
    """Neither when its time has come, nor when it was at it."""
    world.looks = [Looked((NETWORK,))]
    world.removals = [Removed(Counter(), left=(NETWORK,))]
    tell(world, b"label=a")
    world.fire()
    world.ryuk.close()
    world.fire()
    other = World()
    other.ryuk.start()
    other.ryuk.close()
    other.fire()

    assert (len(world.removing), world.ended) == (1, [])
    assert (other.asked, other.ended) == ([], [])
