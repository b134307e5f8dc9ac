"""The node's events."""

from datetime import UTC, datetime

import pytest

from kubedock.cluster import Json
from kubedock.cluster.store import ObjectStore
from kubedock.embedded.events import KEPT, Events

POD: Json = {"metadata": {"name": "p", "namespace": "test", "uid": "u"}}


@pytest.fixture
def store() -> ObjectStore:
    """Where they are."""
    return ObjectStore("test", lambda: datetime(2026, 1, 2, tzinfo=UTC))


def shown(store: ObjectStore) -> list[tuple[str, int]]:
    """(message, count) of all, oldest first."""
    return [(item["message"], item["count"]) for item in store.select("Event")]


def test_what_repeats_is_counted(store: ObjectStore) -> None:
    """Of the same pod, with the same words."""
    events = Events(store, lambda: datetime(2026, 1, 2, tzinfo=UTC))
    for message in ("a", "b", "a", "a"):
        events.tell(POD, "Failed", message)

    assert shown(store) == [("a", 3), ("b", 1)]


def test_only_the_newest_stay(store: ObjectStore) -> None:
    """What was told again lately is not old; one that was deleted by somebody is told anew."""
    events = Events(store, lambda: datetime(2026, 1, 2, tzinfo=UTC), kept=3)
    for message in ("a", "b", "c", "a", "d"):
        events.tell(POD, "Failed", message)
    assert shown(store) == [("a", 2), ("c", 1), ("d", 1)]

    store.remove("Event", store.select("Event")[0]["metadata"]["name"])
    events.tell(POD, "Failed", "a")
    assert shown(store) == [("c", 1), ("d", 1), ("a", 1)]


def test_the_bound_of_a_node(store: ObjectStore) -> None:
    """As many as there may be; not one more."""
    events = Events(store, lambda: datetime(2026, 1, 2, tzinfo=UTC))
    for number in range(KEPT + 5):
        events.tell(POD, "Failed", str(number))

    assert KEPT == 4000
    assert shown(store) == [(str(number), 1) for number in range(5, KEPT + 5)]
