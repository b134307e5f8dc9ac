"""Images that a registry tells of."""

import logging
from collections.abc import Callable

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.image import parse
from kubedock.domain.imageconfig import ImageConfig, Layer, RegistryImage
from kubedock.engine import Engine
from kubedock.engine.images import Progress, Removed
from kubedock.errors import (
    Forbidden,
    InvalidParameter,
    KubedockError,
    NotFound,
    NotImplemented,
    System,
    Unauthorized,
    Unavailable,
)
from kubedock.kube.manifest import PodDefaults
from kubedock.registry.client import RegistryClient
from kubedock.registry.credentials import ANONYMOUS, Credentials
from kubedock.registry.inspector import Inspector, Places
from kubedock.runtime import Options, Runtime
from tests.support.inspecting import inspecting, source_of
from tests.support.registry import FakeRegistry, Reply, no, wants_password
from tests.support.running import refused, still

ME = Credentials("me", "secret")


@pytest.fixture
def engine() -> Engine:
    """An engine that asks registries."""
    return inspecting()


def test_a_pull_tells_the_digest(engine: Engine, registry: FakeRegistry) -> None:
    """The image's id is its configuration's digest; nodes pull what was looked at."""
    digest, config = registry.image("me/app", "1", {"Cmd": ["run"], "Labels": {"a": "b"}})
    name = f"{registry.host}/me/app"

    assert list(engine.images.pull(f"{name}:1")) == [
        Progress("Pulling from me/app", "1"),
        Progress(f"Digest: {digest}"),
        Progress(f"Status: Downloaded newer image for {name}:1"),
    ]
    assert list(engine.images.pull(name, "1"))[-1] == Progress(f"Status: Image is up to date for {name}:1")
    image = engine.images.require(f"{name}:1")
    pinned = f"{name}@{digest}"
    assert (image.id, image.tags, image.digests, image.source()) == (config, (f"{name}:1",), (pinned,), pinned)
    assert (image.size, image.platform, image.config.command) == (5, "linux/amd64", ("run",))
    for ref in (config[7:19], f"{name}@{digest}", config):
        assert engine.images.require(ref) == image
    assert engine.images.list({"label": ("a=b",)}) == [image]
    assert engine.images.list({"label": ("a=c",)}) == []
    assert inspecting(pull_policy="Never").images.list({}) == []


def test_nodes_that_may_not_pull_know_an_image_by_its_tag(registry: FakeRegistry) -> None:
    """What was loaded into them has no digest."""
    registry.image("x", "1", {})
    engine = inspecting(pull_policy="Never")

    list(engine.images.pull(f"{registry.host}/x:1"))

    assert engine.images.require(f"{registry.host}/x:1").source() == f"{registry.host}/x:1"


def test_a_tag_that_has_moved(engine: Engine, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old image stays, by its digest alone."""
    monkeypatch.setattr("kubedock.registry.inspector.TAG_SECONDS", 0.0)
    name = f"{registry.host}/x"
    old, old_id = registry.image("x", "1", {"Cmd": ["old"]})
    list(engine.images.pull(name, "1"))
    new, new_id = registry.image("x", "1", {"Cmd": ["new"]})

    assert list(engine.images.pull(name, "1"))[-1] == Progress(f"Status: Downloaded newer image for {name}:1")

    before, after = engine.images.require(old_id), engine.images.require(f"{name}:1")
    assert (before.tags, before.digests) == ((), (f"{name}@{old}",))
    assert (after.id, after.tags, after.digests) == (new_id, (f"{name}:1",), (f"{name}@{new}",))


def test_an_index_that_is_built_anew(engine: Engine, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same configuration: the old digest may be gone from the registry, so nodes pull by the new one."""
    monkeypatch.setattr("kubedock.registry.inspector.TAG_SECONDS", 0.0)
    name = f"{registry.host}/x"
    inner, image_id = registry.image("x", "", {"Cmd": ["same"]})
    old = registry.index("x", "1", {"linux/amd64": inner})
    list(engine.images.pull(name, "1"))
    new = registry.index("x", "1", {"linux/amd64": inner, "linux/arm64": registry.image("x", "", {}, architecture="arm64")[0]})

    assert [step.status for step in engine.images.pull(name, "1")][1:] == [
        f"Digest: {new}",
        f"Status: Image is up to date for {name}:1",
    ]

    image = engine.images.require(f"{name}:1")
    assert (image.id, image.tags, image.digests) == (image_id, (f"{name}:1",), (f"{name}@{new}", f"{name}@{old}"))
    assert image.found is not None
    assert image.found.digest == new
    asked = (f"{name}:1", f"{name}@{new}", f"{name}:1@{old}", image_id[7:19])
    assert [source_of(engine, ref) for ref in asked] == [f"{name}@{digest}" for digest in (new, new, old, new)]
    engine.images.tag(f"{name}:1", repository="mine")
    assert source_of(engine, "mine") == f"{name}@{new}"


def test_the_last_tag_takes_its_digest_along(engine: Engine, registry: FakeRegistry) -> None:
    """A tag of another repository keeps the image."""
    digest, image_id = registry.image("x", "1", {})
    name = f"{registry.host}/x"
    list(engine.images.pull(name, "1"))
    engine.images.tag(f"{name}:1", repository="mine")

    assert engine.images.remove(f"{name}:1", force=False) == [
        Removed("Untagged", f"{name}:1"),
        Removed("Untagged", f"{name}@{digest}"),
    ]
    assert engine.images.remove("mine", force=False) == [Removed("Untagged", "mine:latest"), Removed("Deleted", image_id)]


def test_what_the_registry_refuses_is_refused(engine: Engine, registry: FakeRegistry) -> None:
    """Before the first step, in Docker's words; nothing is remembered."""
    registry.image("x", "1", {})

    with refused(NotFound, f"manifest for {registry.host}/x:2 not found: manifest unknown: manifest unknown"):
        engine.images.pull(f"{registry.host}/x:2")
    with refused(NotFound, "no matching manifest for linux/s390x in the manifest list entries"):
        registry.index("y", "1", {"linux/amd64": registry.image("y", "", {})[0]})
        engine.images.pull(f"{registry.host}/y:1", platform="linux/s390x")
    assert engine.images.list({}) == []


def test_ryuks_image_need_not_exist(engine: Engine, registry: FakeRegistry) -> None:
    """Where it does, its configuration is known."""
    registry.image("testcontainers/ryuk", "1", {"Cmd": ["ryuk"]})
    name = f"{registry.host}/testcontainers/ryuk"
    for tag in ("1", "2"):
        list(engine.images.pull(name, tag))

    assert [engine.images.require(f"{name}:{tag}").config.command for tag in ("1", "2")] == [("ryuk",), None]


def test_what_the_node_has_is_asked_of_no_registry(registry: FakeRegistry) -> None:
    """Its configuration is known, a digest of a registry is not: the node has it by its name."""
    registry.image("x", "1", {"Cmd": ["theirs"]})
    name, image_id = f"{registry.host}/x:1", f"sha256:{'c' * 64}"
    own = RegistryImage("", "", 0, "", image_id, ImageConfig(command=("ours",)), (Layer("", 7),), platform="linux/amd64")
    options = Options(
        PodDefaults("test"),
        inspector=Inspector(RegistryClient(), Places()),
        own_images=lambda reference: own if reference.canonical == name else None,
    )
    engine = Runtime(FakeCluster(), options).engine

    assert [step.status.partition(" ")[0] for step in engine.images.pull(name)] == ["Pulling", "Status:"]
    image = engine.images.require(name)
    assert (image.id, image.digests, image.source(), image.size) == (image_id, (), name, 7)
    assert (image.config.command, registry.asked) == (("ours",), [])
    list(engine.images.pull(f"{registry.host}/x@{registry.image('x', '2', {'Cmd': ['theirs']})[0]}"))
    assert registry.asked


def test_credentials_are_kept_with_their_image(engine: Engine, registry: FakeRegistry) -> None:
    """For the nodes, which need them as well."""
    registry.behave.append(wants_password("me", "secret"))
    registry.image("x", "1", {})
    name = f"{registry.host}/x:1"

    list(engine.images.pull(name, credentials=ME))

    assert engine.core.logins.get(engine.images.require(name).id, registry.host) == ME
    assert not engine.core.logins.get("sha256:" + "0" * 64, registry.host)


def test_who_has_no_login_takes_an_image_on_trust(engine: Engine, registry: FakeRegistry) -> None:
    """Nodes may have one; a wrong one is refused. What was found before is kept."""
    registry.behave.append(wants_password("me", "secret"))
    _, image_id = registry.image("x", "1", {})
    name = f"{registry.host}/x:1"

    steps = list(engine.images.pull(name))
    assert [step.status.partition(" ")[0] for step in steps] == ["Pulling", "WARNING:", "Status:"]
    assert 'v2/": no basic auth credentials): it is taken on trust' in steps[1].status
    assert engine.images.require(name).id == parse(name).image_id
    with pytest.raises(System, match=r"unauthorized: authentication required$"):
        engine.images.pull(name, credentials=Credentials("me", "wrong"))

    list(engine.images.pull(name, credentials=ME))
    again = list(engine.images.pull(name))
    assert again[-1] == Progress(f"Status: Image is up to date for {name}")
    assert engine.images.require(name).id == image_id
    assert list(engine.images.pull(name, platform="linux/s390x"))[-1] == Progress(f"Status: Downloaded newer image for {name}")


def test_an_image_that_several_registries_have(engine: Engine, registry: FakeRegistry) -> None:
    """Nodes ask the one that the container names, with that one's login, and else the one of the last pull."""
    with FakeRegistry().serving() as other:
        for each in (registry, other):
            each.image("x", "1", {"Cmd": ["same"]})
        digest, image_id = registry.image("x", "2", {"Cmd": ["same"]})
        list(engine.images.pull(f"{registry.host}/x:1", credentials=ME))
        list(engine.images.pull(f"{other.host}/x:1"))
        engine.images.tag(f"{registry.host}/x:1", repository="mine")

        sources = {name: source_of(engine, name) for name in (f"{registry.host}/x:1", f"{other.host}/x:1", "mine", image_id[7:19])}

        assert list(sources.values()) == [f"{host}/x@{digest}" for host in (registry.host, other.host, other.host, other.host)]
        assert engine.core.logins.get(image_id, registry.host) == ME
        assert not engine.core.logins.get(image_id, other.host)


def dead(_: FakeRegistry) -> str:
    """A registry that is not there."""
    from tests.registry.test_inspector import closed_port

    return closed_port()


def broken(registry: FakeRegistry) -> str:
    """One that has only errors."""
    registry.behave.append(lambda asked: Reply(503) if asked.path != "/v2/" else None)
    return registry.host


@pytest.mark.parametrize(("make", "reason"), [(dead, "connection refused"), (broken, "received unexpected HTTP status: 503")])
def test_what_cannot_be_looked_up_is_taken_on_trust(
    engine: Engine, registry: FakeRegistry, caplog: pytest.LogCaptureFixture, make: Callable[[FakeRegistry], str], reason: str
) -> None:
    """The kubelet may have access; one warning says what is missing."""
    name = f"{make(registry)}/x:1"

    with caplog.at_level(logging.WARNING):
        steps = list(engine.images.pull(name))
        list(engine.images.pull(name.replace("/x", "/y"))) if make is dead else None

    [pulling, warning, status] = steps
    assert (pulling, status) == (Progress("Pulling from x", "1"), Progress(f"Status: Downloaded newer image for {name}"))
    image = engine.images.require(name)
    assert (image.id, image.source(), image.config.command) == (parse(name).image_id, name, None)
    [record] = caplog.records
    assert warning == Progress(f"WARNING: {record.message}")
    assert record.message.startswith(f"image {name} cannot be looked up (")
    assert reason in record.message
    assert record.message.endswith("taken on trust: its exposed ports, entrypoint, environment and health check are not known")


@pytest.mark.parametrize("first", ["pull", "distribution"])
def test_nobody_waits_longer_than_the_setting(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """Whatever hangs, whoever asks first: afterwards that registry is left alone for a minute."""
    from threading import Event

    release, asked = Event(), list[int]()
    engine = inspecting(seconds=0.05)

    def hang(*_: object) -> None:
        asked.append(1)
        release.wait(10)

    monkeypatch.setattr(Inspector, "_ask", hang)
    name = f"{registry.host}/x:1"

    if first == "pull":
        list(engine.images.pull(name))
    else:
        with pytest.raises(Unavailable):
            engine.images.distribution(name)
    list(engine.images.pull(name))
    release.set()

    assert (engine.images.require(name).source(), asked) == (name, [1])


def test_a_look_at_the_registry_itself(engine: Engine, registry: FakeRegistry) -> None:
    """Of an image that is not known here; trust is no answer."""
    digest, _ = registry.image("x", "1", {})

    found = engine.images.distribution(f"{registry.host}/x:1")

    assert (found.digest, found.platforms) == (digest, ("linux/amd64",))
    assert engine.images.list({}) == []
    with pytest.raises(Unavailable):
        engine.images.distribution(f"{dead(registry)}/x:1")


@pytest.mark.parametrize(
    ("reply", "credentials", "kind"),
    [
        (no(401, "UNAUTHORIZED", "authentication required"), ANONYMOUS, Unauthorized),
        (no(401, "UNAUTHORIZED", "authentication required"), ME, Unauthorized),
        (no(403, "DENIED", "requested access to the resource is denied"), ME, Forbidden),
        (no(404, "MANIFEST_UNKNOWN", "manifest unknown"), ME, NotFound),
        (no(404, "NAME_UNKNOWN", "repository name not known"), ME, NotFound),
        (no(400, "UNSUPPORTED", "not here"), ME, System),
    ],
)
def test_a_registry_that_does_not_show_an_image(
    engine: Engine, registry: FakeRegistry, reply: Reply, credentials: Credentials, kind: type[KubedockError]
) -> None:
    """As moby makes a status of its code: 401, 403, 404, and else 500."""
    registry.behave.append(lambda asked: reply if "manifests" in asked.path else None)

    with pytest.raises(KubedockError) as refusal:
        engine.images.distribution(f"{registry.host}/x:1", credentials)

    assert [each for each in (Unauthorized, Forbidden, NotFound, System) if isinstance(refusal.value, each)] == [kind]


@pytest.mark.parametrize(
    ("server", "credentials", "kind"),
    [
        ("http://{host}/v1/", ME, None),
        ("{host}", ME, None),
        ("{host}", Credentials("me", "wrong"), Unauthorized),
        ("{host}", Credentials("me"), InvalidParameter),
    ],
)
def test_login(
    engine: Engine, registry: FakeRegistry, server: str, credentials: Credentials, kind: type[KubedockError] | None
) -> None:
    """Checked at the registry."""
    registry.behave.append(wants_password("me", "secret"))
    where = server.format(host=registry.host)

    if kind is None:
        engine.images.login(where, credentials)
    else:
        with pytest.raises(kind):
            engine.images.login(where, credentials)


def test_without_an_inspector() -> None:
    """What needs a registry says why not."""
    engine = still()
    with refused(NotImplemented, "a registry cannot be asked: --no-inspector is set"):
        engine.images.distribution("alpine")
    with refused(NotImplemented, "a registry cannot be asked: --no-inspector is set"):
        engine.images.login("", ME)
