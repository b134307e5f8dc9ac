"""What an API server refuses of a pod's spec, and what it writes into one. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kubedock.cluster.admission_containers import check_container, check_ids, check_ports
from kubedock.cluster.faults import Faults
from kubedock.cluster.protocol import Json

POD_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "serviceAccountName": "default"}
)
RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
LARGEST_MODE = 0o777
LONGEST_DEADLINE = (1 << 31) - 1
MOST_NAMESERVERS = 3
UPDATABLE = ("activeDeadlineSeconds", "tolerations")


def pod_defaulted(spec: Json) -> Json:
    """A pod's spec, or a template's, with the defaults that matter here. No process gets less than a second by a number
    below 0, and a volume without a kind is an emptyDir."""
    result = {**POD_DEFAULTS, **spec}
    if result["terminationGracePeriodSeconds"] < 0:
        result["terminationGracePeriodSeconds"] = 1
    if "volumes" in result:
        result["volumes"] = [each if each.keys() - {"name"} else each | {"emptyDir": {}} for each in result["volumes"]]
    return result


def check_pod(faults: Faults, spec: Json, where: str) -> None:
    """A pod's spec, or a template's, with its defaults; ``where`` is the field that it stands in."""
    volumes = _check_volumes(faults, spec.get("volumes") or [], f"{where}.volumes")
    faults.required(f"{where}.containers", spec.get("containers"))
    names: set[str] = set()
    host_ports: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or []):
            path = f"{where}.{field}[{index}]"
            check_container(faults, container, path, volumes)
            check_ports(faults, container.get("ports") or [], f"{path}.ports", host_ports)
            if container.get("name"):
                faults.unique(f"{path}.name", container["name"], names)
    if spec.get("hostname"):
        faults.label(f"{where}.hostname", spec["hostname"])
    faults.supported(f"{where}.restartPolicy", spec["restartPolicy"], RESTART_POLICIES)
    faults.within(f"{where}.activeDeadlineSeconds", spec.get("activeDeadlineSeconds"), LONGEST_DEADLINE, 1)
    context = spec.get("securityContext") or {}
    check_ids(faults, context, f"{where}.securityContext")
    for index, sysctl in enumerate(context.get("sysctls") or []):
        faults.required(f"{where}.securityContext.sysctls[{index}].name", sysctl.get("name"))
    _check_names(faults, spec, where)


def _check_names(faults: Faults, spec: Json, where: str) -> None:
    """Where the pod's names come from."""
    for index, alias in enumerate(spec.get("hostAliases") or []):
        faults.address(f"{where}.hostAliases[{index}].ip", alias.get("ip") or "")
        for number, name in enumerate(alias.get("hostnames") or []):
            faults.subdomain(f"{where}.hostAliases[{index}].hostnames[{number}]", name)
    policy, config, path = spec.get("dnsPolicy") or None, spec.get("dnsConfig"), f"{where}.dnsConfig"
    faults.supported(f"{where}.dnsPolicy", policy, DNS_POLICIES)
    if config is None:
        if policy == "None":
            faults.add(path, "Required value: must provide `dnsConfig` when `dnsPolicy` is None")
        return
    servers = config.get("nameservers") or []
    if policy == "None" and not servers:
        faults.add(f"{path}.nameservers", "Required value: must provide at least one DNS nameserver when `dnsPolicy` is None")
    if len(servers) > MOST_NAMESERVERS:
        faults.invalid(f"{path}.nameservers", ", ".join(servers), f"must not have more than {MOST_NAMESERVERS} nameservers")
    for index, server in enumerate(servers):
        faults.address(f"{path}.nameservers[{index}]", server)
    for index, option in enumerate(config.get("options") or []):
        if not option.get("name"):
            faults.add(f"{path}.options[{index}]", "Required value: must not be empty")


# --- volumes ---------------------------------------------------------------------------------------------------------


def _check_volumes(faults: Faults, volumes: list[Json], where: str) -> set[str]:
    """The names of the volumes."""
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        path, name = f"{where}[{index}]", volume.get("name") or ""
        faults.required(f"{path}.name", name)
        if name:
            faults.label(f"{path}.name", name)
            faults.unique(f"{path}.name", name, names)
        for kind in [key for key in volume if key != "name"][1:]:
            faults.add(f"{path}.{kind}", "Forbidden: may not specify more than 1 volume type")
        _check_source(faults, volume, path)
    return names


def _check_source(faults: Faults, volume: Json, path: str) -> None:
    if "emptyDir" in volume and (volume["emptyDir"].get("sizeLimit") or "").startswith("-"):
        faults.add(f"{path}.emptyDir.sizeLimit", "Forbidden: SizeLimit field must be a valid resource quantity")
    if "hostPath" in volume:
        source = volume["hostPath"]
        faults.required(f"{path}.hostPath.path", source.get("path"))
        if ".." in (source.get("path") or "").split("/"):
            faults.invalid(f"{path}.hostPath.path", source["path"], "must not contain '..'")
        faults.supported(f"{path}.hostPath.type", source.get("type"), HOST_PATH_TYPES)
    for kind, name in (("configMap", "name"), ("secret", "secretName")):
        if kind in volume:
            faults.required(f"{path}.{kind}.{name}", volume[kind].get(name))
            _check_files(faults, volume[kind], f"{path}.{kind}")


def _check_files(faults: Faults, source: Json, path: str) -> None:
    """Which keys become which files."""
    _check_mode(faults, source.get("defaultMode"), f"{path}.defaultMode")
    for index, item in enumerate(source.get("items") or []):
        place = f"{path}.items[{index}]"
        faults.required(f"{place}.key", item.get("key"))
        faults.required(f"{place}.path", item.get("path"))
        faults.relative(f"{place}.path", item.get("path") or "")
        _check_mode(faults, item.get("mode"), f"{place}.mode")


def _check_mode(faults: Faults, mode: int | None, path: str) -> None:
    if mode is not None and not 0 <= mode <= LARGEST_MODE:
        faults.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")


# --- changes ---------------------------------------------------------------------------------------------------------


def check_pod_change(faults: Faults, before: Json, after: Json) -> None:
    """Of a pod's spec, little may be changed; a deadline may only come nearer."""
    field, was, is_now = "spec.activeDeadlineSeconds", before.get("activeDeadlineSeconds"), after.get("activeDeadlineSeconds")
    if was is not None and is_now is None:
        faults.invalid(field, "", "must not update from a positive integer to nil value")
    elif was is not None and is_now > was:
        faults.invalid(field, is_now, "must be less than or equal to previous value")
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    if changed - set(UPDATABLE):
        faults.add(
            "spec",
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`",
        )
