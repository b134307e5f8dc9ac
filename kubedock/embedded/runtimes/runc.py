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
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from kubedock.cluster import Channels
from kubedock.embedded.runtime import (
    ContainerSpec,
    Exit,
    Hosts,
    OnExit,
    Sandbox,
    SandboxSpec,
    StartError,
)
from kubedock.embedded.runtimes import (
    attached,
    cgroups,
    conmon,
    leftovers,
    ocispec,
    privileges,
    rootfs,
    rootmount,
    syscalls,
    tools,
    trial,
)
from kubedock.embedded.runtimes.conmon import NotCreated, Shim
from kubedock.embedded.runtimes.folder import NodeFolder
from kubedock.embedded.runtimes.images import Images
from kubedock.embedded.runtimes.imageside import ImageSide
from kubedock.embedded.runtimes.loop import Loop
from kubedock.embedded.runtimes.network import Network
from kubedock.embedded.runtimes.runcli import Runc, RuncExec
from kubedock.embedded.runtimes.running import Running, Started, gone
from kubedock.embedded.runtimes.sandboxes import Held, Sandboxes
from kubedock.errors import InvalidParameter, Unavailable

logger = logging.getLogger(__name__)

CREATE_SECONDS = 60.0
END_SECONDS = CLEAR_SECONDS = 10.0
REAP_SECONDS = 0.1
UNKNOWN_CODE = 255
TASK_FAILED = "failed to create containerd task: failed to create shim task: OCI runtime create failed: "


@dataclass(slots=True)
class Container(Running):
    """``main`` and ``shim`` are descriptors of its process and of conmon, -1 once its end was begun."""

    bundle: Path
    process: ocispec.Json
    main: int
    shim: int


class RuncRuntime(ImageSide):
    """See Runtime."""

    name = "runc"

    def __init__(self, folder: NodeFolder, images: Images, subnet: ipaddress.IPv4Network) -> None:
        super().__init__(images)
        self._folder = folder
        self._network = Network(subnet, folder.prefix)
        self._sandboxes = Sandboxes(folder.sandboxes, self._network)
        self._runc = Runc(folder.state)
        self._loop = Loop()
        self._started: Started[Container] = Started()
        self._execs: list[RuncExec] = []
        self._slots = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
        self._capabilities: frozenset[str] = frozenset()
        self._swap = False
        self._opened = False

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
        with contextlib.ExitStack() as undo:
            undo.callback(self._folder.unlock)
            self._folder.lock()
            rootmount.settle()
            self._capabilities = privileges.bounding_set()
            undo.callback(self._clear)
            self._clear()
            undo.callback(self._network.close)
            self._network.open()
            self._images.open()
            trial.container(self._runc, self._folder.containers / "trial", self._cgroup("trial"), self._capabilities)
            self._swap = cgroups.count_swap(self._folder.prefix)
            self._loop.start()
            self._opened = True
            undo.pop_all()

    def close(self) -> None:
        """See Runtime."""
        with self._started.lock:
            if self._started.closed or not self._opened:
                return
            left = self._started.close()
        with contextlib.ExitStack() as last:  # each of these is done whatever becomes of the others
            last.callback(self._folder.unlock)
            last.callback(self._network.close)
            for process in self._execs:
                last.callback(process.reap, REAP_SECONDS)
            for each in left:
                for descriptor in self._take(each):
                    last.callback(os.close, descriptor)
            last.callback(self._clear)
            last.callback(self._loop.stop)

    def _clear(self) -> None:
        """End and remove all that is in the folder, whoever started it."""
        leftovers.clear(self._folder, CLEAR_SECONDS)
        self._sandboxes.clear()

    def _cgroup(self, container_id: str) -> str:
        return f"/{self._folder.prefix}/{container_id[:12]}"

    # --- sandboxes -----------------------------------------------------------------------------------------------

    def add_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """See Runtime."""
        return self._sandboxes.add(spec)

    def remove_sandbox(self, pod_uid: str) -> None:
        """See Runtime."""
        for each in self._started.of_pod(pod_uid):
            self.remove(each.spec.id)
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
                running = Container(spec, on_exit, bundle, process, os.pidfd_open(pid), os.pidfd_open(shim_pid))
            except (NotCreated, OSError) as error:
                self._discard(spec.id, bundle)
                raise StartError(f"{TASK_FAILED}{error}: unknown") from error
            except InvalidParameter as error:
                self._discard(spec.id, bundle)
                raise StartError(f"failed to create containerd container: {error}", reason="CreateContainerError") from error
            kept = self._started.add(running)
            failed = self._runc.run("start", spec.id) if kept else "the embedded node is closed"
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
            swap=self._swap,
        )
        told = ocispec.config(spec, rootfs.user(root, spec.user), place)
        (bundle / "config.json").write_text(json.dumps(told))
        process: ocispec.Json = told["process"]
        return process

    def _ended(self, running: Container) -> None:
        """conmon has ended: the log is complete, and the exit code is written."""
        code = conmon.exit_code(running.bundle, running.spec.id)
        oom = conmon.oom_killed(running.bundle)
        running.ended.set()
        if code is None:
            self._send(running, signal.SIGKILL)
            told = Exit(UNKNOWN_CODE, datetime.now(UTC), oom, "the container's shim ended before the container")
        else:
            told = Exit(code, datetime.now(UTC), oom)
        running.on_exit(told)

    def signal(self, container_id: str, number: int) -> None:
        """See Runtime."""
        running = self._started.get(container_id)
        if running is not None:
            self._send(running, number)

    def _send(self, running: Container, number: int) -> None:
        with self._started.lock, contextlib.suppress(ProcessLookupError):
            if running.main >= 0:
                signal.pidfd_send_signal(running.main, number)

    def remove(self, container_id: str) -> None:
        """See Runtime."""
        running = self._started.get(container_id)
        if running is not None:
            self._end(running)

    def _end(self, running: Container) -> None:
        """End it and free all that it has. Nothing happens where that was begun before."""
        taken = self._take(running)
        if taken:
            main, shim = taken
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(main, signal.SIGKILL)
            _wait(shim, END_SECONDS)
            running.ended.wait(END_SECONDS)
            self._started.pop(running.spec.id)
            self._loop.forget(shim)
            os.close(main)
            os.close(shim)
            self._discard(running.spec.id, running.bundle)

    def _take(self, running: Container) -> tuple[int, int] | tuple[()]:
        """Its descriptors, for whoever asks first, who closes them."""
        with self._started.lock:
            main, shim = running.main, running.shim
            running.main = running.shim = -1
        return (main, shim) if main >= 0 else ()

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
        running = self._started.alive(container_id)
        process = RuncExec(self._runc, container_id, running.spec.name, running.bundle, lambda: not running.ended.is_set())
        try:
            channels = process.begin(self._loop, ocispec.exec_process(running.process, argv, tty=tty), stdin=stdin)
        except FileNotFoundError as error:  # it was removed meanwhile
            raise gone(container_id) from error
        with self._started.lock:
            self._execs = [*(each for each in self._execs if not each.over), process]
        return channels

    def attach(self, container_id: str, *, stdin: bool = False, tty: bool = False) -> Channels:
        """See Runtime."""
        running = self._started.alive(container_id)
        try:
            connection = conmon.connect(running.bundle)
        except OSError as error:
            raise gone(container_id) from error
        resize = partial(conmon.resize, running.bundle) if tty else None
        return attached.channels(connection, running.spec, resize, stdin=stdin)


def _wait(descriptor: int, timeout: float) -> bool:
    """Wait for a process to end."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout * 1000))
