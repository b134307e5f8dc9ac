"""What an API server refuses of objects, and the defaults that it writes. Pure.

Objects are ``decoded`` before: their values are of the right types here. Texts are the API server's where they name the
field and the kind of fault; the explanations after them are ours.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from kubedock.cluster.admission_containers import PROTOCOLS
from kubedock.cluster.admission_metadata import check_labels, check_marks, check_metadata
from kubedock.cluster.admission_pods import check_pod, check_pod_change, pod_defaulted
from kubedock.cluster.faults import Faults, is_address
from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.protocol import Json, Kind

SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
LARGEST_DATA = 1024 * 1024
MOST_ADDRESSES = 100
ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")


def defaulted(kind: Kind, item: Json) -> Json:
    """The object with the defaults that kubedock relies on."""
    if kind == "Pod":
        return item | {"spec": pod_defaulted(item.get("spec") or {})}
    if kind == "Deployment":
        return item | {"spec": {"replicas": 1, **(item.get("spec") or {})}}
    return item


def check(kind: Kind, item: Json) -> None:
    """Refuse an object that makes no sense: InvalidParameter with all of its faults."""
    faults = Faults(subject(kind, item))
    _check_object(faults, kind, item)
    faults.refuse()


def check_patch(kind: Kind, before: Json, after: Json) -> None:
    """Refuse a change that may not be made, or that makes no sense of the object: InvalidParameter."""
    faults = Faults(subject(kind, before))
    _check_object(faults, kind, after)
    if kind in _CHANGES:
        _CHANGES[kind](faults, before, after)
    faults.refuse()


def _check_object(faults: Faults, kind: Kind, item: Json) -> None:
    check_metadata(faults, item.get("metadata") or {})
    if kind in _CHECKS:
        _CHECKS[kind](faults, item)


def subject(kind: Kind, item: Json) -> str:
    """How errors name an object: ``Pod "a"``, ``Deployment.apps "a"``."""
    group = RESOURCES[kind].group
    return f'{kind}.{group} "{_name(item)}"' if group else f'{kind} "{_name(item)}"'


def _name(item: Json) -> str:
    meta = item.get("metadata") or {}
    return str(meta.get("name") or meta.get("generateName") or "")


# --- what stands in an object ----------------------------------------------------------------------------------------


def _check_pod_object(faults: Faults, item: Json) -> None:
    check_pod(faults, item["spec"], "spec")


def _check_deployment(faults: Faults, item: Json) -> None:
    spec = item["spec"]
    template = spec.get("template") or {}
    pod, meta = template.get("spec") or {}, template.get("metadata") or {}
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    if not selector:
        faults.add("spec.selector", "Required value")
    if selector.items() - (meta.get("labels") or {}).items():
        faults.add("spec.template.metadata.labels", "Invalid value: `selector` does not match template `labels`")
    if spec["replicas"] < 0:
        faults.invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    check_marks(faults, meta, "spec.template")
    check_pod(faults, pod_defaulted(pod), "spec.template.spec")
    faults.supported("spec.template.spec.restartPolicy", pod.get("restartPolicy"), ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        faults.add("spec.template.spec.activeDeadlineSeconds", "Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported")


def _check_service(faults: Faults, item: Json) -> None:
    name, spec = _name(item), item.get("spec") or {}
    if len(name) > 63 or not SERVICE_NAME.fullmatch(name):
        faults.invalid(
            "metadata.name",
            name,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', and begin with a letter",
        )
    check_labels(faults, spec.get("selector") or {}, "spec.selector")
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        faults.add("spec.ports", "Required value")
    _check_service_ports(faults, ports)


def _check_service_ports(faults: Faults, ports: list[Json]) -> None:
    seen: set[tuple[int | None, str]] = set()
    names: set[str] = set()
    for index, port in enumerate(ports):
        where, number, protocol = f"spec.ports[{index}]", port.get("port"), port.get("protocol") or "TCP"
        faults.port(f"{where}.port", number)
        faults.supported(f"{where}.protocol", protocol, PROTOCOLS)
        if (number, protocol) in seen:
            faults.add(where, f'Duplicate value: {{"protocol":"{protocol}","port":{number}}}')
        seen.add((number, protocol))
        name = port.get("name") or ""
        if name:
            faults.label(f"{where}.name", name)
            faults.unique(f"{where}.name", name, names)
        elif len(ports) > 1:
            faults.add(f"{where}.name", "Required value")


def _check_slice(faults: Faults, item: Json) -> None:
    type_ = item.get("addressType") or ""
    if type_:
        faults.supported("addressType", type_, ADDRESS_TYPES)
    else:
        faults.add("addressType", "Required value")
    for index, endpoint in enumerate(item.get("endpoints") or []):
        where, addresses = f"endpoints[{index}].addresses", endpoint.get("addresses") or []
        if not addresses:
            faults.add(where, "Required value: must contain at least 1 address")
        if len(addresses) > MOST_ADDRESSES:
            faults.add(where, f"Too many: {len(addresses)}: must have at most {MOST_ADDRESSES} items")
        for number, address in enumerate(addresses):
            _check_endpoint_address(faults, address, type_, f"{where}[{number}]")
        if endpoint.get("hostname") is not None:
            faults.label(f"endpoints[{index}].hostname", endpoint["hostname"])


def _check_endpoint_address(faults: Faults, address: str, type_: str, where: str) -> None:
    if type_ == "FQDN":
        faults.subdomain(where, address)
        return
    faults.address(where, address)
    if is_address(address) and type_ in ("IPv4", "IPv6") and not is_address(address, (int(type_[-1]),)):
        faults.invalid(where.rpartition("[")[0], address, f"must be an {type_} address")


def _check_data(faults: Faults, item: Json) -> None:
    """ConfigMaps and Secrets."""
    text = {**(item.get("data") or {}), **(item.get("stringData") or {})}
    binary = item.get("binaryData") or {}
    for field, keys in (("data", text), ("binaryData", binary)):
        for key in keys:
            if not CONFIG_KEY.fullmatch(key) or key in (".", ".."):
                why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
                faults.invalid(f"{field}[{key}]", key, why)
    for key in text.keys() & binary.keys():
        faults.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    size = sum(len(value.encode()) for value in text.values()) + sum(len(value) * 3 // 4 for value in binary.values())
    if size > LARGEST_DATA:
        faults.add("[]", f"Too long: may not be more than {LARGEST_DATA} bytes")


_CHECKS: Mapping[Kind, Callable[[Faults, Json], None]] = MappingProxyType(
    {
        "Pod": _check_pod_object,
        "Deployment": _check_deployment,
        "Service": _check_service,
        "EndpointSlice": _check_slice,
        "ConfigMap": _check_data,
        "Secret": _check_data,
    }
)


# --- changes ---------------------------------------------------------------------------------------------------------


def _pod_changed(faults: Faults, before: Json, after: Json) -> None:
    check_pod_change(faults, before["spec"], after["spec"])


def _deployment_changed(faults: Faults, before: Json, after: Json) -> None:
    if before["spec"].get("selector") != after["spec"].get("selector"):
        faults.add("spec.selector", "Invalid value: field is immutable")


def _slice_changed(faults: Faults, before: Json, after: Json) -> None:
    if before["addressType"] != after.get("addressType"):
        faults.invalid("addressType", after.get("addressType") or "", "field is immutable")


def _data_changed(faults: Faults, before: Json, after: Json) -> None:
    if before.get("immutable") and any(before.get(key) != after.get(key) for key in ("data", "binaryData", "immutable")):
        faults.add("data", "Forbidden: field is immutable when `immutable` is set")


_CHANGES: Mapping[Kind, Callable[[Faults, Json, Json], None]] = MappingProxyType(
    {
        "Pod": _pod_changed,
        "Deployment": _deployment_changed,
        "EndpointSlice": _slice_changed,
        "ConfigMap": _data_changed,
        "Secret": _data_changed,
    }
)
