"""Restart policies, limits, out of memory, and pods that others take away."""

import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import KubedockServer, pods
from tests.support.realcluster import RealCluster
from tests.support.waiting import eventually

COUNTS = "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}"


def counts(docker: DockerCli, name: str) -> str:
    """Status, exit code and number of restarts."""
    return docker.ok("inspect", "-f", COUNTS, name)


@pytest.mark.subset
def test_out_of_memory(docker: DockerCli) -> None:
    """OOMKilled, 137."""
    name = docker.name()

    done = docker("run", "-m", "16m", "--name", name, ALPINE, "tail", "/dev/zero")

    assert done.code == 137
    assert docker.inspect(name, ".State.OOMKilled") == "true"
    assert docker.inspect(name, ".State.ExitCode") == "137"


GROUP = "/sys/fs/cgroup"
CPU_AND_MEMORY = (
    f"cd {GROUP}; cat cpu.max memory.max 2>/dev/null && exit;"
    " echo $(cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us); cat memory/memory.limit_in_bytes"
)
"""Of either version of control groups."""


@pytest.mark.parametrize(
    ("options", "quota"),
    [(("--cpus", "0.5"), "50000 100000"), (("--cpu-period", "10000", "--cpu-quota", "15000"), "150000 100000")],
)
def test_limits_hold_inside(docker: DockerCli, options: tuple[str, ...], quota: str) -> None:
    """CPUs, however they are asked for, and memory, as the kernel has them for a container."""
    shown = docker.ok("run", "--rm", *options, "-m", "64m", "--name", docker.name(), ALPINE, "sh", "-c", CPU_AND_MEMORY)

    assert shown.splitlines() == [quota, str(64 << 20)]


@pytest.mark.subset
def test_on_failure_runs_four_times_and_keeps_all_logs(docker: DockerCli) -> None:
    """Three restarts, then it stays as it ended."""
    name = docker.name()
    docker.ok("run", "-d", "--restart", "on-failure:3", "--name", name, ALPINE, "sh", "-c", "echo run; exit 3")

    eventually(lambda: counts(docker, name) == "exited 3 3", seconds=30, what="the last run's end")
    assert docker.ok("logs", name) == "run\nrun\nrun\nrun"


def test_on_failure_followed(docker: DockerCli) -> None:
    """A follower sees all runs and the end, once each."""
    name = docker.name()
    docker.ok("create", "--restart", "on-failure:2", "--name", name, ALPINE, "sh", "-c", "echo run; exit 3")
    docker.ok("start", name)

    with docker.begin("logs", "-f", name) as follower:
        assert follower.wait(40) == (0, "run\nrun\nrun\n", "")


def test_on_failure_of_a_success_does_not_come_back(docker: DockerCli) -> None:
    """Nor one that was stopped."""
    name, stopped = docker.name(), docker.name()
    docker.ok("run", "--restart", "on-failure", "--name", name, ALPINE, "true")
    assert counts(docker, name) == "exited 0 0"

    docker.ok("run", "-d", "--restart", "on-failure", "--name", stopped, ALPINE, "sleep", "100")
    docker.ok("stop", "-t", "1", stopped)
    assert counts(docker, stopped) == "exited 137 0"


PATIENT = "trap 'exit 7' TERM; trap 'exit 1' USR1; echo up; while :; do sleep 0.1; done"


def always(docker: DockerCli) -> tuple[str, str]:
    """A container that comes back and has written its first line, and the selector of its objects."""
    name = docker.name()
    docker.ok("run", "-d", "--restart", "always", "--name", name, ALPINE, "sh", "-c", PATIENT)
    eventually(lambda: docker.ok("logs", name) == "up", what="its first line")
    return name, f"kubedock.containerid={docker.inspect(name, '.Id')[:12]}"


@pytest.mark.subset
@pytest.mark.timeout(150)
def test_always_comes_back_until_it_is_stopped(docker: DockerCli, server: KubedockServer) -> None:
    """After its program's end; a stop is for good, with the program's exit code."""
    name, mine = always(docker)
    docker.ok("kill", "-s", "USR1", name)
    eventually(lambda: counts(docker, name) == "running 0 1", seconds=30, what="the program's return")
    eventually(lambda: docker.ok("logs", name) == "up\nup", what="the log of both")

    docker.ok("stop", "-t", "10", name)
    assert counts(docker, name).startswith("exited 7 ")
    eventually(lambda: server.objects("pods", mine) == [], what="no pod")

    docker.ok("start", name)
    assert docker.inspect(name, ".State.Running") == "true"
    docker.ok("rm", "-f", name)
    eventually(lambda: server.objects("pods", mine) == [], what="no pod")
    server.objects.show(lambda: server.objects.read("deployments", mine), [])


@pytest.mark.timeout(150)
def test_always_comes_back_after_its_pod_was_deleted(docker: DockerCli, real_cluster: RealCluster) -> None:
    """As another pod, whose program is what a stop ends."""
    name, mine = always(docker)
    before = {pod["metadata"]["uid"] for pod in pods(real_cluster, mine)}
    real_cluster.kubectl("delete", "pod", "-l", mine, "--grace-period=0", "--force", "--wait=false")
    eventually(lambda: {pod["metadata"]["uid"] for pod in pods(real_cluster, mine)} - before, seconds=30, what="another pod")
    eventually(lambda: counts(docker, name) == "running 0 1", seconds=30, what="the container's return")
    eventually(lambda: docker.ok("logs", name).endswith("up"), what="the new pod's line")

    docker.ok("stop", "-t", "10", name)
    assert counts(docker, name).startswith("exited 7 ")


def test_unless_stopped_is_killed_for_good(docker: DockerCli) -> None:
    """137, and it stays down."""
    name = docker.name()
    docker.ok("run", "-d", "--restart", "unless-stopped", "--name", name, ALPINE, "sleep", "100")

    docker.ok("kill", name)

    assert docker.ok("wait", name) == "137"
    assert counts(docker, name) == "exited 137 0"


def test_a_pod_that_somebody_deletes(docker: DockerCli, real_cluster: RealCluster) -> None:
    """Exited 137, with the reason."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, ALPINE, "sleep", "100")
    selector = f"kubedock.containerid={docker.inspect(name, '.Id')[:12]}"

    with docker.begin("wait", name) as wait:
        real_cluster.kubectl("delete", "pod", "-l", selector, "--grace-period=0", "--force", "--wait=false")
        assert wait.wait().out == "137\n"

    assert counts(docker, name) == "exited 137 0"
    assert docker.inspect(name, ".State.Error") == "the pod was deleted from outside"


def test_an_ended_pod_that_somebody_deletes_keeps_its_code(docker: DockerCli, real_cluster: RealCluster) -> None:
    """What was seen stays true."""
    name = docker.name()
    docker("run", "--name", name, ALPINE, "sh", "-c", "exit 9")
    selector = f"kubedock.containerid={docker.inspect(name, '.Id')[:12]}"

    real_cluster.kubectl("delete", "pod", "-l", selector, "--wait=true")

    assert counts(docker, name) == "exited 9 0"
    assert docker.inspect(name, ".State.Error") == ""


def test_the_pods_labels(docker: DockerCli, server: KubedockServer) -> None:
    """Ours, and those of Docker's that Kubernetes can hold."""
    name = docker.name()
    words = ("--label", "team=blue", "--label", "org.example/ok=1", "--label", "not!valid=x", "--label", "long=" + "x" * 64)
    docker.ok("run", "-d", *words, "--name", name, ALPINE, "sleep", "100")
    short = docker.inspect(name, ".Id")[:12]

    (pod,) = eventually(lambda: server.objects("pods", f"kubedock.containerid={short}"))

    assert pod["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "kubedock",
        "kubedock.id": server.instance,
        "kubedock": "true",
        "kubedock.containerid": short,
        "kubedock.run": "1",
        "org.example/ok": "1",
        "team": "blue",
    }
    assert pod["metadata"]["name"] == f"kubedock-{name}-{short}"
    assert pod["spec"]["containers"][0]["name"] == "main"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert docker.inspect(name, 'index .Config.Labels "not!valid"') == "x"


def test_always_of_what_ends_at_once(docker: DockerCli) -> None:
    """Counted as the kubelet counts, and what an instance wrote stays when the next one writes."""
    name = docker.name()
    docker.ok("run", "-d", "--restart", "always", "--name", name, ALPINE, "sh", "-c", "cat /proc/uptime; exit 4")
    eventually(lambda: int(docker.inspect(name, ".RestartCount")) >= 1, seconds=60, what="a restart")
    first = eventually(lambda: docker.ok("logs", name).splitlines(), what="its log")
    eventually(lambda: int(docker.inspect(name, ".RestartCount")) >= 2, seconds=60, what="the next restart")

    later = eventually(lambda: len(found := docker.ok("logs", name).splitlines()) > len(first) and found, what="more of it")
    assert set(first) <= set(later)
    docker.ok("stop", name)
    assert docker.inspect(name, ".State.ExitCode") == "4"
