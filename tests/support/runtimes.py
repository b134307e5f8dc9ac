"""Runtimes that run real processes, for the tests marked ``embedded``: containers without a node."""

import ipaddress
import os
import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubedock.demo import image as tiny
from kubedock.embedded.runtime import ContainerSpec, Exit, Image, Runtime, Sandbox, SandboxSpec
from kubedock.embedded.runtimes import tools
from kubedock.embedded.runtimes.choose import Wanted, opened
from kubedock.errors import KubedockError
from tests.support.realcluster import absent
from tests.support.waiting import converse, eventually, gathered

BUSYBOX = "docker.io/kubedock/test:latest"
TINY = ("docker.io/library/alpine:latest", "docker.io/library/busybox:latest")
NETWORKS = ipaddress.ip_network("198.18.64.0/18")


def a_network() -> ipaddress.IPv4Network:
    """One that nobody on this machine has now: suites may run beside each other."""
    taken = list(_routes())
    free = [each for each in NETWORKS.subnets(new_prefix=24) if not any(each.overlaps(other) for other in taken)]
    return secrets.choice(free)


def _routes() -> Iterator[ipaddress.IPv4Network]:
    """The networks that this machine is connected to."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        address, mask = (int(line.split()[column], 16).to_bytes(4, "little") for column in (1, 7))
        if any(mask):
            yield ipaddress.ip_network((address, ipaddress.IPv4Address(mask).exploded), strict=False)


def free_port() -> str:
    """Containers without a network of their own share the machine's."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


def missing_tools() -> str:
    """Why the embedded node cannot run here, "" where it can."""
    if os.geteuid() != 0:
        return "the embedded node needs root"
    try:
        tools.require((*tools.IMAGE_TOOLS, *tools.CONTAINER_TOOLS))
    except KubedockError as error:
        return str(error)
    return ""


def embedded_tools() -> None:
    """Skip where the embedded node cannot run (fail in CI)."""
    missing = missing_tools()
    if missing:
        absent(missing)


def busybox_layout(folder: Path) -> Path:
    """A folder of images with the tests' one."""
    tiny.write(folder / "images" / "test", [BUSYBOX], tiny.busybox(folder))
    return folder / "images"


def tiny_images(folder: Path) -> Path:
    """A folder of images with busybox under the names that tests use most."""
    tiny.write(folder / "images" / "tiny", TINY, tiny.busybox(folder))
    return folder / "images"


@contextmanager
def running(name: str, folder: Path, images: Path) -> Iterator[Runtime]:
    """A runtime that is open."""
    runtime = opened(Wanted(folder, a_network(), name, archives=images))
    try:
        yield runtime
    finally:
        runtime.close()


@dataclass(slots=True)
class Run:
    """A container that was started."""

    runtime: Runtime
    spec: ContainerSpec
    pid: int = 0
    exits: list[Exit] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def exit(self, seconds: float = 20.0) -> Exit:
        """How it ended."""
        assert self.ended.wait(seconds), f"{self.spec.argv} runs after {seconds} s"
        return self.exits[0]

    def end(self, told: Exit) -> None:
        """Called by the runtime."""
        self.exits.append(told)
        self.ended.set()

    def lines(self) -> list[tuple[str, str, str]]:
        """Its log: stream, flag and text of each line."""
        rows = [line.split(" ", 3) for line in self.spec.log.read_text().splitlines()]
        return [(row[1], row[2], row[3] if len(row) > 3 else "") for row in rows]

    def output(self, stream: str = "stdout") -> str:
        """What it has written."""
        return "".join(text + ("\n" if flag == "F" else "") for of, flag, text in self.lines() if of == stream)

    def wrote(self, text: str) -> None:
        """Wait for a text in its log."""
        eventually(lambda: self.spec.log.exists() and text in self.spec.log.read_text(), what=f"{text!r} in the log")

    def exec(self, *argv: str, **options: Any) -> dict[int, bytes]:
        """All that a command writes, by channel."""
        with self.runtime.exec(self.spec.id, argv, **options) as channels:
            return gathered(converse(channels))

    def removed(self) -> None:
        """Take it away."""
        self.runtime.remove(self.spec.id)


class Pods:
    """Pods of one runtime, each a sandbox; all go with ``close``."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime, self.folder = runtime, folder
        self.image: Image = runtime.pull(BUSYBOX, timeout=60)
        self._pods: list[str] = []

    def pod(self, **options: Any) -> Sandbox:
        """A new sandbox."""
        uid = secrets.token_hex(8)
        self._pods.append(uid)
        return self.runtime.add_sandbox(SandboxSpec(uid, "pod", options.pop("hostname", "a-pod"), **options))

    def spec(self, argv: Sequence[str], pod: Sandbox | None = None, **options: Any) -> ContainerSpec:
        """A container's, with valid values for all that is not given."""
        container_id = secrets.token_hex(32)
        env = (("PATH", "/bin"), *options.pop("env", ()))
        return ContainerSpec(
            container_id,
            options.pop("name", "main"),
            (pod or self.pod()).pod_uid,
            self.image,
            tuple(argv),
            self.folder / f"{container_id}.log",
            env,
            **options,
        )

    def run(self, *argv: str, pod: Sandbox | None = None, **options: Any) -> Run:
        """Start one."""
        run = Run(self.runtime, self.spec(argv, pod, **options))
        run.pid = self.runtime.start(run.spec, run.end)
        return run

    def shell(self, script: str, **options: Any) -> Run:
        """Start a shell."""
        return self.run("sh", "-c", script, **options)

    def close(self) -> None:
        """Remove all."""
        for pod in self._pods:
            self.runtime.remove_sandbox(pod)
