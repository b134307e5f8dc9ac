"""What is known of a container's directories before it runs."""

import pytest

from kubedock.domain.container import ContainerSpec, Security
from kubedock.domain.kept import ALWAYS_THERE, NOTHING, Kept, KeptDirectory, KeptFile, directories_of, is_read_only
from kubedock.domain.volume import Mount

SPEC = ContainerSpec(
    "alpine",
    working_dir="/app/work",
    mounts=(Mount("volume", "/data", "d"), Mount("volume", "/data/ro", "r", read_only=True), Mount("tmpfs", "/cache/x")),
    tmpfs=(("/scratch/", "size=1m,ro"),),
)


def test_directories_that_are_certainly_there() -> None:
    """Every image's, where something is mounted, where the process works, and all above."""
    assert directories_of(ContainerSpec("alpine")) == ALWAYS_THERE
    more = {"/app", "/app/work", "/data", "/data/ro", "/cache", "/cache/x", "/scratch"}
    assert directories_of(SPEC) == ALWAYS_THERE | more


@pytest.mark.parametrize(
    ("path", "root", "why"),
    [
        ("/etc/x", False, ""),
        ("/etc/x", True, "root"),
        ("/data", True, ""),
        ("/data/a/b", True, ""),
        ("/database", True, "root"),
        ("/data/ro", False, "volume"),
        ("/data/ro/x", False, "volume"),
        ("/scratch/x", False, "volume"),
        ("/cache/x/y", True, ""),
        ("/", True, "root"),
    ],
)
def test_what_is_read_only(path: str, root: bool, why: str) -> None:
    """The nearest mount decides, else the root file system."""
    spec = ContainerSpec("alpine", mounts=SPEC.mounts, tmpfs=SPEC.tmpfs, security=Security(read_only_root=root))
    assert is_read_only(spec, path) == why


def test_kinds_and_sizes() -> None:
    """A directory is also what a file is kept below."""
    kept = Kept({"/a/b/c": KeptFile(b"123"), "/a/x": KeptFile(b"45")}, {"/d": KeptDirectory()})
    assert kept.size == 5
    assert {path: kept.kind(path) for path in ("/a", "/a/b", "/a/b/c", "/a/x", "/d", "/a/b/", "/ax", "/e")} == {
        "/a": "directory",
        "/a/b": "directory",
        "/a/b/c": "file",
        "/a/x": "file",
        "/d": "directory",
        "/a/b/": "directory",
        "/ax": "",
        "/e": "",
    }
    assert kept.below("/") == ["/a/b/c", "/a/x"]
    assert NOTHING.kind("/") == ""
