"""Paths, users and groups of a container, seen from outside."""

from pathlib import Path

import pytest

from kubedock.embedded.runtimes import rootfs
from kubedock.embedded.runtimes.rootfs import User
from kubedock.errors import InvalidParameter


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small tree with links that would lead out of it."""
    root = tmp_path / "root"
    (root / "real" / "etc").mkdir(parents=True)
    (root / "etc").symlink_to("/real/etc")
    (root / "out").symlink_to("../../../..")
    (root / "loop").symlink_to("loop")
    (root / "real" / "etc" / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nme:x:7:8:Me:/home/me:\n# no entry\nbad:x:a:b:::\n"
    )
    (root / "real" / "etc" / "group").write_text("root:x:0:\nstaff:x:50:me,you\nothers:x:51:you\n")
    return root


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/passwd", "real/etc/passwd"),
        ("etc/./../etc/new/file", "real/etc/new/file"),
        ("/../../x", "x"),
        ("/out/etc/passwd", "real/etc/passwd"),
        ("/", ""),
    ],
)
def test_links_are_followed_as_inside(root: Path, path: str, expected: str) -> None:
    """And never lead out."""
    assert rootfs.inside(root, path) == root / expected


def test_a_link_to_itself_ends(root: Path) -> None:
    """Somewhere inside."""
    assert root in rootfs.inside(root, "/loop/x").parents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", User(0, 0, (), "/root")),
        ("me", User(7, 8, (50,), "/home/me")),
        ("7", User(7, 8, (50,), "/home/me")),
        ("1000", User(1000, 0)),
        ("me:root", User(7, 0, (), "/home/me")),
        ("me:staff", User(7, 50, (), "/home/me")),
        ("1000:123", User(1000, 123)),
    ],
)
def test_users(root: Path, text: str, expected: User) -> None:
    """By name and number."""
    assert rootfs.user(root, text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nobody", "unable to find user nobody: no matching entries in passwd file"),
        ("bad", "unable to find user bad: no matching entries in passwd file"),
        ("me:nosuch", "unable to find group nosuch: no matching entries in group file"),
    ],
)
def test_users_that_the_image_lacks(root: Path, text: str, sentence: str) -> None:
    """In moby's words."""
    with pytest.raises(InvalidParameter, match=f"^{sentence}$"):
        rootfs.user(root, text)


def test_an_image_without_users_has_numbers(tmp_path: Path) -> None:
    """As hello-world has none."""
    assert rootfs.user(tmp_path, "") == User()
    assert rootfs.user(tmp_path, "5:6") == User(5, 6)
