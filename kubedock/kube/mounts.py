"""What a container mounts, as a pod's volumes: emptyDirs, on the node's disk or in memory. Pure."""

from kubedock.cluster import Json
from kubedock.domain import units
from kubedock.domain.container import ContainerSpec
from kubedock.errors import InvalidParameter

SHM = "/dev/shm"  # noqa: S108 - a mount's target in the container
SHM_DEFAULT = 64 << 20
"""Bytes: what Docker gives a container that does not ask, and what container runtimes give as well."""


def volumes_and_mounts(spec: ContainerSpec) -> tuple[list[Json], list[Json]]:
    """The pod's ``volumes`` and main's ``volumeMounts``, in order, one mount for each target (the last one given wins).

    A volume that is mounted twice is one emptyDir.
    """
    volumes: dict[str, Json] = {}
    mounts: dict[str, Json] = {}
    named: dict[str, str] = {}
    for target, source, size, read_only in _wanted(spec):
        name = named.get(source, "") or f"kubedock-{'tmpfs' if source == '' else 'volume'}-{len(volumes)}"
        if source:
            named[source] = name
        volumes[name] = {"name": name, "emptyDir": _empty_dir(size, in_memory=source == "")}
        mounts[target] = {"name": name, "mountPath": target, **({"readOnly": True} if read_only else {})}
    used = {mount["name"] for mount in mounts.values()}
    return [volume for name, volume in volumes.items() if name in used], list(mounts.values())


def _wanted(spec: ContainerSpec) -> list[tuple[str, str, int, bool]]:
    """Target, volume ("" for memory), size in bytes, read-only."""
    wanted = []
    if spec.resources.shm_size not in (0, SHM_DEFAULT):
        wanted.append((SHM, "", spec.resources.shm_size, False))
    for mount in (each for each in spec.mounts if not each.of_image):
        source = "" if mount.kind == "tmpfs" else mount.source or mount.target
        wanted.append((mount.target, source, mount.size, mount.read_only))
    for target, options in spec.tmpfs:
        wanted.append((target, "", tmpfs_size(options), "ro" in options.split(",")))
    return wanted


def _empty_dir(size: int, *, in_memory: bool) -> Json:
    found: Json = {"medium": "Memory"} if in_memory else {}
    return {**found, "sizeLimit": str(size)} if size else found


def tmpfs_size(options: str) -> int:
    """Bytes of the option ``size=64m`` of a tmpfs; 0 where none is given, or one that depends on the machine (``50%``)."""
    size = next((option.removeprefix("size=") for option in reversed(options.split(",")) if option.startswith("size=")), "")
    try:
        return units.parse_memory(size) if size and not size.endswith("%") else 0
    except InvalidParameter:
        return 0
