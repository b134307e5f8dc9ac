"""A command in a terminal of its own: what a user sees who types ``docker exec -it``."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self


class Terminal:
    """Starts on enter, killed on exit when it still runs. ``text`` is what has come so far, as the terminal got it."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], *, rows: int = 24, columns: int = 80) -> None:
        self._argv, self._environ = argv, {**environ, "TERM": "xterm"}
        self._size = (rows, columns)
        self.text = ""

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        self._set_size()
        self.process = subprocess.Popen(
            self._argv,
            env=self._environ,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - the terminal must be the session's own
        )
        os.close(slave)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _set_size(self) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", *self._size, 0, 0))

    def resize(self, rows: int, columns: int) -> None:
        """The window's new size; the command gets SIGWINCH, as from a window."""
        self._size = (rows, columns)
        self._set_size()
        self.process.send_signal(signal.SIGWINCH)

    def type(self, keys: str) -> None:
        """What the user types; ``\\x03`` is ^C."""
        os.write(self._master, keys.encode())

    def says(self, text: str, *, seconds: float = 20.0) -> None:
        """Wait for this text after what was waited for before."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert self._read(deadline), f"{text!r} did not come: {self.text!r}"
        self.text = self.text.partition(text)[2]

    def wait(self, *, seconds: float = 20.0) -> int:
        """The exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        """Take what has come; False at the end, and when the time is over."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)
