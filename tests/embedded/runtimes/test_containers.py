"""Containers as real processes, by both runtimes: ends, users, logs, signals, limits, pods of several containers."""

import signal
import socket
from pathlib import Path

import pytest

from kubedock.embedded.runtime import Limits, Mount, Security, StartError
from kubedock.embedded.runtimes import cgroups, leftovers
from kubedock.errors import NotFound
from tests.support.runtimes import Pods
from tests.support.waiting import eventually

pytestmark = pytest.mark.embedded

TASK = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed:"


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("(kill -9 $$) & sleep 5; exit 4", None)]
)
def test_an_exit_code_is_the_processes_own(pods: Pods, script: str, code: int | None) -> None:
    """Also 255. Process 1 of a namespace is immune to KILL from inside, and the chroot runtime has no such process."""
    expected = code if code is not None else 4 if pods.runtime.name == "runc" else 137

    assert pods.shell(script).exit().code == expected


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["nosuch"], 'exec: "nosuch": executable file not found in $PATH'),
        (["/no/such"], 'exec: "/no/such": stat /no/such: no such file or directory'),
        (["/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_what_cannot_be_run_is_told_in_runcs_words(pods: Pods, argv: list[str], reason: str) -> None:
    """And leaves nothing behind."""
    with pytest.raises(StartError) as failed:
        pods.run(*argv)

    assert (str(failed.value), failed.value.reason) == (
        f"{TASK} unable to start container process: {reason}: unknown",
        "StartError",
    )


def test_a_user_that_the_image_lacks_is_no_failed_start(pods: Pods) -> None:
    """The kubelet waits with it."""
    with pytest.raises(StartError) as failed:
        pods.run("true", user="somebody")

    text = "failed to create containerd container: unable to find user somebody: no matching entries in passwd file"
    assert (str(failed.value), failed.value.reason) == (text, "CreateContainerError")


@pytest.mark.parametrize(
    ("user", "expected"),
    [("", "0:0:/root"), ("nobody", "65534:65534:/"), ("1234:99", "1234:99:"), ("nobody:root", "65534:0:/")],
)
def test_a_process_is_who_its_user_says(pods: Pods, user: str, expected: str) -> None:
    """By name or number, with the home of the image's passwd."""
    run = pods.shell('echo "$(id -u):$(id -g):$HOME"', user=user)

    assert run.exit().code == 0
    assert run.output().strip() in (expected, f"{expected}/" if expected.endswith(":") else expected)


def test_its_folder_is_made_and_its_environment_is_as_given(pods: Pods) -> None:
    """Empty values and values with spaces, too."""
    run = pods.shell('pwd; echo "$A|$B"', cwd="/made/here", env=(("A", "x  y="), ("B", "")))

    run.exit()

    assert run.output() == "/made/here\nx  y=|\n"


def test_both_streams_are_logged_apart_and_to_the_last_byte(pods: Pods) -> None:
    """A last line without an end is a partial one."""
    run = pods.shell("echo out; echo err >&2; printf tail")

    run.exit()

    assert sorted(run.lines()) == [("stderr", "F", "err"), ("stdout", "F", "out"), ("stdout", "P", "tail")]


def test_much_output_is_complete(pods: Pods) -> None:
    """A megabyte that is written just before the end."""
    run = pods.shell("seq 1 150000")

    run.exit()

    assert run.output() == "".join(f"{number}\n" for number in range(1, 150001))


def test_a_signal_reaches_the_process_and_kill_ends_it(pods: Pods) -> None:
    """A trap runs; KILL needs none."""
    polite, hard = pods.shell('trap "echo bye; exit 3" TERM; echo on; while :; do sleep 0.05; done'), pods.run("sleep", "1000")
    polite.wrote("on")

    pods.runtime.signal(polite.spec.id, signal.SIGTERM)
    pods.runtime.signal(hard.spec.id, signal.SIGKILL)

    assert (polite.exit().code, polite.output()) == (3, "on\nbye\n")
    assert hard.exit().code == 137
    pods.runtime.signal(hard.spec.id, signal.SIGTERM)


def test_nothing_outlives_the_main_process(pods: Pods) -> None:
    """What has made a session of its own neither."""
    run = pods.shell("setsid sleep 4321 & (sleep 4322 &) ; echo on; sleep 0.2")

    run.exit()

    assert [text for text in map(_command, Path("/proc").glob("[0-9]*")) if text in ("sleep 4321", "sleep 4322")] == []


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def test_remove_ends_a_container_and_frees_its_files(pods: Pods) -> None:
    """A second remove does nothing, and nothing can be run in it."""
    run = pods.shell("touch /here; echo on; sleep 1000")
    run.wrote("on")

    run.removed()
    run.removed()

    assert run.exit().code == 137
    with pytest.raises(NotFound):
        pods.runtime.exec(run.spec.id, ["true"])


def test_two_runs_of_an_image_do_not_see_each_others_files(pods: Pods) -> None:
    """Nor does a later one, also of what is written in place."""
    first = pods.shell("echo changed > /etc/passwd; echo x > /bin/new; echo done")
    first.exit()

    second = pods.shell("head -c 4 /etc/passwd; ls /bin/new")

    second.exit()
    assert second.output() == "root"


def test_what_a_container_does_to_a_program_concerns_no_other(pods: Pods) -> None:
    """Its mode and its owner: neither one that runs, nor the image, so that a later one has it as it was."""
    program = "/bin/busybox"
    ask = ("stat", "-c", "%a %u %s", program)
    running = pods.run("sleep", "1000")
    before = running.exec(*ask)
    changing = pods.shell(f"chown 5 {program}; chmod 4711 {program}")

    assert changing.exit().code == 0, changing.output("stderr")

    later = pods.run(*ask)
    later.exit()
    assert (running.exec(*ask), later.output().encode()) == (before, before[1])


def test_a_hosts_file_names_the_pod_and_changes_while_it_runs(pods: Pods) -> None:
    """The lines of the node come last."""
    pod = pods.pod(hostname="me", hosts=(("192.0.2.1", ("first", "1st")),))
    run = pods.shell("cat /etc/hosts; echo on; sleep 1000", pod=pod)
    run.wrote("on")

    pods.runtime.set_hosts(pod.pod_uid, [("192.0.2.2", ["second"])])

    assert f"{pod.ip}\tme\n192.0.2.1\tfirst 1st\n" in run.output()
    assert run.exec("tail", "-n", "2", "/etc/hosts")[1].decode() == f"{pod.ip}\tme\n192.0.2.2\tsecond\n"


def test_a_volume_goes_from_one_container_to_the_next(pods: Pods, tmp_path: Path) -> None:
    """As from an init container to main."""
    pod = pods.pod()
    volume = pods.runtime.memory_folder(pod.pod_uid, "data")
    first = pods.shell("echo kept > /data/file", pod=pod, mounts=(Mount(volume, "/data"),))
    first.exit()
    first.removed()

    second = pods.shell("cat /somewhere/else/file", pod=pod, mounts=(Mount(volume, "/somewhere/else"),))

    second.exit()
    assert second.output() == "kept\n"


def test_a_file_of_the_machine_is_seen_where_it_is_mounted(pods: Pods, tmp_path: Path) -> None:
    """A single one, too."""
    (tmp_path / "config").write_text("text\n")
    run = pods.shell("cat /etc/app/config", mounts=(Mount(tmp_path / "config", "/etc/app/config", read_only=True),))

    run.exit()

    assert run.output() == "text\n"


def test_a_pods_port_is_reached_through_its_own_loopback(pods: Pods) -> None:
    """Refused where nobody listens."""
    pod = pods.pod()
    pods.run("nc", "-l", "-p", "45678", "-e", "echo", "hello", pod=pod)

    def fetched() -> bytes:
        try:
            with pods.runtime.dial(pod.pod_uid, 45678) as connection:
                return connection.recv(100)
        except ConnectionRefusedError:
            return b""

    assert eventually(fetched) == b"hello\n"
    with pytest.raises(ConnectionRefusedError):
        pods.runtime.dial(pod.pod_uid, 45679)


def test_a_shim_that_is_killed_takes_its_container_along(pods: Pods) -> None:
    """And why is told; nothing of it is left to run."""
    run = pods.run("sleep", "54321", name=pods.runtime.name)
    bundle = next(pods.runtime._folder.containers.glob("*"))  # type: ignore[attr-defined]
    shims = leftovers.processes(bundle, lambda words: not words[0].endswith(b"/runc"))

    leftovers.kill(shims)

    assert run.exit().error == "the container's shim ended before the container"
    eventually(lambda: "sleep 54321" not in map(_command, Path("/proc").glob("[0-9]*")))


# --- what only namespaces and control groups can do ------------------------------------------------------------------


def test_a_pods_containers_share_its_network_its_name_and_its_memory(isolated: Pods) -> None:
    """And a restarted one keeps the address."""
    pod = isolated.pod(hostname="shared-name")
    first = isolated.shell("hostname; echo x > /dev/shm/mark; ip -4 -o addr show eth0; exec sleep 1000", pod=pod)
    first.wrote("eth0")
    second = isolated.shell("hostname; cat /dev/shm/mark; ip -4 -o addr show eth0", pod=pod, name="other")
    second.exit()
    first.removed()
    third = isolated.shell("ip -4 -o addr show eth0", pod=pod)
    third.exit()

    assert second.output().splitlines()[:2] == ["shared-name", "x"]
    assert all(f" {pod.ip}/" in run.output() for run in (first, second, third))


def test_pods_reach_each_other_and_this_machine_reaches_them(isolated: Pods) -> None:
    """By their addresses."""
    server = isolated.pod()
    isolated.run("httpd", "-f", "-p", "80", "-h", "/www", pod=server)

    def answered() -> bool:
        with socket.socket() as connection:
            connection.settimeout(5)
            return connection.connect_ex((server.ip, 80)) == 0

    eventually(answered)
    client = isolated.run("wget", "-q", "-O", "-", f"http://{server.ip}/")

    assert client.exit().code == 0
    assert client.output() == "This page is served by busybox, in a container that kubedock runs.\n"


def test_an_address_used_again_is_reached_at_once(images: Path, tmp_path: Path) -> None:
    """Neighbours still know the link of the pod that had it before."""
    from tests.support.runtimes import running

    with running("runc", tmp_path / "node", images) as runtime:
        runtime._network._free = lambda: runtime._network._taken.add("198.18.64.9") or str(runtime._network.subnet[9])  # type: ignore[attr-defined]
        for _ in range(2):
            pods = Pods(runtime, tmp_path)
            pod = pods.pod()
            run = pods.run("nc", "-l", "-p", "80", "-e", "echo", "hello", pod=pod)
            eventually(lambda: run.exec("sh", "-c", "netstat -ltn | grep -q :80 && echo yes").get(1) == b"yes\n")  # noqa: B023
            with socket.create_connection((pod.ip, 80), timeout=2) as connection:
                assert connection.recv(100) == b"hello\n"
            pods.close()


def test_too_much_memory_is_told_as_such(isolated: Pods) -> None:
    """137, and why."""
    run = isolated.shell("x=$(head -c 60000000 /dev/zero | tr '\\0' a); echo alive", limits=Limits(memory=16 << 20))

    ended = run.exit()

    assert (ended.code, ended.oom_killed, run.output()) == (137, True, "")


def test_a_limit_of_memory_is_one_of_swap(isolated: Pods) -> None:
    """As the kernel has it: memory and swap together in its older groups, swap alone in the newer ones."""
    run = isolated.run("sleep", "1000", limits=Limits(memory=16 << 20))
    top = isolated.runtime._folder.prefix  # type: ignore[attr-defined]
    files = [group / run.spec.id[:12] / name for group in cgroups.roots(top) for name in cgroups.SWAP_FILES]
    found = {path.name: int(path.read_text()) for path in files if path.exists()}
    if not found:
        pytest.skip("this kernel does not count swap")

    assert found in ({"memory.memsw.limit_in_bytes": 16 << 20}, {"memory.swap.max": 0})


def test_processes_are_limited(isolated: Pods) -> None:
    """The shell cannot fork more."""
    run = isolated.shell("for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all", limits=Limits(pids=4))

    run.exit()

    assert "can't fork" in run.output("stderr")


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (Security(), "00000000a80425fb 0"),
        (Security(cap_drop=("ALL",), cap_add=("CHOWN",), no_new_privileges=True), "0000000000000001 1"),
        (Security(cap_drop=("NET_RAW",)), "00000000a80405fb 0"),
    ],
)
def test_capabilities_are_dockers_unless_asked_otherwise(isolated: Pods, security: Security, expected: str) -> None:
    """As the kernel tells them."""
    run = isolated.shell("awk '/^CapEff|^NoNewPrivs/ {printf \"%s \", $2}' /proc/self/status", security=security)

    run.exit()

    assert run.output().strip() == expected


def test_a_read_only_root_cannot_be_written(isolated: Pods) -> None:
    """Volumes can."""
    pod = isolated.pod()
    volume = isolated.runtime.memory_folder(pod.pod_uid, "data", 1 << 20)
    run = isolated.shell(
        "echo x > /data/f && cat /data/f; echo y > /f",
        pod=pod,
        mounts=(Mount(volume, "/data"),),
        security=Security(read_only_root=True),
    )

    assert (run.exit().code, run.output()) == (1, "x\n")


def test_low_ports_are_free_for_everybody(isolated: Pods) -> None:
    """As with Docker."""
    run = isolated.run("nc", "-l", "-p", "80", "-w", "1", user="nobody")

    run.exit()

    assert "ermission" not in run.output("stderr")
