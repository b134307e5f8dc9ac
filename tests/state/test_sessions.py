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


def test_once_nobody_reads() -> None:
    """When the last reader has gone, at once where there is none, and never for a container that is gone."""
    sessions, called = Sessions(), list[str]()
    with sessions.reading("c1"):
        with sessions.reading("c1"):
            assert sessions.is_read("c1")
            sessions.once_unread("c1", lambda: called.append("c1"))
            sessions.once_unread("c2", lambda: called.append("c2"))
        assert called == ["c2"]
    assert called == ["c2", "c1"]
    with sessions.reading("c1"):
        sessions.once_unread("c1", lambda: called.append("gone"))
        sessions.forget("c1")
    assert called == ["c2", "c1"]


def test_the_bell_wakes_all_who_listen_to_this_container() -> None:
    """And nobody else."""
    bell = Bell()
    with bell.listening("c1") as one, bell.listening("c1") as two, bell.listening("c2") as other:
        bell.ring("c1")
        assert [one.is_set(), two.is_set(), other.is_set()] == [True, True, False]
    bell.ring("c1")
    assert not bell._listeners
