"""What the node needs of a runtime: images, sandboxes (a pod's network and names), containers as processes.

Three implementations: ``runc`` (namespaces, overlays, cgroups), ``chroot`` (root without CAP_SYS_ADMIN), and the fake
one of the tests (no processes). Nothing of Kubernetes' objects is known here; the node resolves them into these values.

Any method may be called from any thread; what belongs to one container is not called at the same time twice. Nothing
here retries: the node does. Times are aware datetimes in UTC, sizes are bytes, durations are seconds.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from kubedock.cluster import Channels
from kubedock.errors import KubedockError

PullReason = Literal["ErrImagePull", "InvalidImageName", "ImageInspectError"]
StartReason = Literal["StartError", "CreateContainerError"]


class PullError(KubedockError):
    """An image that cannot be had. ``str()`` is the text that a kubelet with containerd shows for it, ``reason`` the
    waiting reason of the container: a second try may succeed where it is ErrImagePull.
    """

    def __init__(self, text: str, *, reason: PullReason = "ErrImagePull") -> None:
        super().__init__(text)
        self.reason: PullReason = reason


class StartError(KubedockError):
    """A process that could not be started. ``str()`` is the text that containerd gives the kubelet, from "failed to
    create containerd task" on; with ``reason`` StartError the container's state is terminated with exit code 128, with
    CreateContainerError (a user that the image does not have, a mount that cannot be made) it waits.
    """

    def __init__(self, text: str, *, reason: StartReason = "StartError") -> None:
        super().__init__(text)
        self.reason: StartReason = reason


@dataclass(frozen=True, slots=True)
class Credentials:
    """For one registry: ``server`` is its host (with port), as in the reference."""

    server: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is present. ``ref`` is canonical (registry/path:tag or @digest), ``id`` the digest of its
    configuration, ``digest`` that of what the registry has under the reference (an index, where it is one).

    ``config`` is the OCI image's "config": Entrypoint, Cmd, Env, User, WorkingDir, ExposedPorts, Volumes, StopSignal …
    """

    ref: str
    id: str
    digest: str
    config: Mapping[str, Any]
    architecture: str
    size: int

    @property
    def image_id(self) -> str:
        """A status's ``imageID``: ``docker.io/library/redis@sha256:…``."""
        name = self.ref.partition("@")[0]
        head, slash, last = name.rpartition("/")
        return f"{head}{slash}{last.partition(':')[0]}@{self.digest}"


@dataclass(frozen=True, slots=True)
class Dns:
    """The lines of a pod's resolv.conf."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


Hosts = Sequence[tuple[str, Sequence[str]]]
"""Lines of /etc/hosts: (address, names)."""


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A pod: what its containers share. ``hosts`` are its hostAliases; localhost and the pod's own line come by
    themselves (none with ``host_network``: those pods get the machine's file and its resolv.conf unless ``dns`` names
    servers). ``sysctls`` are (name, value).
    """

    pod_uid: str
    name: str
    hostname: str
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    dns: Dns = field(default_factory=Dns)
    hosts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A pod's place. ``ip`` is reachable from this machine and from all other pods."""

    pod_uid: str
    ip: str
    hostname: str


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the machine (it exists) at a path of the container (made if missing)."""

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Security:
    """What the process may. Capabilities are named without ``CAP_``; "ALL" stands for all."""

    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    read_only_root: bool = False
    no_new_privileges: bool = False
    seccomp_unconfined: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Memory in bytes, CPUs as a fraction of one (0.5), processes; 0 is no limit."""

    memory: int = 0
    cpus: float = 0.0
    pids: int = 0


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One run of one container. ``id`` is 64 hexadecimal digits and never used again: a restart is another container.

    ``argv`` is resolved by the node from command, args and the image, and never empty. ``env`` is complete (the
    image's, then the pod's), ``cwd`` "" means ``/``; it is made if missing. ``user`` is as in an image: "", name or number, with
    ``:group`` or without; the runtime looks names up in the container. ``log`` is a file in a folder that exists.
    """

    id: str
    name: str
    pod_uid: str
    image: Image
    argv: tuple[str, ...]
    log: Path
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = ""
    user: str = ""
    groups: tuple[int, ...] = ()
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    mounts: tuple[Mount, ...] = ()
    limits: Limits = field(default_factory=Limits)
    security: Security = field(default_factory=Security)


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a container's main process. ``code`` is 128 + n for a signal; ``error`` says why where it is not known."""

    code: int
    finished_at: datetime
    oom_killed: bool = False
    error: str = ""


OnExit = Callable[[Exit], None]
"""Called once, on a thread of the runtime, when the log is complete; it must not block for long."""


class Runtime(Protocol):
    """See the module. The log of a container is one file, written by the runtime, one line a line of output::

        2026-11-24T22:23:22.174327038+00:00 stdout F text

    (``Z`` for ``+00:00`` is as good; ``P`` instead of ``F``: the line goes on in the next of the same stream.) It belongs
    to the node, as the folders of volumes do: the runtime never removes it.
    """

    @property
    def name(self) -> str:
        """``runc``, ``chroot`` or ``fake``."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What it cannot isolate or limit: for the server's log at start, and for ``docker info``."""

    @property
    def gateway(self) -> str:
        """The address of this machine that pods reach (a name server may listen there); "" where names are hosts files."""

    def open(self) -> None:
        """Make the node's place, and remove what a server that was killed left: containers, mounts, cgroups, links.

        Unavailable, with a sentence, where the machine does not allow it or another server has the folder.
        """

    def close(self) -> None:
        """End all containers and remove everything but images. Idempotent; no ``on_exit`` is called after it."""

    def pull(self, ref: str, *, timeout: float, credentials: Sequence[Credentials] = ()) -> Image:
        """Fetch an image whatever is present, by the mirrors of the settings. PullError."""

    def own(self, ref: str, *, timeout: float) -> Image | None:
        """An image of the settings' folder, fetched from there; None for what only a registry may have. PullError."""

    def image(self, ref: str) -> Image | None:
        """An image that is present. PullError (InvalidImageName) for what is no reference."""

    def images(self) -> Sequence[Image]:
        """All that are present."""

    def add_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """Make a pod's place. StartError where it cannot be made (the kubelet's FailedCreatePodSandBox)."""

    def remove_sandbox(self, pod_uid: str) -> None:
        """Remove it, with containers that are left in it. Nothing happens where there is none."""

    def set_hosts(self, pod_uid: str, hosts: Hosts) -> None:
        """Replace the lines that the sandbox's ``hosts`` gave, for running containers too."""

    def memory_folder(self, pod_uid: str, name: str, size: int = 0) -> Path:
        """A folder in memory for a pod's containers, of at most ``size`` bytes (0: no limit); it goes with the sandbox.

        Where memory cannot be mounted it is a plain folder (and ``warnings`` says so).
        """

    def start(self, spec: ContainerSpec, on_exit: OnExit) -> int:
        """Run a container; its process id on this machine. Returns when the process runs (or has run). StartError."""

    def signal(self, container_id: str, number: int) -> None:
        """Send a signal to the main process; KILL ends all of the container. Nothing happens when it has ended."""

    def remove(self, container_id: str) -> None:
        """End what is left of it, and free its file system. Nothing happens where there is none."""

    def exec(self, container_id: str, argv: Sequence[str], *, stdin: bool = False, tty: bool = False) -> Channels:
        """Run a command in a container, with its user, environment and folder. NotFound when it does not run.

        A command that cannot be started is told on the ERROR channel, in the kubelet's words. It runs on when the
        channels are closed before its end.
        """

    def attach(self, container_id: str, *, stdin: bool = False, tty: bool = False) -> Channels:
        """The streams of its main process from now on. NotFound when it does not run."""

    def dial(self, pod_uid: str, port: int) -> socket.socket:
        """A TCP connection to the pod's own loopback. NotFound without such a pod, OSError when refused."""
