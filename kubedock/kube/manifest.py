"""A container's record as a Pod or a Deployment: Kubernetes JSON, whole. Pure.

What is said twice is decided in this order, the later one wins: what has a default (pull policy, requests and limits of
the settings), the user's pod template, the other settings, what Docker was asked for, and last what kubedock cannot do
without (restart policy, labels).

The manifests name no volume unless a container asks for one: any volume makes a pod start 0.28 s later.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubedock.cluster import Json
from kubedock.domain import names
from kubedock.domain.container import ContainerRecord, ContainerSpec, Resources, Security
from kubedock.domain.kept import NOTHING, Kept
from kubedock.kube import files, labels, mounts, template
from kubedock.kube.security import PodSecurity, restricted
from kubedock.kube.sizing import sized

MAIN = "main"
"""The name of the container that is Docker's."""

DEFAULT_RUNTIMES = ("", "runc", "io.containerd.runc.v2")
"""Docker's names of the runtime that nodes use anyway."""

FOREVER = 2**31 - 1
"""Seconds of grace for a stop timeout of -1."""


@dataclass(frozen=True, slots=True)
class PodDefaults:
    """What the server's settings say about every pod.

    CPU in billionths of one, memory in bytes; a limit of 0 is none. ``template`` is a Pod as JSON or None.
    """

    instance: str
    name_prefix: str = "kubedock"
    image_pull_secrets: tuple[str, ...] = ()
    service_account: str = ""
    pull_policy: str = "IfNotPresent"
    request_cpu: int = 10_000_000
    limit_cpu: int = 0
    request_memory: int = 16 << 20
    limit_memory: int = 0
    node_selector: Mapping[str, str] = field(default_factory=dict)
    run_as_user: int | None = None
    pod_security: PodSecurity = "auto"
    template: Mapping[str, Any] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    active_deadline_seconds: int | None = None


def pod_manifest(
    record: ContainerRecord, defaults: PodDefaults, names_held: Mapping[str, str] = labels.NONE, kept: Kept = NOTHING
) -> Json:
    """The Pod of the record's current run; it ends once.

    ``names_held`` are labels by which its names find it; ``kept`` files are mounted from its ConfigMap.
    """
    spec = _pod_spec(record, defaults, kept)
    if defaults.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = defaults.active_deadline_seconds
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _object_name(record), **_metadata(record, defaults, names_held)},
        "spec": {**spec, "restartPolicy": "Never"},
    }


def deployment_manifest(
    record: ContainerRecord, defaults: PodDefaults, names_held: Mapping[str, str] = labels.NONE, kept: Kept = NOTHING
) -> Json:
    """The Deployment of the record's current run: one pod (with ``names_held``, too), brought back whenever it ends.

    It takes no activeDeadlineSeconds (the API server refuses it).
    """
    spec = _pod_spec(record, defaults, kept)
    spec.pop("activeDeadlineSeconds", None)
    metadata = _metadata(record, defaults, names_held)
    ours = (labels.CONTAINER, labels.RUN)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _object_name(record), **_metadata(record, defaults)},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {key: metadata["labels"][key] for key in ours}},
            "template": {"metadata": metadata, "spec": {**spec, "restartPolicy": "Always"}},
        },
    }


def _object_name(record: ContainerRecord) -> str:
    if record.object_name is None:
        raise ValueError(f"container {record.short_id} has no run that an object could be made for")
    return record.object_name


def _metadata(record: ContainerRecord, defaults: PodDefaults, names_held: Mapping[str, str] = labels.NONE) -> Json:
    under = template.pod_parts(defaults.template)["metadata"]
    return {
        "labels": {**under.get("labels", {}), **labels.run_labels(record, defaults.instance, defaults.labels), **names_held},
        "annotations": {
            **under.get("annotations", {}),
            **defaults.annotations,
            labels.NAME_ANNOTATION: record.name,
            labels.IMAGE_ANNOTATION: record.spec.image,
        },
    }


def _pod_spec(record: ContainerRecord, defaults: PodDefaults, kept: Kept) -> Json:
    yielding: Json = {
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "containers": [{"name": MAIN, "imagePullPolicy": defaults.pull_policy}],
    }
    under = template.merge(yielding, template.pod_parts(defaults.template)["spec"])
    merged = template.merge(under, _asked(record, defaults, kept))
    main = next(one for one in merged["containers"] if one["name"] == MAIN)
    main["resources"] = sized(main.get("resources", {}), _limits(record.spec.resources), defaults)
    return restricted(merged) if defaults.pod_security == "restricted" else merged


def _asked(record: ContainerRecord, defaults: PodDefaults, kept: Kept) -> Json:
    """What the settings and Docker ask for; nothing stands in it that nobody asked."""
    spec = record.spec
    volumes, mounted = mounts.volumes_and_mounts(spec)
    file_volumes, file_mounts = files.volume_and_mounts(record, kept)
    return _given(
        {
            "containers": [{**_main(record, defaults), **_given({"volumeMounts": mounted + file_mounts})}],
            "volumes": volumes + file_volumes,
            "terminationGracePeriodSeconds": spec.stop_timeout if spec.stop_timeout >= 0 else FOREVER,
            "hostname": names.hostname(spec.hostname) or record.short_id,
            "hostAliases": _host_aliases(spec.extra_hosts),
            "imagePullSecrets": [{"name": name} for name in _pull_secrets(record, defaults)],
            "serviceAccountName": defaults.service_account,
            "nodeSelector": {**defaults.node_selector, **_platform(spec.platform)},
            "securityContext": _pod_security_context(spec.security),
            "runtimeClassName": "" if spec.runtime in DEFAULT_RUNTIMES else spec.runtime,
            "hostNetwork": spec.host_network,
            "hostPID": spec.host_pid,
            "hostIPC": spec.host_ipc,
            **_dns(spec),
        }
    )


def _pull_secrets(record: ContainerRecord, defaults: PodDefaults) -> tuple[str, ...]:
    """The container's own login goes first."""
    own = (_object_name(record),) if record.with_login else ()
    return tuple(dict.fromkeys((*own, *defaults.image_pull_secrets)))


def service_account(defaults: PodDefaults) -> str:
    """The name of the account that pods run as."""
    spec = template.pod_parts(defaults.template)["spec"]
    return str(defaults.service_account or spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")


def _main(record: ContainerRecord, defaults: PodDefaults) -> Json:
    spec = record.spec
    return {
        "name": MAIN,
        "image": record.image_source or spec.image,
        **_given(
            {
                **_command(spec),
                "env": _env(spec.env),
                "workingDir": spec.working_dir,
                "securityContext": _security_context(spec, defaults),
                "stdin": spec.open_stdin,
                "stdinOnce": spec.open_stdin and spec.stdin_once,
                "tty": spec.tty,
            }
        ),
    }


def _given(fields: Json) -> Json:
    """The fields that say something; the number 0 does."""
    return {key: value for key, value in fields.items() if value or (value == 0 and value is not False)}


def _command(spec: ContainerSpec) -> Json:
    """Entrypoint and Cmd; an empty ``command`` would mean the image's, so a cleared entrypoint makes Cmd the command."""
    cmd = [_literal(word) for word in spec.command or ()]
    if spec.entrypoint is None:
        return {"args": cmd}
    if spec.entrypoint in ((), ("",)):
        return {"command": cmd}
    return {"command": [_literal(word) for word in spec.entrypoint], "args": cmd}


def _literal(text: str) -> str:
    """Text that Kubernetes leaves as it is: it expands ``$(NAME)``, and makes ``$$`` one ``$``."""
    return text.replace("$", "$$")


def _env(pairs: Iterable[tuple[str, str | None]]) -> list[Json]:
    """Variables in their order, each once: the last value wins.

    A variable that is to be taken away (None) is not written. One that the image sets stays then: Kubernetes has no word
    for taking it away, and a set but empty one would be something else for most programs.
    """
    values = dict(pairs)
    return [{"name": name, "value": _literal(value)} for name, value in values.items() if value is not None]


def _host_aliases(hosts: Iterable[tuple[str, str]]) -> list[Json]:
    """``/etc/hosts`` lines by address. What is no address (``host-gateway``) is left out; create has warned of it."""
    by_address: dict[str, list[str]] = {}
    for host, address in hosts:
        try:
            ip = str(ipaddress.ip_address(address.strip("[]")))
        except ValueError:
            continue
        found = by_address.setdefault(ip, [])
        if host.lower() not in found:
            found.append(host.lower())
    return [{"ip": ip, "hostnames": hostnames} for ip, hostnames in by_address.items()]


def _platform(platform: str) -> dict[str, str]:
    """Labels of the nodes of a Docker platform: ``linux/arm64/v8``, ``linux`` or ``arm64``."""
    parts = platform.lower().split("/") if platform else []
    if len(parts) == 1 and parts[0] not in ("linux", "windows"):
        return {"kubernetes.io/arch": parts[0]}
    return dict(zip(("kubernetes.io/os", "kubernetes.io/arch"), parts, strict=False))


def _limits(asked: Resources) -> Json:
    """Docker's limits as Kubernetes' resources; the reservation is what the scheduler should count with."""
    cpu = f"{-(-asked.nano_cpus // 1_000_000)}m" if asked.nano_cpus else ""
    limits = _given({"cpu": cpu, "memory": str(asked.memory or "")})
    return _given({"limits": limits, "requests": _given({"memory": str(asked.memory_reservation or "")})})


def _dns(spec: ContainerSpec) -> Json:
    """``--dns`` replaces the cluster's name servers, as it replaces the host's in Docker; the rest is added to them."""
    config = _given(
        {
            "nameservers": list(dict.fromkeys(spec.dns)),
            "searches": [domain for domain in dict.fromkeys(spec.dns_search) if domain != "."],
            "options": [_dns_option(option) for option in spec.dns_options],
        }
    )
    policy = "None" if spec.dns else "ClusterFirstWithHostNet" if spec.host_network else ""
    return {"dnsPolicy": policy, "dnsConfig": config}


def _dns_option(option: str) -> Json:
    name, colon, value = option.partition(":")
    return {"name": name, "value": value} if colon else {"name": name}


def _pod_security_context(security: Security) -> Json:
    return _given(
        {
            "supplementalGroups": list(security.supplemental_groups),
            "sysctls": [{"name": name, "value": value} for name, value in security.sysctls],
        }
    )


def _security_context(spec: ContainerSpec, defaults: PodDefaults) -> Json:
    security = spec.security
    context: Json = {}
    user = defaults.run_as_user if spec.user is None else spec.user
    if user is not None:
        context["runAsUser"] = user
    if spec.group is not None:
        context["runAsGroup"] = spec.group
    capabilities = {"add": _capabilities(security.cap_add), "drop": _capabilities(security.cap_drop)}
    if security.no_new_privileges:
        context["allowPrivilegeEscalation"] = False
    if security.seccomp_unconfined:
        context["seccompProfile"] = {"type": "Unconfined"}
    if security.apparmor_unconfined:
        context["appArmorProfile"] = {"type": "Unconfined"}
    flags = {
        "capabilities": _given(capabilities),
        "privileged": security.privileged,
        "readOnlyRootFilesystem": security.read_only_root,
    }
    return {**context, **_given(flags)}


def _capabilities(given: Iterable[str]) -> list[str]:
    """Capabilities as Kubernetes spells them: without ``CAP_``."""
    return list(dict.fromkeys(name.upper().removeprefix("CAP_") for name in given))
