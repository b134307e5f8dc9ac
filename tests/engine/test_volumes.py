"""Volumes: Docker's rules for their records."""

import pytest

from kubedock.domain.container import ContainerSpec
from kubedock.domain.event import Event
from kubedock.domain.volume import Mount, Volume
from kubedock.errors import Conflict, InvalidParameter, NoSuchVolume, NotFound, NotImplemented
from kubedock.streams.cancel import Cancel
from tests.support.running import T0, put_container, refused, still

ANONYMOUS = {"com.docker.volume.anonymous": ""}


@pytest.fixture
def engine():
    """An engine without threads."""
    return still()


def mounting(volume: str) -> ContainerSpec:
    """A container that mounts a volume."""
    return ContainerSpec("alpine", mounts=(Mount("volume", "/data", volume),))


def test_a_volume_is_made_once(engine):
    """A second create of the same name gives the first one, as Docker does."""
    made = engine.volumes.create("data", labels={"a": "b"})

    assert made == Volume("data", T0, "local", {"a": "b"}, {}, False)
    assert engine.volumes.create("data", labels={"other": ""}) == made
    assert engine.volumes.inspect("data") == made
    assert engine.volumes.list({}) == [made]


def test_a_volume_without_a_name_gets_one(engine):
    """64 hex digits and Docker's label."""
    made = engine.volumes.create("")
    assert (len(made.name), made.labels, made.anonymous) == (64, ANONYMOUS, True)
    assert engine.volumes.ensure("", anonymous=True).labels == ANONYMOUS
    assert engine.volumes.ensure("named").labels == {}


@pytest.mark.parametrize(
    ("name", "options", "error", "text"),
    [
        ("x", {}, InvalidParameter, "create x: volume name is too short, names should be at least two alphanumeric characters"),
        (
            "a/b",
            {},
            InvalidParameter,
            'create a/b: "a/b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed.'
            " If you intended to pass a host directory, use absolute path",
        ),
        ("ok", {"driver": "nfs"}, NotFound, 'create ok: error looking up volume plugin nfs: plugin "nfs" not found'),
        ("ok", {"options": {"foo": "1"}}, InvalidParameter, 'create ok: invalid option: "foo"'),
        (
            "ok",
            {"options": {"device": "/dev/sda"}},
            NotImplemented,
            "create ok: the option 'device' is not supported: a volume is an empty folder of a container's pod,"
            " it cannot be mounted from a device or a server",
        ),
    ],
)
def test_what_makes_no_volume_is_refused_with_a_sentence(engine, name, options, error, text):
    """Docker's texts where Docker has one (moby: daemon/volume/local/local.go)."""
    with refused(error, text):
        engine.volumes.create(name, **options)
    assert engine.volumes.list({}) == []


def test_a_mounted_volume_is_not_removed(engine):
    """Whether its container runs or not, and whatever force says."""
    engine.volumes.create("data")
    user = put_container(engine, "web", spec=mounting("data"))

    with refused(Conflict, f"remove data: volume is in use - [{user.id}]"):
        engine.volumes.remove("data", force=True)
    engine.core.containers.remove(user.id)
    engine.volumes.remove("data", force=False)
    assert engine.volumes.list({}) == []


def test_an_absent_volume_is_an_error_only_without_force(engine):
    """docker volume rm -f is quiet."""
    engine.volumes.remove("nothing", force=True)
    with refused(NoSuchVolume, "get nothing: no such volume"):
        engine.volumes.remove("nothing", force=False)
    with pytest.raises(NoSuchVolume):
        engine.volumes.inspect("nothing")


@pytest.mark.parametrize(
    ("filters", "gone"),
    [
        ({}, ["anonymous"]),
        ({"all": ("true",)}, ["anonymous", "free", "marked"]),
        ({"all": ("1",), "label": ("keep=no",)}, ["marked"]),
        ({"all": ("1",), "label!": ("keep=no",)}, ["anonymous", "free"]),
    ],
)
def test_prune_takes_what_nobody_mounts(engine, filters, gone):
    """Anonymous ones only, unless all says otherwise; labels choose."""
    engine.volumes.ensure("anonymous", anonymous=True)
    engine.volumes.create("free")
    engine.volumes.create("marked", labels={"keep": "no"})
    engine.volumes.create("used", labels={"keep": "no"})
    put_container(engine, "web", spec=mounting("used"))

    assert sorted(engine.volumes.prune(filters)) == gone


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"name": ("dat",)}, ["data"]),
        ({"dangling": ("true",)}, ["data"]),
        ({"dangling": ("false",)}, ["used"]),
        ({"label": ("a",)}, ["used"]),
        ({"driver": ("other",)}, []),
    ],
)
def test_lists_are_filtered(engine, filters, names):
    """Docker's keys."""
    engine.volumes.create("data")
    engine.volumes.create("used", labels={"a": "b"})
    put_container(engine, "web", spec=mounting("used"))

    assert [volume.name for volume in engine.volumes.list(filters)] == names


def test_an_unknown_filter_is_refused(engine):
    """Docker's text."""
    with refused(InvalidParameter, "invalid filter 'colour'"):
        engine.volumes.list({"colour": ("red",)})


def test_events_tell_of_making_and_removing(engine):
    """Once each, and nothing for a create that found one."""
    engine.volumes.create("data")
    engine.volumes.create("data")
    engine.volumes.remove("data", force=False)

    told = list(engine.events.subscribe(since=T0, until=T0, cancel=Cancel()))
    assert told == [Event("volume", action, "data", {"driver": "local"}, T0) for action in ("create", "destroy")]
