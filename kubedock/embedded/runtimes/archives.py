"""Images in a folder of files: what ``docker save`` writes, OCI archives, OCI layouts. Only their names are read here.

Archives may be compressed by gzip, bzip2 or xz.
"""

import json
import logging
import lzma
import re
import tarfile
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubedock.domain import image
from kubedock.errors import InvalidParameter, Unavailable
from kubedock.streams import compression

logger = logging.getLogger(__name__)

PIECE = 1 << 20
LINK = "source"
NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
"""The annotations that hold an image's name, the fuller one first."""
_SUFFIX = re.compile(r"(\.tar)?(\.(gz|bz2|xz))?$|\.t(gz|bz2|xz)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Archive:
    """A file or layout: skopeo's word for its kind, and by canonical reference the name inside it.

    ``stamp`` changes when the file does.
    """

    transport: str
    path: Path
    names: Mapping[str, str]
    stamp: str

    @property
    def references(self) -> tuple[str, ...]:
        """The canonical references of its images."""
        return tuple(self.names)

    def source(self, ref: str, folder: Path, timeout: float) -> str:
        """As skopeo wants it when it runs in this folder, where the file gets a name that it can read (without colons) and is
        plain: skopeo does not know all that ``docker load`` knows. OSError, KubedockError for a file that cannot be read.
        """
        place = folder / LINK
        if self.path.is_file() and _begins_with(self.path, *compression.MAGICS):
            _write_plain(self.path, place, time.monotonic() + timeout)
        else:
            place.symlink_to(self.path.absolute())
        return f"{self.transport}:{LINK}:{self.names[ref]}".rstrip(":")


def archives(folder: Path) -> list[Archive]:
    """All in a folder, and the folder itself where it is a layout. Unavailable, with the file's name, for a broken one."""
    if not folder.is_dir():
        raise Unavailable(f"--embedded-images: {folder} is not a folder")
    entries = [folder] if (folder / "index.json").exists() else sorted(folder.iterdir())
    found = (_archive(path) for path in entries if not path.name.startswith("."))
    return [archive for archive in found if archive is not None]


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _begins_with(path: Path, *magics: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(max(map(len, magics))).startswith(magics)


def _write_plain(source: Path, target: Path, deadline: float) -> None:
    with target.open("xb") as file:
        for piece in compression.plain(_pieces(source)):
            if time.monotonic() > deadline:
                raise TimeoutError("it was not decompressed in time")
            file.write(piece)


def _archive(path: Path) -> Archive | None:
    try:
        stamp = f"{path}:{path.stat().st_mtime_ns}"
        if path.is_dir():
            index = path / "index.json"
            return Archive("oci", path, _layout_names(path, json.loads(index.read_bytes())), stamp) if index.exists() else None
        if not path.is_file():
            return None
        if _begins_with(path, compression.ZSTD):
            logger.warning("--embedded-images: %s is left out: %s", path, compression.NO_ZSTD)
            return None
        if not tarfile.is_tarfile(path):
            return None
        with tarfile.open(path) as tar:
            members = {member.name.removeprefix("./") for member in tar}
            if "manifest.json" in members:
                return Archive("docker-archive", path, _docker_names(_member(tar, "manifest.json")), stamp)
            if "index.json" in members:
                return Archive("oci-archive", path, _layout_names(path, _member(tar, "index.json")), stamp)
    except (OSError, ValueError, KeyError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError) as error:
        raise Unavailable(f"--embedded-images: {path} cannot be read: {error}") from error
    return None


def _member(tar: tarfile.TarFile, name: str) -> Any:
    member = next(each for each in tar.getmembers() if each.name.removeprefix("./") == name)
    file = tar.extractfile(member)
    return json.loads(file.read()) if file is not None else {}


def _docker_names(manifests: Any) -> dict[str, str]:
    return {image.parse(tag).canonical: tag for entry in manifests for tag in entry.get("RepoTags") or ()}


def _layout_names(path: Path, index: Any) -> dict[str, str]:
    """A layout's name may be the whole reference, or only a tag: then the file's name is the image's."""
    names = {}
    for entry in index.get("manifests") or ():
        told = entry.get("annotations") or {}
        inside = told.get(NAMES[1], "")
        full = told.get(NAMES[0]) or (inside if "/" in inside or ":" in inside else f"{_stem(path)}:{inside or 'latest'}")
        try:
            names[image.parse(full).canonical] = inside
        except InvalidParameter as error:
            raise ValueError(f"{full}: {error}") from error
    return names


def _stem(path: Path) -> str:
    return _SUFFIX.sub("", path.name).lower()
