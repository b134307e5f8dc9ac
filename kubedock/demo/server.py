"""A kubedock server of the demonstration's own."""

import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kubedock.errors import Unavailable

START_SECONDS = 60
STOP_SECONDS = 60
LAST_LINES = 20
_SERVES = re.compile(r"serves the Docker API on tcp://(\S+)")
_RUNS = re.compile(r"containers are run by (.*)")


class Server:
    """It runs: ``address`` is where, ``runtime`` what runs its containers and why."""

    def __init__(self, options: Sequence[str]) -> None:
        argv = [sys.executable, "-m", "kubedock", "server", "--embedded", "--listen-addr", "127.0.0.1:0", *options]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        self._ready = threading.Event()
        self.address = self.runtime = ""
        self._reader = threading.Thread(target=self._read, name="server-output")  # noqa: TID251 joined in stop
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._said.append(line.rstrip())
            if found := _RUNS.search(line):
                self.runtime = found[1]
            if found := _SERVES.search(line):
                self.address = found[1]
                self._ready.set()
        self._ready.set()

    def wait(self) -> None:
        """Until it serves. Unavailable, with what it said last."""
        self._ready.wait(START_SECONDS)
        if not self.address:
            raise Unavailable("the server does not serve:\n" + "\n".join(self._said))

    def stop(self) -> int:
        """End it; its exit code."""
        self._process.terminate()
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        return code


@contextmanager
def serving(options: Sequence[str]) -> Iterator[Server]:
    """A server while it is needed."""
    server = Server(options)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
