"""conmon: one small process beside each container. It writes the log and the exit code, and outlives the server.

Its files lie in the container's folder (the bundle): ``attach`` (a socket), ``ctl`` (a FIFO), ``oom`` (made when the
kernel has killed for lack of memory), ``pid`` and ``conmon.pid``, and ``exit/<container id>``.
"""

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubedock.embedded.runtimes import tools

SYNC_LARGEST = 64 * 1024
_LEVEL_MESSAGE = re.compile(r'level=(?:error|fatal) msg="((?:[^"\\]|\\.)*)"')


class NotCreated(Exception):
    """The runtime's own words."""


@dataclass(frozen=True, slots=True)
class Shim:
    """How conmon is called for one container."""

    container_id: str
    bundle: Path
    runtime: str
    runtime_root: Path
    log: Path
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False

    @property
    def argv(self) -> list[str]:
        """The command line."""
        flags = [
            *(["--terminal"] if self.tty else []),
            *(["--stdin"] if self.stdin else []),
            *(["--leave-stdin-open"] if self.stdin and not self.stdin_once else []),
        ]
        return [
            tools.find("conmon") or "conmon",
            *("--api-version", "1"),
            *("--cid", self.container_id, "--cuuid", self.container_id, "--name", self.container_id),
            *("--runtime", self.runtime, "--bundle", str(self.bundle)),
            *("--container-pidfile", str(self.bundle / "pid"), "--conmon-pidfile", str(self.bundle / "conmon.pid")),
            *("--exit-dir", str(self.bundle / "exit")),
            *("--log-path", f"k8s-file:{self.log}", "--no-sync-log", "--full-attach"),
            *("--runtime-arg", "--root", "--runtime-arg", str(self.runtime_root)),
            *flags,
        ]


def create(shim: Shim, timeout: float) -> tuple[int, int]:
    """Make a container that waits to be started; the process ids of its main process and of conmon. NotCreated."""
    (shim.bundle / "exit").mkdir(exist_ok=True)
    reader, writer = os.pipe()
    try:
        environment = {"PATH": tools.path(), "_OCI_SYNCPIPE": str(writer)}
        with open(shim.bundle / "conmon.log", "wb") as said:
            first = subprocess.Popen(
                shim.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, pass_fds=(writer,),
                cwd=shim.bundle, env=environment, start_new_session=True,
            )  # fmt: skip
        os.close(writer)
        writer = -1
        told = _told(reader, timeout)
        first.wait(timeout)
    except subprocess.TimeoutExpired as error:
        raise NotCreated(f"the container was not created within {timeout:g} s") from error
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    pid = int(told.get("data", -1))
    if pid <= 0:
        raise NotCreated(_reason(str(told.get("message") or ""), shim.bundle))
    return pid, int((shim.bundle / "conmon.pid").read_text())


def _told(reader: int, timeout: float) -> dict[str, Any]:
    """The line that conmon writes once the container is there, or cannot be."""
    deadline = time.monotonic() + timeout
    data = b""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    while b"\n" not in data and len(data) < SYNC_LARGEST:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise NotCreated(f"the container was not created within {timeout:g} s")
        more = os.read(reader, SYNC_LARGEST)
        if not more:
            break
        data += more
    try:
        told: dict[str, Any] = json.loads(data)
    except ValueError:
        return {}
    return told


def _reason(message: str, bundle: Path) -> str:
    """The runtime's sentence out of what conmon passes on, else conmon's own last words."""
    found = _LEVEL_MESSAGE.findall(message)
    if found:
        return str(found[-1]).replace('\\"', '"').replace("\\\\", "\\")
    said = ""
    with contextlib.suppress(OSError):
        said = (bundle / "conmon.log").read_text(errors="replace").strip().rpartition("\n")[2]
    return message.strip() or said or "conmon gave no reason"


def exit_code(bundle: Path, container_id: str) -> int | None:
    """The exit code, once conmon has ended; None where it could not write it."""
    try:
        return int((bundle / "exit" / container_id).read_text())
    except (OSError, ValueError):
        return None


def oom_killed(bundle: Path) -> bool:
    """The kernel has killed in this container for lack of memory."""
    return (bundle / "oom").exists()


def connect(bundle: Path) -> socket.socket:
    """The attach socket. Through a descriptor of its folder, since a socket's path must be short."""
    folder = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(f"/proc/self/fd/{folder}/attach")
        except OSError:
            connection.close()
            raise
        return connection
    finally:
        os.close(folder)


def resize(bundle: Path, height: int, width: int) -> None:
    """Tell the terminal of the main process its size. Nothing happens where it has ended."""
    with contextlib.suppress(OSError):
        descriptor = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, f"1 {height} {width}\n".encode())
        finally:
            os.close(descriptor)
