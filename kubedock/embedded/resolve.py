"""A container of a pod and its image -> what the runtime is to run. Pure.

Kubernetes' rules: ``command`` stands for the image's Entrypoint and makes its Cmd void, ``args`` stand for Cmd, and
``$(NAME)`` is the value of an earlier variable.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubedock.cluster import Json
from kubedock.domain.units import signal_number
from kubedock.embedded.runtime import Image, Limits, Security
from kubedock.errors import InvalidParameter, KubedockError
from kubedock.parsing import quantity

_REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")


class ConfigError(KubedockError):
    """A container that cannot be made from its manifest (the kubelet's CreateContainerConfigError)."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values of variables come from: ``data(kind, name)`` gives a ConfigMap's or Secret's text, None without it.

    ``fields`` are the pod's own by path: ``metadata.name``, ``status.podIP`` …
    """

    data: Callable[[str, str], Mapping[str, str] | None]
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Process:
    """What runs: see ``runtime.ContainerSpec``."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    user: str
    groups: tuple[int, ...]
    limits: Limits
    security: Security


def process(pod_spec: Json, container: Json, image: Image, sources: Sources) -> Process:
    """What a container runs. ConfigError where its manifest makes no sense with what there is."""
    env = _image_env(image)
    own = variables(container, sources)
    env.update(own)
    context = {**_shared(pod_spec), **(container.get("securityContext") or {})}
    user = _user(context, image)
    _check_root(context, user, container)
    return Process(
        argv=_argv(container, image, own),
        env=tuple(env.items()),
        cwd=str(container.get("workingDir") or image.config.get("WorkingDir") or ""),
        user=user,
        groups=_groups(pod_spec.get("securityContext") or {}),
        limits=_limits(container.get("resources") or {}),
        security=_security(context),
    )


# --- command and environment -----------------------------------------------------------------------------------------


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Text with its ``$(NAME)`` replaced; unknown names stay, ``$$`` is one ``$``."""

    def replaced(found: "re.Match[str]") -> str:
        return "$" if found[1] == "$" else values.get(found[2], found[0])

    return _REFERENCE.sub(replaced, text)


def sub_path(mount: Json, values: Mapping[str, str]) -> str:
    """The path within a volume that a mount shows, "" for all of it; ``subPathExpr`` may name variables, which must be there."""
    if not mount.get("subPathExpr"):
        return str(mount.get("subPath") or "")
    names = [found[2] for found in _REFERENCE.finditer(mount["subPathExpr"]) if found[1] != "$"]
    missing = sorted({name for name in names if not values.get(name)})
    if missing:
        raise ConfigError(f"missing value for {', '.join(missing)}")
    path = expanded(mount["subPathExpr"], values)
    if path.startswith("/"):
        raise ConfigError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise ConfigError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def _argv(container: Json, image: Image, values: Mapping[str, str]) -> tuple[str, ...]:
    command = [expanded(word, values) for word in container.get("command") or ()]
    args = [expanded(word, values) for word in container.get("args") or ()]
    if not command:
        command = list(image.config.get("Entrypoint") or ())
        args = args or list(image.config.get("Cmd") or ())
    if not [*command, *args]:
        raise ConfigError("no command specified")
    return (*command, *args)


def _image_env(image: Image) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in image.config.get("Env") or ())
    return {name: value for name, _, value in pairs}


def variables(container: Json, sources: Sources) -> dict[str, str]:
    """A container's own variables, in order."""
    found: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        found.update(_all_of(source, sources))
    for variable in container.get("env") or ():
        name = str(variable["name"])
        if variable.get("valueFrom"):
            value = _value_from(variable["valueFrom"], sources)
            if value is not None:
                found[name] = value
        else:
            found[name] = expanded(str(variable.get("value") or ""), found)
    return found


def _all_of(source: Json, sources: Sources) -> dict[str, str]:
    for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if field in source:
            data = _data(kind, source[field], sources)
            return {f"{source.get('prefix') or ''}{key}": value for key, value in (data or {}).items()}
    return {}


def _value_from(source: Json, sources: Sources) -> str | None:
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if field in source:
            data, key = _data(kind, source[field], sources), source[field]["key"]
            if data is not None and key in data:
                return data[key]
            if source[field].get("optional"):
                return None
            raise ConfigError(f"couldn't find key {key} in {kind} {source[field].get('name')}")
    path = (source.get("fieldRef") or {}).get("fieldPath", "")
    if path in sources.fields:
        return sources.fields[path]
    raise ConfigError(f"the embedded node has no value for {path or ', '.join(source)}")


def _data(kind: str, reference: Json, sources: Sources) -> Mapping[str, str] | None:
    name = str(reference.get("name") or "")
    data = sources.data(kind, name)
    if data is None and not reference.get("optional"):
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    return data


# --- users, rights, limits -------------------------------------------------------------------------------------------


def _shared(pod_spec: Json) -> Json:
    """What the pod's securityContext says for all of its containers."""
    given = pod_spec.get("securityContext") or {}
    return {key: given[key] for key in ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile") if key in given}


def _user(context: Mapping[str, Any], image: Image) -> str:
    user, _, group = str(image.config.get("User") or "").partition(":")
    if context.get("runAsUser") is not None:
        user, group = str(context["runAsUser"]), ""
    if context.get("runAsGroup") is not None:
        user, group = user or "0", str(context["runAsGroup"])
    return f"{user}:{group}" if group else user


def _check_root(context: Mapping[str, Any], user: str, container: Json) -> None:
    name = user.partition(":")[0]
    if not context.get("runAsNonRoot"):
        return
    if name in ("", "0"):
        raise ConfigError(f"container has runAsNonRoot and image will run as root (container: {container['name']})")
    if not name.isdigit():
        raise ConfigError(f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root")


def _groups(context: Json) -> tuple[int, ...]:
    own = [context["fsGroup"]] if context.get("fsGroup") is not None else []
    return tuple(dict.fromkeys([*(context.get("supplementalGroups") or ()), *own]))


def _limits(resources: Json) -> Limits:
    limits: Mapping[str, object] = resources.get("limits") or {}
    memory, cpus = (quantity(str(limits.get(name) or "0")) for name in ("memory", "cpu"))
    return Limits(memory=int(memory), cpus=float(cpus))


def _security(context: Mapping[str, Any]) -> Security:
    capabilities = context.get("capabilities") or {}
    return Security(
        privileged=bool(context.get("privileged")),
        cap_add=_names(capabilities.get("add")),
        cap_drop=_names(capabilities.get("drop")),
        read_only_root=bool(context.get("readOnlyRootFilesystem")),
        no_new_privileges=context.get("allowPrivilegeEscalation") is False,
        seccomp_unconfined=(context.get("seccompProfile") or {}).get("type") == "Unconfined",
    )


def _names(capabilities: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(name.upper().removeprefix("CAP_") for name in capabilities or ())


def pull_policy(container: Json) -> str:
    """When the image is pulled: as asked, else Always for ``latest`` and for no tag."""
    if container.get("imagePullPolicy"):
        return str(container["imagePullPolicy"])
    image = str(container["image"])
    tag = image.rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if "@" in image or tag not in ("", "latest") else "Always"


def stop_signal(image: Image) -> int:
    """The number of the signal that asks a container to end."""
    try:
        return signal_number(str(image.config.get("StopSignal") or "TERM"))
    except InvalidParameter:
        return signal_number("TERM")


def own_fields(pod: Json, ip: str) -> dict[str, str]:
    """What a fieldRef may name."""
    meta, spec = pod["metadata"], pod["spec"]
    fields = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.podIP": ip,
        "status.podIPs": ip,
        "status.hostIP": pod["status"].get("hostIP", ""),
    }
    for part in ("labels", "annotations"):
        fields |= {f"metadata.{part}['{key}']": value for key, value in (meta.get(part) or {}).items()}
    return fields


def containers_of(spec: Json) -> Sequence[tuple[Json, bool]]:
    """A pod's containers in the order of their starts, and whether each is an init container."""
    return [*((one, True) for one in spec.get("initContainers") or ()), *((one, False) for one in spec["containers"])]
