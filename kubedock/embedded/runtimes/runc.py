"""The runtime for root on a machine that allows namespaces and mounts: runc under conmon.

A container is a folder (see ``conmon``) with ``rootfs``, an overlay over its image's tree. A start takes about 50 ms, of
which runc takes most; more than two for each core at once only wait for each other.
"""

import contextlib
import ipaddress
import json
import logging
import os
import select
import shutil
import signal
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from kubedock.cluster import Channels
from kubedock.embedded.runtime import (
    ContainerSpec,
    Credentials,
    Exit,
    Hosts,
    Image,
    OnExit,
    Sandbox,
    SandboxSpec,
    StartError,
)
from kubedock.embedded.runtimes import (
    cgroups,
    conmon,
    leftovers,
    ocispec,
    privileges,
    rootfs,
    rootmount,
    status,
    streams,
    syscalls,
    tools,
    trial,
)
from kubedock.embedded.runtimes.conmon import NotCreated, Shim
from kubedock.embedded.runtimes.folder import NodeFolder
from kubedock.embedded.runtimes.images import Images
from kubedock.embedded.runtimes.loop import Loop
from kubedock.embedded.runtimes.network import Network
from kubedock.embedded.runtimes.runcli import Runc, RuncExec
from kubedock.embedded.runtimes.sandboxes import Held, Sandboxes
from kubedock.errors import InvalidParameter, NotFound, Unavailable

logger = logging.getLogger(__name__)

CREATE_SECONDS = 60.0
END_SECONDS = 10.0
LOOK_SECONDS = 0.01
UNKNOWN_CODE = 255
TASK_FAILED = "failed to create containerd task: failed to create shim task: OCI runtime create failed: "


@dataclass(slots=True)
class Running:
    """A container that was started. ``main`` is the descriptor of its process, -1 once it was removed."""

    spec: ContainerSpec
    bundle: Path
    process: ocispec.Json
    main: int
    shim: int
    on_exit: OnExit
    ended: threading.Event = field(default_factory=threading.Event)


class RuncRuntime:
    """See Runtime."""

    name = "runc"

    def __init__(self, folder: NodeFolder, images: Images, subnet: ipaddress.IPv4Network) -> None:
        self._folder, self._images = folder, images
        self._network = Network(subnet, folder.prefix)
        self._sandboxes = Sandboxes(folder.sandboxes, self._network)
        self._runc = Runc(folder.state)
        self._loop = Loop()
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._execs: list[RuncExec] = []
        self._slots = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
        self._capabilities: frozenset[str] = frozenset()
        self._opened = self._closed = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """See Runtime."""
        return ()

    @property
    def gateway(self) -> str:
        """See Runtime."""
        return self._network.gateway

    # --- the whole -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """See Runtime. Nothing happens where it is open already."""
        if self._opened:
            return
        if os.geteuid() != 0:
            raise Unavailable("the embedded node needs root")
        trial.namespaces()
        tools.require((*tools.CONTAINER_TOOLS, *tools.IMAGE_TOOLS))
        self._folder.lock()
        try:
            rootmount.settle()
            self._capabilities = privileges.bounding_set()
            self._clear()
            self._network.open()
            self._images.open()
            trial.container(self._runc, self._folder.containers / "trial", self._cgroup("trial"), self._capabilities)
        except BaseException:
            self._clear()
            self._network.close()
            self._folder.unlock()
            raise
        self._loop.start()
        self._opened = True

    def close(self) -> None:
        """See Runtime."""
        with self._lock:
            if self._closed or not self._opened:
                return
            self._closed = True
            left, self._running = list(self._running.values()), {}
        self._loop.stop()
        self._clear()
        for process in self._execs:
            process.reap()
        for each in left:
            os.close(each.main)
            os.close(each.shim)
        self._network.close()
        self._folder.unlock()

    def _clear(self) -> None:
        """End and remove all that is in the folder, whoever started it: first in good order, so that logs are complete."""
        gentle, last = time.monotonic() + 1.0, time.monotonic() + END_SECONDS
        groups = cgroups.roots(self._folder.prefix)
        while time.monotonic() < last:
            alive = [cgroups.kill(group) for group in groups]
            shims = leftovers.processes(self._folder.root, _ours)
            if not any(alive) and not shims:
                break
            if time.monotonic() > gentle:
                leftovers.kill(shims)
            threading.Event().wait(LOOK_SECONDS)
            groups = cgroups.roots(self._folder.prefix)
        syscalls.unmount_all(self._folder.containers)
        for folder_of in (self._folder.containers, self._folder.state):
            for entry in folder_of.iterdir() if folder_of.exists() else ():
                shutil.rmtree(entry, ignore_errors=True)
        self._sandboxes.clear()
        removed = [cgroups.remove(group) for group in groups]
        if not all(removed):
            logger.warning("control groups of %s cannot be removed: processes are left in them", self._folder.prefix)

    def _cgroup(self, container_id: str) -> str:
        return f"/{self._folder.prefix}/{container_id[:12]}"

    # --- images and sandboxes ------------------------------------------------------------------------------------

    def pull(self, ref: str, *, timeout: float, credentials: Sequence[Credentials] = ()) -> Image:
        """See Runtime."""
        return self._images.pull(ref, timeout=timeout, credentials=credentials)

    def own(self, ref: str, *, timeout: float) -> Image | None:
        """See Runtime."""
        return self._images.own(ref, timeout=timeout)

    def image(self, ref: str) -> Image | None:
        """See Runtime."""
        return self._images.get(ref)

    def images(self) -> Sequence[Image]:
        """See Runtime."""
        return self._images.list()

    def add_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """See Runtime."""
        return self._sandboxes.add(spec)

    def remove_sandbox(self, pod_uid: str) -> None:
        """See Runtime."""
        with self._lock:
            left = [each.spec.id for each in self._running.values() if each.spec.pod_uid == pod_uid]
        for container_id in left:
            self.remove(container_id)
        self._sandboxes.remove(pod_uid)

    def set_hosts(self, pod_uid: str, hosts: Hosts) -> None:
        """See Runtime."""
        self._sandboxes.set_hosts(pod_uid, hosts)

    def memory_folder(self, pod_uid: str, name: str, size: int = 0) -> Path:
        """See Runtime."""
        return self._sandboxes.memory_folder(pod_uid, name, size)

    def dial(self, pod_uid: str, port: int) -> socket.socket:
        """See Runtime."""
        return self._sandboxes.dial(pod_uid, port)

    # --- containers ----------------------------------------------------------------------------------------------

    def start(self, spec: ContainerSpec, on_exit: OnExit) -> int:
        """See Runtime."""
        held = self._sandboxes.get(spec.pod_uid)
        bundle = self._folder.container(spec.id)
        with self._slots:
            try:
                bundle.mkdir(mode=0o711)
                process = self._prepare(spec, held, bundle)
                shim = Shim(
                    spec.id, bundle, self._runc.program, self._folder.state, spec.log, spec.tty, spec.stdin, spec.stdin_once
                )
                pid, shim_pid = conmon.create(shim, CREATE_SECONDS)
                running = Running(spec, bundle, process, os.pidfd_open(pid), os.pidfd_open(shim_pid), on_exit)
            except (NotCreated, OSError) as error:
                self._discard(spec.id, bundle)
                raise StartError(f"{TASK_FAILED}{error}: unknown") from error
            except InvalidParameter as error:
                self._discard(spec.id, bundle)
                raise StartError(f"failed to create containerd container: {error}", reason="CreateContainerError") from error
            with self._lock:
                closed = self._closed
                if not closed:
                    self._running[spec.id] = running
            failed = "the embedded node is closed" if closed else self._runc.run("start", spec.id)
        if failed:
            running.ended.set()
            self._end(running)
            raise StartError(f"{TASK_FAILED}{failed}: unknown")
        self._loop.watch(running.shim, lambda: self._ended(running))
        return pid

    def _prepare(self, spec: ContainerSpec, held: Held, bundle: Path) -> ocispec.Json:
        """Make the file system and the specification; the main process' part of it."""
        root = bundle / "rootfs"
        syscalls.overlay(self._images.root(spec.image), bundle, root)
        place = ocispec.Place(
            root,
            held.shared,
            held.namespaces,
            self._cgroup(spec.id),
            held.spec.sysctls,
            self._capabilities,
            privileges.host_devices() if spec.security.privileged else (),
        )
        told = ocispec.config(spec, rootfs.user(root, spec.user), place)
        (bundle / "config.json").write_text(json.dumps(told))
        process: ocispec.Json = told["process"]
        return process

    def _ended(self, running: Running) -> None:
        """conmon has ended: the log is complete, and the exit code is written."""
        code = conmon.exit_code(running.bundle, running.spec.id)
        oom = conmon.oom_killed(running.bundle)
        running.ended.set()
        if code is None:
            self.signal(running.spec.id, signal.SIGKILL)
            told = Exit(UNKNOWN_CODE, datetime.now(UTC), oom, "the container's shim ended before the container")
        else:
            told = Exit(code, datetime.now(UTC), oom)
        running.on_exit(told)

    def signal(self, container_id: str, number: int) -> None:
        """See Runtime."""
        with self._lock:
            running = self._running.get(container_id)
            if running is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(running.main, number)

    def remove(self, container_id: str) -> None:
        """See Runtime."""
        with self._lock:
            running = self._running.get(container_id)
        if running is not None:
            self._end(running)

    def _end(self, running: Running) -> None:
        self.signal(running.spec.id, signal.SIGKILL)
        _wait(running.shim, END_SECONDS)
        with self._lock:
            known = self._running.pop(running.spec.id, None) is not None
        if known:
            running.ended.wait(END_SECONDS)
            self._loop.forget(running.shim)
            os.close(running.main)
            os.close(running.shim)
            self._discard(running.spec.id, running.bundle)

    def _discard(self, container_id: str, bundle: Path) -> None:
        """Remove what runc knows of it, its groups and its files."""
        if (self._folder.state / container_id).exists():
            failed = self._runc.run("delete", container_id)
            if failed:
                self._runc.run("delete", "--force", container_id)
        with contextlib.suppress(OSError):
            syscalls.unmount_all(bundle)
        shutil.rmtree(bundle, ignore_errors=True)

    # --- streams -------------------------------------------------------------------------------------------------

    def exec(self, container_id: str, argv: Sequence[str], *, stdin: bool = False, tty: bool = False) -> Channels:
        """See Runtime."""
        running = self._alive(container_id)
        process = RuncExec(self._runc, container_id, running.spec.name, running.bundle, lambda: not running.ended.is_set())
        try:
            channels = process.begin(self._loop, ocispec.exec_process(running.process, argv, tty=tty), stdin=stdin)
        except FileNotFoundError as error:  # it was removed meanwhile
            raise NotFound(f"the container {container_id} does not run") from error
        with self._lock:
            self._execs = [*(each for each in self._execs if not each.over), process]
        return channels

    def attach(self, container_id: str, *, stdin: bool = False, tty: bool = False) -> Channels:
        """See Runtime."""
        running = self._alive(container_id)
        try:
            connection = conmon.connect(running.bundle)
        except OSError as error:
            raise NotFound(f"the container {container_id} does not run") from error
        source = streams.AttachSocket(connection, finishes=running.spec.stdin_once)
        sink = source.duplicate() if stdin and running.spec.stdin else None
        resize = running.bundle if tty else None
        return streams.LocalChannels([source], sink, Attached(resize), ends_with_output=True)

    def _alive(self, container_id: str) -> Running:
        with self._lock:
            running = self._running.get(container_id)
        if running is None or running.ended.is_set():
            raise NotFound(f"the container {container_id} does not run")
        return running


class Attached:
    """The main process, as an attach sees it; see ``streams.Process``."""

    def __init__(self, bundle: Path | None) -> None:
        """``bundle`` is where its terminal is told its size."""
        self._bundle = bundle

    def fileno(self) -> int:
        """See streams.Process: it ends with its output."""
        return -1

    def status(self) -> bytes:
        """See streams.Process."""
        return status.SUCCESS

    def resize(self, height: int, width: int) -> None:
        """See streams.Process."""
        if self._bundle is not None:
            conmon.resize(self._bundle, height, width)

    def leave(self, sources: Sequence[streams.Source]) -> None:
        """See streams.Process: conmon does not wait for who attaches."""


def _ours(words: list[bytes]) -> bool:
    return os.path.basename(words[0]) in (b"conmon", b"runc")


def _wait(descriptor: int, timeout: float) -> bool:
    """Wait for a process to end."""

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout * 1000))
