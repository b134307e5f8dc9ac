"""``kubedock server --embedded`` as a whole: real containers on this machine, and what is left of them."""

import ipaddress
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from kubedock.embedded.runtimes import cgroups, firewall, leftovers, syscalls, tools
from kubedock.embedded.runtimes.folder import NodeFolder
from kubedock.errors import no_cluster
from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import KUBEDOCK, KubedockServer, Place, embedded_argv, embedded_server
from tests.support.live import LiveServer
from tests.support.runtimes import embedded_tools, free_port, tiny_images
from tests.support.shared import ROOT
from tests.support.waiting import eventually

RUNTIMES = [pytest.param("runc", marks=pytest.mark.embedded), pytest.param("chroot", marks=pytest.mark.embedded)]
SLEEPER = {"Image": ALPINE, "Cmd": ["sleep", "98765"]}


def left(folder: Path) -> dict[str, list[Any]]:
    """All that a node leaves on a machine, but for its images and its lock."""
    node = NodeFolder(folder)
    return {
        "processes": leftovers.processes(node.root, lambda words: b"kubedock" not in words),
        "mounts": list(syscalls.mounted(node.root)),
        "groups": cgroups.roots(node.prefix),
        "links": leftovers.links(node.prefix),
        "rules": [rule for rule in firewall_rules() if node.prefix in rule],
        "objects": sorted(str(path.relative_to(node.root)) for path in node.root.glob("objects/*/*")),
        "folders": sorted(
            f"{part}/{path.name}" for part in ("c", "p", "r", "pods") for path in node.root.glob(f"{part}/*") if path.exists()
        ),
    }


NOTHING: dict[str, list[Any]] = {
    "processes": [], "mounts": [], "groups": [], "links": [], "rules": [], "objects": [], "folders": [],
}  # fmt: skip
IP_FREEBIND = 15
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def firewall_rules() -> list[str]:
    """Of the machine, where it has some."""
    program = tools.find("iptables")
    if not program or not firewall.FILTERS_BRIDGES.exists():
        return []
    return subprocess.run([program, "-w", "-S"], capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()


@contextmanager
def server_in(folder: Path, runtime: str) -> Iterator[KubedockServer]:
    """A server whose node lies in this folder, with the image pulled."""
    with embedded_server(folder, place=Place("embedded", embedded=runtime)) as server:
        server.cli().ok("pull", ALPINE)
        yield server


@pytest.mark.embedded
def test_images_of_a_folder_are_known_without_a_registry(tmp_path: Path) -> None:
    """Their configuration as well; a mirror that cannot be reached is not asked."""
    images = tiny_images(tmp_path)
    with embedded_server(tmp_path, "--embedded-images", str(images), "--registry-mirror", "http://127.0.0.1:1") as server:
        docker = server.cli()
        assert "WARNING" not in docker.ok("pull", ALPINE)
        found = json.loads(docker.ok("image", "inspect", ALPINE))[0]

        assert (found["Config"]["Cmd"], found["RepoDigests"]) == (["sh"], [])
        assert docker.ok("run", "--rm", ALPINE, "echo", "hi") == "hi"
        assert "taken on trust" in docker.ok("pull", "nosuch/image")


@pytest.mark.embedded
def test_a_container_runs_on_this_machine(tmp_path: Path) -> None:
    """A container, its exit code, its log; then nothing is left."""
    with embedded_server(tmp_path, place=Place("embedded", embedded="auto")) as server:
        done = server.cli()("run", "--name", "once", ALPINE, "sh", "-c", "echo hello; exit 42")

        assert (done.code, done.out) == (42, "hello\n")
        assert server.cli().ok("logs", "once") == "hello"
    assert left(tmp_path / "node") == NOTHING


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nothing_is_left_at_the_end(tmp_path: Path, runtime: str) -> None:
    """Of containers that run, that have ended, and that are brought back. Nothing was switched on for the machine."""
    forwarding = FORWARDING.read_text()
    with server_in(tmp_path, runtime) as server:
        docker = server.cli()
        docker.ok("run", "-d", "--name", "sleeper", ALPINE, "sh", "-c", "trap '' TERM; sleep 98765")
        docker.ok("run", "-d", "--name", "again", "--restart", "always", ALPINE, "sh", "-c", "exit 3")
        docker.ok("run", "-d", "--name", "ended", ALPINE, "true")
        docker.ok("run", "-d", "--name", "memory", "--tmpfs", "/scratch", ALPINE, "sleep", "98765")
        assert left(tmp_path / "node") != NOTHING
        assert FORWARDING.read_text() == forwarding

    assert left(tmp_path / "node") == NOTHING


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("reached", "number"),
    [
        ("node/lock", signal.SIGTERM),
        ("node/c/trial", signal.SIGTERM),
        ("node/c/trial", signal.SIGINT),
        ("node/objects", signal.SIGTERM),
        ("node/pods", signal.SIGTERM),
    ],
)
def test_nothing_is_left_of_a_start_that_is_ended(reached: str, number: int, tmp_path: Path) -> None:
    """However far it was: in order, and with an exit code that says so."""
    embedded_tools()
    with LiveServer(embedded_argv(tmp_path)).launched() as server:
        eventually((tmp_path / reached).exists, every=0.001)

        os.killpg(server.process.pid, number) if number == signal.SIGINT else server.signal(number)

        assert server.wait() == 0, server.log
        assert "Traceback" not in server.log
    assert left(tmp_path / "node") == NOTHING


@pytest.mark.embedded
def test_nothing_is_left_of_a_start_that_fails(tmp_path: Path) -> None:
    """The name server's port is taken, at an address that this machine does not have yet."""
    embedded_tools()
    argv = embedded_argv(tmp_path)
    network = ipaddress.ip_network(argv[argv.index("--embedded-network") + 1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        taken.bind((str(network[1]), 53))
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 1
    assert ":53: Address already in use\n" in done.stderr
    assert left(tmp_path / "node") == NOTHING


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_killed_servers_containers_are_ended_by_the_next(tmp_path: Path, runtime: str) -> None:
    """Killed in the middle of twenty starts."""
    folder = tmp_path / "node"
    begun = threading.Semaphore(0)

    def start(base: str) -> None:
        with suppress(requests.RequestException):  # the server is gone
            made = requests.post(f"{base}/containers/create", json=SLEEPER, timeout=30).json()
            requests.post(f"{base}/containers/{made['Id']}/start", timeout=30)
            begun.release()

    with ThreadPoolExecutor(20) as pool, LiveServer(embedded_argv(tmp_path, place=Place("embedded", embedded=runtime))) as live:
        address = live.addresses[0]
        docker = DockerCli(address, tmp_path)
        docker.ok("pull", ALPINE)
        a_container_with_companions(docker, tmp_path)
        for _ in range(20):
            pool.submit(start, address.replace("tcp://", "http://"))
        for _ in range(8):
            assert begun.acquire(timeout=30)
        os.killpg(live.process.pid, signal.SIGKILL)
    assert {path.split("/")[1] for path in left(folder)["objects"]} >= {"configmaps", "pods", "services"}

    with server_in(tmp_path, runtime) as server:
        assert (left(folder)["folders"], left(folder)["objects"]) == ([], [])
        assert server.cli().ok("ps", "-aq") == ""
        done = server.cli()("run", "--rm", ALPINE, "echo", "again")
        assert (done.code, done.out) == (0, "again\n")
    assert left(folder) == NOTHING


def a_container_with_companions(docker: DockerCli, folder: Path) -> None:
    """A file that was put into it before its start, and a name on a network: objects of their own."""
    (folder / "given").write_text("x")
    docker.ok("network", "create", "net")
    docker.ok("create", "--name", "db", "--network", "net", ALPINE, "sleep", "98765")
    docker.ok("cp", str(folder / "given"), "db:/given")
    docker.ok("start", "db")


@pytest.mark.embedded
def test_names_of_a_network_without_networks_of_their_own(tmp_path: Path) -> None:
    """By chroot, in hosts files: by alias and by name, for who starts later and for who runs already."""
    port, later = free_port(), free_port()
    with server_in(tmp_path, "chroot") as server:
        docker = server.cli()
        docker.ok("network", "create", "front")
        serve = ("sh", "-c", 'mkdir /www; echo "$1" > /www/index.html; exec httpd -f -h /www -p "$2"', "sh")
        docker.ok("run", "-d", "--name", "web", "--network", "front", "--network-alias", "page", ALPINE, *serve, "one", port)
        docker.ok("run", "-d", "--name", "client", "--network", "front", ALPINE, "sleep", "98765")
        docker.ok("run", "-d", "--name", "late", "--network", "front", "--network-alias", "more", ALPINE, *serve, "two", later)

        def asked(name: str, port: str) -> str:
            return docker("exec", "client", "wget", "-qO-", f"http://{name}:{port}/").out

        found = {
            name: eventually(lambda name=name, port=port: asked(name, port), what=name)
            for name, port in (("page", port), ("web", port), ("more", later))
        }
        assert found == {"page": "one\n", "web": "one\n", "more": "two\n"}
        docker.ok("rm", "-f", "late")
        assert "bad address" in docker("exec", "client", "wget", "-qO-", f"http://more:{later}/").err


@pytest.mark.embedded
def test_one_server_has_a_folder(tmp_path: Path) -> None:
    """The second one says so, and how both can run."""
    with server_in(tmp_path, "runc"):
        second = subprocess.run(embedded_argv(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)

    assert second.returncode == 1
    assert f"another kubedock has the folder {tmp_path / 'node'}: give each its own --embedded-dir" in second.stderr


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_the_machine_does_not_allow_is_told(tmp_path: Path, runtime: str) -> None:
    """In the log at start, and in ``docker info``."""
    with server_in(tmp_path, runtime) as server:
        info = json.loads(server.cli().ok("info", "--format", "json"))

        assert info["NCPU"] == os.cpu_count()
        assert not any("kubelet" in warning for warning in info["Warnings"])
        assert (runtime == "chroot") == any("network" in warning for warning in info["Warnings"])
        assert (runtime == "chroot") == ("network" in server.live.log)


CLUSTER = "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {token: x}}]\n"
CONTEXT = "contexts: [{name: c, context: {cluster: c, user: u}}]\n"


@pytest.mark.parametrize(
    ("where", "config", "sentence"),
    [
        ("given", None, "there is no file"),
        ("given", "", "file is empty"),
        ("given", "a: [\n b: {", "expected the node content"),
        ("given", CLUSTER + CONTEXT, "current-context"),
        ("given", CLUSTER + CONTEXT + "current-context: c\n", "the cluster cannot be reached"),
        (".kube/config", None, "no cluster is configured"),
        (".kube/config", "clusters: []\nusers: []\ncontexts: []\n", "current-context"),
    ],
)
def test_without_a_cluster_the_way_without_one_is_named(config: str | None, sentence: str, where: str, tmp_path: Path) -> None:
    """By one line, whatever is wrong with the configuration that was given, or the usual one."""
    path = tmp_path / where
    path.parent.mkdir(exist_ok=True)
    if config is not None:
        path.write_text(config)
    given = {"HOME": str(tmp_path)} | ({"KUBECONFIG": str(path)} if where == "given" else {})
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")} | given
    argv = (*KUBEDOCK, "server", "--listen-addr", "127.0.0.1:0")

    done = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False)

    (line,) = done.stderr.splitlines()
    assert sentence in line
    assert line.endswith(no_cluster(""))
