"""The pump between a client and a process's channels: both ways, half-closes, ends, and how much it holds."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubedock.cluster.fake_streams import FakeChannels
from kubedock.server.hijacked import HijackedConn
from kubedock.streams.cancel import Cancel
from kubedock.streams.pump import HIGH, STDIN, Pump
from tests.support.waiting import eventually, in_thread

OK = json.dumps({"status": "Success"}).encode()


class Both:
    """A client's end, the pump that runs, and the process's side."""

    def __init__(self, *, stdin: bool = True, initial: bytes = b"") -> None:
        self.near, self.far = socket.socketpair()
        self.near.settimeout(10)
        self.input: list[bytes | None] = []
        self.channels = FakeChannels(lambda _, data: self.input.append(data))
        self.cancel = Cancel()
        self.pump = Pump(self.channels, self.cancel)
        self.taken: list[int] = []
        client = HijackedConn(self.far, initial, lambda: (Cancel(), lambda: None))
        end_input = (lambda: self.channels.close_channel(STDIN) and None) if stdin else None
        self.result = in_thread(lambda: self.pump.run(client, self._take, end_input))

    def _take(self, channel: int, data: bytes) -> bytes:
        self.taken.append(channel)
        return data if channel in (1, 2) else b""


@contextmanager
def both(**options: object) -> Iterator[Both]:
    """One that runs; all is closed at the end."""
    made = Both(**options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.cancel.set("the test is over")
        made.result()
        made.pump.close()
        made.channels.close()
        made.near.close()
        made.far.close()


def test_bytes_go_both_ways_and_the_end_of_input_is_passed_on() -> None:
    """What came before the pump began goes first; output goes on after the half-close."""
    with both(initial=b"a") as run:
        run.near.sendall(b"b")
        eventually(lambda: b"".join(data or b"" for data in run.input) == b"ab")
        run.near.shutdown(socket.SHUT_WR)
        eventually(lambda: run.input[-1] is None)
        run.channels.put(1, b"out")
        assert run.near.recv(10) == b"out"
        run.channels.put(2, b"last")
        run.channels.finish(OK)
        assert run.result() == "ended"
        assert run.near.recv(10) == b"last"
        assert (run.taken, run.input.count(None)) == ([1, 2, 3], 1)


def test_input_that_is_not_wanted_is_not_read() -> None:
    """And a half-close is no end."""
    with both(stdin=False) as run:
        run.near.sendall(b"x")
        run.near.shutdown(socket.SHUT_WR)
        run.channels.put(1, b"out")
        assert run.near.recv(10) == b"out"
        run.channels.finish(OK)
        assert run.result() == "ended"
        assert run.input == []


@pytest.mark.parametrize("stdin", [True, False])
def test_a_client_that_goes(stdin: bool) -> None:
    """Is noticed, also where nothing is read of it."""
    with both(stdin=stdin) as run:
        run.near.close()
        assert run.result() == "client"


def test_a_cancel_and_a_break() -> None:
    """The two other ends."""
    with both() as run:
        run.cancel.set("server stopping")
        assert run.result() == "cancelled"
    with both() as run:
        run.channels.snap()
        assert run.result() == "ended"
        assert run.taken == []


def test_a_client_that_does_not_read_stops_the_process() -> None:
    """About a MiB is held, then nothing more is taken; all of it arrives in the end."""
    with both() as run:
        size, count, enough = 64 * 1024, 100, HIGH // (64 * 1024) + 1
        run.far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for _ in range(enough):
            run.channels.put(1, b"x" * size)
        eventually(lambda: len(run.taken) == enough)
        for _ in range(count - enough):
            run.channels.put(1, b"x" * size)
        run.channels.finish(OK)
        threading.Event().wait(0.1)
        assert len(run.taken) == enough
        got = 0
        while got < size * count:
            got += len(run.near.recv(1 << 20))
        assert run.result() == "ended"
        assert (got, HIGH) == (size * count, 1 << 20)


def test_sizes_go_to_the_process() -> None:
    """From any thread, while nothing else happens."""
    with both() as run:
        run.pump.resize(40, 120)
        eventually(lambda: run.channels.resized == [b'{"Width": 120, "Height": 40}'])


def test_output_alone() -> None:
    """For a client that has no way back."""
    channels, cancel = FakeChannels(), Cancel()
    pump = Pump(channels, cancel)
    channels.put(1, b"a")
    channels.put(2, b"b")
    channels.finish(OK)
    assert [list(batch) for batch in pump.batches()] == [[(1, b"a"), (2, b"b"), (3, OK)]]
    pump.close()
    channels.close()
