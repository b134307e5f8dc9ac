"""What an API server refuses of a pod's spec. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from kubedock.cluster.faults import Faults
from kubedock.cluster.protocol import Json
from kubedock.parsing import quantity

POD_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "serviceAccountName": "default"}
)
RESTART_POLICIES = ("Always", "OnFailure", "Never")


def check_pod(faults: Faults, spec: Json, where: str) -> None:
    """A pod's spec, or a template's; ``where`` is the field that it stands in."""
    volumes = _check_volumes(faults, spec.get("volumes") or [], where)
    faults.required(f"{where}.containers", spec.get("containers"))
    names: set[str] = set()
    host_ports: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or []):
            path = f"{where}.{field}[{index}]"
            _check_container(faults, container, path, volumes)
            _check_ports(faults, container.get("ports") or [], f"{path}.ports", host_ports)
            if container.get("name"):
                faults.unique(f"{path}.name", container["name"], names)
    if spec.get("hostname"):
        faults.label(f"{where}.hostname", spec["hostname"])
    if spec["restartPolicy"] not in RESTART_POLICIES:
        known = ", ".join(f'"{policy}"' for policy in RESTART_POLICIES)
        faults.add(f"{where}.restartPolicy", f'Unsupported value: "{spec["restartPolicy"]}": supported values: {known}')
    if spec["terminationGracePeriodSeconds"] < 0:
        faults.invalid(
            f"{where}.terminationGracePeriodSeconds", spec["terminationGracePeriodSeconds"], "must be greater than or equal to 0"
        )
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline < 1 << 31:
        faults.invalid(f"{where}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")


def _check_volumes(faults: Faults, volumes: list[Json], where: str) -> set[str]:
    """The names of the volumes."""
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        path, name = f"{where}.volumes[{index}]", str(volume.get("name") or "")
        faults.required(f"{path}.name", name)
        if name:
            faults.label(f"{path}.name", name)
            faults.unique(f"{path}.name", name, names)
        if len(volume) < 2:
            faults.add(path, "Required value: must specify a volume type")
    return names


def _check_container(faults: Faults, container: Json, path: str, volumes: set[str]) -> None:
    name, image = str(container.get("name") or ""), str(container.get("image") or "")
    faults.required(f"{path}.name", name)
    if name:
        faults.label(f"{path}.name", name)
    faults.required(f"{path}.image", image)
    if image != image.strip():
        faults.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    for index, variable in enumerate(container.get("env") or []):
        faults.required(f"{path}.env[{index}].name", variable.get("name"))
        if "=" in str(variable.get("name")):
            faults.invalid(f"{path}.env[{index}].name", variable["name"], "an environment variable's name holds no '='")
    targets: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        mounted = f"{path}.volumeMounts[{index}]"
        if mount.get("name") not in volumes:
            faults.add(f"{mounted}.name", f'Not found: "{mount.get("name")}"')
        target = str(mount.get("mountPath") or "")
        faults.required(f"{mounted}.mountPath", target)
        if target in targets:
            faults.invalid(f"{mounted}.mountPath", target, "must be unique")
        targets.add(target)
    _check_resources(faults, container.get("resources") or {}, f"{path}.resources")


def _check_ports(faults: Faults, ports: list[Json], path: str, host_ports: set[str]) -> None:
    names: set[str] = set()
    for index, port in enumerate(ports):
        faults.port(f"{path}[{index}].containerPort", port.get("containerPort"))
        if port.get("name"):
            faults.unique(f"{path}[{index}].name", port["name"], names)
        if port.get("hostPort"):
            used = f"{port.get('protocol', 'TCP')}/{port.get('hostIP', '')}/{port['hostPort']}"
            faults.unique(f"{path}[{index}].hostPort", used, host_ports)


def _check_resources(faults: Faults, resources: Json, path: str) -> None:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    known: dict[tuple[str, str], Decimal] = {}
    for field, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            try:
                known[field, name] = quantity(str(value))
            except ValueError:
                faults.invalid(f"{path}.{field}[{name}]", str(value), "a quantity is needed")
    for (field, name), amount in known.items():
        limit = known.get(("limits", name))
        if field == "requests" and limit is not None and amount > limit:
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            faults.invalid(f"{path}.requests", str(requests[name]), why)
