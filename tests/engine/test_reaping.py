"""What filters name, and its removal through the engine's own use cases."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.domain import ryuk
from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.domain.network import Endpoint, Network, NetworkRequest
from kubedock.domain.volume import Mount, Volume
from kubedock.engine import Engine
from kubedock.engine.reaping import Reaping
from kubedock.engine.ryuk import Looked, Removed, Thing
from kubedock.kube.manifest import PodDefaults
from kubedock.registry.client import RegistryClient
from kubedock.registry.inspector import Inspector, Places
from kubedock.runtime import Options, Runtime
from tests.support.registry import FakeRegistry
from tests.support.running import T0, make, put_container, still

MINE = {"session": "1"}
SESSION: ryuk.Filters = (("label", ("session=1",)),)
OLD = T0 - timedelta(seconds=2)


class Log(list[str]):
    """A Ryuk's log: ``say`` adds to it."""

    def __call__(self, level: str, message: str, **about: object) -> None:
        """See Say."""
        self.append(" ".join(filter(None, (level, message, ryuk.fields(about)))))


def reaping(engine: Engine) -> Reaping:
    """Over this engine."""
    return Reaping(engine.core, engine.containers, engine.networks, engine.volumes, engine.images)


def put_network(engine: Engine, name: str, **labels: str) -> Thing:
    """A network that is old enough to go."""
    made = engine.networks.create(NetworkRequest(name, labels=labels))
    engine.core.networks.update(made.id, lambda network: replace(network, created_at=OLD))
    return Thing("network", made.id)


def put_volume(engine: Engine, name: str, **labels: str) -> Thing:
    """A volume that is old enough to go."""
    engine.core.volumes.add(Volume(name, OLD, labels=labels))
    return Thing("volume", name)


def put(engine: Engine, name: str, **fields: object) -> ContainerRecord:
    """A container that is old enough to go."""
    record = put_container(engine, name, spec=ContainerSpec("alpine", **fields))  # type: ignore[arg-type]
    engine.core.containers.update(record.id, lambda r: replace(r, created_at=OLD))
    return record


def test_all_that_matches_is_found_in_the_order_of_removal() -> None:
    """Each once, by whichever filter; nothing that is somebody else's."""
    engine, log = still(), Log()
    volume, network = put_volume(engine, "v1", session="1", suite="a"), put_network(engine, "n1", session="1")
    container = put(engine, "c1", labels={"session": "1"})
    put_volume(engine, "v2", session="2")
    put_network(engine, "n2")
    put(engine, "c2", labels={"session": "2"})
    for _ in engine.images.pull("alpine", "latest"):
        pass

    looked = reaping(engine).look([SESSION, (("label", ("suite=a",)),)], log, offset=-1.0)

    assert (looked, log) == (Looked((Thing("container", container.id), network, volume)), [])


def test_ryuks_are_not_reaped() -> None:
    """Whatever matches them."""
    engine, labels = still(), {**MINE, ryuk.LABEL: "true"}
    put(engine, "c1", labels=labels)
    put_network(engine, "n1", **labels)
    put_volume(engine, "v1", **labels)

    assert reaping(engine).look([SESSION], Log(), offset=-1.0) == Looked(())


def test_what_is_new_is_told_apart() -> None:
    """The clock stands: what was made now is less than a second old."""
    engine = still()
    old = put_network(engine, "n1", session="1")
    new = engine.networks.create(NetworkRequest("n2", labels=MINE))
    made = put_container(engine, "c1", spec=ContainerSpec("alpine", labels=MINE))

    looked = reaping(engine).look([SESSION], Log(), offset=-1.0)

    assert looked == Looked((old,), new=(Thing("container", made.id), Thing("network", new.id)))


def test_a_filter_that_a_kind_does_not_have() -> None:
    """The others are found, the failure is told."""
    engine, log = still(), Log()
    network, volume = put_network(engine, "mine"), put_volume(engine, "mine")

    looked = reaping(engine).look([(("name", ("mine",)),)], log, offset=-1.0)

    assert (looked, log) == (
        Looked((network, volume), failed=True),
        ["ERROR affected images error=\"invalid filter 'name'\""],
    )


def test_images_are_found_and_removed() -> None:
    """By what images can be filtered by. One whose age nobody tells is not new, as with Docker."""
    engine, log = still(), Log()
    for name in ("alpine", "busybox"):
        for _ in engine.images.pull(name, "latest"):
            pass
    image = engine.images.require("alpine")
    made = reaping(engine)

    looked = made.look([(("reference", ("alpine",)),)], Log(), offset=-1.0)

    assert looked == Looked((Thing("image", image.id),), (), failed=True)
    assert made.remove(looked.things, log) == Removed(Counter(image=1))
    assert [found.tags for found in engine.images.list({})] == [("busybox:latest",)]
    assert log == [f"INFO remove resource=image id={image.id}"]


def test_images_are_found_by_their_labels_and_removed() -> None:
    """Which their registry told; a Ryuk's stays."""
    log = Log()
    engine = Runtime(FakeCluster(), Options(PodDefaults("test"), inspector=Inspector(RegistryClient(), Places()))).engine
    with FakeRegistry().serving() as registry:
        for name, labels in (("mine", MINE), ("other", {"session": "2"}), ("reaper", {**MINE, ryuk.LABEL: "true"})):
            registry.image(name, "1", {"Labels": labels})
            for _ in engine.images.pull(f"{registry.host}/{name}:1"):
                pass
    image = engine.images.require(f"{registry.host}/mine:1")
    made = reaping(engine)

    looked = made.look([SESSION], log, offset=60.0)

    assert looked == Looked((Thing("image", image.id),))
    assert made.remove(looked.things, log) == Removed(Counter(image=1))
    left = sorted(tag for found in engine.images.list({}) for tag in found.tags)
    assert left == [f"{registry.host}/{name}:1" for name in ("other", "reaper")]


def test_what_is_new_is_up_to_who_asks() -> None:
    """Seconds from now."""
    engine = still()
    network = put_network(engine, "n1", session="1")

    assert reaping(engine).look([SESSION], Log(), offset=-3.0) == Looked((), new=(network,))


def test_containers_go_first_and_let_the_others_go(engine: Engine) -> None:
    """One that runs as well, with its anonymous volumes."""
    log, network = Log(), engine.networks.create(NetworkRequest("n1", labels=MINE))
    volume = engine.volumes.create("v1", labels=MINE)
    mounts = (Mount("volume", "/a", volume.name), Mount("volume", "/b", anonymous=True))
    container = make(engine, "c1", "forever", labels=MINE, mounts=mounts)
    place = {network.id: Endpoint(network.id, "e" * 64)}
    engine.core.containers.update(container, lambda record: replace(record, endpoints=place))
    engine.containers.start(container)
    things = (Thing("container", container), Thing("network", network.id), Thing("volume", "v1"))

    assert reaping(engine).remove(things, log) == Removed(Counter(container=1, network=1, volume=1))
    assert log == [f"INFO remove resource={kind} id={ref}" for kind, ref in things]
    assert (engine.core.containers.list(), engine.volumes.list({})) == ([], [])
    assert [found.network.name for found in engine.networks.list({})] == ["bridge", "host", "none"]


def test_what_is_in_use_is_left_and_what_is_gone_is_fine() -> None:
    """The reason is told."""
    engine, log = still(), Log()
    volume, network = put_volume(engine, "v1"), Network("f" * 64, "n1", "bridge", T0)
    user = put(engine, "c1", mounts=(Mount("volume", "/a", "v1"),))
    gone = Thing("container", "c" * 64)

    removed = reaping(engine).remove((gone, Thing("network", network.id), volume), log)

    assert removed == Removed(Counter(), left=(volume,))
    assert log == [f'ERROR remove resource=volume id=v1 error="remove v1: volume is in use - [{user.id}]"']


@pytest.mark.parametrize("filters", [(("label", ("",)),), (("label", ("session",)), ("name", ("nothing",)))])
def test_what_matches_nothing(filters: ryuk.Filters) -> None:
    """An empty label is no label at all."""
    engine = still()
    put(engine, "c1", labels=MINE)
    put_volume(engine, "v1", session="1")

    assert reaping(engine).look([filters], Log(), offset=-1.0).things == ()
