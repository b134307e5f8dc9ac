"""One container as runc wants it: the config.json of the OCI runtime specification. Pure.

What is not said by the pod is as containerd makes it for Kubernetes: Docker's fourteen capabilities, no seccomp
profile, masked and read-only paths of /proc and /sys, private namespaces for processes and mounts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubedock.embedded.runtime import ContainerSpec, Limits, Security
from kubedock.embedded.runtimes.rootfs import User

Json = dict[str, Any]

DEFAULT_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE", "NET_RAW",
    "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP",
)  # fmt: skip
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
    "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG",
    "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
    "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
"""In the order of their numbers."""
MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
)  # fmt: skip
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
CPU_PERIOD = 100_000
CPU_QUOTA_LEAST = 1000
NO_EXTRAS = ("nosuid", "noexec", "nodev")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container lives: files of its sandbox to show in it (target: source), and namespaces to join
    (kind: path, "" for one of its own). ``capabilities`` are those that this machine lets us give; ``swap``: its
    kernel counts swap.
    """

    root: Path
    shared: tuple[tuple[str, Path], ...]
    namespaces: tuple[tuple[str, str], ...]
    cgroup: str
    sysctls: tuple[tuple[str, str], ...] = ()
    capabilities: frozenset[str] = frozenset(CAPABILITIES)
    host_devices: tuple[Json, ...] = ()
    swap: bool = False


def config(spec: ContainerSpec, user: User, place: Place) -> Json:
    """The whole."""
    security = spec.security
    linux: Json = {
        "cgroupsPath": place.cgroup,
        "namespaces": [{"type": kind} | ({"path": path} if path else {}) for kind, path in place.namespaces],
        "resources": _resources(spec.limits, security, swap=place.swap),
    }
    if place.sysctls:
        linux["sysctl"] = dict(place.sysctls)
    if security.privileged:
        linux["devices"] = list(place.host_devices)
    else:
        linux |= {"maskedPaths": list(MASKED), "readonlyPaths": list(READ_ONLY)}
    return {
        "ociVersion": "1.0.2",
        "process": process(spec, user, place.capabilities),
        "root": {"path": str(place.root), "readonly": security.read_only_root},
        "mounts": [*_mounts(spec, place)],
        "linux": linux,
    }


def process(spec: ContainerSpec, user: User, allowed: frozenset[str]) -> Json:
    """The main process."""
    names = dict(spec.env)
    env = [f"{name}={value}" for name, value in spec.env]
    if user.home and "HOME" not in names:
        env.append(f"HOME={user.home}")
    if spec.tty and "TERM" not in names:
        env.append("TERM=xterm")
    caps = [f"CAP_{name}" for name in capabilities(spec.security) if name in allowed]
    return {
        "terminal": spec.tty,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": [*dict.fromkeys((*user.groups, *spec.groups))]},
        "args": list(spec.argv),
        "env": env,
        "cwd": spec.cwd or "/",
        "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
        "noNewPrivileges": spec.security.no_new_privileges,
    }


def exec_process(main: Json, argv: Sequence[str], *, tty: bool) -> Json:
    """A further process like the main one."""
    env = main["env"] if not tty or any(each.startswith("TERM=") for each in main["env"]) else [*main["env"], "TERM=xterm"]
    return {**main, "args": list(argv), "terminal": tty, "env": env}


def capabilities(security: Security) -> tuple[str, ...]:
    """What is added and dropped, over Docker's set; what is dropped by name wins over ALL, and ALL over nothing."""
    if security.privileged:
        return CAPABILITIES
    add, drop = set(_plain(security.cap_add)), set(_plain(security.cap_drop))
    base = CAPABILITIES if "ALL" in add else () if "ALL" in drop else DEFAULT_CAPABILITIES
    return tuple(name for name in CAPABILITIES if (name in base or name in add) and name not in drop)


def _plain(names: Iterable[str]) -> Iterable[str]:
    return (name.upper().removeprefix("CAP_") for name in names)


def _resources(limits: Limits, security: Security, *, swap: bool) -> Json:
    """Memory and swap together have the limit of memory: who needs more is ended, not swapped out, as on Kubernetes."""
    found: Json = {"devices": [{"allow": security.privileged, "access": "rwm"}]}
    if limits.memory:
        found["memory"] = {"limit": limits.memory} | ({"swap": limits.memory} if swap else {})
    if limits.cpus:
        found["cpu"] = {"quota": max(CPU_QUOTA_LEAST, int(limits.cpus * CPU_PERIOD)), "period": CPU_PERIOD}
    if limits.pids:
        found["pids"] = {"limit": limits.pids}
    return found


def _mounts(spec: ContainerSpec, place: Place) -> Iterable[Json]:
    """Kernel file systems, then the sandbox's files, then the pod's volumes; a volume at the same place wins."""
    targets = {mount.target.rstrip("/") for mount in spec.mounts}
    writable = "rw" if spec.security.privileged else "ro"
    yield _mount("/proc", "proc", *NO_EXTRAS)
    yield _mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k")
    yield _mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
    yield _mount("/dev/mqueue", "mqueue", *NO_EXTRAS)
    yield _mount("/sys", "sysfs", *NO_EXTRAS, writable)
    yield _mount("/sys/fs/cgroup", "cgroup", *NO_EXTRAS, "relatime", writable)
    for target, source in place.shared:
        if target not in targets:
            yield bind(source, target, read_only=False)
    for mount in sorted(spec.mounts, key=lambda each: each.target.rstrip("/").count("/")):
        yield bind(mount.source, mount.target, read_only=mount.read_only)


def _mount(target: str, kind: str, *options: str) -> Json:
    return {"destination": target, "type": kind, "source": kind, "options": list(options)}


def bind(source: Path, target: str, *, read_only: bool) -> Json:
    options = ["rbind", "rprivate", "ro" if read_only else "rw"]
    return {"destination": target, "type": "bind", "source": str(source), "options": options}
