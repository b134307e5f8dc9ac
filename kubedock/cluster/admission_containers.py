"""What an API server refuses of the containers of a pod. Pure."""

from decimal import Decimal

from kubedock.cluster.faults import Faults
from kubedock.cluster.protocol import Json
from kubedock.parsing import quantity

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
LARGEST_ID = (1 << 31) - 1
VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")


def check_container(faults: Faults, container: Json, path: str, volumes: set[str]) -> None:
    """One container; ``volumes`` are the names of the pod's."""
    name, image = container.get("name") or "", container.get("image") or ""
    faults.required(f"{path}.name", name)
    if name:
        faults.label(f"{path}.name", name)
    faults.required(f"{path}.image", image)
    if image != image.strip():
        faults.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    faults.supported(f"{path}.imagePullPolicy", container.get("imagePullPolicy") or None, PULL_POLICIES)
    for index, variable in enumerate(container.get("env") or []):
        _check_variable(faults, variable, f"{path}.env[{index}]")
    _check_mounts(faults, container.get("volumeMounts") or [], f"{path}.volumeMounts", volumes)
    _check_resources(faults, container.get("resources") or {}, f"{path}.resources")
    check_ids(faults, container.get("securityContext") or {}, f"{path}.securityContext")


def _check_variable(faults: Faults, variable: Json, path: str) -> None:
    name, source = variable.get("name") or "", variable.get("valueFrom")
    faults.required(f"{path}.name", name)
    if "=" in name:
        faults.invalid(f"{path}.name", name, "an environment variable's name holds no '='")
    if source is None:
        return
    if not any(kind in source for kind in VALUE_SOURCES):
        shown = f"{', '.join(f'`{kind}`' for kind in VALUE_SOURCES[:-1])} or `{VALUE_SOURCES[-1]}`"
        faults.invalid(f"{path}.valueFrom", "", f"must specify one of: {shown}")
    if variable.get("value"):
        faults.invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            faults.required(f"{path}.valueFrom.{kind}.key", source[kind].get("key"))


def _check_mounts(faults: Faults, mounts: list[Json], path: str, volumes: set[str]) -> None:
    targets: set[str] = set()
    for index, mount in enumerate(mounts):
        place, target = f"{path}[{index}]", mount.get("mountPath") or ""
        if mount.get("name") not in volumes:
            faults.add(f"{place}.name", f'Not found: "{mount.get("name") or ""}"')
        faults.required(f"{place}.mountPath", target)
        if target in targets:
            faults.invalid(f"{place}.mountPath", target, "must be unique")
        targets.add(target)
        # The API server's paths of these have no index.
        faults.relative(f"{path}.subPath", mount.get("subPath") or "")
        faults.relative(f"{path}.subPathExpr", mount.get("subPathExpr") or "")
        if mount.get("subPath") and mount.get("subPathExpr"):
            faults.invalid(f"{place}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive")
        faults.supported(f"{path}.mountPropagation", mount.get("mountPropagation"), PROPAGATIONS)


def check_ports(faults: Faults, ports: list[Json], path: str, host_ports: set[str]) -> None:
    """A container's ports; ``host_ports`` are those of the pod's containers before it, and get its own."""
    names: set[str] = set()
    for index, port in enumerate(ports):
        place, protocol = f"{path}[{index}]", port.get("protocol") or "TCP"
        faults.port(f"{place}.containerPort", port.get("containerPort"))
        faults.supported(f"{place}.protocol", protocol, PROTOCOLS)
        if port.get("name"):
            faults.unique(f"{place}.name", port["name"], names)
        if port.get("hostPort"):
            faults.port(f"{place}.hostPort", port["hostPort"])
            faults.unique(f"{place}.hostPort", f"{protocol}/{port.get('hostIP', '')}/{port['hostPort']}", host_ports)


def _check_resources(faults: Faults, resources: Json, path: str) -> None:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            if value.startswith("-"):
                faults.invalid(f"{path}.{field}[{name}]", value, "must be greater than or equal to 0")
    for name in requests.keys() & limits.keys():
        if _amount(requests[name]) > _amount(limits[name]):
            faults.invalid(f"{path}.requests", requests[name], f"must be less than or equal to {name} limit of {limits[name]}")


def _amount(value: str) -> Decimal:
    return -quantity(value[1:]) if value.startswith("-") else quantity(value)


def check_ids(faults: Faults, context: Json, path: str) -> None:
    """Of a container's securityContext, or of a pod's."""
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        faults.within(f"{path}.{field}", context.get(field), LARGEST_ID)
    for index, group in enumerate(context.get("supplementalGroups") or []):
        faults.within(f"{path}.supplementalGroups[{index}]", group, LARGEST_ID)
