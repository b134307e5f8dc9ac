"""Paths as Docker reads them."""

import pytest

from kubedock.domain.files import FilePath, ancestors, file_path


@pytest.mark.parametrize(
    ("asked", "path", "name", "directory", "exact"),
    [
        ("/a/b", "/a/b", "b", False, "/a/b"),
        ("/a/b/", "/a/b", "b", True, "/a/b/"),
        ("/a/b/.", "/a/b", ".", True, "/a/b/"),
        ("a", "/a", "a", False, "/a"),
        ("./a", "/a", "a", False, "/a"),
        ("//a//b", "/a/b", "b", False, "/a/b"),
        ("/a/../b", "/b", "b", False, "/b"),
        ("/a/b/..", "/a", "a", False, "/a"),
        ("/../../x", "/x", "x", False, "/x"),
        ("/", "/", "/", True, "/"),
        ("/.", "/", ".", True, "/"),
        (".", "/", ".", True, "/"),
        ("..", "/", "/", True, "/"),
        ("/a b/ c", "/a b/ c", " c", False, "/a b/ c"),
    ],
)
def test_paths(asked: str, path: str, name: str, directory: bool, exact: str) -> None:
    """Absolute, short, and how their end is meant."""
    found = file_path(asked)
    assert found == FilePath(path, name, directory)
    assert found.exact == exact


def test_what_is_above() -> None:
    """The nearest first."""
    assert ancestors("/a/b/c") == ["/a/b", "/a", "/"]
    assert ancestors("/") == []
    assert file_path("/a/b").parent == "/a"
