"""The table of create options: what becomes of every field that Docker's API has.

A field is *honoured*, answered by a *warning*, *refused* with a sentence, or *accepted*: then it has no effect here
because what it says is so already, or concerns the client alone. Nothing is dropped in silence. ``decode`` obeys the
table (``check``), the docs show it (``markdown``), and a test compares it with Docker's own YAML.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kubedock.dockerapi import health, rules, volumes
from kubedock.dockerapi.kinds import Kind, optional
from kubedock.errors import NotImplemented

Outcome = Literal["honoured", "warning", "refused", "accepted"]

HOST, ENDPOINT, MOUNT = "HostConfig.", "NetworkingConfig.EndpointsConfig.*.", "HostConfig.Mounts.*."


@dataclass(frozen=True, slots=True)
class Row:
    """One field. ``note`` is for the docs; ``rule`` looks at a value: a warning, None, or an error that refuses it."""

    path: str
    kind: Kind
    outcome: Outcome
    note: str = ""
    rule: rules.Rule | None = None

    @property
    def key(self) -> str:
        """The field's own name."""
        return self.path.rpartition(".")[2]


def _honoured(path: str, kind: Kind, note: str = "", rule: rules.Rule | None = None) -> Row:
    return Row(path, kind, "honoured", note, rule)


def _accepted(path: str, kind: Kind, note: str, rule: rules.Rule | None = None) -> Row:
    return Row(path, kind, "accepted", note, rule)


def _warning(path: str, kind: Kind, why: str, *, unless: tuple[Any, ...] = ()) -> Row:
    """A warning for every value that says something; ``unless`` are those that say what is so anyway."""
    key = path.rpartition(".")[2]
    sentence = f"{key} is not applied: {why}"

    def rule(value: Any) -> str | None:
        return sentence if value and value not in unless else None

    return Row(path, kind, "warning", f"Not applied: {why}.", rule)


def _refused(path: str, kind: Kind, why: str) -> Row:
    key = path.rpartition(".")[2]

    def rule(value: Any) -> None:
        if value:
            raise NotImplemented(f"{key} is not supported: {why}")

    return Row(path, kind, "refused", f"{why[:1].upper()}{why[1:]}.", rule)


def _warned(path: str, kind: Kind, note: str, rule: rules.Rule) -> Row:
    return Row(path, kind, "warning", note, rule)


_CLIENT = "Concerns the client, which asks for streams by itself."
_BUILD = "Concerns builds."
_REPLY = "A reply's field; clients send back what they have read."
_WINDOWS = "it exists on Windows only"
_KUBELET = "the kubelet has no such limit for a pod"
_BLOCK_IO = "Kubernetes does not limit block devices"
_ADDRESS = "the cluster's network chooses a pod's addresses"

CONFIG = (
    _honoured("Hostname", "string", "Its first label made valid for Kubernetes; a warning where that differs.", rules.hostname),
    _warning("Domainname", "string", "a pod's domain is its cluster's"),
    _honoured("User", "string", "Numbers (`1000`, `1000:1000`) and root; other names are refused.", rules.user),
    _accepted("AttachStdin", "boolean", _CLIENT),
    _accepted("AttachStdout", "boolean", _CLIENT),
    _accepted("AttachStderr", "boolean", _CLIENT),
    _honoured("ExposedPorts", "set", rule=rules.exposed_ports),
    _honoured("Tty", "boolean"),
    _honoured("OpenStdin", "boolean"),
    _honoured("StdinOnce", "boolean"),
    _honoured("Env", "strings", "A name without a value is left out; the image's own value stays.", rules.environment),
    _honoured("Cmd", "command"),
    _honoured("Healthcheck", "object", "`CMD` and `CMD-SHELL`; what it leaves open is the image's.", health.healthcheck),
    _accepted("ArgsEscaped", "boolean", "Concerns Windows."),
    _honoured("Image", "string", "That of a Ryuk is not run: kubedock does its work itself.", rules.image),
    _honoured("Volumes", "set", rules.VOLUMES, rules.anonymous_volumes),
    _honoured("WorkingDir", "string", rule=rules.working_dir),
    _honoured("Entrypoint", "command", '`[]` and `[""]` clear the image\'s.'),
    _warning("NetworkDisabled", "boolean", "every pod is on the cluster's network"),
    _warning("MacAddress", "string", _ADDRESS),
    _accepted("OnBuild", "strings", _BUILD),
    _honoured("Labels", "map", "`kubedock.workload` chooses the Kubernetes object, `org.testcontainers.ryuk` makes a Ryuk."),
    _honoured("StopSignal", "string", rule=rules.stop_signal),
    _honoured("StopTimeout", "integer"),
    _honoured("Shell", "strings", "Runs the health check `CMD-SHELL`; else it concerns builds."),
)

RESOURCES = (
    _warning("HostConfig.CpuShares", "integer", "Kubernetes derives shares from CPU requests"),
    _honoured("HostConfig.Memory", "integer", rule=rules.memory),
    _warning("HostConfig.CgroupParent", "string", "the kubelet places a pod's cgroup"),
    _warning("HostConfig.BlkioWeight", "integer", _BLOCK_IO),
    _warning("HostConfig.BlkioWeightDevice", "objects", _BLOCK_IO),
    _warning("HostConfig.BlkioDeviceReadBps", "objects", _BLOCK_IO),
    _warning("HostConfig.BlkioDeviceWriteBps", "objects", _BLOCK_IO),
    _warning("HostConfig.BlkioDeviceReadIOps", "objects", _BLOCK_IO),
    _warning("HostConfig.BlkioDeviceWriteIOps", "objects", _BLOCK_IO),
    _honoured("HostConfig.CpuPeriod", "integer", "Together with CpuQuota.", rules.cpu_period),
    _honoured("HostConfig.CpuQuota", "integer", "As a CPU limit of quota / period.", rules.cpu_quota),
    _warning("HostConfig.CpuRealtimePeriod", "integer", _KUBELET),
    _warning("HostConfig.CpuRealtimeRuntime", "integer", _KUBELET),
    _warning("HostConfig.CpusetCpus", "string", "the kubelet's CPU manager assigns processors"),
    _warning("HostConfig.CpusetMems", "string", "the kubelet's memory manager assigns memory nodes"),
    _refused("HostConfig.Devices", "objects", "devices of a node come from Kubernetes' device plugins"),
    _refused("HostConfig.DeviceCgroupRules", "strings", "devices of a node come from Kubernetes' device plugins"),
    _refused("HostConfig.DeviceRequests", "objects", "devices of a node come from Kubernetes' device plugins"),
    _warning("HostConfig.KernelMemoryTCP", "integer", _KUBELET),
    _honoured("HostConfig.MemoryReservation", "integer", "As the memory request.", rules.memory_reservation),
    _warned(
        "HostConfig.MemorySwap",
        "integer",
        "Pods have the swap that their node gives; a value equal to Memory is fine.",
        rules.nothing,
    ),
    _warning("HostConfig.MemorySwappiness", "integer", "swap is the node's affair", unless=(-1,)),
    _honoured("HostConfig.NanoCpus", "integer", "As the CPU limit.", rules.nano_cpus),
    _warning("HostConfig.OomKillDisable", "boolean", _KUBELET),
    _warning("HostConfig.Init", "boolean", "the container's own process is PID 1 of its pod"),
    _warning("HostConfig.PidsLimit", "integer", "the kubelet limits processes for a whole node", unless=(-1,)),
    _warning("HostConfig.Ulimits", "objects", "the container has the limits of its node's container runtime"),
    _warning("HostConfig.CpuCount", "integer", _WINDOWS),
    _warning("HostConfig.CpuPercent", "integer", _WINDOWS),
    _warning("HostConfig.IOMaximumIOps", "integer", _WINDOWS),
    _warning("HostConfig.IOMaximumBandwidth", "integer", _WINDOWS),
)

HOST_CONFIG = (
    _warned(
        "HostConfig.Binds",
        "strings",
        f"`name:/path`: {rules.VOLUMES} Host paths are refused, docker.sock is left out.",
        rules.binds,
    ),
    _accepted("HostConfig.ContainerIDFile", "string", "Concerns the client, which writes it."),
    _warned("HostConfig.LogConfig", "object", "The kubelet keeps the logs; `json-file` without options is fine.", rules.log_config),
    _honoured("HostConfig.NetworkMode", "string", "`container:` is refused; see the notes for the others.", rules.network_mode),
    _honoured("HostConfig.PortBindings", "ports", "TCP ports; others are a warning.", rules.port_bindings),
    _honoured("HostConfig.RestartPolicy", "object", rule=rules.restart_policy),
    _honoured("HostConfig.AutoRemove", "boolean"),
    _warning("HostConfig.VolumeDriver", "string", "volumes are the cluster's", unless=("local",)),
    _refused("HostConfig.VolumesFrom", "strings", "pods share no volumes yet, the directories would be empty"),
    _honoured("HostConfig.Mounts", "objects", "By type: see below; volumes are a warning.", rules.mounts),
    _accepted("HostConfig.ConsoleSize", "integers", "A terminal's size follows by a resize."),
    _warning("HostConfig.Annotations", "map", "they are addressed to an OCI runtime"),
    _honoured("HostConfig.CapAdd", "strings", rule=rules.cap_add),
    _honoured("HostConfig.CapDrop", "strings", rule=rules.cap_drop),
    _warned("HostConfig.CgroupnsMode", "string", "Pods have their own cgroup namespace; `host` is a warning.", rules.cgroupns_mode),
    _honoured("HostConfig.Dns", "strings", "Three at most.", rules.dns),
    _honoured("HostConfig.DnsOptions", "strings"),
    _honoured("HostConfig.DnsSearch", "strings"),
    _honoured(
        "HostConfig.ExtraHosts",
        "strings",
        "`host-gateway`, and names that Kubernetes does not take, are a warning.",
        rules.extra_hosts,
    ),
    _honoured("HostConfig.GroupAdd", "strings", "Numbers; names are refused.", rules.group_add),
    _honoured("HostConfig.IpcMode", "string", "`host`; `container:` is refused.", rules.ipc_mode),
    _warning("HostConfig.Cgroup", "string", "the kubelet places a pod's cgroup"),
    _warned("HostConfig.Links", "strings", "Lines of `/etc/hosts`, as things are at the start.", rules.links),
    _warning("HostConfig.OomScoreAdj", "integer", "the kubelet sets it by the pod's quality of service"),
    _honoured("HostConfig.PidMode", "string", "`host`; `container:` is refused.", rules.pid_mode),
    _honoured("HostConfig.Privileged", "boolean"),
    _honoured("HostConfig.PublishAllPorts", "boolean", "The TCP ports of ExposedPorts and of the image.", rules.nothing),
    _honoured("HostConfig.ReadonlyRootfs", "boolean"),
    _honoured(
        "HostConfig.SecurityOpt",
        "strings",
        "`no-new-privileges`, `seccomp=unconfined`, `apparmor=unconfined`; others are a warning.",
        rules.security_opt,
    ),
    _warning("HostConfig.StorageOpt", "map", "the node's container runtime decides"),
    _honoured("HostConfig.Tmpfs", "map", "With its `size`; other options are a warning.", rules.tmpfs),
    _warned("HostConfig.UTSMode", "string", "Pods have their own host name; `host` is a warning.", rules.uts_mode),
    _accepted("HostConfig.UsernsMode", "string", "Pods are in their node's user namespace, which is `host`.", rules.userns_mode),
    _honoured("HostConfig.ShmSize", "integer", rule=rules.shm_size),
    _honoured("HostConfig.Sysctls", "map", "The cluster may forbid those that it calls unsafe."),
    _warning("HostConfig.Runtime", "string", "the cluster chooses the container runtime", unless=("runc", "io.containerd.runc.v2")),
    _warning("HostConfig.Isolation", "string", _WINDOWS, unless=("default",)),
    _warned("HostConfig.MaskedPaths", "strings", "Docker's own list is what pods have.", rules.masked_paths),
    _warned("HostConfig.ReadonlyPaths", "strings", "Docker's own list is what pods have.", rules.readonly_paths),
)

MOUNTS = (
    _honoured(MOUNT + "Target", "string"),
    _honoured(MOUNT + "Source", "string", "A volume's name; none makes an anonymous one."),
    _honoured(MOUNT + "Type", "string", "`volume` and `tmpfs`; the others are refused, a bind of docker.sock is left out."),
    _honoured(MOUNT + "ReadOnly", "boolean"),
    _accepted(MOUNT + "Consistency", "string", "Concerns macOS."),
    _accepted(MOUNT + "BindOptions", "object", "Binds are refused."),
    _warned(
        MOUNT + "VolumeOptions",
        "object",
        "`Subpath` is refused, a driver is a warning, `NoCopy` is so anyway.",
        volumes.check_volume_options,
    ),
    _honoured(MOUNT + "TmpfsOptions", "object", "`SizeBytes`; `Mode` and `Options` are a warning.", volumes.check_tmpfs_options),
)

ENDPOINTS = (
    _warned(ENDPOINT + "IPAMConfig", "object", f"Not applied: {_ADDRESS}.", rules.ipam_config),
    _honoured(ENDPOINT + "Links", "strings", "What the network does not know itself: as in HostConfig.", rules.links),
    _warning(ENDPOINT + "MacAddress", "string", _ADDRESS),
    _honoured(ENDPOINT + "Aliases", "strings", "On user-defined networks; names that do not resolve are a warning."),
    _warning(ENDPOINT + "DriverOpts", "map", "the cluster's network has no drivers"),
    _accepted(ENDPOINT + "NetworkID", "string", "The key names the network."),
    _accepted(ENDPOINT + "EndpointID", "string", _REPLY),
    _accepted(ENDPOINT + "Gateway", "string", _REPLY),
    _accepted(ENDPOINT + "IPAddress", "string", _REPLY),
    _accepted(ENDPOINT + "IPPrefixLen", "integer", _REPLY),
    _accepted(ENDPOINT + "IPv6Gateway", "string", _REPLY),
    _accepted(ENDPOINT + "GlobalIPv6Address", "string", _REPLY),
    _accepted(ENDPOINT + "GlobalIPv6PrefixLen", "integer", _REPLY),
    _accepted(ENDPOINT + "DNSNames", "strings", _REPLY),
)

NETWORKING = (_honoured("NetworkingConfig.EndpointsConfig", "endpoints", "One or several networks."),)

CONFIG_KEYS = frozenset(row.key for row in CONFIG)
HOST_KEYS = frozenset(row.key for row in (*RESOURCES, *HOST_CONFIG))


def table() -> tuple[Row, ...]:
    """All rows, in the order of Docker's YAML."""
    return (*CONFIG, *RESOURCES, *HOST_CONFIG, *MOUNTS, *NETWORKING, *ENDPOINTS)


def markdown() -> str:
    """The table for the docs."""
    lines = ["| field | outcome | |", "|---|---|---|"]
    lines += [f"| `{row.path}` | {row.outcome} | {row.note} |" for row in table()]
    return "\n".join(lines) + "\n"


def check(config: Mapping[str, Any], host: Mapping[str, Any], networking: Mapping[str, Any]) -> tuple[str, ...]:
    """Look at every field of a create request; its warnings, each once. InvalidParameter or NotImplemented refuse it."""
    mounts = optional("objects", host, "Mounts", HOST) or ()
    endpoints = optional("endpoints", networking, "EndpointsConfig", "NetworkingConfig.") or {}
    # The inside of mounts comes first: the rule for all of them relies on its types.
    warnings = [
        found for position, mount in enumerate(mounts) for found in _apply(MOUNTS, mount, f"HostConfig.Mounts[{position}].")
    ]
    warnings += _apply(CONFIG, config, "")
    warnings += _apply((*RESOURCES, *HOST_CONFIG), host, HOST)
    for name, settings in endpoints.items():
        warnings += _apply(ENDPOINTS, settings or {}, f"NetworkingConfig.EndpointsConfig.{name}.")
    return tuple(dict.fromkeys(warnings))


def check_endpoint(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The same for the EndpointConfig of ``networks/X/connect``."""
    return tuple(dict.fromkeys(_apply(ENDPOINTS, settings, "EndpointConfig.")))


def _apply(rows: tuple[Row, ...], values: Mapping[str, Any], where: str) -> Iterator[str]:
    for row in rows:
        value = optional(row.kind, values, row.key, where)
        found = row.rule(value) if row.rule is not None and value is not None else None
        yield from (found,) if isinstance(found, str) else found or ()
