"""Files of a container: paths as Docker reads them, and what is told of a file."""

import posixpath
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class FilePath(NamedTuple):
    """A path that a request names.

    ``path`` is absolute, without ``.``, ``..`` and a slash at its end. ``name`` is what an archive calls the thing: the
    last part, ``.`` for ``/a/.`` and ``/`` for the root. ``directory``: it ends so that only a directory can be meant.
    """

    path: str
    name: str
    directory: bool

    @property
    def parent(self) -> str:
        """The directory that it is in."""
        return posixpath.dirname(self.path)

    @property
    def exact(self) -> str:
        """For a system call: a slash at the end follows a link, and fails for what is no directory."""
        return f"{self.path}/" if self.directory and self.path != "/" else self.path


def file_path(asked: str) -> FilePath:
    """``/a/../b/`` -> (``/b``, ``b``, a directory). What is not absolute begins at the root."""
    path = absolute(asked)
    last = asked.rpartition("/")[2]
    if last == ".":
        return FilePath(path, ".", directory=True)
    return FilePath(path, posixpath.basename(path) or "/", directory=last == "" or path == "/")


def absolute(path: str) -> str:
    """From the root, in its shortest form."""
    return posixpath.normpath("/" + path.lstrip("/"))


def ancestors(path: str) -> list[str]:
    """The directories above an absolute path, the nearest first, the root last."""
    found = []
    while path != "/":
        path = posixpath.dirname(path)
        found.append(path)
    return found


@dataclass(frozen=True, slots=True)
class FileStat:
    """What is told of a file: ``mode`` with the bits of its kind (as ``st_mode``), ``size`` in bytes.

    ``link_target`` is where a symbolic link leads to in the end, "" for everything else.
    """

    name: str
    size: int
    mode: int
    mtime: datetime
    link_target: str = ""


@dataclass(frozen=True, slots=True)
class Extraction:
    """How an archive is put into a container.

    ``keep``: no directory is replaced by something else, and the reverse. ``own``: all becomes the container's user's.
    """

    keep: bool = False
    own: bool = False
