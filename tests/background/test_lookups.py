"""Questions that may hang."""

import threading

import pytest

from kubedock.background.lookups import Lookups
from kubedock.errors import NotFound, Unavailable
from tests.support.running import left_behind, refused
from tests.support.threads import none_left
from tests.support.waiting import eventually, in_thread


def test_an_answer_and_an_error() -> None:
    """As if the asker had found out by itself; no thread is left."""
    before = set(threading.enumerate())
    lookups = Lookups()

    def fail() -> int:
        raise NotFound("nowhere")

    assert lookups.ask("a", lambda: 1, 5) == 1
    with pytest.raises(NotFound, match=r"^nowhere$"):
        lookups.ask("a", fail, 5)
    assert left_behind(before) == []


def test_who_asks_the_same_gets_the_same_answer() -> None:
    """It is asked once."""
    lookups, release, asked = Lookups(), threading.Event(), list[str]()

    def question() -> str:
        asked.append("once")
        release.wait(5)
        return "answer"

    answers = [in_thread(lambda: lookups.ask("a", question, 5)) for _ in range(5)]
    eventually(lambda: asked)
    other = lookups.ask("b", lambda: "other", 5)
    release.set()

    assert [answer() for answer in answers] == ["answer"] * 5
    assert (other, asked) == ("other", ["once"])


def test_nobody_waits_for_ever() -> None:
    """Nor for room: one question too many fails at once."""
    lookups, release = Lookups(limit=2), threading.Event()
    for key in "ab":
        with pytest.raises(Unavailable, match=r"^no answer within 0\.01 s$"):
            lookups.ask(key, lambda: release.wait(5) and None, 0.01)

    with pytest.raises(Unavailable, match=r"^2 look-ups are waiting for an answer already$"):
        lookups.ask("c", lambda: None, 5)

    release.set()
    eventually(lambda: not lookups._open)
    lookups.ask("c", lambda: None, 5)


def test_where_no_thread_can_be_started_nobody_waits() -> None:
    """It is told at once, and the same question can be asked again."""
    lookups = Lookups(limit=1)

    for _ in range(2):
        with none_left("lookup-"), refused(Unavailable, "a look-up cannot begin: can't start new thread"):
            lookups.ask("a", lambda: 1, 5)

    assert lookups.ask("a", lambda: 1, 5) == 1
