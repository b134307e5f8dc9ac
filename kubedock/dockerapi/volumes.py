"""Volumes, binds, tmpfs: Docker's three spellings of what a container mounts."""

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from kubedock.dockerapi.kinds import optional
from kubedock.domain import names, units
from kubedock.domain.volume import Mount
from kubedock.errors import InvalidParameter, NotImplemented

VOLUMES = "Volumes are empty directories of the container's pod: nothing is shared, and nothing is left when it ends."
SOCKET_LEFT_OUT = "docker.sock is not mounted: the container cannot reach kubedock through it"
NO_BINDS = "binds of host paths are not supported yet: the container runs on another machine, where {source} would be empty"

_MODES = {
    "access": ("rw", "ro"),
    "label": ("z", "Z"),
    "propagation": ("private", "rprivate", "slave", "rslave", "shared", "rshared"),
    "copy": ("copy", "nocopy"),
    "consistency": ("consistent", "cached", "delegated", "default"),
}
_MODE_GROUP = {word: group for group, words in _MODES.items() for word in words}
_TMPFS_USUAL = frozenset(("rw", ""))
_OPTIONS_OF = {"BindOptions": "bind", "VolumeOptions": "volume", "TmpfsOptions": "tmpfs"}


class LeftOut(NamedTuple):
    """Docker's own socket, which is not mounted; its ``target`` is taken all the same."""

    target: str


def is_socket(source: str, target: str) -> bool:
    """A bind is of Docker's own socket: whatever its path is, it is mounted where programs look for it."""
    return source.endswith("/docker.sock") or target.endswith("/docker.sock")


def clean(path: str) -> str:
    """A path without doubled and trailing slashes and dots."""
    return "/" + posixpath.normpath(path).lstrip("/")


def mounts_of(config: Mapping[str, Any], host: Mapping[str, Any], image: Mapping[str, Any]) -> tuple[Mount, ...]:
    """All that a request mounts besides HostConfig.Tmpfs; what is left out with a warning is not there.

    The volumes of the image are there as well, marked as what the node makes: with the image's files in them.
    """
    asked = [*map(parse_bind, host.get("Binds") or ()), *map(parse_mount, host.get("Mounts") or ())]
    taken = {clean(path) for path in host.get("Tmpfs") or ()}
    for mount in asked:
        if mount.target in taken:
            raise InvalidParameter(f"Duplicate mount point: {mount.target}")
        taken.add(mount.target)
    anonymous = {clean(path) for path in config.get("Volumes") or ()} - taken
    mounts = (mount for mount in asked if isinstance(mount, Mount))
    made = {clean(path) for path in image.get("Volumes") or ()} - taken - anonymous
    return (
        *mounts,
        *(Mount("volume", path, anonymous=True) for path in sorted(anonymous)),
        *(Mount("volume", path, anonymous=True, of_image=True) for path in sorted(made)),
    )


def parse_bind(text: str) -> Mount | LeftOut:
    """One entry of HostConfig.Binds: ``name:/path[:mode]`` or ``/path``."""
    parts = text.split(":")
    if parts[0] == "" or len(parts) > 3 or (len(parts) == 2 and _valid_mode(parts[1])):
        raise InvalidParameter(f"invalid volume specification: '{text}'")
    mode = parts[2] if len(parts) == 3 else ""
    if not _valid_mode(mode):
        raise InvalidParameter(f"invalid mode: {mode}")
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    kind: Literal["bind", "volume"] = "bind" if source.startswith("/") else "volume"
    try:
        target = _target(kind, target)
    except InvalidParameter as error:
        raise InvalidParameter(f"invalid volume specification: '{text}': {error}") from None
    if kind == "volume":
        return _volume(source, target, read_only="ro" in mode.split(","))
    return _bind(source, target)


def parse_mount(value: Mapping[str, Any]) -> Mount | LeftOut:
    """One entry of HostConfig.Mounts."""
    kind = value.get("Type") or ""
    for key, owner in _OPTIONS_OF.items():
        if value.get(key) is not None and owner != kind:
            raise _misconfigured(kind, f"field {key} must not be specified")
    target, source = _target(kind, value.get("Target") or ""), value.get("Source") or ""
    read_only = bool(value.get("ReadOnly"))
    match kind:
        case "volume":
            return _volume(source, target, read_only=read_only)
        case "tmpfs":
            if source:
                raise _misconfigured(kind, "field Source must not be specified")
            size = (value.get("TmpfsOptions") or {}).get("SizeBytes") or 0
            return Mount("tmpfs", target, read_only=read_only, size=size)
        case "bind":
            if not source:
                raise _misconfigured(kind, "field Source must not be empty")
            if not source.replace("\\", "/").startswith("/"):
                raise _misconfigured(kind, f"invalid mount path: '{source}' mount path must be absolute")
            return _bind(source, target)
        case "npipe" | "cluster" | "image":
            raise NotImplemented(f"mounts of type {kind} are not supported: a pod has no such thing")
    raise _misconfigured(kind, "mount type unknown")


def tmpfs_size(options: str) -> int:
    """The ``size`` of HostConfig.Tmpfs' options in bytes, 0 for none; a share of memory (``50%``) counts as none."""
    for option in options.split(","):
        key, _, value = option.partition("=")
        if key == "size" and value and not value.endswith("%"):
            return units.parse_memory(value)
    return 0


def ignored_tmpfs_options(options: str) -> list[str]:
    """Those options of a tmpfs that a pod's memory volume cannot have."""
    return [
        option
        for option in options.split(",")
        if option not in _TMPFS_USUAL and not (option.startswith("size=") and not option.endswith("%"))
    ]


def warnings_of(mounts: Iterable[Mount | LeftOut]) -> tuple[str, ...]:
    """What has to be said about some mounts."""
    found = list(mounts)
    volumes = any(isinstance(mount, Mount) and mount.kind == "volume" for mount in found)
    return (VOLUMES,) * volumes + (SOCKET_LEFT_OUT,) * any(isinstance(mount, LeftOut) for mount in found)


def destination(path: str) -> str:
    """A path in the container, cleaned; InvalidParameter unless it is absolute and not the root."""
    slashed = path.replace("\\", "/")
    if not slashed.startswith("/"):
        raise InvalidParameter(f"invalid mount path: '{path}' mount path must be absolute")
    made = clean(slashed)
    if made == "/":
        raise InvalidParameter("invalid specification: destination can't be '/'")
    return made


def _volume(source: str, target: str, *, read_only: bool) -> Mount:
    if source:
        names.volume_name(source)
    return Mount("volume", target, source, read_only=read_only, anonymous=not source)


def _bind(source: str, target: str) -> LeftOut:
    if not is_socket(source, target):
        raise NotImplemented(NO_BINDS.format(source=source))
    return LeftOut(target)


def _target(kind: str, target: str) -> str:
    if not target:
        raise _misconfigured(kind, "field Target must not be empty")
    try:
        return destination(target)
    except InvalidParameter as error:
        raise _misconfigured(kind, str(error)) from None


def _misconfigured(kind: str, why: str) -> InvalidParameter:
    return InvalidParameter(f'invalid mount config for type "{kind}": {why}')


def _valid_mode(mode: str) -> bool:
    if mode == "":
        return True
    groups = [_MODE_GROUP.get(word) for word in mode.split(",")]
    return None not in groups and len(set(groups)) == len(groups)


def check_volume_options(value: dict[str, Any]) -> str | None:
    """What VolumeOptions of a mount may say."""
    path = "HostConfig.Mounts.VolumeOptions."
    optional("boolean", value, "NoCopy", path)
    optional("map", value, "Labels", path)
    if optional("string", value, "Subpath", path):
        raise NotImplemented("VolumeOptions.Subpath is not supported: volumes are empty directories of the container's pod")
    driver = optional("object", value, "DriverConfig", path) or {}
    name = optional("string", driver, "Name", path + "DriverConfig.")
    settings = optional("map", driver, "Options", path + "DriverConfig.")
    return (
        "VolumeOptions.DriverConfig is not applied: volumes are the cluster's"
        if name not in (None, "", "local") or settings
        else None
    )


def check_tmpfs_options(value: dict[str, Any]) -> str | None:
    """What TmpfsOptions of a mount may say."""
    path = "HostConfig.Mounts.TmpfsOptions."
    if (optional("integer", value, "SizeBytes", path) or 0) < 0:
        raise _misconfigured("tmpfs", "a tmpfs size must not be negative")
    mode = optional("integer", value, "Mode", path)
    options = value.get("Options")
    if options is not None and not (isinstance(options, list) and all(isinstance(item, list) for item in options)):
        raise InvalidParameter(f"invalid JSON: {path}Options: an array of arrays of strings is expected")
    return "TmpfsOptions Mode and Options are not applied: a pod's memory volume has none" if mode or options else None
