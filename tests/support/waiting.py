"""Waiting for conditions, with deadlines."""

import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from kubedock.cluster import Channels

T = TypeVar("T")


def eventually(condition: Callable[[], T], *, seconds: float = 20.0, every: float = 0.02, what: str = "") -> T:
    """The condition's first true value; fails when there is none in time. ``what`` names it."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what or condition} did not come true within {seconds} s"
        pause.wait(every)
    return value


def converse(channels: Channels, *, seconds: float = 20.0) -> Iterator[tuple[int, bytes]]:
    """All messages of an exec or attach until its end."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    while not channels.eof:
        channels.flush()
        if not channels.pending():
            poll.register(channels.fileno(), select.POLLIN | (select.POLLOUT if channels.unsent else 0))
            poll.poll(1000)
        yield from channels.receive()
        assert time.monotonic() < deadline, f"no end within {seconds} s"


def gathered(messages: Iterator[tuple[int, bytes]]) -> dict[int, bytes]:
    """Messages put together by channel."""
    found: dict[int, bytes] = {}
    for channel, data in messages:
        found[channel] = found.get(channel, b"") + data
    return found


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Do something beside the test. What is returned waits for the result, and raises what the work raised."""
    outcome: list[Any] = []

    def body() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            outcome.append((None, error))

    thread = threading.Thread(target=body, daemon=True, name="beside-the-test")  # noqa: TID251 - joined below
    thread.start()

    def result() -> Any:
        thread.join(20)
        assert not thread.is_alive(), "still at it after 20 s"
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    return result
