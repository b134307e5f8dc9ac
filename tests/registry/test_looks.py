"""What a look asks for, and what is kept of it."""

import pytest

from kubedock.errors import NotFound
from kubedock.parsing import Mirror
from kubedock.registry.client import RegistryClient
from kubedock.registry.credentials import Credentials
from kubedock.registry.inspector import Inspector, Places, Untrusted
from kubedock.registry.manifests import OCI_INDEX, NoImage
from kubedock.registry.newest import Newest
from tests.registry.looking import NGINX, Clock, look, refused
from tests.support.registry import FakeRegistry, Reply, wants_password


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500, 501, 503])
def test_a_registry_without_head(registry: FakeRegistry, status: int) -> None:
    """A tag that has moved is seen all the same; so is what is gone, in the registry's words."""
    clock = Clock()
    inspector = Inspector(RegistryClient(), Places(), clock)
    registry.behave.append(lambda asked: Reply(status) if asked.method == "HEAD" else None)
    registry.image("x", "1", NGINX)
    name = f"{registry.host}/x:1"
    look(inspector, name)

    moved, config = registry.image("x", "1", {"Cmd": ["new"]})
    clock.now += 61
    registry.forget()
    assert look(inspector, name).digest == moved
    assert registry.lines == ["HEAD /v2/x/manifests/1", "GET /v2/x/manifests/1", f"GET /v2/x/blobs/{config}"]
    registry._manifests.clear()
    clock.now += 61
    assert refused(inspector, name, NotFound) == f"repository {registry.host}/x not found: name unknown: repository name not known"
    inspector.close()


def test_an_index_in_an_index(registry: FakeRegistry, inspector: Inspector) -> None:
    """One is followed, as nodes do; whose platform the outer one does not tell as well."""
    arm, _ = registry.image("x", "", {"Cmd": ["arm"]}, architecture="arm64")
    amd, config = registry.image("x", "", {"Cmd": ["amd"]})
    inner = registry.index("x", "", {"linux/arm64": arm, "linux/amd64": amd})
    entry = {"mediaType": OCI_INDEX, "digest": inner, "size": 1}
    outer = registry.manifest("x", "1", {"schemaVersion": 2, "manifests": [entry]}, OCI_INDEX)

    found = look(inspector, f"{registry.host}/x:1")

    assert (found.digest, found.manifest, found.config_digest) == (outer, amd, config)
    assert (found.platforms, found.platform) == (("linux/arm64", "linux/amd64"), "linux/amd64")
    assert len(registry.lines) == 4
    registry.manifest("x", "2", {"schemaVersion": 2, "manifests": [{**entry, "digest": outer}]}, OCI_INDEX)
    assert refused(inspector, f"{registry.host}/x:2", Untrusted).endswith("its index names an index that names an index")


def test_what_is_no_image(registry: FakeRegistry, inspector: Inspector) -> None:
    """A chart, say. Nobody else is asked for it, and nothing of it is remembered."""
    config = {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": registry.blob(b"{}"), "size": 2}
    registry.manifest("chart", "1", {"schemaVersion": 2, "config": config, "layers": []})

    text = refused(inspector, f"{registry.host}/chart:1", NoImage)

    assert text == "unsupported media type application/vnd.cncf.helm.config.v1+json"
    assert registry.lines == ["GET /v2/chart/manifests/1"]


def test_the_images_that_are_kept_have_a_size(
    registry: FakeRegistry, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that was read for them counts."""
    inspector._images = Newest(10, 5000)
    for tag, length in (("1", 2000), ("2", 3500), ("3", 10_000)):
        registry.image("x", tag, {"Labels": {"a": "x" * length}})
        look(inspector, f"{registry.host}/x:{tag}")
    registry.forget()

    for tag in "213":
        look(inspector, f"{registry.host}/x:{tag}")

    assert [line.partition(":")[0] for line in registry.lines] == [
        *("GET /v2/x/manifests/sha256", "GET /v2/x/blobs/sha256") * 3,
    ]


def test_a_registry_that_is_its_own_mirror_gets_its_own_login(registry: FakeRegistry) -> None:
    """What the client has sent is for this host."""
    registry.behave.append(wants_password("me", "secret"))
    registry.image("x", "1", NGINX)
    for last_word in (True, False):
        places = Places([Mirror("", f"http://{registry.host}")], last_word=last_word)
        assert look(Inspector(RegistryClient(), places), f"{registry.host}/x:1", sent=Credentials("me", "secret")).size == 5
