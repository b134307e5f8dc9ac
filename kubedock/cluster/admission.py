"""What an API server refuses of objects, and the defaults that it writes. Pure.

Texts are the API server's where they name the field and the kind of fault; the explanations after them are ours.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kubedock.cluster.admission_pods import POD_DEFAULTS, check_pod
from kubedock.cluster.faults import NAME, Faults
from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.protocol import Json, Kind

LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
LARGEST_DATA = 1024 * 1024
MOST_ADDRESSES = 100


def defaulted(kind: Kind, item: Json) -> Json:
    """The object with the defaults that kubedock relies on."""
    if kind == "Pod":
        return item | {"spec": {**POD_DEFAULTS, **(item.get("spec") or {})}}
    if kind == "Deployment":
        return item | {"spec": {"replicas": 1, **(item.get("spec") or {})}}
    return item


def check(kind: Kind, item: Json) -> None:
    """Refuse an object that makes no sense: InvalidParameter with all of its faults."""
    faults = Faults(subject(kind, item))
    check_metadata(faults, item.get("metadata") or {})
    checker = _CHECKS.get(kind)
    if checker is not None:
        checker(faults, item)
    faults.refuse()


def check_patch(kind: Kind, before: Json, after: Json) -> None:
    """Refuse a change that may not be made: InvalidParameter."""
    faults = Faults(subject(kind, before))
    check_metadata(faults, after["metadata"])
    if kind == "Pod":
        _check_pod_change(faults, before["spec"], after.get("spec") or {})
    elif kind == "Deployment" and before["spec"].get("selector") != after["spec"].get("selector"):
        faults.add("spec.selector", "Invalid value: field is immutable")
    elif kind in ("ConfigMap", "Secret"):
        _check_data(faults, after)
        if before.get("immutable") and any(before.get(key) != after.get(key) for key in ("data", "binaryData", "immutable")):
            faults.add("data", "Forbidden: field is immutable when `immutable` is set")
    faults.refuse()


def subject(kind: Kind, item: Json) -> str:
    """How errors name an object: ``Pod "a"``, ``Deployment.apps "a"``."""
    group = RESOURCES[kind].group
    return f'{kind}.{group} "{_name(item)}"' if group else f'{kind} "{_name(item)}"'


def _name(item: Json) -> str:
    meta = item.get("metadata") or {}
    return str(meta.get("name") or meta.get("generateName") or "")


def check_metadata(faults: Faults, meta: Mapping[str, Any]) -> None:
    """Names and labels have their rules."""
    name = meta.get("name") or str(meta.get("generateName") or "").rstrip("-.")
    if not name:
        faults.add("metadata.name", "Required value: name or generateName is required")
    elif len(name) > 253 or not NAME.fullmatch(name):
        faults.invalid("metadata.name", name, "a lowercase RFC 1123 subdomain is needed")
    for key, value in (meta.get("labels") or {}).items():
        stem = key.rpartition("/")[2]
        if len(stem) > 63 or not LABEL_NAME.fullmatch(stem):
            faults.invalid("metadata.labels", key, "name part is not valid")
        if not isinstance(value, str) or len(value) > 63 or not LABEL_VALUE.fullmatch(value):
            faults.invalid("metadata.labels", value, "a valid label is needed")


def _check_pod_change(faults: Faults, before: Json, after: Json) -> None:
    """Of a pod's spec, little may be changed."""
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    if changed - {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}:
        faults.add(
            "spec",
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`",
        )


def _check_deployment(faults: Faults, item: Json) -> None:
    spec = item["spec"]
    template = spec.get("template") or {}
    pod, labels = template.get("spec") or {}, (template.get("metadata") or {}).get("labels") or {}
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    if not selector:
        faults.add("spec.selector", "Required value")
    if selector.items() - labels.items():
        faults.add("spec.template.metadata.labels", "Invalid value: `selector` does not match template `labels`")
    if spec["replicas"] < 0:
        faults.invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    check_pod(faults, {**POD_DEFAULTS, **pod}, "spec.template.spec")
    if pod.get("restartPolicy", "Always") != "Always":
        text = f'Unsupported value: "{pod["restartPolicy"]}": supported values: "Always"'
        faults.add("spec.template.spec.restartPolicy", text)
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
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        faults.add("spec.ports", "Required value")
    seen, names = set(), set()
    for index, port in enumerate(ports):
        where, number, protocol = f"spec.ports[{index}]", port.get("port"), port.get("protocol", "TCP")
        faults.port(f"{where}.port", number)
        if (number, protocol) in seen:
            faults.add(where, f'Duplicate value: {{"protocol":"{protocol}","port":{number}}}')
        seen.add((number, protocol))
        if not port.get("name"):
            if len(ports) > 1:
                faults.add(f"{where}.name", "Required value")
        elif port["name"] in names:
            faults.add(f"{where}.name", f'Duplicate value: "{port["name"]}"')
        names.add(port.get("name"))


def _check_slice(faults: Faults, item: Json) -> None:
    if item.get("addressType") not in ("IPv4", "IPv6", "FQDN"):
        faults.add("addressType", "Required value" if not item.get("addressType") else "Unsupported value")
    for index, endpoint in enumerate(item.get("endpoints") or []):
        addresses, hostname = endpoint.get("addresses") or [], endpoint.get("hostname")
        if not addresses:
            faults.add(f"endpoints[{index}].addresses", "Required value: must contain at least 1 address")
        if len(addresses) > MOST_ADDRESSES:
            faults.add(f"endpoints[{index}].addresses", f"Too many: {len(addresses)}: must have at most {MOST_ADDRESSES} items")
        if hostname is not None:
            faults.label(f"endpoints[{index}].hostname", hostname)


def _check_data(faults: Faults, item: Json) -> None:
    """ConfigMaps and Secrets."""
    text, binary = item.get("data") or {}, item.get("binaryData") or {}
    for key in (*text, *binary):
        if not CONFIG_KEY.fullmatch(key) or key in (".", ".."):
            faults.invalid(f"data[{key}]", key, "a valid config key must consist of alphanumeric characters, '-', '_' or '.'")
    for key in text.keys() & binary.keys():
        faults.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    size = sum(len(value.encode()) for value in text.values()) + sum(len(value) * 3 // 4 for value in binary.values())
    if size > LARGEST_DATA:
        faults.add("[]", f"Too long: may not be more than {LARGEST_DATA} bytes")


def _check_pod_object(faults: Faults, item: Json) -> None:
    check_pod(faults, item["spec"], "spec")


_CHECKS: Mapping[str, Callable[[Faults, Json], None]] = MappingProxyType(
    {
        "Pod": _check_pod_object,
        "Deployment": _check_deployment,
        "Service": _check_service,
        "EndpointSlice": _check_slice,
        "ConfigMap": _check_data,
        "Secret": _check_data,
    }
)
