"""Stores: the contract that every implementation keeps."""

from dataclasses import dataclass, replace

import pytest

from kubedock.errors import AmbiguousReference, NameTaken, NoSuchContainer
from kubedock.state.store import Change, MemoryStore


@dataclass(frozen=True)
class Thing:
    """A record."""

    id: str
    name: str
    size: int = 0


@pytest.fixture
def store() -> MemoryStore[Thing]:
    """Two records."""
    store = MemoryStore[Thing]("container", missing=NoSuchContainer, taken=lambda name, holder: NameTaken(name, holder=holder))
    store.add(Thing("abc1", "web"))
    store.add(Thing("abd2", "abc"))
    return store


@pytest.mark.parametrize(
    ("ref", "found"),
    [("abc1", "abc1"), ("web", "abc1"), ("/web", "abc1"), ("abc", "abd2"), ("abd", "abd2")],
)
def test_by_id_then_name_then_prefix(store: MemoryStore[Thing], ref: str, found: str) -> None:
    """Docker's order: a name wins over the beginning of an id."""
    assert store.find(ref).id == found


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [("x", "No such container: x"), ("", "No such container: "), ("ab", "multiple IDs found with provided prefix: ab")],
)
def test_what_is_not_found(store: MemoryStore[Thing], ref: str, sentence: str) -> None:
    """Absent, or more than one."""
    with pytest.raises((NoSuchContainer, AmbiguousReference)) as caught:
        store.find(ref)

    assert str(caught.value) == sentence


def test_names_are_unique(store: MemoryStore[Thing]) -> None:
    """Also by renaming; the record stays as it was."""
    with pytest.raises(NameTaken):
        store.add(Thing("eee", "web"))
    with pytest.raises(NameTaken):
        store.update("abc1", lambda thing: replace(thing, name="abc"))

    assert store.find("web") == Thing("abc1", "web")


def test_a_change_tells_before_and_after_and_frees_the_name(store: MemoryStore[Thing]) -> None:
    """A rename takes effect at once."""
    change = store.update("abc1", lambda thing: replace(thing, name="db"))

    assert change == Change(Thing("abc1", "web"), Thing("abc1", "db"))
    store.add(Thing("eee", "web"))
    assert [thing.name for thing in store.list()] == ["db", "abc", "web"]


def test_removing_twice(store: MemoryStore[Thing]) -> None:
    """The second finds nothing; an update neither."""
    assert store.remove("abc1") == Thing("abc1", "web")
    assert store.remove("abc1") is None
    assert store.update("abc1", lambda thing: thing) is None
    assert store.get("abc1") is None
