"""Folder, names, archives, tools, trees: what needs neither root nor tools."""

import errno
import io
import ipaddress
import json
import os
import random
import tarfile
from pathlib import Path

import pytest

from kubedock.embedded.runtime import Dns, Sandbox, SandboxSpec, StartError
from kubedock.embedded.runtimes import names, network, sandboxes, tools, trees
from kubedock.embedded.runtimes.apart import apart
from kubedock.embedded.runtimes.archives import archives
from kubedock.embedded.runtimes.folder import NodeFolder
from kubedock.errors import Unavailable
from tests.support.threads import none_left


def test_a_folder_belongs_to_one_at_a_time(tmp_path: Path) -> None:
    """And has the same prefix for whoever opens it, short enough for a link's name."""
    first, second = NodeFolder(tmp_path / "node"), NodeFolder(tmp_path / "x" / ".." / "node")
    first.lock()
    first.lock()

    with pytest.raises(Unavailable, match=r"another kubedock has the folder .*: give each its own --embedded-dir"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()

    assert first.prefix == second.prefix
    assert len(first.prefix) == 7


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """One sentence."""
    (tmp_path / "file").write_text("")

    with pytest.raises(Unavailable, match=r"the embedded node cannot use its folder .*/file/node: "):
        NodeFolder(tmp_path / "file" / "node").lock()


def test_a_folder_that_runc_refuses(tmp_path: Path) -> None:
    """Spaces are fine."""
    with pytest.raises(Unavailable, match=r"/a:b has one of , : \\ in its path, which runc refuses$"):
        NodeFolder(tmp_path / "a:b").lock()
    spaced = NodeFolder(tmp_path / "a b")
    spaced.lock()
    spaced.unlock()


def test_resolv_conf_and_hosts() -> None:
    """Lines for what there is."""
    assert names.resolv_conf(Dns()) == ""
    assert names.resolv_conf(Dns(("192.0.2.1",), ("a", "b"), ("ndots:5",))) == (
        "search a b\nnameserver 192.0.2.1\noptions ndots:5\n"
    )
    assert names.hosts_head(Sandbox("u", "192.0.2.7", "me")).endswith("\n192.0.2.7\tme\n")
    assert names.hosts_lines([("192.0.2.8", ["a", "b"])]) == "192.0.2.8\ta b\n"


def test_a_links_address_is_that_of_its_ip() -> None:
    """So that it is the same when the address is used again."""
    assert network.mac("198.18.64.10") == "02:42:c6:12:40:0a"


def test_a_sandbox_that_fails_gives_its_address_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails once it is connected."""
    pods = network.Network(ipaddress.IPv4Network("198.18.64.0/29"), "kd12345")
    given: list[str] = []

    def connected(_name: str, _make: object) -> network.Place:
        given.append(pods._free())
        return network.Place(given[-1], "link")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sandboxes, "apart", connected)
    monkeypatch.setattr(sandboxes, "_memory", full)
    made = sandboxes.Sandboxes(tmp_path, pods)

    for number in range(20):
        with pytest.raises(StartError, match="No space left on device"):
            made.add(SandboxSpec(f"pod-{number}", "pod", "a-pod"))

    assert given[:6] == [f"198.18.64.{last}" for last in (2, 3, 4, 5, 6, 2)]
    assert list(tmp_path.iterdir()) == []


def test_what_tools_unpack_lies_in_their_folder(tmp_path: Path) -> None:
    """Nothing in the machine's own temporary places, which may be small, or stay."""
    told = tools.image_environment(tmp_path)

    assert {told["TMPDIR"], told["XDG_DATA_HOME"]} == {str(tmp_path)}


def test_missing_tools_are_named_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence for one, and for several."""
    monkeypatch.setattr(tools, "find", lambda name: "" if name in ("umoci", "skopeo") else f"/bin/{name}")

    tools.require(["runc"])
    with pytest.raises(Unavailable) as one:
        tools.require(["runc", "umoci"])
    with pytest.raises(Unavailable) as two:
        tools.require(["skopeo", "runc", "umoci"])

    command = "apt-get install --no-install-recommends"
    assert str(one.value) == f"the embedded node needs umoci, which is not installed: {command} umoci"
    assert str(two.value) == f"the embedded node needs skopeo and umoci, which are not installed: {command} skopeo umoci"


def test_names_of_images_in_files(tmp_path: Path) -> None:
    """docker save, an archive of OCI's, a layout; other files are none of ours."""
    saved = json.dumps([{"RepoTags": ["me/app:1", "busybox:latest"]}, {"RepoTags": None}]).encode()
    index = json.dumps({"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "v2"}}]}).encode()
    files = (("saved.tar", "w", "manifest.json", saved), ("tool.tar.xz", "w:xz", "./index.json", index))
    for name, mode, member, content in (*files, ("Other.tgz", "w:gz", "index.json", index)):
        with tarfile.open(tmp_path / name, mode) as tar:
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout" / "index.json").write_text(
        json.dumps({"manifests": [{"annotations": {"io.containerd.image.name": "quay.io/a/b:3"}}]})
    )
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "folder").mkdir()

    found = {
        ref: (archive.transport, archive.path.name, inside)
        for archive in archives(tmp_path)
        for ref, inside in archive.names.items()
    }

    assert found == {
        "docker.io/me/app:1": ("docker-archive", "saved.tar", "me/app:1"),
        "docker.io/library/busybox:latest": ("docker-archive", "saved.tar", "busybox:latest"),
        "docker.io/library/tool:v2": ("oci-archive", "tool.tar.xz", "v2"),
        "docker.io/library/other:v2": ("oci-archive", "Other.tgz", "v2"),
        "quay.io/a/b:3": ("oci", "layout", ""),
    }


@pytest.mark.parametrize("content", [b"{", b'{"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "A/B"}}]}'])
def test_a_broken_file_of_images_is_named(tmp_path: Path, content: bytes) -> None:
    """It was given on purpose."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "index.json").write_bytes(content)

    with pytest.raises(Unavailable, match=r"--embedded-images: .*/one cannot be read: "):
        archives(tmp_path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_that_is_cut_off_is_named(tmp_path: Path, mode: str) -> None:
    """However it is compressed."""
    with tarfile.open(tmp_path / "one.tar", mode) as tar:
        entry = tarfile.TarInfo("layer")
        entry.size = 4 << 20
        tar.addfile(entry, io.BytesIO(random.Random(1).randbytes(entry.size)))
    os.truncate(tmp_path / "one.tar", 2 << 20)

    with pytest.raises(Unavailable, match=r"--embedded-images: .*/one.tar cannot be read: "):
        archives(tmp_path)


def test_no_folder_of_images(tmp_path: Path) -> None:
    """A setting that leads nowhere."""
    with pytest.raises(Unavailable, match=r"--embedded-images: .*/none is not a folder"):
        archives(tmp_path / "none")


def test_a_copy_of_a_tree_may_be_changed_without_changing_the_image(tmp_path: Path) -> None:
    """Whatever a program does to it; owners, modes, times, attributes and the links within it are the image's."""
    image, copy = tmp_path / "image", tmp_path / "copy"
    (image / "bin").mkdir(parents=True)
    (image / "bin" / "big").write_bytes(b"x" * (1 << 20))
    (image / "bin" / "big").chmod(0o755)
    (image / "same").hardlink_to(image / "bin" / "big")
    (image / "data").write_bytes(b"y" * 5)
    (image / "data").chmod(0o640)
    (image / "link").symlink_to("/data")
    os.utime(image / "data", ns=(1, 2))
    before = described(image)

    trees.clone(image, copy)

    assert described(copy) == before
    assert (copy / "same").samefile(copy / "bin" / "big")
    with (copy / "bin" / "big").open("r+b") as file:
        file.write(b"in place")
    (copy / "bin" / "big").chmod(0o4711)
    (copy / "data").write_bytes(b"z")
    assert described(image) == before


def described(tree: Path) -> dict[str, tuple[int, int, bytes]]:
    """What a program sees of each file: mode, time of its change, content or a link's target."""
    found = {}
    for path in sorted(tree.rglob("*")):
        told = path.lstat()
        content = os.readlink(path).encode() if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        when = told.st_mtime_ns if path.name == "data" else 0
        found[str(path.relative_to(tree))] = (told.st_mode, when, content)
    return found


@pytest.mark.parametrize("fails", [OSError(errno.EXDEV, "no"), OSError(errno.ENOSYS, "no"), None])
def test_what_the_kernel_cannot_copy_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: OSError | None) -> None:
    """Between file systems, on old kernels, and where it says that there is nothing."""

    def refused(*_: int) -> int:
        if fails is not None:
            raise fails
        return 0

    monkeypatch.setattr(os, "copy_file_range", refused)
    (tmp_path / "a").write_bytes(b"x" * 70_000)

    trees.copy_data(str(tmp_path / "a"), tmp_path / "b")

    assert (tmp_path / "b").read_bytes() == b"x" * 70_000


def test_a_volume_moves_in_and_back(tmp_path: Path) -> None:
    """Whoever looks at its old place sees it all the time; a second container does not get it."""
    volume, target = tmp_path / "volume", tmp_path / "root" / "data"
    volume.mkdir()
    (volume / "file").write_text("x")

    assert trees.move_in(volume, target)
    (target / "more").write_text("y")
    assert not trees.move_in(volume, tmp_path / "other")
    seen = sorted(path.name for path in volume.iterdir())
    trees.move_back(volume, tmp_path / "other")
    trees.move_back(volume, target)

    assert seen == ["file", "more"]
    assert not volume.is_symlink()
    assert (volume / "more").read_text() == "y"
    assert not target.exists()


def test_what_needs_a_thread_of_its_own_where_there_is_none() -> None:
    """The error is the system's, as of any other call that it refuses."""
    with none_left("apart"), pytest.raises(OSError, match="can't start new thread") as raised:
        apart("apart", lambda: None)

    assert raised.value.errno == errno.EAGAIN
