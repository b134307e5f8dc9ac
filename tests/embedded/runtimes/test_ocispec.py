"""One container's specification for runc. Pure."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubedock.embedded.runtime import ContainerSpec, Image, Limits, Mount, Security
from kubedock.embedded.runtimes import ocispec
from kubedock.embedded.runtimes.rootfs import User

IMAGE = Image("docker.io/library/x:1", "sha256:1", "sha256:2", {}, "amd64", 1)
PLACE = ocispec.Place(
    Path("/node/c/1/rootfs"),
    (("/etc/hosts", Path("/node/p/1/hosts")), ("/dev/shm", Path("/node/p/1/shm"))),
    (("pid", ""), ("mount", ""), ("network", "/node/p/1/net")),
    "/kd/1",
    sysctls=(("net.core.somaxconn", "10"),),
)
KERNEL = [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
        "destination": "/dev/pts",
        "type": "devpts",
        "source": "devpts",
        "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    {
        "destination": "/sys/fs/cgroup",
        "type": "cgroup",
        "source": "cgroup",
        "options": ["nosuid", "noexec", "nodev", "relatime", "ro"],
    },
]


def a_spec(**options: Any) -> ContainerSpec:
    """A valid one."""
    return ContainerSpec("1" * 64, "main", "pod", IMAGE, ("true",), Path("/log"), **options)


def bound(source: str, target: str, mode: str = "rw") -> dict[str, Any]:
    """A bind mount."""
    return {"destination": target, "type": "bind", "source": source, "options": ["rbind", "rprivate", mode]}


def test_the_whole_of_a_plain_container() -> None:
    """Docker's capabilities, what the pod shares, its volumes in the order of their depth."""
    mounts = (Mount(Path("/v/deep"), "/data/deep", read_only=True), Mount(Path("/v/data"), "/data"))
    spec = a_spec(env=(("A", "b"),), mounts=mounts, limits=Limits(1 << 20, 0.5, 7), groups=(5,))

    told = ocispec.config(spec, User(7, 8, (5, 9), "/home/x"), PLACE)

    caps = [f"CAP_{name}" for name in ocispec.CAPABILITIES if name in ocispec.DEFAULT_CAPABILITIES]
    assert told == {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 7, "gid": 8, "additionalGids": [5, 9]},
            "args": ["true"],
            "env": ["A=b", "HOME=/home/x"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "noNewPrivileges": False,
        },
        "root": {"path": "/node/c/1/rootfs", "readonly": False},
        "mounts": [
            *KERNEL,
            bound("/node/p/1/hosts", "/etc/hosts"),
            bound("/node/p/1/shm", "/dev/shm"),
            bound("/v/data", "/data"),
            bound("/v/deep", "/data/deep", "ro"),
        ],
        "linux": {
            "cgroupsPath": "/kd/1",
            "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "network", "path": "/node/p/1/net"}],
            "resources": {
                "devices": [{"allow": False, "access": "rwm"}],
                "memory": {"limit": 1 << 20},
                "cpu": {"quota": 50000, "period": 100000},
                "pids": {"limit": 7},
            },
            "sysctl": {"net.core.somaxconn": "10"},
            "maskedPaths": list(ocispec.MASKED),
            "readonlyPaths": list(ocispec.READ_ONLY),
        },
    }


def test_a_volume_takes_the_place_of_what_the_pod_shares() -> None:
    """A pod may bring its own /dev/shm."""
    told = ocispec.config(a_spec(mounts=(Mount(Path("/v"), "/dev/shm/"),)), User(), PLACE)

    assert told["mounts"][len(KERNEL) :] == [bound("/node/p/1/hosts", "/etc/hosts"), bound("/v", "/dev/shm/")]


def test_a_privileged_container_sees_the_machine() -> None:
    """Nothing is masked, every device may be used, /sys is writable."""
    told = ocispec.config(a_spec(security=Security(privileged=True)), User(), PLACE)

    assert told["linux"]["resources"] == {"devices": [{"allow": True, "access": "rwm"}]}
    assert "maskedPaths" not in told["linux"]
    assert [mount["options"][-1] for mount in told["mounts"] if mount["destination"].startswith("/sys")] == ["rw", "rw"]
    assert len(told["process"]["capabilities"]["bounding"]) == len(ocispec.CAPABILITIES)


def test_swap_is_no_way_out_of_a_limit_of_memory() -> None:
    """Where the kernel counts it; elsewhere runc would fail."""
    spec = a_spec(limits=Limits(1 << 20))

    told = [ocispec.config(spec, User(), replace(PLACE, swap=swap))["linux"]["resources"]["memory"] for swap in (True, False)]

    assert told == [{"limit": 1 << 20, "swap": 1 << 20}, {"limit": 1 << 20}]


def test_only_what_this_machine_lets_us_give_is_given() -> None:
    """runc would refuse the rest."""
    place = ocispec.Place(PLACE.root, (), (), "/kd/1", capabilities=frozenset({"CHOWN", "KILL"}))

    assert ocispec.config(a_spec(), User(), place)["process"]["capabilities"]["bounding"] == ["CAP_CHOWN", "CAP_KILL"]


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (Security(cap_drop=("ALL",)), set()),
        (Security(cap_drop=("all",), cap_add=("CAP_NET_ADMIN",)), {"NET_ADMIN"}),
        (Security(cap_add=("ALL",), cap_drop=("SYS_ADMIN",)), set(ocispec.CAPABILITIES) - {"SYS_ADMIN"}),
        (Security(cap_add=("SYS_TIME",), cap_drop=("CHOWN",)), {*ocispec.DEFAULT_CAPABILITIES, "SYS_TIME"} - {"CHOWN"}),
        (Security(cap_add=("NET_RAW",), cap_drop=("NET_RAW",)), set(ocispec.DEFAULT_CAPABILITIES) - {"NET_RAW"}),
    ],
)
def test_capabilities(security: Security, expected: set[str]) -> None:
    """As Kubernetes reads them."""
    assert set(ocispec.capabilities(security)) == expected


def test_a_further_process_is_like_the_main_one_but_for_its_command() -> None:
    """A terminal wants a TERM."""
    main = ocispec.process(a_spec(env=(("A", "b"),), cwd="/x"), User(7, 8), frozenset())

    assert ocispec.exec_process(main, ["ls"], tty=False) == {**main, "args": ["ls"]}
    assert ocispec.exec_process(main, ["ls"], tty=True) == {
        **main,
        "args": ["ls"],
        "terminal": True,
        "env": ["A=b", "TERM=xterm"],
    }
