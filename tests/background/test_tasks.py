"""Tasks: done soon or later, in threads that end."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubedock.background.tasks import Tasks
from tests.support.running import left_behind
from tests.support.threads import none_left
from tests.support.waiting import eventually


@contextmanager
def _tasks(workers: int = 4) -> Iterator[Tasks]:
    before = set(threading.enumerate())
    tasks = Tasks(workers)
    tasks.start()
    try:
        yield tasks
    finally:
        tasks.stop()
        assert left_behind(before) == []


def test_what_is_submitted_is_done() -> None:
    """Soon, and once."""
    done: list[int] = []
    with _tasks() as tasks:
        for number in range(100):
            tasks.submit("a task", lambda number=number: done.append(number))  # type: ignore[misc]
        eventually(lambda: len(done) == 100)

    assert sorted(done) == list(range(100))


def test_what_is_due_later_comes_later() -> None:
    """A task's time is kept, whatever is submitted behind it."""
    done: list[str] = []
    with _tasks(1) as tasks:
        tasks.submit("later", lambda: done.append("later"), after=0.2)
        tasks.submit("sooner", lambda: done.append("sooner"), after=0.05)
        tasks.submit("now", lambda: done.append("now"))
        eventually(lambda: len(done) == 3)

    assert done == ["now", "sooner", "later"]


def test_a_task_that_hangs_holds_up_no_other() -> None:
    """There are as many threads as there is work, up to a limit; then it waits its turn."""
    hold, running, lock = threading.Event(), [0, 0], threading.Lock()

    def job() -> None:
        with lock:
            running[0] += 1
        hold.wait(10)
        with lock:
            running[1] += 1

    with _tasks(4) as tasks:
        for _ in range(6):
            tasks.submit("a task", job)
        eventually(lambda: running[0] == 4)
        hold.set()
        eventually(lambda: running[1] == 6)


def test_a_task_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With its traceback; the thread goes on."""
    done = threading.Event()

    def fail() -> None:
        raise ValueError("no luck")

    with caplog.at_level(logging.ERROR), _tasks(1) as tasks:
        tasks.submit("the attempt", fail)
        tasks.submit("the next", done.set)
        assert done.wait(5)

    (record,) = caplog.records
    assert record.message == "the attempt failed"
    assert record.exc_info is not None


def test_a_stop_drops_what_has_not_begun() -> None:
    """Nothing is done afterwards, and a task that hangs is not waited for longer than asked."""
    begun, hold, done = threading.Event(), threading.Event(), list[str]()

    def hang() -> None:
        begun.set()
        hold.wait(10)

    before = set(threading.enumerate())
    tasks = Tasks(1)
    tasks.submit("before the start", hang)
    tasks.start()
    tasks.submit("behind it", lambda: done.append("behind"))
    tasks.submit("later", lambda: done.append("later"), after=30)
    assert begun.wait(5)
    tasks.stop(0.05)
    tasks.submit("after the end", lambda: done.append("after"))
    hold.set()

    assert tasks.stopping
    assert left_behind(before) == []
    assert done == []


def test_where_no_thread_can_be_started_work_waits(caplog: pytest.LogCaptureFixture) -> None:
    """For one that is there or comes; the clock goes on, and one warning tells of it."""
    done: list[str] = []
    with _tasks() as tasks:
        with none_left("task-") as wanted:
            tasks.submit("the first", lambda: done.append("first"))
            tasks.submit("the second", lambda: done.append("second"))
            eventually(lambda: len(wanted) > 2)
        tasks.submit("the third", lambda: done.append("third"), after=0.01)
        eventually(lambda: len(done) == 3)

    assert done[:2] == ["first", "second"]
    assert [record.message for record in caplog.records] == ["the first has to wait: can't start new thread"]


def test_work_that_no_thread_can_be_started_for_is_done_by_those_that_are_there() -> None:
    """As soon as one is free."""
    hold, done = threading.Event(), list[str]()
    with _tasks() as tasks:
        tasks.submit("the one that is there", lambda: hold.wait(10) and done.append("first"))
        eventually(lambda: any(thread.name == "task-1" for thread in threading.enumerate()))
        with none_left("task-") as wanted:
            tasks.submit("the other", lambda: done.append("second"))
            eventually(lambda: wanted)
            hold.set()
            eventually(lambda: done == ["first", "second"])


def test_a_stop_does_not_wait_for_what_could_not_be_started() -> None:
    """It would never end."""
    with none_left("task-1") as wanted, _tasks() as tasks:
        tasks.submit("the attempt", lambda: None)
        eventually(lambda: wanted)
