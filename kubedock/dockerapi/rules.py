"""What single fields of a create request may say: Docker's own checks, and ours where pods differ.

A rule takes a value of the right JSON type, and returns warnings or None, or raises what refuses the request. Rules
have the names of their fields.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kubedock.dockerapi import volumes
from kubedock.dockerapi.kinds import optional
from kubedock.domain import ids, names, ports, publishing, units
from kubedock.domain import image as references
from kubedock.errors import InvalidParameter, NotImplemented

Rule = Callable[[Any], str | Iterable[str] | None]

VOLUMES = volumes.VOLUMES

LEAST_MEMORY = 6 * 1024 * 1024
LONGEST_HOSTNAME = 64
HIGHEST_ID = 2**31 - 1
NAMESERVERS = 3


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CAPABILITIES = _words(
    """
    AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID
    IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW
    PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO
    SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM
    """
)
MASKED_PATHS = _words(
    "/proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/timer_stats"
    " /proc/sched_debug /proc/scsi /sys/firmware /sys/devices/virtual/powercap"
)
READONLY_PATHS = _words("/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger")

_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


def nothing(_value: Any) -> None:
    """A field that is judged together with others (``decode.conflicts``)."""


# --- who and where -------------------------------------------------------------------------------------------------


def hostname(value: str) -> str | None:
    if len(value.encode()) > LONGEST_HOSTNAME:
        raise InvalidParameter(f'hostname "{value}" is too long (maximum {LONGEST_HOSTNAME} bytes)')
    made = names.hostname(value)
    if value in ("", made):
        return None
    return f'Hostname "{value}" is no host name for Kubernetes: the container sees ' + (f'"{made}"' if made else "its pod's name")


def user_ids(value: str) -> tuple[int | None, int | None]:
    """User and group of ``1000``, ``1000:1000``, ``root``; None where the image decides. Names are refused."""
    name, _, group = value.partition(":")
    return _numeric_id(name, value), _numeric_id(group, value)


def _numeric_id(text: str, whole: str) -> int | None:
    if text == "":
        return None
    if text == "root":
        return 0
    if not (text.isascii() and text.isdigit()):
        raise NotImplemented(
            f'User "{whole}" is not supported: names cannot be looked up in the image yet, give numbers as in "1000:1000"'
        )
    if len(text) > 10 or int(text) > HIGHEST_ID:
        raise InvalidParameter(f"uids and gids must be in range 0-{HIGHEST_ID}")
    return int(text)


def user(value: str) -> None:
    user_ids(value)


def group_add(value: list[str]) -> None:
    for group in value:
        group_id(group)


def group_id(text: str) -> int:
    """One entry of GroupAdd."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= HIGHEST_ID):
        raise NotImplemented(f'GroupAdd "{text}" is not supported: names cannot be looked up in the image yet, give numbers')
    return int(text)


# --- what runs -----------------------------------------------------------------------------------------------------


def image(value: str) -> None:
    if value and not ids.is_full(value.removeprefix("sha256:")):
        references.parse(value)


def environment(value: list[str]) -> None:
    for entry in value:
        if entry.partition("=")[0] == "":
            raise InvalidParameter(f"invalid environment variable: {entry}")


def working_dir(value: str) -> None:
    if value and not value.startswith("/"):
        raise InvalidParameter(f"the working directory '{value}' is invalid, it needs to be an absolute path")


def stop_signal(value: str) -> None:
    if value:
        units.signal_name(value)


def restart_policy(value: dict[str, Any]) -> None:
    name = optional("string", value, "Name", "HostConfig.RestartPolicy.") or ""
    retries = optional("integer", value, "MaximumRetryCount", "HostConfig.RestartPolicy.") or 0
    if name in ("no", "always", "unless-stopped") and retries:
        negative = " and cannot be negative" if retries < 0 else ""
        raise InvalidParameter(f"invalid restart policy: maximum retry count can only be used with 'on-failure'{negative}")
    if name == "on-failure" and retries < 0:
        raise InvalidParameter("invalid restart policy: maximum retry count cannot be negative")
    if name not in ("", "no", "always", "unless-stopped", "on-failure"):
        choice = "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        raise InvalidParameter(f"invalid restart policy: unknown policy '{name}'; {choice}")


# --- limits --------------------------------------------------------------------------------------------------------


def memory(value: int) -> None:
    if value != 0 and value < LEAST_MEMORY:
        raise InvalidParameter("Minimum memory limit allowed is 6MB")


def memory_reservation(value: int) -> None:
    if 0 < value < LEAST_MEMORY:
        raise InvalidParameter("Minimum memory reservation allowed is 6MB")


def nano_cpus(value: int) -> None:
    if value < 0:
        raise InvalidParameter("range of CPUs is from 0.01 to what a node of the cluster has")


def cpu_period(value: int) -> None:
    if value != 0 and not 1000 <= value <= 1_000_000:
        raise InvalidParameter("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")


def cpu_quota(value: int) -> None:
    if 0 < value < 1000:
        raise InvalidParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def shm_size(value: int) -> None:
    if value < 0:
        raise InvalidParameter("SHM size can not be less than 0")


# --- rights and namespaces -----------------------------------------------------------------------------------------


def capability(text: str) -> str:
    """Kubernetes' spelling of a capability: upper case, without CAP_; InvalidParameter for an unknown one."""
    name = text.upper().removeprefix("CAP_")
    if name not in CAPABILITIES and text.upper() != "ALL":
        raise InvalidParameter(f'unknown capability: "CAP_{name}"')
    return name


def cap_add(value: list[str]) -> None:
    _capabilities(value, "CapAdd")


def cap_drop(value: list[str]) -> None:
    _capabilities(value, "CapDrop")


def _capabilities(value: list[str], key: str) -> None:
    for text in value:
        try:
            capability(text)
        except InvalidParameter as error:
            raise InvalidParameter(f"invalid {key}: {error}") from None


def security_opt(value: list[str]) -> str | None:
    ignored = [option for option in value if security_option(option) == ("other", True)]
    return f"SecurityOpt {', '.join(ignored)} is not applied: the node's own profiles hold" if ignored else None


def security_option(text: str) -> tuple[str, bool]:
    """What one entry asks for: ("no-new-privileges" | "seccomp" | "apparmor" | "other", it is so)."""
    if text == "no-new-privileges":
        return text, True
    if text in ("disable", "writable-cgroups"):
        return "other", True
    key, separator, setting = text.partition("=" if "=" in text else ":")
    if not separator:
        raise InvalidParameter(f'invalid --security-opt 1: "{text}"')
    if key in ("no-new-privileges", "writable-cgroups"):
        if setting not in _TRUE | _FALSE:
            raise InvalidParameter(f'invalid --security-opt 2: "{text}"')
        return (key if key == "no-new-privileges" else "other"), setting in _TRUE
    if key in ("seccomp", "apparmor") and setting == "unconfined":
        return key, True
    if key not in ("seccomp", "apparmor", "label", "systempaths"):
        raise InvalidParameter(f'invalid --security-opt 2: "{text}"')
    return "other", (key, setting) not in (("seccomp", "builtin"), ("apparmor", "docker-default"))


def ipc_mode(value: str) -> str | None:
    if value.startswith("container:"):
        raise NotImplemented("IpcMode container: is not supported: a pod cannot join another one's namespaces")
    if value not in ("", "private", "shareable", "host", "none"):
        raise InvalidParameter(f"invalid IPC mode: {value}")
    return "IpcMode none is not applied: a pod has a private IPC namespace with /dev/shm" if value == "none" else None


def pid_mode(value: str) -> None:
    if value.startswith("container:"):
        raise NotImplemented("PidMode container: is not supported: a pod cannot join another one's namespaces")
    if value not in ("", "host"):
        raise InvalidParameter(f"invalid PID mode: {value}")


def uts_mode(value: str) -> str | None:
    if value not in ("", "host"):
        raise InvalidParameter(f"invalid UTS mode: {value}")
    return "UTSMode host is not applied: a pod has its own host name" if value else None


def userns_mode(value: str) -> None:
    if value not in ("", "host"):
        raise InvalidParameter(f"invalid user namespace mode: {value}")


def cgroupns_mode(value: str) -> str | None:
    if value not in ("", "private", "host"):
        raise InvalidParameter(f"invalid cgroup namespace mode: {value}")
    return "CgroupnsMode host is not applied: a pod has its own cgroup namespace" if value == "host" else None


def masked_paths(value: list[str]) -> str | None:
    return _paths("MaskedPaths", value, MASKED_PATHS)


def readonly_paths(value: list[str]) -> str | None:
    return _paths("ReadonlyPaths", value, READONLY_PATHS)


def _paths(key: str, value: list[str], usual: frozenset[str]) -> str | None:
    # Clients send back what an inspect told them, and engines of other versions have slightly other lists.
    if value and usual.issuperset(value):
        return None
    return f"{key} is not applied: the container runtime's own list holds"


def log_config(value: dict[str, Any]) -> str | None:
    driver = optional("string", value, "Type", "HostConfig.LogConfig.") or ""
    settings = optional("map", value, "Config", "HostConfig.LogConfig.")
    if driver not in ("", "json-file"):
        return f"LogConfig {driver} is not applied: the kubelet keeps the logs, as with json-file"
    return "LogConfig's options are not applied: the kubelet rotates the logs" if settings else None


# --- files ---------------------------------------------------------------------------------------------------------


def binds(value: list[str]) -> tuple[str, ...]:
    return volumes.warnings_of(map(volumes.parse_bind, value))


def mounts(value: list[dict[str, Any]]) -> tuple[str, ...]:
    return volumes.warnings_of(map(volumes.parse_mount, value))


def anonymous_volumes(value: dict[str, Any]) -> tuple[str, ...]:
    for path in value:
        volumes.destination(path)
    return (VOLUMES,) if value else ()


def tmpfs(value: dict[str, str | None]) -> str | None:
    ignored: list[str] = []
    for path, options in value.items():
        volumes.destination(path)
        volumes.tmpfs_size(options or "")
        ignored += volumes.ignored_tmpfs_options(options or "")
    return f"Tmpfs {', '.join(dict.fromkeys(ignored))} is not applied: a pod's memory volume has a size only" if ignored else None


# --- the network ---------------------------------------------------------------------------------------------------


def exposed_ports(value: dict[str, Any]) -> None:
    for key in value:
        ports.parse(key)


def port_bindings(value: dict[str, Any]) -> tuple[str, ...]:
    for bindings in value.values():
        for binding in bindings or ():
            port_binding(binding)
    return tuple(filter(None, (not_published("PortBindings", key) for key in value)))


def port_binding(binding: Mapping[str, str | None]) -> tuple[str, str]:
    """The address, "" for any, and the port or range of ports, as they are written."""
    host = binding.get("HostIp") or ""
    if host:
        _address(host, f"invalid IP address: {host}")
        host = str(ipaddress.ip_address(host))
    return host, ports.parse_host_port(binding.get("HostPort") or "")


def not_published(field: str, key: str) -> str | None:
    """The warning where ports of this protocol cannot be published."""
    protocol = ports.parse(key)[0].protocol
    return None if protocol in publishing.PROTOCOLS else f"{field} {key} is not applied: only TCP ports are published"


def network_mode(value: str) -> str | None:
    if value == "container" or value.startswith("container:"):
        if not value.removeprefix("container").removeprefix(":"):
            raise InvalidParameter("invalid network mode: invalid container format container:<name|id>")
        raise NotImplemented("NetworkMode container: is not supported: a pod cannot join another one's network")
    if value == "none":
        return "NetworkMode none is not applied: every pod is on the cluster's network"
    return None


def links(value: list[str]) -> None:
    for text in value:
        link(text)


def link(text: str) -> tuple[str, str]:
    """The container that is linked, and the name for it: ``db:database``, ``db``, or ``/db:/web/database`` as inspect has it."""
    if not text:
        raise InvalidParameter("empty string specified for links")
    target, *aliases = text.split(":")
    if len(aliases) > 1:
        raise InvalidParameter(f"bad format for links: {text}")
    alias = aliases[0] if aliases else target
    return (target[1:], alias.rpartition("/")[2]) if target.startswith("/") else (target, alias)


def ipam_config(value: dict[str, Any]) -> str | None:
    path = "IPAMConfig."
    asked = [
        *filter(None, (optional("string", value, key, path) for key in ("IPv4Address", "IPv6Address"))),
        *(optional("strings", value, "LinkLocalIPs", path) or ()),
    ]
    return f"IPAMConfig {', '.join(asked)} is not applied: the cluster's network chooses a pod's addresses" if asked else None


def dns(value: list[str]) -> str | None:
    for address in value:
        _address(address, f"bad nameserver address: {address}")
    return f"Dns is applied in part: a pod has at most {NAMESERVERS} name servers" if len(value) > NAMESERVERS else None


def extra_hosts(value: list[str]) -> str | None:
    ignored = [entry for entry in value if extra_host(entry) is None]
    return f"ExtraHosts {', '.join(ignored)} is not applied: Kubernetes takes DNS names and addresses only" if ignored else None


def extra_host(text: str) -> tuple[str, str] | None:
    """Name and address; None for one that a pod cannot have."""
    name, colon, address = text.partition(":")
    if not colon or not name:
        raise InvalidParameter(f'bad format for add-host: "{text}"')
    if address == "host-gateway":
        return None
    bare = address.removeprefix("[").removesuffix("]")
    _address(bare, f'invalid IP address in add-host: "{address}"')
    # /etc/hosts is read in any case of letters, Kubernetes takes lower case only.
    return (name.lower(), bare) if names.is_subdomain(name.lower()) else None


def _address(text: str, sentence: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise InvalidParameter(sentence) from None
