"""The threads of requests."""

import threading

import pytest

from kubedock.server.pool import Pool
from tests.support.threads import none_left
from tests.support.waiting import eventually


def test_where_no_thread_can_be_started_work_waits_for_one_that_is_there(caplog: pytest.LogCaptureFixture) -> None:
    """The server lives on, and one warning tells of it."""
    hold = threading.Event()
    with Pool(4) as pool:
        first = pool.submit(hold.wait, 10)
        with none_left("ThreadPoolExecutor"):
            others = [pool.submit(int, text) for text in ("1", "2")]
            assert not any(each.done() for each in others)
            hold.set()
            assert (first.result(5), [each.result(5) for each in others]) == (True, [1, 2])

    assert [record.message for record in caplog.records] == [
        "requests wait for each other until threads can be started again: can't start new thread"
    ]


def test_it_grows_again_when_it_can() -> None:
    """And a later shortage is told again."""
    hold, begun = threading.Event(), list[int]()

    def job() -> bool:
        begun.append(1)
        return hold.wait(10)

    with Pool(4) as pool:
        with none_left("ThreadPoolExecutor"):
            jobs = [pool.submit(job) for _ in range(2)]
        jobs += [pool.submit(job) for _ in range(2)]
        eventually(lambda: len(begun) >= 3)
        hold.set()
        assert [each.result(5) for each in jobs] == [True] * 4
