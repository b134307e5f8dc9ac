"""Watches of an object store: bookmarks, and what they promise."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import pytest

from kubedock.cluster.protocol import WatchEvent
from kubedock.cluster.store import ObjectStore
from tests.support.waiting import in_thread

OBJECTS = 3000


class Clock:
    """A time that goes by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The store's."""
    return Clock()


@pytest.fixture
def store(clock: Clock) -> ObjectStore:
    """An empty one."""
    return ObjectStore("test", lambda: datetime(2026, 1, 2, tzinfo=UTC), clock=clock)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads change as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def told(events: list[WatchEvent]) -> list[tuple[str, str]]:
    """What the lines are about: a name, or a bookmark's version."""
    return [(one.type, one.object["metadata"].get("name") or one.object["metadata"]["resourceVersion"]) for one in events]


def test_each_minute_has_its_bookmark(store: ObjectStore, clock: Clock) -> None:
    """After what has come meanwhile, with the store's version, which changes of other kinds advance, too."""
    watch = store.watch("ConfigMap", "", "", "", 300)
    lines = iter(watch)

    clock.now += 60
    store.insert("Secret", {"metadata": {"name": "other"}})
    first = told(list(islice(lines, 1)))
    store.insert("ConfigMap", {"metadata": {"name": "a"}})
    clock.now += 59
    second = told(list(islice(lines, 1)))
    store.insert("ConfigMap", {"metadata": {"name": "b"}})
    clock.now += 1
    third = told(list(islice(lines, 2)))

    assert (first, second) == ([("BOOKMARK", "101")], [("ADDED", "a")])
    assert third == [("ADDED", "b"), ("BOOKMARK", "103")]


def test_what_has_come_is_told_at_the_end(store: ObjectStore, clock: Clock) -> None:
    """And then how far it went; nobody waits for more."""
    watch = store.watch("ConfigMap", "", "", "", 10)
    store.insert("ConfigMap", {"metadata": {"name": "a"}})
    clock.now += 10

    assert told(list(watch)) == [("ADDED", "a"), ("BOOKMARK", "101")]
    assert store.watches() == []


@pytest.mark.usefixtures("hasty")
def test_no_change_falls_between_two_watches(store: ObjectStore) -> None:
    """Who goes on from a watch's last bookmark sees all that came after it."""

    def write() -> None:
        for number in range(OBJECTS):
            store.insert("ConfigMap", {"metadata": {"name": f"c-{number:05}"}})

    seen, since = [], str(store.version)
    written = in_thread(write)
    while len(seen) < OBJECTS and since != str(100 + OBJECTS):
        for event in store.watch("ConfigMap", since, "", "", 0):
            since = event.object["metadata"]["resourceVersion"]
            if event.type != "BOOKMARK":
                seen.append(event.object["metadata"]["name"])
    written()

    assert seen == [f"c-{number:05}" for number in range(OBJECTS)]
