"""A runtime without processes: containers are the fakes' small programs (``cluster.fake_program``), and no time passes.

For tests of the node and of all above it: fast, and every end is the test's to give.
"""

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubedock.cluster import statuses
from kubedock.cluster.fake_exec import FakeExec
from kubedock.cluster.fake_files import FakeFiles
from kubedock.cluster.fake_images import malformed, missing
from kubedock.cluster.fake_program import SIGNALS, NotStarted, Program
from kubedock.cluster.fake_streams import FakeChannels
from kubedock.cluster.protocol import Channels
from kubedock.embedded.runtime import (
    ContainerSpec,
    Credentials,
    Exit,
    Hosts,
    Image,
    OnExit,
    PullError,
    Sandbox,
    SandboxSpec,
    StartError,
)
from kubedock.errors import NotFound
from kubedock.streams.tar import DIRECTORY, Entry

FAILED = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed:"
    " unable to start container process: "
)
NAMES = {number: name for name, number in SIGNALS.items()}
STREAMS = {1: "stdout", 2: "stderr"}


@dataclass(slots=True)
class Running:
    """A container."""

    spec: ContainerSpec
    on_exit: OnExit
    program: Program
    listeners: list[FakeChannels] = field(default_factory=list)
    reported: bool = False
    files: FakeFiles = field(default_factory=FakeFiles)


class FakeRuntime:
    """See Runtime. ``containers`` are those that were started and not removed, by id; ``wake`` and ``finish`` move them."""

    def __init__(self, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC), gateway: str = "") -> None:
        """``folder`` is for what its containers share in memory."""
        self._folder, self._now, self._gateway = folder, now, gateway
        self._lock = threading.RLock()
        self.containers: dict[str, Running] = {}
        self.sandboxes: dict[str, SandboxSpec] = {}
        self.hosts: dict[str, Hosts] = {}
        self.started: list[ContainerSpec] = []
        """All specs, in the order of their starts."""
        self.config: Mapping[str, Any] = {"Entrypoint": None, "Cmd": ["sh"], "Env": ["PATH=/bin"]}
        """The configuration of every image."""
        self.pulled: list[tuple[str, tuple[Credentials, ...]]] = []
        self.archived: set[str] = set()
        """References that are had without a registry."""
        self.absent: set[str] = set()
        """References that are not present until they are pulled."""
        self.failures: list[StartError] = []
        """What the next starts raise."""
        self._addresses = 0
        self._dialled: list[tuple[threading.Thread, socket.socket]] = []

    # --- for tests ---------------------------------------------------------------------------------------------------

    def of(self, name: str) -> Running:
        """The newest container of this name."""
        with self._lock:
            return [running for running in self.containers.values() if running.spec.name == name][-1]

    def finish(self, name: str, code: int = 0, *, oom: bool = False) -> None:
        """The main process of the newest container of this name ends."""
        with self._lock:
            running = self.of(name)
            running.program.code = running.program.code if running.program.code is not None else code
            self._look(running, oom=oom)

    # --- Runtime -----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """See Runtime."""
        return "fake"

    @property
    def warnings(self) -> tuple[str, ...]:
        """See Runtime."""
        return ("containers are no processes",)

    @property
    def gateway(self) -> str:
        """See Runtime."""
        return self._gateway

    def open(self) -> None:
        """See Runtime."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """See Runtime."""
        with self._lock:
            for running in self.containers.values():
                running.reported = True
                self._end_streams(running)
            self.containers.clear()
            self.sandboxes.clear()
            dialled, self._dialled = self._dialled, []
        for thread, connection in dialled:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(5.0)

    def pull(self, ref: str, *, timeout: float, credentials: Sequence[Credentials] = ()) -> Image:
        """See Runtime."""
        del timeout
        with self._lock:
            self.pulled.append((ref, tuple(credentials)))
            if missing(ref):
                raise PullError(missing(ref))
            self.absent.discard(ref)
        return self._image(ref)

    def own(self, ref: str, *, timeout: float) -> Image | None:
        """See Runtime."""
        del timeout
        return self._image(ref) if ref in self.archived else None

    def image(self, ref: str) -> Image | None:
        """See Runtime."""
        if malformed(ref):
            raise PullError(malformed(ref), reason="InvalidImageName")
        return None if missing(ref) or ref in self.absent else self._image(ref)

    def images(self) -> Sequence[Image]:
        """See Runtime."""
        return ()

    def _image(self, ref: str) -> Image:
        return Image(ref, f"sha256:{'b' * 64}", f"sha256:{'a' * 64}", self.config, "amd64", 1039347)

    def add_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """See Runtime."""
        with self._lock:
            self.sandboxes[spec.pod_uid] = spec
            self._addresses += 1
            return Sandbox(spec.pod_uid, f"198.18.64.{self._addresses + 1}", spec.hostname)

    def remove_sandbox(self, pod_uid: str) -> None:
        """See Runtime."""
        with self._lock:
            self.sandboxes.pop(pod_uid, None)
            for container in [one for one in self.containers.values() if one.spec.pod_uid == pod_uid]:
                self.remove(container.spec.id)

    def set_hosts(self, pod_uid: str, hosts: Hosts) -> None:
        """See Runtime."""
        with self._lock:
            self.hosts[pod_uid] = hosts

    def memory_folder(self, pod_uid: str, name: str, size: int = 0) -> Path:
        """See Runtime."""
        del size
        path = self._folder / pod_uid / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def start(self, spec: ContainerSpec, on_exit: OnExit) -> int:
        """See Runtime."""
        with self._lock:
            self.started.append(spec)
            if self.failures:
                raise self.failures.pop(0)
            spec.log.touch()
            running = Running(spec, on_exit, self._program(spec), files=_files(spec))
            self.containers[spec.id] = running
            running.program.go()
            self._look(running)
            return len(self.started)

    def _program(self, spec: ContainerSpec) -> Program:
        try:
            return Program(spec.argv, lambda channel, data: self._write(spec, channel, data))
        except NotStarted as error:
            raise StartError(FAILED + str(error)) from error

    def _write(self, spec: ContainerSpec, channel: int, data: bytes) -> None:
        """Into the log, and to those who are attached."""
        head = f"{self._now():%Y-%m-%dT%H:%M:%S.%f}000+00:00 {STREAMS[channel]} "
        with spec.log.open("ab") as log:
            *whole, part = data.split(b"\n")
            log.write(b"".join(f"{head}F ".encode() + line + b"\n" for line in whole))
            if part:
                log.write(f"{head}P ".encode() + part + b"\n")
        for channels in self.containers[spec.id].listeners if spec.id in self.containers else ():
            channels.put(channel, data)

    def _look(self, running: Running, *, oom: bool = False) -> None:
        """Tell of an end, once."""
        code = running.program.code
        if code is not None and not running.reported:
            running.reported = True
            self._end_streams(running)
            running.on_exit(Exit(code, self._now(), oom_killed=oom))

    @staticmethod
    def _end_streams(running: Running) -> None:
        for channels in running.listeners:
            channels.finish(statuses.SUCCESS)
        running.listeners.clear()

    def signal(self, container_id: str, number: int) -> None:
        """See Runtime."""
        with self._lock:
            running = self.containers.get(container_id)
            if running is not None and number in NAMES:
                running.program.signal(NAMES[number], inside=False)
                self._look(running)

    def remove(self, container_id: str) -> None:
        """See Runtime."""
        with self._lock:
            running = self.containers.get(container_id)
            if running is not None:
                running.program.signal("KILL", inside=False)
                self._look(running)
                del self.containers[container_id]

    def exec(self, container_id: str, argv: Sequence[str], *, stdin: bool = False, tty: bool = False) -> Channels:
        """See Runtime."""
        del tty
        with self._lock:
            running = self._running(container_id)

            def kill(signal: str) -> bool:
                running.program.signal(signal, inside=True)
                self._look(running)
                return True

            started = FakeExec(self._lock, stdin=stdin)
            started.run(argv, running.files, kill)
            return started.channels

    def attach(self, container_id: str, *, stdin: bool = False, tty: bool = False) -> Channels:
        """See Runtime."""
        del tty
        with self._lock:
            running = self._running(container_id)

            def given(_: FakeChannels, data: bytes | None) -> None:
                with self._lock:
                    running.program.feed(data)
                    self._look(running)

            channels = FakeChannels(given if stdin else None)
            running.listeners.append(channels)
            return channels

    def _running(self, container_id: str) -> Running:
        running = self.containers.get(container_id)
        if running is None or running.program.code is not None:
            raise NotFound(f"container {container_id} does not run")
        return running

    def dial(self, pod_uid: str, port: int) -> socket.socket:
        """See Runtime: the program of the port (``nc -ll -p PORT -e COMMAND``) has the connection as input and output."""
        with self._lock:
            running = [one for one in self.containers.values() if one.spec.pod_uid == pod_uid and one.program.code is None]
            if not running:
                raise NotFound(f"no pod {pod_uid}")
            command = next((one.program.listens[port] for one in running if port in one.program.listens), None)
            if command is None:
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
            near, far = socket.socketpair()
            thread = threading.Thread(target=self._serve, args=(command, far), name="fake-dial", daemon=True)
            thread.start()
            self._dialled.append((thread, far))
            return near

    def _serve(self, command: Sequence[str], connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            program = Program(command, lambda _, data: connection.sendall(data))
            program.go()
            while program.code is None and (data := connection.recv(65536)):
                program.feed(data)


def _files(spec: ContainerSpec) -> FakeFiles:
    """The image's, and what is mounted, as it is at the start."""
    files = FakeFiles()
    for mount in spec.mounts:
        if mount.source.is_file():
            files.write(mount.target, mount.source.read_bytes(), mount.source.stat().st_mode & 0o7777)
        else:
            files.put(mount.target, Entry("", DIRECTORY, mode=0o777))
    return files
