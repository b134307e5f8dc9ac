"""Docker's list filters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.domain import filters, ids, image
from kubedock.domain.container import ContainerRecord, ContainerSpec, Outcome, Port, Published
from kubedock.domain.containerfilters import container_matcher, container_matches
from kubedock.domain.event import Event
from kubedock.domain.health import Health
from kubedock.domain.network import Endpoint, Network
from kubedock.domain.objectfilters import event_matcher, image_matches, narrowed, network_matches, volume_matches
from kubedock.domain.status import Status
from kubedock.domain.view import ContainerView, Image
from kubedock.domain.volume import Mount, Volume
from kubedock.errors import InvalidParameter, KubedockError, NoSuchContainer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BRIDGE, WEB = Network("b" * 64, "bridge", "bridge", NOW), Network("c" * 64, "web", "bridge", NOW, {"a": "b"})
ALPINE = image.parse("alpine")
RUNNING, CREATED = Status("running", started_at=NOW), Status("created")
EXITED = Status("exited", exit_code=3, started_at=NOW, finished_at=NOW)


def container(name: str, status: Status, age: int, network: Network = BRIDGE, **spec: object) -> ContainerView:
    """A container; its id begins with its name's first letter."""
    record = ContainerRecord(
        name[0] * 4 + ids.derived(name)[4:],
        name,
        ContainerSpec(image="alpine", **spec),
        NOW - timedelta(minutes=age),
        ALPINE.image_id,
        endpoints={network.id: Endpoint(network.id, "e")},
        run=0 if status is CREATED else 1,
        outcome=Outcome(3) if status is EXITED else None,
        published=(Published(80, "tcp", "0.0.0.0", 8080),),
    )
    return ContainerView(record, None, status, {network.id: network})


ALL = [
    replace(
        container("abe", RUNNING, 3, labels={"a": "b", "c": "d"}, ports=(Port(80),), mounts=(Mount("volume", "/data", "data"),)),
        health=Health("healthy"),
    ),
    replace(container("bob", EXITED, 2, WEB, labels={"a": "x"}, tmpfs=(("/run", ""),)), health=Health("unhealthy")),
    container("cat.1", CREATED, 1, WEB),
]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, "abe bob cat.1"),
        ({"name": ("b",)}, "abe bob"),
        ({"name": ("^b",)}, "bob"),
        ({"name": ("^/b",)}, "bob"),
        ({"name": ("^bob$", "^cat")}, "bob cat.1"),
        ({"name": ("cat.1",)}, "cat.1"),
        ({"name": ("(",)}, ""),
        ({"name": (".*-?b.*",)}, "abe bob"),
        ({"name": ("[[a-z]",)}, ""),
        ({"name": ()}, "abe bob cat.1"),
        ({"id": ("^aaaa",)}, "abe"),
        ({"label": ("a",)}, "abe bob"),
        ({"label": ("a=b",)}, "abe"),
        ({"label": ("a", "c=d")}, "abe"),
        ({"label": ("a=b", "a=x")}, ""),
        ({"label": ("a=",)}, ""),
        ({"status": ("running",)}, "abe"),
        ({"status": ("exited", "created")}, "bob cat.1"),
        ({"status": ("dead",)}, ""),
        ({"health": ("none",)}, "cat.1"),
        ({"health": ("healthy",)}, "abe"),
        ({"health": ("starting", "unhealthy")}, "bob"),
        ({"exited": ("3",)}, "bob"),
        ({"exited": ("0",)}, ""),
        ({"is-task": ("false",)}, "abe bob cat.1"),
        ({"is-task": ("1",)}, ""),
        ({"isolation": ("process",)}, "abe bob cat.1"),
        ({"ancestor": ("alpine",)}, "abe bob cat.1"),
        ({"ancestor": ("docker.io/library/alpine:latest",)}, "abe bob cat.1"),
        ({"ancestor": (ALPINE.image_id,)}, "abe bob cat.1"),
        ({"ancestor": (ids.short(ALPINE.image_id),)}, "abe bob cat.1"),
        ({"ancestor": ("alpine:3",)}, ""),
        ({"ancestor": ("A B", "busybox")}, ""),
        ({"network": ("web",)}, "bob cat.1"),
        ({"network": (WEB.id,)}, "bob cat.1"),
        ({"network": (WEB.id[:12],)}, "bob cat.1"),
        ({"network": ("none", "bridge")}, "abe"),
        ({"volume": ("data",)}, "abe"),
        ({"volume": ("/data",)}, "abe"),
        ({"volume": ("/run", "more")}, "bob"),
        ({"volume": ("",)}, ""),
        ({"expose": ("80",)}, "abe"),
        ({"expose": ("79-81/tcp",)}, "abe"),
        ({"expose": ("80/udp",)}, ""),
        ({"expose": ()}, "abe bob cat.1"),
        ({"publish": ("80",)}, ""),
        ({"publish": ("8080",)}, "abe"),
        ({"publish": ("8000-9000/tcp",)}, "abe"),
        ({"publish": ("8080/udp",)}, ""),
        ({"publish": ("8080",), "expose": ("1",)}, "abe"),
        ({"before": ("bob",)}, "abe"),
        ({"before": (ALL[1].record.id,)}, "abe"),
        ({"since": ("/abe",)}, "bob cat.1"),
        ({"since": ("aaaa",), "before": ("cat.1",)}, "bob"),
        ({"label": ("a",), "status": ("exited",), "name": ("bob", "abe")}, "bob"),
    ],
)
def test_containers(wanted, names):
    """Keys all hold, of a key's values one, of labels all."""
    matches = container_matcher(wanted, ALL)

    assert " ".join(view.record.name for view in ALL if matches(view)) == names
    assert [container_matches(view, wanted, ALL) for view in ALL] == [matches(view) for view in ALL]


@pytest.mark.parametrize(
    ("wanted", "kind", "sentence"),
    [
        ({"nope": ("x",)}, InvalidParameter, "invalid filter 'nope'"),
        ({"name": ("(a+)+$",)}, InvalidParameter, "invalid filter 'name=(a+)+$': the expression is too complex"),
        ({"id": (".*" * 5,)}, InvalidParameter, "invalid filter 'id=.*.*.*.*.*': the expression is too complex"),
        ({"status": ("up",)}, InvalidParameter, "invalid filter 'status=up'"),
        ({"health": ("ill",)}, InvalidParameter, "invalid filter 'health=ill'"),
        ({"exited": ("x",)}, InvalidParameter, "invalid filter 'exited=x': parsing \"x\": invalid syntax"),
        ({"is-task": ("x",)}, InvalidParameter, "invalid filter 'is-task=[x]'"),
        ({"is-task": ()}, InvalidParameter, "invalid filter 'is-task'"),
        ({"is-task": ("true", "false")}, InvalidParameter, "invalid filter 'is-task=[true false]'"),
        ({"publish": ("8080:80",)}, InvalidParameter, "filter for 'publish' should not contain ':': 8080:80"),
        ({"expose": ("x",)}, InvalidParameter, 'error while looking up for expose x: invalid port specification: "x"'),
        ({"before": ("nobody",)}, NoSuchContainer, "No such container: nobody"),
        ({"since": ("",)}, NoSuchContainer, "No such container: "),
    ],
)
def test_what_is_no_filter(wanted, kind, sentence):
    """Docker's sentences, whether or not there are containers."""
    with pytest.raises(kind) as refusal:
        container_matcher(wanted, [])

    assert str(refusal.value) == sentence


def test_flags():
    """Absent is the default."""
    assert filters.flag({}, "all", default=True) is True
    assert filters.flag({"all": ("0",)}, "all", default=True) is False


@pytest.mark.parametrize(
    ("wanted", "used", "matches"),
    [
        ({}, False, True),
        ({"name": ("we",)}, False, True),
        ({"name": ("x",)}, False, False),
        ({"id": ("^cc",)}, False, True),
        ({"driver": ("bridge",)}, False, True),
        ({"driver": ("overlay",)}, False, False),
        ({"scope": ("local",)}, False, True),
        ({"scope": ("swarm",)}, False, False),
        ({"label": ("a=b",)}, False, True),
        ({"type": ("custom",)}, False, True),
        ({"type": ("builtin",)}, False, False),
        ({"type": ("builtin", "custom")}, False, True),
        ({"dangling": ("true",)}, False, True),
        ({"dangling": ("true",)}, True, False),
        ({"dangling": ("false",)}, True, True),
        ({"dangling": ("0",)}, False, False),
    ],
)
def test_networks(wanted, used, matches):
    """Of one network that is not built in."""
    assert network_matches(WEB, wanted, used=used) is matches


def test_built_in_networks():
    """They are never dangling and never custom."""
    assert network_matches(BRIDGE, {"type": ("builtin",), "dangling": ("false",)}, used=False)
    assert not network_matches(BRIDGE, {"dangling": ("true",)}, used=False)


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"type": ("odd",)}, "invalid filter: 'type'='odd'"),
        ({"dangling": ("x",)}, "invalid filter 'dangling=[x]'"),
        ({"dangling": ("true", "false")}, 'got more than one value for filter key "dangling"'),
    ],
)
def test_what_is_no_filter_of_networks(wanted, sentence):
    """Docker's sentences."""
    with pytest.raises(InvalidParameter) as refusal:
        network_matches(WEB, wanted, used=False)

    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("wanted", "used", "matches"),
    [
        ({}, True, True),
        ({"name": ("dat",)}, True, True),
        ({"driver": ("local",)}, True, True),
        ({"driver": ("nfs",)}, True, False),
        ({"label": ("a",)}, True, True),
        ({"label": ("b",)}, True, False),
        ({"dangling": ("true",)}, True, False),
        ({"dangling": ("1",)}, False, True),
        ({"dangling": ("false",)}, False, False),
    ],
)
def test_volumes(wanted, used, matches):
    """Of one volume."""
    assert volume_matches(Volume("data", NOW, labels={"a": ""}), wanted, used=used) is matches


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({}, True),
        ({"reference": ("alpine",)}, True),
        ({"reference": ("alp*",)}, True),
        ({"reference": ("alpine:3.*",)}, True),
        ({"reference": ("*:3.20",)}, True),
        ({"reference": ("al?ine",)}, True),
        ({"reference": ("[a-b]lpine",)}, True),
        ({"reference": ("[^a]lpine",)}, False),
        ({"reference": (r"alpin\e",)}, True),
        ({"reference": ("quay.io/*/app",)}, True),
        ({"reference": ("quay.io/*",)}, False),
        ({"reference": ("busybox", "alpine")}, True),
        ({"reference": ("busybox",)}, False),
        ({"dangling": ("false",)}, True),
        ({"dangling": ("true",)}, False),
        ({"label": ("a",)}, False),
    ],
)
def test_images(wanted, matches):
    """Of one image; patterns do not cross slashes."""
    shown = Image(ALPINE.image_id, ("alpine:3.20", "quay.io/me/app:1"), NOW)

    assert image_matches(shown, wanted) is matches


def test_an_image_is_listed_with_the_names_that_match():
    """All of them where none is asked for."""
    digest = f"quay.io/me/app@sha256:{'1' * 64}"
    shown = Image(ALPINE.image_id, ("alpine:3.20", "quay.io/me/app:1"), NOW, digests=(digest,))

    assert narrowed(shown, {}) is shown
    assert narrowed(shown, {"reference": ("alp*",)}) == replace(shown, tags=("alpine:3.20",), digests=())
    assert narrowed(shown, {"reference": ("quay.io/me/app", "x")}) == replace(shown, tags=("quay.io/me/app:1",))


def test_images_without_a_name():
    """They dangle, and no reference finds them."""
    nameless = Image(ALPINE.image_id, (), NOW)

    assert image_matches(nameless, {"dangling": ("true",)})
    assert not image_matches(nameless, {"dangling": ("false",)})
    assert not image_matches(nameless, {"reference": ("*",)})


@pytest.mark.parametrize("wanted", [{"dangling": ("true",)}, {"dangling": ("false",)}, {"reference": ("me/app",)}, {}])
def test_images_with_digests_alone(wanted):
    """They dangle, and are no images without a name: Docker lists them both ways."""
    assert image_matches(Image(ALPINE.image_id, digests=(f"me/app@sha256:{'1' * 64}",)), wanted)


@pytest.mark.parametrize("pattern", ["[", "a[b", "\\", "[z-a]"])
def test_what_is_no_pattern(pattern):
    """Go's sentence."""
    with pytest.raises(InvalidParameter, match=r"^syntax error in pattern$"):
        image_matches(Image("x", ("alpine:latest",), NOW), {"reference": (pattern,)})


def test_prunes():
    """Labels that are there, labels that are not, and age."""
    labels, made = {"a": "b", "c": ""}, NOW - timedelta(hours=1)

    def matches(**wanted: tuple[str, ...]) -> bool:
        return filters.prune_matches(
            labels, made, {key.replace("not_label", "label!"): value for key, value in wanted.items()}, NOW
        )

    assert matches()
    assert matches(label=("a=b",))
    assert not matches(label=("x",))
    assert not matches(not_label=("a=b",))
    assert matches(not_label=("a=x",))
    assert matches(not_label=("a=b", "x"))
    assert matches(until=("30m",))
    assert not matches(until=("2h",))
    assert matches(until=("2026-01-02T03:00:00Z",))
    with pytest.raises(InvalidParameter, match=r"^more than one until filter specified$"):
        matches(until=("1h", "2h"))
    with pytest.raises(InvalidParameter, match=r"^invalid filter 'name'$"):
        matches(name=("x",))


DIE = Event("container", "die", "d" * 64, {"name": "web", "image": "alpine:3", "a": "b"}, NOW)
EXEC = replace(DIE, action="exec_create: sh -c true")
PULL = Event("image", "pull", "quay.io/me/app:1", {"name": "quay.io/me/app"}, NOW)
CONNECT = Event("network", "connect", WEB.id, {"name": "web", "container": "d" * 64}, NOW)


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ({}, [DIE, EXEC, PULL, CONNECT]),
        ({"type": ("container",)}, [DIE, EXEC]),
        ({"type": ("network", "image")}, [PULL, CONNECT]),
        ({"event": ("die",)}, [DIE]),
        ({"event": ("di",)}, []),
        ({"event": ("exec_create",)}, [EXEC]),
        ({"event": ("exec_start", "pull")}, [PULL]),
        ({"container": ("dddd",)}, [DIE, EXEC]),
        ({"container": ("web",)}, [DIE, EXEC, CONNECT]),
        ({"container": ("db",)}, []),
        ({"network": ("cccc",)}, [CONNECT]),
        ({"image": ("alpine",)}, [DIE, EXEC]),
        ({"image": ("alpine:3",)}, [DIE, EXEC]),
        ({"image": ("quay.io/me/app",)}, [PULL]),
        ({"image": ("app",)}, []),
        ({"label": ("a=b",)}, [DIE, EXEC]),
        ({"label": ("a", "x")}, []),
        ({"scope": ("local",)}, [DIE, EXEC, PULL, CONNECT]),
        ({"scope": ("swarm",)}, []),
        ({"daemon": ("x",)}, []),
        ({"volume": ("data",)}, []),
        ({"what": ("x",)}, [DIE, EXEC, PULL, CONNECT]),
    ],
)
def test_events(wanted, seen):
    """As moby's daemon/events/filter.go: prefixes for actors, and for actions that carry more than a word."""
    matches = event_matcher(wanted)

    assert [event for event in (DIE, EXEC, PULL, CONNECT) if matches(event)] == seen


KEYS = st.sampled_from(sorted(filters.CONTAINER_KEYS | filters.NETWORK_KEYS | filters.IMAGE_KEYS | {"label!", "all", "x"}))
WANTED = st.dictionaries(
    KEYS, st.lists(st.text(max_size=8) | st.sampled_from(["1", "80", "true", "[a", "(?P<x", "*a"]), max_size=3).map(tuple)
)


@given(WANTED)
def test_filters_are_total(wanted):
    """Any filters match, do not match, or are refused with a sentence."""
    for attempt in (
        lambda: [container_matches(view, wanted, ALL) for view in ALL],
        lambda: network_matches(WEB, wanted, used=False),
        lambda: volume_matches(Volume("data", NOW), wanted, used=True),
        lambda: image_matches(Image("x", ("alpine:latest",), NOW), wanted),
        lambda: filters.prune_matches({}, NOW, wanted, NOW),
        lambda: event_matcher(wanted)(DIE),
    ):
        try:
            attempt()
        except KubedockError as refusal:
            sentence = str(refusal)
        else:
            sentence = "fine"

        assert sentence
