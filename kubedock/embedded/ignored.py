"""What a pod asks for and the node does not do. Pure."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from kubedock.cluster import Json
from kubedock.embedded.resolve import containers_of

BY_POD = (
    "affinity",
    "overhead",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "resources",
    "runtimeClassName",
    "schedulingGates",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "topologySpreadConstraints",
)
BY_CONTAINER = (
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "restartPolicyRules",
    "startupProbe",
    "terminationMessagePath",
    "volumeDevices",
)
BY_SECURITY = ("appArmorProfile", "procMount", "seLinuxOptions")
BY_MOUNT: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {"mountPropagation": lambda value: value != "None", "recursiveReadOnly": lambda value: value != "Disabled"}
)


def ignored(pod: Json) -> list[str]:
    """The names of its fields that ask for such things, each once."""
    return list(dict.fromkeys(_ignored(pod)))


def _ignored(pod: Json) -> Iterator[str]:
    spec = pod["spec"]
    if pod["metadata"].get("finalizers"):
        yield "finalizers"
    yield from (name for name in BY_POD if spec.get(name))
    if spec.get("hostUsers") is False:
        yield "hostUsers"
    yield from _of_security(spec)
    for volume in spec.get("volumes") or ():
        source = volume.get("emptyDir") or {}
        if source.get("sizeLimit") and source.get("medium") != "Memory":
            yield "sizeLimit of an emptyDir on disk"
    for container, init in containers_of(spec):
        yield from (name for name in BY_CONTAINER if container.get(name))
        yield from _of_security(container)
        if container.get("restartPolicy") and not (init and container["restartPolicy"] == "Always"):
            yield "restartPolicy of a container"
        if not spec.get("hostNetwork") and any(port.get("hostPort") for port in container.get("ports") or ()):
            yield "hostPort"
        for mount in container.get("volumeMounts") or ():
            yield from (name for name, asks in BY_MOUNT.items() if mount.get(name) and asks(mount[name]))


def _of_security(holder: Json) -> Iterator[str]:
    context = holder.get("securityContext") or {}
    yield from (name for name in BY_SECURITY if context.get(name))
