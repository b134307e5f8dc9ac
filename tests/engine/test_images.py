"""Images by tracking: names, ids, and Docker's rules of removal."""

import pytest

from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.domain.image import parse
from kubedock.engine.containers import ListQuery
from kubedock.engine.images import Images, Progress, Removed
from kubedock.errors import Conflict, InvalidParameter, NoSuchImage
from kubedock.state.images import ImageStore
from kubedock.streams.cancel import Cancel
from tests.support.running import T0, put_container, refused, still

ALPINE = parse("alpine").image_id
SHORT = ALPINE.removeprefix("sha256:")[:12]
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def engine():
    """An engine that knows alpine."""
    engine = still()
    list(engine.images.pull("alpine"))
    return engine


def test_a_pull_ends_with_a_status_that_clients_know(engine):
    """docker-java waits for one of these sentences."""
    assert list(engine.images.pull("quay.io/me/app", "1.0")) == [
        Progress("Pulling from me/app", "1.0"),
        Progress("Status: Downloaded newer image for quay.io/me/app:1.0"),
    ]
    assert list(engine.images.pull("alpine", "latest")) == [
        Progress("Pulling from library/alpine", "latest"),
        Progress("Status: Image is up to date for alpine:latest"),
    ]


def test_a_bad_reference_is_refused_before_the_first_step(engine):
    """The status can still be sent."""
    with refused(InvalidParameter, "invalid reference format"):
        engine.images.pull("bad name")
    with refused(InvalidParameter, "invalid tag format"):
        engine.images.pull("alpine", "not a tag")


def test_ids_are_the_same_everywhere(engine):
    """Compose compares them over restarts."""
    assert engine.images.inspect("alpine").id == ALPINE
    assert still().images.list({}) == []


@pytest.mark.parametrize(
    "ref", ["alpine", "alpine:latest", "docker.io/library/alpine:latest", ALPINE, ALPINE[7:], SHORT, ALPINE[:15]]
)
def test_an_image_is_found_by_all_its_names(engine, ref):
    """Reference, id, and beginning of an id."""
    assert engine.images.require(ref).tags == ("alpine:latest",)


@pytest.mark.parametrize(
    ("ref", "shown"),
    [
        ("busybox", "busybox:latest"),
        ("alpine:3", "alpine:3"),
        (f"alpine@{DIGEST}", f"alpine@{DIGEST}"),
        (DIGEST, DIGEST),
        ("abcdef", "abcdef:latest"),
    ],
)
def test_an_unknown_image_makes_clients_pull(engine, ref, shown):
    """By this text, which docker-py looks for."""
    with refused(NoSuchImage, f"No such image: {shown}"):
        engine.images.require(ref)


def test_a_digest_is_a_name_of_its_own(engine):
    """RepoDigests, not RepoTags."""
    list(engine.images.pull("redis", DIGEST))
    found = engine.images.require(f"redis@{DIGEST}")
    assert (found.tags, found.digests) == ((), (f"redis@{DIGEST}",))


@pytest.mark.parametrize("pulled", [("redis", DIGEST), (f"redis:7@{DIGEST}", ""), (f"redis@{DIGEST}", "")])
def test_a_tag_before_a_digest_means_nothing(engine, pulled):
    """As the docker command and docker-py pull it, and as it is written out: all names of the one image."""
    list(engine.images.pull(*pulled))
    found = engine.images.require(f"redis:7@{DIGEST}")

    assert (found.id, found.tags, found.digests) == (parse(f"redis@{DIGEST}").image_id, (), (f"redis@{DIGEST}",))
    made = engine.containers.create(ContainerSpec(f"redis:7@{DIGEST}", command=("x",)), name="web", endpoints={})
    record = engine.core.containers.find(made.id)
    assert (record.spec.image, record.image_id, record.image_source) == (f"redis:7@{DIGEST}", found.id, f"redis@{DIGEST}")
    for ancestor in (f"redis@{DIGEST}", f"redis:7@{DIGEST}", f"redis:6@{DIGEST}"):
        assert len(engine.containers.list(ListQuery(all=True, filters={"ancestor": (ancestor,)}))) == 1
    engine.containers.remove("web", force=False, volumes=False)
    assert engine.images.remove(f"redis:7@{DIGEST}", force=False) == [
        Removed("Untagged", f"redis:7@{DIGEST}"),
        Removed("Deleted", found.id),
    ]


def test_a_tag_is_one_more_name_and_may_move(engine):
    """docker tag."""
    list(engine.images.pull("busybox"))
    engine.images.tag("alpine", repository="mine", tag="1")
    engine.images.tag("busybox", repository="mine", tag="1")

    assert engine.images.require("alpine").tags == ("alpine:latest",)
    assert engine.images.require("mine:1").tags == ("busybox:latest", "mine:1")
    with pytest.raises(NoSuchImage):
        engine.images.tag("nothing", repository="mine")
    with refused(InvalidParameter, "refusing to create a tag with a digest reference"):
        engine.images.tag("alpine", repository=f"mine@{DIGEST}")
    with refused(InvalidParameter, "refusing to create an ambiguous tag using digest algorithm as name"):
        engine.images.tag("alpine", repository="sha256", tag="abc")
    with refused(InvalidParameter, "refusing to create an ambiguous tag using digest algorithm as name"):
        engine.images.pull("sha256:abc")


def test_the_last_name_takes_the_image_with_it(engine):
    """Untagged, then Deleted."""
    engine.images.tag("alpine", repository="mine")
    assert engine.images.remove("mine", force=False) == [Removed("Untagged", "mine:latest")]
    assert engine.images.remove("alpine", force=False) == [Removed("Untagged", "alpine:latest"), Removed("Deleted", ALPINE)]
    assert engine.images.list({}) == []


def test_by_its_id_an_image_goes_with_all_its_names(engine):
    """Where they are of one repository; of several only by force."""
    engine.images.tag("alpine", repository="mine")
    with pytest.raises(Conflict) as refused:
        engine.images.remove(SHORT, force=False)
    assert (
        str(refused.value) == f"conflict: unable to delete {SHORT} (must be forced) - image is referenced in multiple repositories"
    )
    assert engine.images.remove(SHORT, force=True) == [
        Removed("Untagged", "alpine:latest"),
        Removed("Untagged", "mine:latest"),
        Removed("Deleted", ALPINE),
    ]


@pytest.mark.parametrize(
    ("running", "ref", "force", "text"),
    [
        (
            False,
            "alpine",
            False,
            f'conflict: unable to remove repository reference "alpine" (must force) - container 776562776562 is using'
            f" its referenced image {SHORT}",
        ),
        (
            False,
            SHORT,
            False,
            f"conflict: unable to delete {SHORT} (must be forced) - image is being used by stopped container 776562776562",
        ),
        (
            True,
            SHORT,
            True,
            f"conflict: unable to delete {SHORT} (cannot be forced) - image is being used by running container 776562776562",
        ),
    ],
)
def test_an_image_in_use_is_not_removed(engine, running, ref, force, text):
    """moby: daemon/images/image_delete.go."""
    put_container(engine, "web", running=running, image_id=ALPINE)
    with refused(Conflict, text):
        engine.images.remove(ref, force=force)
    assert engine.images.require("alpine").id == ALPINE


def test_a_forced_removal_leaves_a_running_containers_image_without_a_name(engine):
    """Docker unties the name and keeps the image."""
    put_container(engine, "web", running=True, image_id=ALPINE)
    assert engine.images.remove("alpine", force=True) == [Removed("Untagged", "alpine:latest")]
    assert engine.images.require(ALPINE).tags == ()


@pytest.mark.parametrize(("filters", "gone"), [({}, ["old"]), ({"dangling": ("false",)}, ["free", "old"])])
def test_prune_takes_images_without_a_name_or_all_unused(engine, filters, gone):
    """Used ones stay."""
    names = {}
    for name in ("free", "old"):
        list(engine.images.pull(name))
        names[engine.images.require(name).id] = name
    engine.images.tag("free", repository="old")
    put_container(engine, "web", image_id=ALPINE)

    deleted = [removed.what for removed in engine.images.prune(filters) if removed.kind == "Deleted"]
    assert sorted(names[image_id] for image_id in deleted) == gone


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"reference": ("alp*",)}, ["alpine:latest"]),
        ({"reference": ("quay.io/me/*",)}, ["quay.io/me/app:1"]),
        ({"dangling": ("true",)}, []),
        ({"label": ("a",)}, []),
    ],
)
def test_lists_are_filtered(engine, filters, names):
    """Docker's keys."""
    list(engine.images.pull("quay.io/me/app", "1"))
    assert [image.tags[0] for image in engine.images.list(filters)] == names


def test_what_is_pulled_without_end_does_not_stay_for_ever():
    """Of more images than are kept those go that no container uses, and events tell it: who wants one pulls it again."""
    core = still().core
    images = Images(core, ImageStore(limit=2))
    for name in ("used", "a", "b", "c"):
        list(images.pull(name))
        if name == "used":
            core.containers.add(ContainerRecord("c" * 64, "web", ContainerSpec(name), T0, image_id=images.require(name).id))

    assert sorted(image.tags[0] for image in images.list({})) == ["c:latest", "used:latest"]
    gone = [event.actor for event in core.events.subscribe(since=T0, until=T0, cancel=Cancel()) if event.action == "delete"]
    assert gone == [parse(name).image_id for name in ("a", "b")]
    with refused(NoSuchImage, "No such image: a:latest"):
        images.require("a")


def test_events_tell_of_names_and_images(engine):
    """moby: daemon/images/image_events.go."""
    engine.images.tag("alpine", repository="mine")
    engine.images.remove(ALPINE, force=True)
    told = [(event.action, event.actor, event.attributes) for event in engine.events.subscribe(since=T0, until=T0, cancel=Cancel())]
    assert told == [
        ("pull", "alpine:latest", {"name": "alpine"}),
        ("tag", ALPINE, {"name": "mine:latest"}),
        ("untag", ALPINE, {"name": ALPINE}),
        ("untag", ALPINE, {"name": ALPINE}),
        ("delete", ALPINE, {"name": ALPINE}),
    ]
