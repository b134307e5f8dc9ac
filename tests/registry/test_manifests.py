"""Manifests and configurations, read."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.domain.imageconfig import HistoryEntry, ImageConfig, Layer
from kubedock.registry.manifests import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Malformed,
    Manifest,
    NoImage,
    Platform,
    choose,
    parse,
    parse_config,
)

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")


def packed(value: Any) -> bytes:
    """JSON."""
    return json.dumps(value).encode()


def test_an_index_without_its_attestations():
    """BuildKit marks them twice; either mark is enough."""
    body = {
        "schemaVersion": 2,
        "manifests": [
            {"mediaType": OCI_MANIFEST, "digest": A, "platform": {"os": "linux", "architecture": "amd64"}},
            {"mediaType": OCI_MANIFEST, "digest": B, "platform": {"os": "unknown", "architecture": "unknown"}},
            {"mediaType": OCI_MANIFEST, "digest": B, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            {"mediaType": OCI_MANIFEST, "digest": C, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
            {"digest": C},
        ],
    }

    assert parse(packed(body), f"{OCI_INDEX}; charset=utf-8") == (
        Descriptor(A, OCI_MANIFEST, Platform("linux", "amd64")),
        Descriptor(C, OCI_MANIFEST, Platform("linux", "arm", "v7")),
        Descriptor(C, "", None),
    )


@pytest.mark.parametrize("own", [DOCKER_MANIFEST, ""])
def test_a_manifest(own: str):
    """By its own media type, the answer's, or its shape."""
    body = {"config": {"digest": A, "size": 7}, "layers": [{"digest": B, "size": 5}, {"digest": C}]}

    found = parse(packed(body | ({"mediaType": own} if own else {})), "application/json")

    assert found == Manifest(A, 7, (Layer(B, 5), Layer(C, 0)))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "its manifest is no JSON object"),
        (b"[]", "its manifest is malformed"),
        (b"\xff", "its manifest is no JSON object"),
        (packed({"mediaType": "text/plain"}), "its manifest is of an unknown kind: text/plain"),
        (packed({}), "its manifest is of an unknown kind: none"),
        (packed({"schemaVersion": 1}), "its manifest has schema version 1, which is no longer supported"),
        (packed({"manifests": {}}), "its manifests are malformed"),
        (packed({"manifests": [1]}), "its manifest is malformed"),
        (packed({"config": {"digest": "sha256:short"}, "layers": []}), "it names a digest that is none: sha256:short"),
        (packed({"config": {"digest": A.upper()}, "layers": []}), f"it names a digest that is none: {A.upper()}"),
        (packed({"config": {"digest": A}, "layers": None}), "its layers are malformed"),
    ],
)
def test_what_is_no_manifest(body: bytes, sentence: str):
    """Each in its words."""
    with pytest.raises(Malformed) as raised:
        parse(body, "")

    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("wanted", "offered", "expected"),
    [
        ("linux/amd64", "linux/arm64 linux/386 linux/amd64 linux/amd64", 2),
        ("amd64", "linux/386 linux/amd64/v1", 1),
        ("linux/x86_64", "linux/i386", 0),
        ("linux/amd64", "linux/amd64/v3 linux/386", 1),
        ("linux/amd64", "linux/amd64/v2", None),
        ("linux/amd64/v3", "linux/386 linux/amd64 linux/amd64/v2 linux/amd64/v4", 2),
        ("linux/386", "linux/amd64", None),
        ("linux/arm/v7", "linux/arm/v5 linux/arm/v6 linux/arm/v8", 1),
        ("linux/arm/v8", "linux/arm/v6 linux/arm/7", 1),
        ("linux/arm/v6", "linux/arm/v7 linux/arm", None),
        ("linux/arm", "linux/arm/v6 linux/arm/v7", 1),
        ("linux/armhf", "linux/arm", 0),
        ("linux/arm64", "linux/arm/v7 linux/arm64/v8", 1),
        ("linux/aarch64", "linux/arm/v6 linux/arm/v7", 1),
        ("linux/arm64", "linux/arm64/v9 linux/arm64/v8.1", None),
        ("linux/arm64/v8.2", "linux/arm64 linux/arm64/v8.1", 1),
        ("linux/arm64/v9", "linux/arm64/v8 linux/arm64/v8.5 linux/arm64/v8.6", 1),
        ("linux/arm64/v9.7", "linux/arm64/v8.9", 0),
        ("linux/arm64/v10", "linux/arm64 linux/arm/v7", None),
        ("linux/riscv64", "linux/riscv64", 0),
        ("windows/amd64", "linux/amd64", None),
        ("linux", "linux/amd64", 0),
        ("linux/amd64", "- linux/386", 1),
        ("linux/amd64", "linux/arm64 - -", 1),
    ],
)
def test_the_platforms_manifest(wanted: str, offered: str, expected: int | None):
    """What nodes run, in containerd's order: its own, what is older of its kind, 32 bits; what is for nobody in particular."""
    manifests = tuple(
        Descriptor(f"sha256:{index:064}", OCI_MANIFEST, None if each == "-" else Platform.parse(each))
        for index, each in enumerate(offered.split())
    )

    assert choose(manifests, Platform.parse(wanted)) == (None if expected is None else manifests[expected])


CHART, HELM = "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
OCI_CONFIG, OCI_LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
PLUGIN = "application/vnd.docker.plugin.v1+json"


@pytest.mark.parametrize(
    ("kind", "config", "layer", "sentence"),
    [
        (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER, ""),
        (OCI_MANIFEST, DOCKER_CONFIG, "application/vnd.docker.image.rootfs.diff.tar.gzip", ""),
        (OCI_MANIFEST, "", "", ""),
        ("", "application/octet-stream", "", ""),
        (DOCKER_MANIFEST, DOCKER_CONFIG, "", ""),
        (DOCKER_MANIFEST, OCI_CONFIG, "", ""),
        (DOCKER_MANIFEST, "text/html", "", ""),
        (OCI_MANIFEST, CHART, HELM, f"unsupported media type {CHART}"),
        ("", "application/vnd.oci.empty.v1+json", "", "unsupported media type application/vnd.oci.empty.v1+json"),
        (OCI_MANIFEST, OCI_CONFIG, HELM, f"unsupported media type {HELM}"),
        (OCI_MANIFEST, "x" * 500, "", f"unsupported media type {'x' * 80}"),
        (DOCKER_MANIFEST, CHART, "", f'Encountered remote "{CHART}"(unknown) when fetching'),
        (DOCKER_MANIFEST, PLUGIN, "", f'Encountered remote "{PLUGIN}"(plugin) when fetching'),
        (
            OCI_MANIFEST,
            "application/vnd.docker.ai.model.config.v0.1+json",
            "",
            'AI models are not yet supported by the Engine, please use "docker model pull/run" instead',
        ),
    ],
)
def test_what_is_no_image(kind: str, config: str, layer: str, sentence: str):
    """Docker's rules, and its words."""
    body = {
        "config": {"digest": A, "size": 7} | ({"mediaType": config} if config else {}),
        "layers": [{"digest": B, "size": 5} | ({"mediaType": layer} if layer else {})],
    }
    if not sentence:
        assert parse(packed(body), kind) == Manifest(A, 7, (Layer(B, 5),))
        return
    with pytest.raises(NoImage) as raised:
        parse(packed(body), kind)

    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"history": [{}] * 4097}, "its steps of history are more than 4096"),
        ({"history": [{}] * 60_000}, "its configuration has more than 100000 values"),
        ({"config": {"Env": ["x"] * 100_000}}, "its configuration has more than 100000 values"),
    ],
)
def test_a_configuration_that_is_all_brackets(value: dict[str, Any], sentence: str):
    """Few bytes would become many objects."""
    with pytest.raises(Malformed) as raised:
        parse_config(packed(value))

    assert str(raised.value) == sentence
    assert len(parse_config(packed({"history": [{}] * 4096})).history) == 4096


@pytest.mark.parametrize("key", ["layers", "manifests"])
def test_a_manifest_that_is_all_brackets(key: str):
    """The same."""
    with pytest.raises(Malformed, match=rf"^its {key} are more than 4096$"):
        parse(packed({"config": {"digest": A}, key: [{}] * 4097}), "")


def test_a_whole_configuration():
    """Every field."""
    body = {
        "architecture": "arm",
        "os": "linux",
        "variant": "v7",
        "created": "2026-01-02T03:04:05.123456789Z",
        "author": "me",
        "config": {
            "Entrypoint": ["/entry"],
            "Cmd": ["run"],
            "Env": ["A=1", "B="],
            "User": "app:staff",
            "WorkingDir": "/srv",
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
            "Volumes": {"/data": {}},
            "Labels": {"a": "b"},
            "StopSignal": "SIGINT",
            "Shell": ["/bin/bash", "-c"],
            "OnBuild": ["RUN x"],
            "ArgsEscaped": True,
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1},
        },
        "rootfs": {"type": "layers", "diff_ids": [A, B]},
        "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "RUN", "comment": "c", "empty_layer": True}, {}],
    }

    assert parse_config(packed(body)) == ImageConfig(
        architecture="arm",
        os="linux",
        variant="v7",
        created=datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
        author="me",
        entrypoint=("/entry",),
        command=("run",),
        env=("A=1", "B="),
        user="app:staff",
        working_dir="/srv",
        ports=("80/tcp", "53/udp"),
        volumes=("/data",),
        labels={"a": "b"},
        stop_signal="SIGINT",
        shell=("/bin/bash", "-c"),
        on_build=("RUN x",),
        healthcheck={"Test": ["CMD", "true"], "Interval": 1},
        args_escaped=True,
        diff_ids=(A, B),
        history=(
            HistoryEntry(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "RUN", "c", empty=True),
            HistoryEntry(),
        ),
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"config": None},
        {"config": {}},
        {"created": "0001-01-01T00:00:00Z"},
        {"created": "yesterday"},
        {"created": "9999-12-31T23:59:59-23:00"},
        {"config": {"Healthcheck": {"Test": 1, "Interval": "x", "Retries": True, "Timeout": -1, "StartPeriod": 1 << 70}}},
    ],
)
def test_an_empty_configuration(body: dict[str, Any]):
    """Nothing is known, nothing is made up."""
    assert parse_config(packed(body)) == ImageConfig()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["config", "layers", "manifests", "mediaType", "rootfs", "history", "created", "Env", "Labels", "Healthcheck"]
)


@given(st.dictionaries(names, json_values | st.dictionaries(names, json_values)))
def test_any_json_is_read_or_malformed(value: dict[str, Any]):
    """Nothing else is raised."""
    for read in (lambda body: parse(body, ""), parse_config):
        with contextlib.suppress(Malformed, NoImage):
            read(packed(value))


@pytest.mark.parametrize(
    ("image", "wanted", "fits"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm/v6", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/arm/v7", "arm", True),
        ("linux/arm", "linux/arm/v6", True),
        ("linux/386", "linux/amd64", True),
        ("linux/amd64", "linux/386", False),
        ("linux/arm/v7", "linux/arm64", True),
        ("linux/amd64/v3", "linux/amd64", False),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_an_image_fits_a_platform(image: str, wanted: str, fits: bool):
    """As the manifest of an index does."""
    assert Platform.parse(image).fits(Platform.parse(wanted)) is fits
