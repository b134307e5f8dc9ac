"""Images for one platform or for several, and the nodes'."""

import pytest

from kubedock.domain.container import ContainerSpec
from kubedock.engine import Engine
from kubedock.engine.images import Progress
from kubedock.errors import WrongPlatform
from tests.support.inspecting import inspecting, source_of
from tests.support.registry import FakeRegistry
from tests.support.running import refused


@pytest.fixture
def engine() -> Engine:
    """An engine that asks registries."""
    return inspecting()


def test_an_image_for_another_platform_is_pulled_again(engine: Engine, registry: FakeRegistry) -> None:
    """What was pulled for one is none for another: a client that is told so pulls, and the tag moves."""
    arm, _ = registry.image("x", "", {"Cmd": ["arm"]}, architecture="arm64")
    amd, _ = registry.image("x", "", {"Cmd": ["amd"]})
    index = registry.index("x", "1", {"linux/arm64/v8": arm, "linux/amd64": amd})
    name = f"{registry.host}/x:1"
    list(engine.images.pull(name, platform="linux"))

    for platform in ("", "linux", "linux/amd64", "amd64"):
        assert source_of(engine, name, platform) == f"{registry.host}/x@{index}"
    sentence = f"image with reference {name} was found but does not match the specified platform: wanted "
    with refused(WrongPlatform, f"{sentence}linux/arm64, actual: linux/amd64"):
        source_of(engine, name, "linux/arm64")
    assert list(engine.images.pull(name, platform="linux/arm64"))[-1].status.startswith("Status: Downloaded newer image")
    source_of(engine, name, "linux/arm64")
    with refused(WrongPlatform, f"{sentence}linux/amd64, actual: linux/arm64/v8"):
        source_of(engine, name, "linux/amd64")


def test_the_only_platform_of_an_image(engine: Engine, registry: FakeRegistry) -> None:
    """A reference without an index has no other: the pull warns, as Docker's."""
    registry.image("x", "1", {}, architecture="arm64")
    name = f"{registry.host}/x:1"

    assert list(engine.images.pull(name))[-2] == Progress(
        f"WARNING: image with reference {name} was found but does not match the specified platform:"
        " wanted linux/amd64, actual: linux/arm64"
    )
    assert source_of(engine, name).startswith(f"{registry.host}/x@")


def test_a_container_of_another_platforms_image(engine: Engine, registry: FakeRegistry) -> None:
    """A warning in moby's words, and nodes get what inspect shows: of the index they would choose their own."""
    manifests = {f"linux/{name}": registry.image("x", "", {"Cmd": [name]}, architecture=name)[0] for name in ("arm64", "amd64")}
    registry.index("x", "1", manifests)
    digest, _ = registry.image("y", "1", {}, architecture="arm64")
    x, y = f"{registry.host}/x", f"{registry.host}/y"
    list(engine.images.pull(x, "1", platform="linux/arm64"))
    list(engine.images.pull(y, "1"))
    warning = (
        "The requested image's platform (linux/arm64) does not match the detected host platform (linux/amd64)"
        " and no specific platform was requested"
    )

    for name, platform, source, warnings in (
        (f"{x}:1", "", f"{x}@{manifests['linux/arm64']}", (warning,)),
        (f"{x}:1", "linux/arm64", f"{x}@{manifests['linux/arm64']}", ()),
        (f"{y}:1", "", f"{y}@{digest}", (warning,)),
    ):
        made = engine.containers.create(ContainerSpec(name, command=("x",), platform=platform), name=None, endpoints={})
        assert (engine.core.containers.find(made.id).image_source, made.warnings) == (source, warnings)
    with pytest.raises(WrongPlatform):
        source_of(engine, f"{x}:1", "linux")
    list(engine.images.pull(x, "1"))
    made = engine.containers.create(ContainerSpec(f"{x}:1", command=("x",)), name=None, endpoints={})
    assert made.warnings == ()


def test_an_index_knows_better_than_a_configuration(engine: Engine, registry: FakeRegistry) -> None:
    """Images that are built by hand often have the platform of their builder in it."""
    digest, _ = registry.image("x", "", {}, architecture="amd64")
    registry.index("x", "1", {"linux/arm64": digest})

    steps = list(engine.images.pull(f"{registry.host}/x:1", platform="linux/arm64"))

    assert steps[-1].status.startswith("Status: ")
    assert source_of(engine, f"{registry.host}/x:1", "linux/arm64").startswith(f"{registry.host}/x@")
