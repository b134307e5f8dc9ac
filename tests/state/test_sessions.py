"""What lives in this process: locks, readers, and who waits for a change."""

import threading

from kubedock.state.sessions import Bell, Sessions
from tests.support.waiting import in_thread


def test_one_at_a_time() -> None:
    """A second thread waits for the first; other containers do not."""
    sessions, order = Sessions(), list[str]()
    inside = threading.Event()

    def second() -> None:
        inside.wait(10)
        with sessions.exclusive("c1"):
            order.append("second")

    with sessions.exclusive("c1"):
        result = in_thread(second)
        inside.set()
        with sessions.exclusive("c2"), sessions.exclusive("c1"):
            order.append("first")
    result()

    assert order == ["first", "second"]


def test_waiting_for_readers() -> None:
    """Until the last one has gone, or in vain."""
    sessions = Sessions()
    with sessions.reading("c1"), sessions.reading("c1"):
        assert sessions.is_read("c1")
        assert not sessions.wait_for_readers("c1", 0)
        assert sessions.wait_for_readers("c2", 0)
    assert sessions.wait_for_readers("c1", 0)


def test_the_bell_wakes_all_who_listen_to_this_container() -> None:
    """And nobody else."""
    bell = Bell()
    with bell.listening("c1") as one, bell.listening("c1") as two, bell.listening("c2") as other:
        bell.ring("c1")
        assert [one.is_set(), two.is_set(), other.is_set()] == [True, True, False]
    bell.ring("c1")
    assert not bell._listeners
