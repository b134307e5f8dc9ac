"""What the chroot runtime does not isolate and not limit: its warnings say it, and it is so."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubedock.embedded.runtime import Limits, Mount, Security
from tests.support.runtimes import Pods, running

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def runtime(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """One that is open."""
    with running("chroot", tmp_path_factory.mktemp("node"), images) as runtime:
        yield runtime


def nothing_is_isolated(pods: Pods, _: Path) -> None:
    """The machine's host name, its processes."""
    run = pods.shell(f"hostname; kill -0 {os.getpid()} && echo seen", pod=pods.pod(hostname="another"))
    run.exit()
    assert run.output() == f"{os.uname().nodename}\nseen\n"


def one_network(pods: Pods, _: Path) -> None:
    """One address."""
    assert {pods.pod().ip, pods.pod().ip} == {"127.0.0.1"}


def no_limits(pods: Pods, _: Path) -> None:
    """Neither memory nor processes; a sysctl stays the machine's."""
    before = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    pod = pods.pod(sysctls=(("net.ipv4.ip_unprivileged_port_start", "77"),))
    script = "x=$(head -c 40000000 /dev/zero | tr '\\0' a); for i in 1 2 3 4 5; do true & done; wait; echo alive"
    run = pods.shell(script, pod=pod, limits=Limits(memory=16 << 20, pids=3))
    run.exit()
    assert run.output() == "alive\n"
    assert Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() == before


def no_proc(pods: Pods, _: Path) -> None:
    """And what is read-only can be written."""
    run = pods.shell("ls /proc /sys; echo x > /f && cat /f", security=Security(read_only_root=True))
    run.exit()
    assert run.output().split()[-1] == "x"
    assert "1" not in run.output().split()


def copies(pods: Pods, folder: Path) -> None:
    """A folder of the machine is not written to."""
    (folder / "data").mkdir()
    pods.shell("echo x > /data/f", mounts=(Mount(folder / "data", "/data"),)).exit()
    assert list((folder / "data").iterdir()) == []


def memory_on_disk(pods: Pods, _: Path) -> None:
    """Of any size."""
    pod = pods.pod()
    volume = pods.runtime.memory_folder(pod.pod_uid, "scratch", 1 << 20)
    run = pods.shell("head -c 3000000 /dev/zero > /scratch/f; wc -c < /scratch/f", pod=pod, mounts=(Mount(volume, "/scratch"),))
    run.exit()
    assert (run.output(), os.path.ismount(volume)) == ("3000000\n", False)


IS_SO: dict[str, Callable[[Pods, Path], None]] = {
    "not isolated from this machine's processes, users, network and host name": nothing_is_isolated,
    "share one network": one_network,
    "memory, CPU and process limits are not applied; sysctls are ignored": no_limits,
    "no /proc and no /sys; read-only file systems are writable": no_proc,
    "volumes are copied": copies,
    "volumes in memory lie on disk, without a limit": memory_on_disk,
}


@pytest.mark.parametrize("words", IS_SO, ids=[check.__name__ for check in IS_SO.values()])
def test_a_warning_is_true(pods: Pods, tmp_path: Path, words: str) -> None:
    """One by one."""
    assert len([warning for warning in pods.runtime.warnings if re.search(re.escape(words), warning)]) == 1

    IS_SO[words](pods, tmp_path)


def test_there_is_no_other_warning(pods: Pods) -> None:
    """That nobody has looked at."""
    assert len(pods.runtime.warnings) == len(IS_SO)
