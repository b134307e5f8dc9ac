"""The runtime for root where neither mounts nor namespaces are allowed, as in an ordinary container: chroot.

A container is a folder with ``rootfs``, a copy of its image's tree, and a shim (see ``shim``). What is not isolated and
not limited is said in ``warnings``. A pod's folders (emptyDir) move into the container that mounts them first, and back
at its end; everything else that is mounted is copied.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from kubedock.cluster import Channels
from kubedock.embedded.runtime import (
    ContainerSpec,
    Exit,
    Hosts,
    Mount,
    OnExit,
    Sandbox,
    SandboxSpec,
    StartError,
)
from kubedock.embedded.runtimes import attached, leftovers, names, ocispec, rootfs, tools, trees
from kubedock.embedded.runtimes.folder import NodeFolder
from kubedock.embedded.runtimes.images import Images
from kubedock.embedded.runtimes.imageside import ImageSide
from kubedock.embedded.runtimes.loop import Loop
from kubedock.embedded.runtimes.running import Running, Started, gone
from kubedock.embedded.runtimes.sandboxes import connect
from kubedock.embedded.runtimes.shimclient import NotStarted, Shim, ShimExec
from kubedock.errors import InvalidParameter, NotFound, Unavailable

logger = logging.getLogger(__name__)

START_SECONDS = 60.0
END_SECONDS = 10.0
CLEAR_SECONDS = 5.0
KILLED = 128 + signal.SIGKILL
LOOPBACK = ("127.0.0.1", "::1")
TASK_FAILED = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed:"
    " unable to start container process: "
)
WARNINGS = (
    "containers run by chroot: they are not isolated from this machine's processes, users, network and host name",
    "containers share one network: two of them cannot listen on the same port",
    "memory, CPU and process limits are not applied; sysctls are ignored",
    "containers have no /proc and no /sys; read-only file systems are writable",
    "volumes are copied: what two running containers mount is shared by neither",
    "volumes in memory lie on disk, without a limit of their size",
)
TRIAL = "import os,sys; os.mknod(sys.argv[1]+'/null',0o20666,os.makedev(1,3)); os.chroot(sys.argv[1]); open('/null').close()"


@dataclass(slots=True)
class Container(Running):
    """``moved`` are the volumes that it holds, and where."""

    folder: Path
    shim: Shim
    moved: list[tuple[Path, Path]]


class ChrootRuntime(ImageSide):
    """See Runtime."""

    name = "chroot"
    gateway = ""
    warnings = WARNINGS

    def __init__(self, folder: NodeFolder, images: Images) -> None:
        super().__init__(images)
        self._folder = folder
        self._loop = Loop()
        self._lock = threading.Lock()
        self._sandboxes: dict[str, SandboxSpec] = {}
        self._started: Started[Container] = Started()
        self._slots = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
        self._opened = False

    # --- the whole -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """See Runtime. Nothing happens where it is open already."""
        if self._opened:
            return
        if os.geteuid() != 0:
            raise Unavailable("the embedded node needs root")
        tools.require(tools.IMAGE_TOOLS)
        with contextlib.ExitStack() as undo:
            undo.callback(self._folder.unlock)
            self._folder.lock()
            self._clear()
            self._images.open()
            self._try()
            self._loop.start()
            self._opened = True
            undo.pop_all()

    def _forget_links(self) -> None:
        from kubedock.embedded.runtimes import network  # noqa: PLC0415 pyroute2 takes 0.15 s, and here it is rarely needed

        try:
            network.clear(self._folder.prefix)
        except Unavailable as error:
            logger.warning("%s", error)

    def _try(self) -> None:
        """Change the root once, and make a device. Unavailable where that is forbidden."""
        place = self._folder.containers / "trial"
        place.mkdir()
        try:
            argv = [sys.executable, "-I", "-S", "-c", TRIAL, str(place)]
            done = subprocess.run(argv, capture_output=True, timeout=START_SECONDS, check=False, env={})
        finally:
            shutil.rmtree(place, ignore_errors=True)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise Unavailable(f"this machine does not let kubedock change the root of a process: {said}")

    def close(self) -> None:
        """See Runtime."""
        with self._started.lock:
            if self._started.closed or not self._opened:
                return
            left = self._started.close()
        deadline = time.monotonic() + END_SECONDS
        with contextlib.ExitStack() as last:  # each of these is done whatever becomes of the others
            last.callback(self._folder.unlock)
            last.callback(self._clear)
            for each in left:
                last.callback(lambda shim: shim.close(max(0.0, deadline - time.monotonic())), each.shim)
            for each in left:
                last.callback(each.shim.kill)
            last.callback(self._loop.stop)

    def _clear(self) -> None:
        """End and remove all that is in the folder, also what is left of a server that had another runtime."""
        leftovers.clear(self._folder, CLEAR_SECONDS)
        if leftovers.links(self._folder.prefix):
            self._forget_links()

    # --- sandboxes -----------------------------------------------------------------------------------------------

    def add_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """See Runtime. All pods have the machine's loopback for an address."""
        (self._folder.sandboxes / spec.pod_uid).mkdir(mode=0o711, exist_ok=True)
        with self._lock:
            self._sandboxes[spec.pod_uid] = spec
        return Sandbox(spec.pod_uid, LOOPBACK[0], spec.hostname)

    def remove_sandbox(self, pod_uid: str) -> None:
        """See Runtime."""
        for each in self._started.of_pod(pod_uid):
            self.remove(each.spec.id)
        with self._lock:
            self._sandboxes.pop(pod_uid, None)
        shutil.rmtree(self._folder.sandboxes / pod_uid, ignore_errors=True)

    def set_hosts(self, pod_uid: str, hosts: Hosts) -> None:
        """See Runtime."""
        spec = self._sandbox(pod_uid)
        told = tuple((address, tuple(those)) for address, those in hosts)
        with self._lock:
            self._sandboxes[pod_uid] = replace(spec, hosts=told)
        for each in self._started.of_pod(pod_uid):
            with contextlib.suppress(OSError):
                rootfs.inside(each.folder / "rootfs", "/etc/hosts").write_text(self._hosts(self._sandbox(pod_uid)))

    def memory_folder(self, pod_uid: str, name: str, size: int = 0) -> Path:
        """See Runtime. Without a mount there is no limit."""
        folder = self._folder.sandboxes / pod_uid / "m" / name
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o1777)
        return folder

    def dial(self, pod_uid: str, port: int) -> socket.socket:
        """See Runtime."""
        self._sandbox(pod_uid)
        return connect(LOOPBACK, port)

    def _sandbox(self, pod_uid: str) -> SandboxSpec:
        with self._lock:
            spec = self._sandboxes.get(pod_uid)
        if spec is None:
            raise NotFound(f"there is no sandbox of the pod {pod_uid}")
        return spec

    @staticmethod
    def _hosts(spec: SandboxSpec) -> str:
        head = names.machine_file("/etc/hosts") if spec.host_network else ""
        mine = Sandbox(spec.pod_uid, LOOPBACK[0], spec.hostname)
        return (head or names.hosts_head(mine)) + names.hosts_lines(spec.hosts)

    # --- containers ----------------------------------------------------------------------------------------------

    def start(self, spec: ContainerSpec, on_exit: OnExit) -> int:
        """See Runtime."""
        pod = self._sandbox(spec.pod_uid)
        folder = self._folder.container(spec.id)
        moved: list[tuple[Path, Path]] = []
        with self._slots:
            try:
                folder.mkdir(mode=0o711)
                self._prepare(spec, pod, folder, moved)
                shim = Shim(folder, START_SECONDS)
            except (NotStarted, OSError) as error:
                self._discard(folder, moved)
                raise StartError(f"{TASK_FAILED}{error}: unknown") from error
            except InvalidParameter as error:
                self._discard(folder, moved)
                raise StartError(f"failed to create containerd container: {error}", reason="CreateContainerError") from error
        running = Container(spec, on_exit, folder, shim, moved)
        if not self._started.add(running):
            shim.close(END_SECONDS)
            self._discard(folder, moved)
            raise StartError(f"{TASK_FAILED}the embedded node is closed: unknown")
        self._loop.watch(shim.answers, lambda: self._ended(running))
        return shim.pid

    def _prepare(self, spec: ContainerSpec, pod: SandboxSpec, folder: Path, moved: list[tuple[Path, Path]]) -> None:
        """Make the file system, and the shim's specification."""
        root = folder / "rootfs"
        trees.clone(self._images.root(spec.image), root)
        trees.devices(root)
        texts = {"/etc/hosts": self._hosts(pod), "/etc/hostname": f"{pod.hostname}\n"}
        texts["/etc/resolv.conf"] = names.resolv_conf(pod.dns) or names.machine_file("/etc/resolv.conf")
        for path, text in texts.items():
            place = rootfs.inside(root, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            trees.clear(place)
            place.write_text(text)
            place.chmod(0o644)
        for mount in sorted(spec.mounts, key=lambda each: each.target.rstrip("/").count("/")):
            self._mount(mount, rootfs.inside(root, mount.target), moved)
        user = rootfs.user(root, spec.user)
        process = ocispec.process(spec, user, frozenset(ocispec.CAPABILITIES))
        rootfs.inside(root, process["cwd"]).mkdir(parents=True, exist_ok=True)
        kept = [ocispec.CAPABILITIES.index(name) for name in ocispec.capabilities(spec.security)]
        told = {
            "root": str(root),
            "log": str(spec.log),
            "argv": process["args"],
            "env": process["env"],
            "cwd": process["cwd"],
            "uid": user.uid,
            "gid": user.gid,
            "groups": process["user"]["additionalGids"],
            "tty": spec.tty,
            "stdin": spec.stdin,
            "stdin_once": spec.stdin_once,
            "capabilities": kept,
            "no_new_privileges": spec.security.no_new_privileges,
        }
        (folder / "spec.json").write_text(json.dumps(told))

    def _mount(self, mount: Mount, target: Path, moved: list[tuple[Path, Path]]) -> None:
        """A pod's own folder moves in; all else is copied, as is what another container holds."""
        ours = self._folder.root in mount.source.parents
        if ours and mount.source.is_dir() and not mount.read_only and trees.move_in(mount.source, target):
            moved.append((mount.source, target))
        else:
            trees.copy(mount.source.resolve(), target)

    def _ended(self, running: Container) -> None:
        code = running.shim.ended()
        running.ended.set()
        self._give_back(running.moved)
        error = "" if code is not None else "the container's shim ended before the container"
        running.on_exit(Exit(KILLED if code is None else code, datetime.now(UTC), error=error))

    @staticmethod
    def _give_back(moved: list[tuple[Path, Path]]) -> None:
        for volume, target in reversed(moved):
            try:
                trees.move_back(volume, target)
            except OSError as error:
                logger.warning("the volume %s is lost with its container: %s", volume, error)
        moved.clear()

    def signal(self, container_id: str, number: int) -> None:
        """See Runtime."""
        running = self._started.get(container_id)
        if running is not None and not running.ended.is_set():
            with contextlib.suppress(OSError):
                running.shim.request({"signal": number})

    def remove(self, container_id: str) -> None:
        """See Runtime."""
        running = self._started.pop(container_id)
        if running is not None:
            running.shim.kill()
            running.ended.wait(END_SECONDS)
            self._loop.forget(running.shim.answers)
            running.shim.close(END_SECONDS)
            self._discard(running.folder, running.moved)

    def _discard(self, folder: Path, moved: list[tuple[Path, Path]]) -> None:
        self._give_back(moved)
        shutil.rmtree(folder, ignore_errors=True)

    # --- streams -------------------------------------------------------------------------------------------------

    def exec(self, container_id: str, argv: Sequence[str], *, stdin: bool = False, tty: bool = False) -> Channels:
        """See Runtime."""
        running = self._started.alive(container_id)
        process = ShimExec(self._loop, running.shim, running.spec.name, lambda: not running.ended.is_set())
        try:
            return process.begin(argv, stdin=stdin, tty=tty)
        except OSError as error:
            raise gone(container_id) from error

    def attach(self, container_id: str, *, stdin: bool = False, tty: bool = False) -> Channels:
        """See Runtime."""
        running = self._started.alive(container_id)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            running.shim.request({"attach": True}, [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise gone(container_id) from error
        finally:
            theirs.close()
        return attached.channels(ours, running.spec, running.shim.resize if tty else None, stdin=stdin)
