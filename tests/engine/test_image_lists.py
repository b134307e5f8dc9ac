"""Lists and prunes of images that registries tell of."""

import json

import pytest

from kubedock.engine import Engine
from kubedock.engine.images import Removed
from kubedock.errors import InvalidParameter
from kubedock.streams.cancel import Cancel
from tests.support.inspecting import inspecting
from tests.support.registry import FakeRegistry
from tests.support.running import refused


@pytest.fixture
def engine() -> Engine:
    """An engine that asks registries."""
    return inspecting()


def test_an_image_without_a_tag_dangles(engine: Engine, registry: FakeRegistry) -> None:
    """Its digest does not keep it, as with Docker."""
    tagged, pinned = (registry.image("x", tag, {"Cmd": [tag]}) for tag in ("1", "2"))
    name = f"{registry.host}/x"
    for tag in ("1", pinned[0]):
        list(engine.images.pull(name, tag))

    assert [image.id for image in engine.images.list({"dangling": ("true",)})] == [pinned[1]]
    assert {image.id for image in engine.images.list({"dangling": ("false",)})} == {tagged[1], pinned[1]}
    assert engine.images.prune({}) == [Removed("Untagged", f"{name}@{pinned[0]}"), Removed("Deleted", pinned[1])]
    assert [image.id for image in engine.images.list({})] == [tagged[1]]


def aged(registry: FakeRegistry, tag: str, created: str | None) -> tuple[str, str]:
    """An image of the repository x that was made then; the digests of its manifest and its configuration."""
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": [tag]}, "created": created}
    image_id = registry.blob(json.dumps(config).encode())
    whole = {"schemaVersion": 2, "config": {"digest": image_id, "size": 1}, "layers": []}
    return registry.manifest("x", tag, whole), image_id


AGES = {"old": "2020-01-01T00:00:00Z", "middle": "2021-01-01T00:00:00Z", "new": "2022-01-01T00:00:00Z", "unknown": None}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["new", "middle", "old", "unknown"]),
        ({"before": ("middle",)}, ["old"]),
        ({"before": ("middle", "new")}, ["old"]),
        ({"since": ("middle",)}, ["new"]),
        ({"since": ("old", "middle")}, ["new"]),
        ({"since": ("old",), "before": ("new",)}, ["middle"]),
        ({"until": ("2021-01-01T00:00:00Z",)}, ["old"]),
        ({"until": ("2021-06-01T00:00:00Z", "2020-06-01T00:00:00Z")}, ["old"]),
        ({"before": ("unknown",)}, ["new", "middle", "old", "unknown"]),
    ],
)
def test_lists_by_age(engine: Engine, registry: FakeRegistry, wanted: dict[str, tuple[str, ...]], names: list[str]) -> None:
    """Of each filter all values hold; an image that tells no age is neither before nor after a moment."""
    for tag, created in AGES.items():
        aged(registry, tag, created)
        list(engine.images.pull(f"{registry.host}/x", tag))
        engine.images.tag(f"{registry.host}/x:{tag}", repository=tag)

    assert [image.tags[1].partition(":")[0] for image in engine.images.list(wanted)] == names


def test_a_prune_by_age(engine: Engine, registry: FakeRegistry) -> None:
    """What tells no age is not old."""
    ids = {}
    for tag, created in AGES.items():
        digest, ids[tag] = aged(registry, tag, created)
        list(engine.images.pull(f"{registry.host}/x", digest))

    gone = engine.images.prune({"until": ("2021-06-01T00:00:00Z",)})

    assert {removed.what for removed in gone if removed.kind == "Deleted"} == {ids["old"], ids["middle"]}
    with refused(InvalidParameter, "more than one until filter specified"):
        engine.images.prune({"until": ("1h", "2h")})


def test_events_have_the_images_labels(engine: Engine, registry: FakeRegistry) -> None:
    """``docker events --filter label=``; one that is gone has none, as in Docker."""
    registry.image("x", "1", {"Labels": {"a": "b", "name": "other"}})
    name, began = f"{registry.host}/x", engine.core.now()
    list(engine.images.pull(name, "1"))
    engine.images.tag(f"{name}:1", repository="mine")
    engine.images.remove("mine", force=False)
    engine.images.remove(f"{name}:1", force=False)

    events = engine.events.subscribe(since=began, until=engine.core.now(), cancel=Cancel())
    told = [(event.action, event.attributes.get("a"), event.attributes["name"] == "other") for event in events]
    assert told == [(action, "b", False) for action in ("pull", "tag", "untag", "untag", "untag")] + [("delete", None, False)]
