"""Images out of a registry and out of files."""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kubedock.embedded.runtime import Credentials, PullError
from kubedock.embedded.runtimes.archives import archives
from kubedock.embedded.runtimes.images import Images
from kubedock.parsing import Mirror
from tests.support.runtimes import BUSYBOX

pytestmark = pytest.mark.embedded


class Registry(ThreadingHTTPServer):
    """Serves one OCI layout as the repository ``mirrored/team/app``, tag ``1``. ``secret``: what it wants as Authorization."""

    def __init__(self, layout: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.layout, self.secret = layout, ""
        self.asked: list[str] = []
        self.shown: set[str | None] = set()

    @property
    def host(self) -> str:
        """Where it is."""
        return f"127.0.0.1:{self.server_port}"

    def blob(self, digest: str) -> bytes | None:
        """A blob of the layout."""
        path = self.layout / "blobs" / "sha256" / digest.removeprefix("sha256:")
        return path.read_bytes() if path.exists() else None


class Answers(BaseHTTPRequestHandler):
    """The part of the distribution protocol that a pull needs."""

    server: Registry

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        """Manifests and blobs."""
        self.server.asked.append(self.path)
        self.server.shown.add(self.headers.get("Authorization"))
        if self.server.secret and self.headers.get("Authorization") != self.server.secret:
            self._answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}')
            return
        manifest = json.loads((self.server.layout / "index.json").read_bytes())["manifests"][0]
        name, _, last = self.path.rpartition("/")
        digest = manifest["digest"] if last == "1" else last
        body = self.server.blob(digest) if name.startswith("/v2/mirrored/team/app/") else b"{}" if self.path == "/v2/" else None
        if body is None:
            self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        else:
            self._answer(200, body, manifest["mediaType"] if name.endswith("manifests") else "application/octet-stream")

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def registry(images: Path) -> Iterator[Registry]:
    """A registry that serves."""
    with Registry(images / "test") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))  # noqa: TID251 joined below
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def store(registry: Registry, tmp_path: Path) -> Images:
    """Images behind a mirror for one registry, which is that one."""
    (tmp_path / "store").mkdir()
    store = Images(tmp_path / "store", [Mirror("registry.example", f"http://{registry.host}/mirrored")])
    store.open()
    return store


REFERENCE = "registry.example/team/app:1"


def test_a_pull_brings_the_image_and_its_configuration(store: Images, registry: Registry) -> None:
    """The digest is what the registry has under the tag."""
    found = store.pull(REFERENCE, timeout=60)

    index = json.loads((registry.layout / "index.json").read_bytes())["manifests"][0]
    assert found.ref == REFERENCE
    assert found.image_id == f"registry.example/team/app@{index['digest']}"
    assert found.config["Cmd"] == ["sh"]
    assert (store.root(found) / "bin" / "busybox").stat().st_mode & 0o777 == 0o755
    assert store.get(REFERENCE) == found
    assert store.list() == [found]


def test_what_has_not_changed_is_not_fetched_again(store: Images, registry: Registry) -> None:
    """Nor for another reference to the same, nor after a restart."""
    first = store.pull(REFERENCE, timeout=60)
    registry.asked.clear()
    again = Images(store._folder, store._mirrors)
    again.open()
    digest = f"registry.example/team/app@{first.digest}"

    assert again.pull(REFERENCE, timeout=60) == first
    assert again.pull(digest, timeout=60) == replace(first, ref=digest)
    assert [path for path in registry.asked if "blobs" in path] == []


@pytest.mark.parametrize("reference", ["registry.example/team/app:2", "registry.example/other:1"])
def test_what_the_registry_lacks_is_told_as_a_kubelet_tells_it(store: Images, reference: str) -> None:
    """Tags and repositories."""
    with pytest.raises(PullError) as failed:
        store.pull(reference, timeout=60)

    head = f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}"'
    assert str(failed.value) == f"rpc error: code = NotFound desc = {head}: {reference}: not found"
    assert list(store._folder.glob("tmp-*")) == []


def test_credentials_open_what_is_closed(store: Images, registry: Registry) -> None:
    """Those of the mirror; it never sees those of the image's registry."""
    registry.secret = "Basic bWU6c2VjcmV0"

    for login in ((), [Credentials("registry.example", "me", "secret")]):
        with pytest.raises(PullError, match="pull access denied, repository does not exist or may require authorization"):
            store.pull(REFERENCE, timeout=60, credentials=login)

    assert registry.secret not in registry.shown
    assert store.pull(REFERENCE, timeout=60, credentials=[Credentials(registry.host, "me", "secret")]).ref == REFERENCE


def test_a_registry_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    """With the network's own words."""
    store = Images(tmp_path, [Mirror("", "http://127.0.0.1:1")])

    with pytest.raises(
        PullError, match=r"^rpc error: code = Unavailable desc = .* dial tcp 127.0.0.1:1: connect: connection refused$"
    ):
        store.pull("alpine", timeout=60)


def test_several_pulls_of_one_image_at_once_agree(store: Images) -> None:
    """One fetches, the others take what it has."""
    found = []
    pulls = [threading.Thread(target=lambda: found.append(store.pull(REFERENCE, timeout=60))) for _ in range(4)]  # noqa: TID251 joined
    for each in pulls:
        each.start()
    for each in pulls:
        each.join()

    assert len(set(map(id, found))) <= 4
    assert len({image.id for image in found}) == 1


PACKED: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def in_files(kind: str, packed: str, images: Path, folder: Path) -> Path:
    """A file or layout with the tests' image as ``team/app:1``, in a folder that skopeo cannot be told by its name."""
    place, files = folder / "one", folder / "files: ours"
    files.mkdir()
    source = f"oci:{images / 'test'}:{BUSYBOX}"
    subprocess.run(["skopeo", "copy", "-q", source, f"{kind}:{place}:team/app:1"], check=True, timeout=60)
    target = files / f"one{'' if kind == 'oci' else '.tar'}{packed}"
    place.rename(target)
    if packed:
        target.write_bytes(PACKED[packed](target.read_bytes()))
    return target


@pytest.mark.parametrize(
    ("kind", "packed"), [("oci", ""), *((kind, packed) for kind in ("docker-archive", "oci-archive") for packed in ("", *PACKED))]
)
def test_images_in_files_need_no_registry(
    kind: str, packed: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docker save writes them, and as OCI tools do; compressed as one likes; the folder may be named from here."""
    folder, store = in_files(kind, packed, images, tmp_path).parent, tmp_path / "store"
    store.mkdir()
    monkeypatch.chdir(tmp_path)
    found = Images(store, (), archives(folder.relative_to(tmp_path)))
    found.open()

    assert found.own("team/app:2", timeout=60) is None
    assert found.own(f"team/app@sha256:{'0' * 64}", timeout=60) is None
    image = found.own("team/app:1", timeout=60)

    assert image is not None
    assert image == found.pull("team/app:1", timeout=60)
    assert (image.ref, image.config["Cmd"]) == ("docker.io/team/app:1", ["sh"])
    assert (found.root(image) / "bin" / "sh").is_symlink()
    assert list(store.glob("tmp-*")) == []


@pytest.mark.parametrize(
    ("kind", "packed", "said"),
    [
        ("docker-archive", ".gz", "unexpected EOF"),
        ("docker-archive", ".xz", "unexpected EOF"),
        ("docker-archive", "", ".*unexpected EOF"),
        ("oci", "", ".*no such file or directory"),
    ],
)
def test_a_file_that_is_broken_is_named(kind: str, packed: str, said: str, images: Path, tmp_path: Path) -> None:
    """It is not taken for a registry that does not answer."""
    file = in_files(kind, packed, images, tmp_path)
    found = Images(tmp_path, (), archives(file.parent))
    if kind == "oci":
        shutil.rmtree(file / "blobs")
    else:
        os.truncate(file, file.stat().st_size // 2)

    with pytest.raises(PullError, match=f'^failed to load image "docker.io/team/app:1" from {file}: {said}$'):
        found.own("team/app:1", timeout=60)


def test_what_is_compressed_by_zstd_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a word of it."""
    (tmp_path / "one.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd...")

    assert archives(tmp_path) == []
    assert f"--embedded-images: {tmp_path / 'one.tar.zst'} is left out: zstd is not supported" in caplog.text


def test_a_time_limit_holds_for_decompressing_too(images: Path, tmp_path: Path) -> None:
    """It is told as of any pull."""
    file = in_files("docker-archive", ".gz", images, tmp_path)

    with pytest.raises(PullError, match=f"from {file}: not complete after 0 s: i/o timeout"):
        Images(tmp_path, (), archives(file.parent)).own("team/app:1", timeout=0)
