"""The process beside each container of the chroot runtime: a program of its own, which imports nothing of kubedock.

``python -I -S shim.py FOLDER`` with a packet socket as stdin (requests) and a pipe as stdout (what becomes of the main
process, one JSON object a line). ``FOLDER/spec.json`` says what to run. It writes the log, serves who attaches, starts
further commands, and adopts all that is orphaned below it. When the main process ends, or the server does, it ends all
of them: nothing of a container outlives its shim.

Requests are JSON, with descriptors beside them: ``{"signal": 15}``, ``{"resize": [ROWS, COLUMNS]}``, ``{"attach": true}``
(a packet socket, see ``streams.AttachSocket``), ``{"exec": ARGV, "tty": false}`` (stdin, stdout, stderr, and
the pipe that is told its end).
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import termios
import time
from typing import Any

Json = dict[str, Any]

CHUNK = 32 * 1024
REQUEST = 256 * 1024
ATTACHED_LIMIT = 1 << 20
"""So much waits for one that is attached; then output is not read any more."""
STDOUT, STDERR = 1, 2
NAMES = {STDOUT: b"stdout", STDERR: b"stderr"}
PREFIXES = {STDOUT: b"\x02", STDERR: b"\x03"}
LOOK_MILLISECONDS = 5
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
LAST_CAPABILITY = 63

_prctl = ctypes.CDLL(None, use_errno=True).prctl


class Attached:
    """Somebody who sees the main process, and may write to it."""

    def __init__(self, descriptor: int) -> None:
        self.socket = socket.socket(fileno=descriptor)
        self.socket.settimeout(0)
        self.waiting: list[bytes] = []
        self.reads = True

    def send(self) -> bool:
        """Pass on what waits; False when it has gone."""
        try:
            while self.waiting:
                self.socket.send(self.waiting[0])
                del self.waiting[0]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class Shim:
    """One container."""

    def __init__(self, folder: str) -> None:
        with open(f"{folder}/spec.json", encoding="utf-8") as file:
            self.spec: Json = json.load(file)
        self.control = socket.socket(fileno=os.dup(0))
        self.log = os.open(self.spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        self.outputs: dict[int, int] = {}
        self.partial: set[int] = set()
        self.attached: dict[int, Attached] = {}
        self.execs: dict[int, int] = {}
        self.stdin = self.terminal = -1
        self.input = b""
        self.input_over = False
        self.main = 0
        self.code: int | None = None
        self.serving = True
        self.wakeup, writer = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(ignored, signal.SIG_IGN)

    # --- the life of it ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start the main process, serve until it or the server ends, end all the rest."""
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        failed = self.start()
        if failed:
            tell(1, {"failed": failed})
            return
        tell(1, {"started": self.main})
        while self.code is None and self.serving:
            self.turn()
        self.kill_all()
        self.finish_output()
        if self.code is not None:
            tell(1, {"exit": self.code})

    def start(self) -> str:
        """Run the main process; why it cannot be, or ""."""
        for name, stream in (("stdout", STDOUT), ("stderr", STDERR)):
            fifo = os.open(f"{self.spec['root']}/dev/{name}", os.O_RDWR | os.O_NONBLOCK)
            self.outputs[fifo] = stream
        null = os.open(os.devnull, os.O_RDWR)
        if self.spec["tty"]:
            self.terminal, theirs = os.openpty()
            self.outputs[self.terminal] = STDOUT
            self.stdin = os.dup(self.terminal) if self.spec["stdin"] else -1
            given = [theirs, theirs, theirs]
        else:
            given = [null, 0, 0]
            if self.spec["stdin"]:
                given[0], self.stdin = os.pipe()
            for number in (STDOUT, STDERR):
                reader, given[number] = os.pipe()
                self.outputs[reader] = number
        for descriptor in (*self.outputs, self.stdin):
            if descriptor >= 0:
                os.set_blocking(descriptor, False)
        self.main, failed = self.spawn(self.spec["argv"], given, tty=self.spec["tty"])
        for descriptor in {*given, null}:
            os.close(descriptor)
        return failed

    def turn(self) -> None:
        """Wait for something, and do it."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(self.wakeup, select.POLLIN)
        held_up = any(sum(map(len, one.waiting)) > ATTACHED_LIMIT for one in self.attached.values())
        for descriptor in () if held_up else self.outputs:
            poll.register(descriptor, select.POLLIN)
        for descriptor, one in self.attached.items():
            reads = one.reads and len(self.input) < ATTACHED_LIMIT
            poll.register(descriptor, (select.POLLIN if reads else 0) | (select.POLLOUT if one.waiting else 0))
        if self.stdin >= 0 and self.input:
            poll.register(self.stdin, select.POLLOUT)
        for descriptor, events in poll.poll():
            if descriptor == self.wakeup:
                self.reap()
            elif descriptor == self.control.fileno():
                self.request()
            elif descriptor in self.outputs:
                self.output(descriptor)
            elif descriptor in self.attached:
                self.serve(descriptor, events)
        self.feed()

    # --- requests ------------------------------------------------------------------------------------------------

    def request(self) -> None:
        """One packet of the server; its end is the server's."""
        data, given, _, _ = socket.recv_fds(self.control, REQUEST, 4, socket.MSG_CMSG_CLOEXEC)
        if not data:
            self.serving = False
            return
        told: Json = json.loads(data)
        if "signal" in told and self.code is None:
            os.kill(self.main, told["signal"])
        if "resize" in told and self.terminal >= 0:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *told["resize"], 0, 0))
        if "attach" in told:
            one = Attached(given.pop(0))
            self.attached[one.socket.fileno()] = one
        if "exec" in told:
            answer = given.pop()
            pid, failed = self.spawn(told["exec"], given, tty=told["tty"])
            if failed:
                tell(answer, {"failed": failed})
                os.close(answer)
            else:
                self.execs[pid] = answer
        for descriptor in given:
            os.close(descriptor)

    def serve(self, descriptor: int, events: int) -> None:
        """Something of one who is attached."""
        one = self.attached[descriptor]
        stays = one.send()
        if stays and events & (select.POLLIN | select.POLLHUP):
            try:
                data = one.socket.recv(CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            self.input += data
            if not data:
                one.reads = False
                self.input_over = self.input_over or self.spec["stdin_once"]
                stays = not events & select.POLLHUP
        if not stays:
            del self.attached[descriptor]
            one.socket.close()

    def feed(self) -> None:
        """Pass input on to the main process, and its end."""
        if self.stdin < 0:
            self.input = b""
            return
        try:
            while self.input:
                self.input = self.input[os.write(self.stdin, self.input) :]
        except BlockingIOError:
            return
        except OSError:
            self.input, self.input_over = b"", True
        if self.input_over and not self.input:
            os.close(self.stdin)
            self.stdin = -1

    # --- output --------------------------------------------------------------------------------------------------

    def output(self, descriptor: int) -> bool:
        """Log what has come, and pass it on; False where nothing has."""
        stream = self.outputs[descriptor]
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            del self.outputs[descriptor]
            return False
        now = time.time_ns()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)).encode() + b".%09d+00:00 " % (now % 10**9)
        head = stamp + NAMES[stream]
        lines = data.split(b"\n")
        last = lines.pop()
        text = b"".join(head + b" F " + line + b"\n" for line in lines) + (head + b" P " + last + b"\n" if last else b"")
        os.write(self.log, text)
        for one in self.attached.values():
            one.waiting += [PREFIXES[stream] + data[at : at + CHUNK // 4] for at in range(0, len(data), CHUNK // 4)]
            one.send()
        return True

    def finish_output(self) -> None:
        """Nobody writes any more: log the rest, and let those who are attached go."""
        for descriptor in list(self.outputs):
            while descriptor in self.outputs and self.output(descriptor):
                pass
        deadline = time.monotonic() + 1.0
        while any(one.waiting and one.send() and one.waiting for one in self.attached.values()) and time.monotonic() < deadline:
            select.poll().poll(LOOK_MILLISECONDS)
        for one in self.attached.values():
            one.socket.close()

    # --- processes -----------------------------------------------------------------------------------------------

    def spawn(self, argv: list[str], given: list[int], *, tty: bool) -> tuple[int, str]:
        """A process in the container with these three descriptors: its id, or why it could not be started."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self.become(argv, given, tty=tty)
            except BaseException as error:  # noqa: BLE001 this is the child: it tells, and ends, whatever happens
                os.write(writer, str(error).encode()[:4096] or b"it cannot be started")
                os._exit(1)
        os.close(writer)
        failed = b""
        while more := os.read(reader, CHUNK):
            failed += more
        os.close(reader)
        if failed:
            os.waitpid(pid, 0)
        return pid, failed.decode(errors="replace")

    def become(self, argv: list[str], given: list[int], *, tty: bool) -> None:
        """In the child: be that process. Nothing may be imported from here on."""
        spec = self.spec
        os.setsid()
        for number, descriptor in enumerate([os.dup(each) for each in given]):
            os.dup2(descriptor, number)
        if tty:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is not signal.SIG_DFL:
                signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        os.chdir(spec["root"])
        os.chroot(".")
        os.chdir(spec["cwd"])
        for number in set(range(LAST_CAPABILITY + 1)) - set(spec["capabilities"]):
            _prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
        os.setgroups(spec["groups"])
        os.setgid(spec["gid"])
        os.setuid(spec["uid"])
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if spec["no_new_privileges"]:
            _prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        env = dict(each.split("=", 1) for each in spec["env"])
        execute(argv, {"TERM": "xterm", **env} if tty else env)

    def reap(self) -> bool:
        """Take the ends of processes; False when there are none left."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wakeup, CHUNK)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code
            if pid == self.main:
                self.code = code
            answer = self.execs.pop(pid, -1)
            if answer >= 0:
                tell(answer, {"exit": code})
                os.close(answer)

    def kill_all(self) -> None:
        """End what is below this process, until nothing is."""
        while self.reap():
            for pid in descendants(os.getpid()):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            select.poll().poll(LOOK_MILLISECONDS)


def tell(descriptor: int, what: Json) -> None:
    """A line to the server, if there still is one."""
    try:
        os.write(descriptor, json.dumps(what).encode() + b"\n")
    except OSError:
        return


def execute(argv: list[str], env: dict[str, str]) -> None:
    """Become a program; OSError with runc's words where that cannot be."""
    name = argv[0]
    folders = [""] if "/" in name else env.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").split(":")
    for folder in folders:
        path = f"{folder}/{name}" if folder else name
        try:
            os.execve(path, argv, env)  # noqa: S606 it is what a shim is for
        except OSError as error:
            if "/" not in name and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                continue
            if error.errno == errno.ENOENT and not os.path.lexists(path):
                raise OSError(f'exec: "{name}": stat {name}: no such file or directory') from None
            if error.errno == errno.EACCES:
                raise OSError(f'exec: "{name}": permission denied') from None
            raise OSError(f"exec {path}: {os.strerror(error.errno or 0).lower()}") from None
    raise OSError(f'exec: "{name}": executable file not found in $PATH')


def descendants(root: int) -> list[int]:
    """All processes below one, by the parents that /proc tells."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry))
    found: list[int] = []
    parents = [root]
    while parents:
        more = children.get(parents.pop(), [])
        found += more
        parents += more
    return found


if __name__ == "__main__":
    Shim(sys.argv[1]).run()
