"""A pod's place: namespaces that its containers join, files that they show, folders in memory.

::

    p/<pod uid>/net, ipc, uts     namespaces, held by a mount each
    p/<pod uid>/hosts, resolv.conf, hostname, shm/
    p/<pod uid>/m/<name>/         folders in memory

No process holds the namespaces: a container may end and another one take its place, with the same address.
"""

import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kubedock.embedded.runtime import Hosts, Sandbox, SandboxSpec, StartError
from kubedock.embedded.runtimes import names, syscalls
from kubedock.embedded.runtimes.apart import apart
from kubedock.embedded.runtimes.network import Network, Place, allow_low_ports
from kubedock.errors import KubedockError, NotFound

SHM_BYTES = 64 << 20
NAMESPACES = {"net": syscalls.CLONE_NEWNET, "ipc": syscalls.CLONE_NEWIPC, "uts": syscalls.CLONE_NEWUTS}
KINDS = {"net": "network", "ipc": "ipc", "uts": "uts"}
"""What the OCI specification calls them."""
CONNECT_SECONDS = 10.0


@dataclass(slots=True)
class Held:
    """A sandbox that is there. ``own`` are the namespaces that are not the machine's."""

    spec: SandboxSpec
    folder: Path
    own: tuple[str, ...]
    place: Place | None
    sandbox: Sandbox

    @property
    def namespaces(self) -> tuple[tuple[str, str], ...]:
        """For the container's specification; processes and mounts are each container's own."""
        found = [("mount", ""), *((KINDS[name], str(self.folder / name)) for name in self.own)]
        return tuple(found if self.spec.host_pid else [("pid", ""), *found])

    @property
    def shared(self) -> tuple[tuple[str, Path], ...]:
        """Files to show in each container."""
        files = (("/etc/hosts", "hosts"), ("/etc/resolv.conf", "resolv.conf"), ("/etc/hostname", "hostname"))
        shm = Path("/dev/shm") if self.spec.host_ipc else self.folder / "shm"  # noqa: S108 the machine's own, as asked
        return (*((target, self.folder / name) for target, name in files), ("/dev/shm", shm))  # noqa: S108


class Sandboxes:
    """All of a node."""

    def __init__(self, folder: Path, network: Network) -> None:
        self._folder, self._network = folder, network
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}

    def add(self, spec: SandboxSpec) -> Sandbox:
        """See Runtime.add_sandbox."""
        folder = self._folder / spec.pod_uid
        wanted = {"net": not spec.host_network, "ipc": not spec.host_ipc, "uts": not spec.host_network}
        own = tuple(name for name in NAMESPACES if wanted[name])
        hostname = socket.gethostname() if spec.host_network else spec.hostname
        place: Place | None = None
        try:
            folder.mkdir(mode=0o711)
            place = apart("embedded-sandbox", lambda: self._make(folder, own, hostname)) if own else None
            ip = place.ip if place is not None else self._network.gateway
            held = Held(spec, folder, own, place, Sandbox(spec.pod_uid, ip, hostname))
            self._write(held, spec.hosts)
            if not spec.host_ipc:
                _memory(folder / "shm", SHM_BYTES)
        except (OSError, KubedockError) as error:
            if place is not None:
                self._network.detach(place)
            syscalls.unmount_all(folder)
            shutil.rmtree(folder, ignore_errors=True)
            raise StartError(f"failed to create pod sandbox: {error}") from error
        with self._lock:
            self._held[spec.pod_uid] = held
        return held.sandbox

    def _make(self, folder: Path, own: tuple[str, ...], hostname: str) -> Place | None:
        """On a thread of its own: leave the machine's namespaces, and hold the new ones by mounts."""
        flags = 0
        for name in own:
            (folder / name).touch(mode=0o600)
            flags |= NAMESPACES[name]
        syscalls.unshare(flags)
        for name in own:
            syscalls.bind(f"/proc/thread-self/ns/{name}", folder / name)
        if "uts" in own:
            socket.sethostname(hostname)
        if "net" not in own:
            return None
        allow_low_ports()
        return self._network.attach()

    def _write(self, held: Held, hosts: Hosts) -> None:
        """The files; in place, since containers hold them by mounts."""
        spec, folder = held.spec, held.folder
        machine = spec.host_network
        _rewrite(folder / "hostname", f"{held.sandbox.hostname}\n")
        resolv = names.resolv_conf(spec.dns)
        _rewrite(folder / "resolv.conf", names.machine_file("/etc/resolv.conf") if machine and not resolv else resolv)
        above = names.machine_file("/etc/hosts") if machine else names.hosts_head(held.sandbox)
        _rewrite(folder / "hosts", above + names.hosts_lines(hosts))

    def get(self, pod_uid: str) -> Held:
        """NotFound where there is none."""
        with self._lock:
            held = self._held.get(pod_uid)
        if held is None:
            raise NotFound(f"there is no sandbox of the pod {pod_uid}")
        return held

    def all(self) -> list[str]:
        """The pods that have one."""
        with self._lock:
            return list(self._held)

    def set_hosts(self, pod_uid: str, hosts: Hosts) -> None:
        """See Runtime.set_hosts."""
        held = self.get(pod_uid)
        with self._lock:
            self._write(held, hosts)

    def memory_folder(self, pod_uid: str, name: str, size: int) -> Path:
        """See Runtime.memory_folder."""
        folder = self.get(pod_uid).folder / "m" / name
        if not folder.exists():
            folder.parent.mkdir(mode=0o711, exist_ok=True)
            _memory(folder, size)
        return folder

    def remove(self, pod_uid: str) -> None:
        """Take it away; its containers are gone already. Nothing happens where there is none."""
        with self._lock:
            held = self._held.pop(pod_uid, None)
        if held is not None:
            if held.place is not None:
                self._network.detach(held.place)
            syscalls.unmount_all(held.folder)
            shutil.rmtree(held.folder, ignore_errors=True)

    def clear(self) -> None:
        """Remove what is left of sandboxes, known or not."""
        for pod_uid in self.all():
            self.remove(pod_uid)
        syscalls.unmount_all(self._folder)
        for left in self._folder.iterdir() if self._folder.exists() else ():
            shutil.rmtree(left, ignore_errors=True)

    def dial(self, pod_uid: str, port: int) -> socket.socket:
        """See Runtime.dial."""
        held = self.get(pod_uid)
        if "net" not in held.own:
            return connect(("127.0.0.1", "::1"), port)
        descriptor = os.open(held.folder / "net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            made = apart("embedded-dial", lambda: _sockets(descriptor))
        finally:
            os.close(descriptor)
        return connect(("127.0.0.1", "::1"), port, made)


def _sockets(namespace: int) -> list[socket.socket]:
    """An IPv4 and an IPv6 socket of a network namespace; they stay its own on any thread."""
    syscalls.setns(namespace, syscalls.CLONE_NEWNET)
    return [socket.socket(socket.AF_INET), socket.socket(socket.AF_INET6)]


def connect(hosts: Iterable[str], port: int, made: Iterable[socket.socket] = ()) -> socket.socket:
    """A connection to the first address that answers; the OSError of the first one where none does."""
    sockets = list(made) or [socket.socket(socket.AF_INET), socket.socket(socket.AF_INET6)]
    refused: OSError | None = None
    found: socket.socket | None = None
    for host, sock in zip(hosts, sockets, strict=True):
        if found is None:
            try:
                sock.settimeout(CONNECT_SECONDS)
                sock.connect((host, port))
                sock.settimeout(None)
                found = sock
                continue
            except OSError as error:
                refused = refused or error
        sock.close()
    if found is None:
        raise refused or OSError("no address")
    return found


def _memory(folder: Path, size: int) -> None:
    folder.mkdir(mode=0o777)
    data = f"mode=1777,size={size}" if size else "mode=1777"
    syscalls.mount("tmpfs", folder, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, data)


def _rewrite(path: Path, text: str) -> None:
    """New contents for the same file."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644), "w", encoding="utf-8") as file:
        file.write(text)
        file.truncate()
    with contextlib.suppress(OSError):
        path.chmod(0o644)
