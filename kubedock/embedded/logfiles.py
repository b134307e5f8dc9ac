"""Log files that are read and followed. One thread hears of all that is written (inotify): nobody polls."""

import ctypes
import logging
import os
import select
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from kubedock.cluster import LogOptions
from kubedock.embedded.crilog import Rendering, tail_offset
from kubedock.errors import System
from kubedock.streams.cancel import Waker

logger = logging.getLogger(__name__)

CHUNK = 256 * 1024
_MODIFY = 0x2
_EVENT = struct.Struct("iIII")


class LogFile:
    """The log of one run of a container: its file, and whether more may come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed = threading.Condition(threading.Lock())
        self.ended = False

    def end(self) -> None:
        """The file is complete."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def poke(self) -> None:
        """There may be more in it."""
        with self.changed:
            self.changed.notify_all()


class Notifier:
    """Pokes log files when they are written to. Start it, stop it."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._lock = threading.Lock()
        self._files: dict[int, tuple[LogFile, int]] = {}  # watch descriptor -> file, how many follow it
        self._waker = Waker()
        self._fd = -1
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="node-logs", daemon=True)

    def start(self) -> None:
        """Begin. System where the machine has no inotify left."""
        self._fd = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise System(f"log files cannot be watched: {os.strerror(ctypes.get_errno())}")
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End it."""
        self._stopping = True
        self._waker.wake()
        if self._thread.is_alive():
            self._thread.join(timeout)
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
        self._waker.close()

    def follow(self, file: LogFile) -> Callable[[], None]:
        """Poke this file from now on; what is returned ends that."""
        with self._lock:
            if self._fd < 0:
                return lambda: None
            watch = self._libc.inotify_add_watch(self._fd, os.fsencode(file.path), _MODIFY)
            if watch < 0:
                raise System(f"the log cannot be followed: {os.strerror(ctypes.get_errno())}")
            known = self._files.get(watch)
            self._files[watch] = (file, known[1] + 1 if known else 1)
        return lambda: self._leave(watch)

    def _leave(self, watch: int) -> None:
        with self._lock:
            file, followers = self._files.get(watch, (None, 0))
            if file is not None and followers > 1:
                self._files[watch] = (file, followers - 1)
            elif file is not None:
                del self._files[watch]
                if self._fd >= 0:
                    self._libc.inotify_rm_watch(self._fd, watch)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._waker.fileno(), select.POLLIN)
        while not self._stopping:
            poll.poll()
            try:
                self._take()
            except BlockingIOError:
                continue
            except OSError:
                logger.exception("log files are not watched any more")
                return

    def _take(self) -> None:
        data, at, watches = os.read(self._fd, CHUNK), 0, set()
        while at < len(data):
            watch, _, _, length = _EVENT.unpack_from(data, at)
            watches.add(watch)
            at += _EVENT.size + length
        with self._lock:
            files = [self._files[watch][0] for watch in watches if watch in self._files]
        for file in files:
            file.poke()


class LogFileStream:
    """A reader of a log file; see ByteStream."""

    def __init__(self, file: LogFile, options: LogOptions, notifier: Notifier) -> None:
        self._file, self._options = file, options
        self._rendering = Rendering(since=options.since, stream=options.stream)
        self._left = options.limit_bytes
        self._closed = False
        self._reading = threading.Lock()
        self._leave: Callable[[], None] = lambda: None
        try:
            self._fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._fd = -1
            return
        if options.follow and not file.ended:
            self._leave = notifier.follow(file)
        self._size = os.fstat(self._fd).st_size
        self._at = 0 if options.tail is None else tail_offset(self._read_at, self._size, options.tail)

    def _read_at(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def read(self) -> bytes:
        """See ByteStream."""
        with self._reading:
            data = self._next()
            if not data:
                self._release()
            return data

    def _next(self) -> bytes:
        while self._fd >= 0 and not self._closed:
            raw = self._more()
            if not raw:
                return b""
            data = self._rendering.feed(raw)
            if self._left is not None:
                data = data[: self._left]
                self._left -= len(data)
                self._closed = self._closed or self._left == 0
            if data:
                return data
        return b""

    def _more(self) -> bytes:
        """Some bytes of the file; waits for them where it is followed. ``b""`` at the end."""
        file = self._file
        with file.changed:
            while not self._closed:
                ended = file.ended  # asked before the read: what was written until then is read
                most = CHUNK if self._options.follow else min(CHUNK, self._size - self._at)
                raw = os.pread(self._fd, most, self._at) if most > 0 else b""
                if raw:
                    self._at += len(raw)
                    return raw
                if ended or not self._options.follow:
                    return b""
                file.changed.wait()
        return b""

    def _release(self) -> None:
        self._leave()
        self._leave = lambda: None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        """See ByteStream."""
        with self._file.changed:
            self._closed = True
            self._file.changed.notify_all()
        if self._reading.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._reading.release()
