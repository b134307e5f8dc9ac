"""A pod's volumes as folders of this machine: emptyDir, configMap, secret, hostPath."""

import base64
import logging
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from kubedock.cluster import Json, Kind
from kubedock.embedded.resolve import sub_path
from kubedock.embedded.runtime import Mount
from kubedock.errors import KubedockError
from kubedock.parsing import quantity

logger = logging.getLogger(__name__)

DEFAULT_MODE = 0o644
OPEN_MODE = 0o777
SET_GID = 0o2070
HOST_PATHS: Mapping[str, tuple[Callable[[int], bool], str]] = MappingProxyType(
    {
        "Directory": (stat.S_ISDIR, "directory"),
        "File": (stat.S_ISREG, "file"),
        "Socket": (stat.S_ISSOCK, "socket file"),
        "CharDevice": (stat.S_ISCHR, "character device"),
        "BlockDevice": (stat.S_ISBLK, "block device"),
    }
)
"""What a hostPath must be by its type, and what errors call that."""
OR_CREATE = "OrCreate"


class VolumeError(KubedockError):
    """A volume that cannot be had now (the kubelet's FailedMount); a later try may succeed."""


class Volume(NamedTuple):
    """A volume that is there. ``frozen``: its files are Kubernetes', so that containers may not write."""

    path: Path
    frozen: bool = False


class Volumes:
    """The volumes of one pod, below a folder of its own."""

    def __init__(
        self, folder: Path, find: Callable[[Kind, str], Json | None], memory: Callable[[str, int], Path], group: int | None
    ) -> None:
        """``find`` gives a ConfigMap or Secret, ``memory`` a folder in memory by name and size, ``group`` is the fsGroup."""
        self._folder, self._find, self._memory, self._group = folder, find, memory, group
        self._made: dict[str, Volume] = {}

    def make(self, volumes: list[Json]) -> None:
        """Make all that are missing: VolumeError."""
        for volume in volumes:
            name = str(volume["name"])
            if name not in self._made:
                try:
                    self._made[name] = self._one(name, volume)
                except (OSError, VolumeError) as error:
                    raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    def mounts(self, container: Json, variables: Mapping[str, str]) -> tuple[Mount, ...]:
        """What a container with these variables mounts, outer paths first. VolumeError, ConfigError."""
        mounts = [self._mount(mount, sub_path(mount, variables)) for mount in container.get("volumeMounts") or ()]
        return tuple(sorted(mounts, key=lambda mount: mount.target.count("/")))

    def _mount(self, mount: Json, inside: str) -> Mount:
        volume = self._made[str(mount["name"])]
        source = volume.path
        if inside:
            source = volume.path / inside
            if not source.exists() and not volume.frozen:
                source.mkdir(parents=True)
                self._give(source)
            elif not source.exists():
                raise VolumeError(f'failed to prepare subPath for volumeMount "{mount["name"]}": {inside} does not exist')
        return Mount(source, str(mount["mountPath"]), read_only=bool(mount.get("readOnly")) or volume.frozen)

    def _one(self, name: str, volume: Json) -> Volume:
        if "emptyDir" in volume:
            return Volume(self._empty(name, volume["emptyDir"] or {}))
        if "configMap" in volume:
            return self._data(name, volume["configMap"], "ConfigMap", str(volume["configMap"].get("name")))
        if "secret" in volume:
            return self._data(name, volume["secret"], "Secret", str(volume["secret"].get("secretName")))
        if "hostPath" in volume:
            return Volume(_host_path(volume["hostPath"]))
        kinds = ", ".join(key for key in volume if key != "name")
        raise VolumeError(f"the embedded node has no volumes of this kind ({kinds})")

    def _empty(self, name: str, source: Json) -> Path:
        if source.get("medium") == "Memory":
            path = self._memory(name, int(quantity(str(source.get("sizeLimit") or "0"))))
        else:
            path = self._folder / name
            path.mkdir(parents=True, exist_ok=True)
        self._give(path)
        return path

    def _give(self, path: Path) -> None:
        """All containers of the pod may write, whoever they run as."""
        if self._group is not None:
            os.chown(path, -1, self._group)
        path.chmod(OPEN_MODE | (SET_GID if self._group is not None else 0))

    def _data(self, name: str, source: Json, kind: Kind, of: str) -> Volume:
        """The files of a ConfigMap or Secret, as they are now."""
        item = self._find(kind, of)
        path = self._folder / name
        path.mkdir(parents=True, exist_ok=True)
        if item is None:
            if source.get("optional"):
                return Volume(path, frozen=True)
            raise VolumeError(f'{kind.lower()} "{of}" not found')
        default = source.get("defaultMode", DEFAULT_MODE)
        files = contents(item)
        for key, target, mode in _chosen(source, files, default):
            if key not in files:
                if source.get("optional"):
                    continue
                raise VolumeError(f"references non-existent config key: {key}")
            if ".." in Path(target).parts or target.startswith("/"):
                raise VolumeError(f"path {target!r} must be a relative path without '..'")
            file = path / target
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(files[key])
            file.chmod(mode)
            if self._group is not None:
                os.chown(file, -1, self._group)
        return Volume(path, frozen=True)

    def remove(self) -> None:
        """Remove what lies in the pod's own folder."""
        shutil.rmtree(self._folder, onerror=lambda _, path, error: logger.warning("%s was not removed: %s", path, error[1]))


def contents(item: Json) -> Mapping[str, bytes]:
    """The files of a ConfigMap or a Secret."""
    if item["kind"] == "Secret":
        coded = {key: base64.b64decode(value) for key, value in (item.get("data") or {}).items()}
        return coded | {key: value.encode() for key, value in (item.get("stringData") or {}).items()}
    binary = {key: base64.b64decode(value) for key, value in (item.get("binaryData") or {}).items()}
    return binary | {key: value.encode() for key, value in (item.get("data") or {}).items()}


def _chosen(source: Json, files: Mapping[str, bytes], default: int) -> list[tuple[str, str, int]]:
    """(key, path, mode) of what is to be written."""
    if source.get("items"):
        return [(str(item["key"]), str(item["path"]), item.get("mode", default)) for item in source["items"]]
    return [(key, key, default) for key in files]


def _host_path(source: Json) -> Path:
    """A path of this machine, made where its type says so; without a type a folder is made, as container runtimes do."""
    path, kind = Path(str(source["path"])), str(source.get("type") or "")
    if not path.exists():
        if kind in ("", f"Directory{OR_CREATE}"):
            path.mkdir(parents=True)
        elif kind == f"File{OR_CREATE}":
            path.touch(mode=DEFAULT_MODE)
    if kind:
        fits, what = HOST_PATHS[kind.removesuffix(OR_CREATE)]
        if not path.exists() or not fits(path.stat().st_mode):
            raise VolumeError(f"hostPath type check failed: {path} is not a {what}")
    return path
