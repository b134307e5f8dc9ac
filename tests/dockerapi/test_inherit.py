"""What a container takes over from its image."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.dockerapi import decode, images
from kubedock.dockerapi.inherit import inherited
from kubedock.domain.container import Port
from kubedock.domain.health import Healthcheck
from kubedock.domain.imageconfig import RegistryImage
from kubedock.domain.view import Image
from kubedock.domain.volume import Mount
from kubedock.errors import InvalidParameter, KubedockError
from kubedock.registry.manifests import config_of
from tests.support.running import T0

IMAGE = {
    "User": "app",
    "ExposedPorts": {"80/tcp": {}},
    "Env": ["A=image", "B=image"],
    "Cmd": ["run"],
    "Entrypoint": ["/entry"],
    "WorkingDir": "/srv",
    "Volumes": {"/data": {}},
    "Labels": {"a": "image", "b": "image"},
    "Healthcheck": {"Test": ["CMD", "ok"], "Interval": 2_000_000_000},
    "StopSignal": "SIGINT",
}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, {}),
        ({"User": "1"}, {"User": "1"}),
        ({"WorkingDir": "/w", "StopSignal": "SIGHUP"}, {"WorkingDir": "/w", "StopSignal": "SIGHUP"}),
        ({"ExposedPorts": {"53/udp": {}}}, {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
        ({"Volumes": {"/more": {}}}, {"Volumes": {"/data": {}, "/more": {}}}),
        ({"Labels": {"a": "own"}}, {"Labels": {"a": "own", "b": "image"}}),
        ({"Env": ["A=own", "C=own"]}, {"Env": ["A=own", "C=own", "B=image"]}),
        ({"Env": ["A"]}, {"Env": ["A", "B=image"]}),
        ({"Cmd": ["other"]}, {"Cmd": ["other"]}),
        ({"Entrypoint": ["/other"]}, {"Entrypoint": ["/other"], "Cmd": None}),
        ({"Entrypoint": ["/other"], "Cmd": ["x"]}, {"Entrypoint": ["/other"], "Cmd": ["x"]}),
        ({"Entrypoint": []}, {"Entrypoint": []}),
        ({"Entrypoint": [""], "Cmd": ["x"]}, {"Entrypoint": [""], "Cmd": ["x"]}),
        ({"Healthcheck": {"Interval": 5}}, {"Healthcheck": {"Test": ["CMD", "ok"], "Interval": 5}}),
        ({"Healthcheck": {"Test": ["NONE"]}}, {"Healthcheck": {"Test": ["NONE"], "Interval": 2_000_000_000}}),
        ({"Tty": True}, {"Tty": True}),
    ],
)
def test_what_is_left_open_is_the_images(own: dict[str, Any], expected: dict[str, Any]):
    """Docker's rules, field by field."""
    found = inherited(own, IMAGE)

    assert found == {key: value for key, value in {**IMAGE, **expected}.items() if value is not None}
    assert inherited(own, {}) == own


def spec_of(body: dict[str, Any], image: dict[str, Any] | None = None) -> decode.Decoded:
    """What becomes of a request for this image."""
    return decode.create({"Image": "app", **body}, {}, image=IMAGE if image is None else image)


def test_a_spec_of_an_image():
    """The user stays the image's business: it may be a name. The node makes its volumes."""
    made = spec_of({"HostConfig": {"PublishAllPorts": True}}).spec

    assert (made.entrypoint, made.command, made.working_dir, made.stop_signal) == (("/entry",), ("run",), "/srv", "INT")
    assert (made.env, made.user, made.asked["User"]) == ((("A", "image"), ("B", "image")), None, "app")
    assert made.ports == (Port(80, "tcp", (("", ""),)),)
    assert made.labels == {"a": "image", "b": "image"}
    assert made.mounts == (Mount("volume", "/data", anonymous=True, of_image=True),)
    assert made.healthcheck == Healthcheck(("ok",), interval=2.0)
    assert spec_of({"HostConfig": {"Binds": ["vol:/data"]}}).spec.mounts == (Mount("volume", "/data", "vol"),)


@pytest.mark.parametrize(
    ("body", "image", "said"),
    [
        ({"HostConfig": {"PublishAllPorts": True}}, IMAGE, ()),
        ({"HostConfig": {"PublishAllPorts": True}}, {"Cmd": ["x"]}, (decode.NO_PORTS,)),
        ({"Healthcheck": {"Interval": 10**9}}, {"Cmd": ["x"]}, ()),
        ({"Entrypoint": []}, IMAGE, ()),
        (
            {"Env": ["A", "C", "B=own"]},
            IMAGE,
            ("Env A is not applied: the image sets this variable, and a pod cannot take it away",),
        ),
    ],
)
def test_what_is_said_where_the_image_is_known(body: dict[str, Any], image: dict[str, Any], said: tuple[str, ...]):
    """Nothing of what would be said without."""
    assert spec_of(body, image).warnings == said


WORDS = ["80/tcp", "99999/tcp", "/", "9", "Test", "Interval", "/a", "A=b", ""]
NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*IMAGE, "Shell", "OnBuild"), NONSENSE)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("created", "rootfs", "history", "os", "architecture"), NONSENSE)),
    st.sampled_from([{}, {"Cmd": ["x"]}, {"Healthcheck": {"Interval": 10**9}, "HostConfig": {"PublishAllPorts": True}}]),
)
def test_a_registry_may_say_anything_of_an_image(run: dict[str, Any], whole: dict[str, Any], body: dict[str, Any]):
    """It is a container or an error with a sentence, and what is shown of the image is JSON."""
    try:
        found = config_of({**whole, "config": run})
        shown = images.inspect(Image("sha256:1", (), T0, found=RegistryImage("", "", 0, "", "sha256:1", found)))
        json.dumps(shown)
        made = decode.create({"Image": "app", **body}, {}, image=shown["Config"])
    except KubedockError:
        return
    assert made.spec.image == "app"


def test_nothing_to_run():
    """Docker's sentence."""
    with pytest.raises(InvalidParameter, match=r"^no command specified$"):
        spec_of({}, {})
