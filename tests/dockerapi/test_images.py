"""Images as Docker shows them."""

from dataclasses import replace
from datetime import UTC, datetime

from kubedock.dockerapi import images, versions
from kubedock.domain.imageconfig import HistoryEntry, ImageConfig, Layer, RegistryImage
from kubedock.domain.view import Image
from tests.support.swagger import contract

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
A, B, C, D = (f"sha256:{digit * 64}" for digit in "abcd")

CONFIG = ImageConfig(
    architecture="arm64",
    os="linux",
    variant="v8",
    created=NOW,
    author="me",
    entrypoint=("/entry",),
    command=("run",),
    env=("A=1",),
    user="app",
    working_dir="/srv",
    ports=("80/tcp",),
    volumes=("/data",),
    labels={"a": "b"},
    stop_signal="SIGINT",
    shell=("/bin/bash", "-c"),
    healthcheck={"Test": ["CMD", "true"]},
    diff_ids=(C, D),
    history=(
        HistoryEntry(NOW, "ADD one"),
        HistoryEntry(NOW, "CMD run", "nothing", empty=True),
        HistoryEntry(NOW, "ADD two", "the last"),
    ),
)
FOUND = RegistryImage(
    A, "application/vnd.oci.image.index.v1+json", 7, B, D, CONFIG, (Layer(A, 5), Layer(B, 6)), ("linux/amd64", "linux/arm64/v8")
)
IMAGE = Image(D, ("alpine:3",), NOW, (f"alpine@{A}",), "linux/arm64/v8", 11, {f"alpine@{A}": f"alpine@{A}"}, FOUND, NOW)
ON_TRUST = Image(D, ("alpine:3",))


def test_a_summary():
    """Labels are the image's own."""
    assert images.summary(IMAGE, 2) == {
        "Id": D,
        "ParentId": "",
        "RepoTags": ["alpine:3"],
        "RepoDigests": [f"alpine@{A}"],
        "Created": 1767323045,
        "Size": 11,
        "SharedSize": -1,
        "Labels": {"a": "b"},
        "Containers": 2,
    }


def test_inspect():
    """The whole configuration."""
    shown = images.inspect(IMAGE)

    assert {key: shown[key] for key in ("Os", "Architecture", "Variant", "Author", "Comment", "Size", "RootFS", "Metadata")} == {
        "Os": "linux",
        "Architecture": "arm64",
        "Variant": "v8",
        "Author": "me",
        "Comment": "the last",
        "Size": 11,
        "RootFS": {"Type": "layers", "Layers": [C, D]},
        "Metadata": {"LastTagTime": "2026-01-02T03:04:05Z"},
    }
    assert shown["Config"] == {
        "Hostname": "",
        "Domainname": "",
        "User": "app",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "ExposedPorts": {"80/tcp": {}},
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": ["A=1"],
        "Cmd": ["run"],
        "Image": "",
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Entrypoint": ["/entry"],
        "OnBuild": None,
        "Labels": {"a": "b"},
        "Healthcheck": {"Test": ["CMD", "true"]},
        "StopSignal": "SIGINT",
        "Shell": ["/bin/bash", "-c"],
    }


def test_an_image_on_trust_has_an_empty_configuration():
    """Never a null one: clients look into it."""
    shown = images.inspect(replace(ON_TRUST, platform="linux/arm/v7"))

    assert (shown["Variant"], shown["Config"]["Env"], shown["Config"]["Cmd"], shown["RootFS"]["Layers"]) == ("v7", [], None, [])
    assert not shown["Config"].keys() & {"Healthcheck", "StopSignal", "Shell"}


def test_an_image_whose_age_is_not_known():
    """Docker leaves it out, and told clients of older versions the year 1; a list says 0."""
    shown = images.inspect(ON_TRUST)

    assert "Created" not in shown
    assert versions.downgrade("image", shown, (1, 43))["Created"] == "0001-01-01T00:00:00Z"
    assert versions.downgrade("image", images.inspect(IMAGE), (1, 43))["Created"] == "2026-01-02T03:04:05Z"
    assert images.summary(ON_TRUST)["Created"] == 0


def test_history():
    """Newest first; the layers' sizes stand beside the steps that made them."""
    assert [(step["Id"], step["CreatedBy"], step["Size"], step["Tags"], step["Comment"]) for step in images.history(IMAGE)] == [
        (D, "ADD two", 6, ["alpine:3"], "the last"),
        ("<missing>", "CMD run", 0, [], "nothing"),
        ("<missing>", "ADD one", 5, [], ""),
    ]
    assert images.history(ON_TRUST) == [{"Id": D, "Created": 0, "CreatedBy": "", "Tags": ["alpine:3"], "Size": 0, "Comment": ""}]


def test_distribution():
    """The descriptor of what the reference names, and all platforms of it."""
    assert images.distribution(FOUND) == {
        "Descriptor": {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": A, "size": 7},
        "Platforms": [{"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64", "variant": "v8"}],
    }


def test_they_are_what_dockers_contract_says():
    """Docker's YAML."""
    docker = contract()
    docker.named("ImageSummary", images.summary(IMAGE))
    docker.named("ImageInspect", images.inspect(IMAGE))
    docker.named("DistributionInspect", images.distribution(FOUND))
    for step in images.history(IMAGE):
        docker.named("ImageHistoryResponseItem", step)
