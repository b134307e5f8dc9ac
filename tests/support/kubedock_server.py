"""``kubedock server`` on the real cluster, outside or inside of its network, and on this machine."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import yaml

from tests.support.clients import DockerCli
from tests.support.live import LiveServer
from tests.support.objects import OURS, Objects, of_cluster, of_node
from tests.support.realcluster import CLUSTER, MIRROR, REGISTRY, RealCluster
from tests.support.runtimes import a_network, embedded_tools, tiny_images
from tests.support.shared import ROOT
from tests.support.waiting import eventually

KUBEDOCK = (sys.executable, "-m", "kubedock")
INSIDE = (str(CLUSTER), "inside")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server and its clients run, and with which rights."""

    name: str
    inside: bool = False
    least: bool = False
    embedded: str = ""
    """The runtime of the embedded node, "" on the cluster."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What commands begin with there."""
        return INSIDE if self.inside else ()


OUTSIDE = Place("outside")
PLACES = (OUTSIDE, Place("inside", inside=True), Place("service-account", least=True))
EMBEDDED = Place("embedded", embedded="runc")


@dataclass(frozen=True, slots=True)
class KubedockServer:
    """A server that runs, and how to reach it."""

    live: LiveServer
    place: Place
    namespace: str
    folder: Path
    objects: Objects

    @property
    def tcp(self) -> str:
        """For DOCKER_HOST, where the server's network is."""
        return next(address for address in self.live.addresses if address.startswith("tcp://"))

    @property
    def unix(self) -> str:
        """For DOCKER_HOST, from everywhere: a file knows no network."""
        return next(address for address in self.live.addresses if address.startswith("unix://"))

    def cli(self) -> DockerCli:
        """The docker command, at the server's place."""
        return DockerCli(self.tcp, self.folder, self.place.prefix)

    def client(self) -> docker.DockerClient:
        """docker-py, over the unix socket where TCP cannot reach."""
        return docker.DockerClient(base_url=self.unix if self.place.inside else self.tcp, timeout=60)

    @property
    def instance(self) -> str:
        """The value of ``kubedock.id``, as the server logs it."""
        line = eventually(
            lambda: next((li for li in self.live.log.splitlines() if "as instance " in li), None), what="its instance"
        )
        return str(line).rsplit(" ", 1)[1]


ServerWith = Callable[..., AbstractContextManager[KubedockServer]]
"""Starts a server with these options; the fixture ``server_with``."""


def server_argv(*options: str, kubeconfig: Path, namespace: str, place: Place = OUTSIDE) -> tuple[str, ...]:
    """The command line of a server. It looks images up where the nodes have them from, unless the options say else."""
    where = ("--kubeconfig", str(kubeconfig), "--namespace", namespace)
    mirror = () if {"--registry-mirror", "--no-inspector"} & set(options) else ("--registry-mirror", MIRROR)
    return (*place.prefix, *KUBEDOCK, "server", "--listen-addr", "127.0.0.1:0", *where, *mirror, *options)


@contextmanager
def kubedock_server(
    real: RealCluster,
    folder: Path,
    *options: str,
    place: Place = OUTSIDE,
    kubeconfig: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[KubedockServer]:
    """Start one in the namespace, and end it with its clean-up."""
    argv = server_argv(
        "--unix-socket",
        str(folder / "docker.sock"),
        *options,
        kubeconfig=kubeconfig or real.kubeconfig,
        namespace=real.namespace,
        place=place,
    )
    with LiveServer(argv, environ) as live:
        yield KubedockServer(live, place, real.namespace, folder, of_cluster(real))
        live.signal(15)
        live.wait(20)


def embedded_argv(folder: Path, *options: str, place: Place = EMBEDDED) -> tuple[str, ...]:
    """The command line of a server whose node lies in ``folder/node``."""
    node = ("--embedded-dir", str(folder / "node"), "--embedded-network", str(a_network()), "--embedded-runtime", place.embedded)
    images = () if "--registry-mirror" in options else images_of(folder)
    return (*KUBEDOCK, "server", "--listen-addr", "127.0.0.1:0", "--embedded", *node, *images, *options)


@contextmanager
def embedded_server(folder: Path, *options: str, place: Place = EMBEDDED) -> Iterator[KubedockServer]:
    """Start one on this machine, and end it with its clean-up."""
    embedded_tools()
    with LiveServer(embedded_argv(folder, "--unix-socket", str(folder / "docker.sock"), *options, place=place)) as live:
        yield KubedockServer(live, place, "default", folder, of_node(folder / "node"))
        live.signal(15)
        live.wait(20)


def images_of(folder: Path) -> tuple[str, ...]:
    """Where an embedded server has its images from: the test cluster's registry if it is up, else a few tiny ones."""
    host, port = REGISTRY.split(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=2):
        return ("--registry-mirror", MIRROR)
    return ("--embedded-images", str(tiny_images(folder)))


def least_rights(real: RealCluster) -> Path:
    """A kubeconfig of a ServiceAccount with the Role that kubedock prints."""
    argv = (*KUBEDOCK, "manifests", "role", "-n", real.namespace)
    printed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
    roles = [found for found in yaml.safe_load_all(printed) if found and found["kind"] == "Role"]
    assert len(roles) == 1, printed
    return real.service_account(roles[0]["rules"])


def pods(real: RealCluster, selector: str = OURS) -> list[dict[str, Any]]:
    """The pods with these labels that are not on their way out."""
    return of_cluster(real)("pods", selector)
