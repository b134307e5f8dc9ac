"""A command that is run beside the main process of a simulated container."""

import threading
from collections.abc import Callable, Sequence

from kubedock.cluster import statuses
from kubedock.cluster.fake_files import FakeFiles, FileProgram, file_program
from kubedock.cluster.fake_program import NotStarted, Program
from kubedock.cluster.fake_streams import FakeChannels


class FakeExec:
    """One exec; ``channels`` are its client's. Everything happens under the lock of the simulated node."""

    def __init__(self, lock: threading.RLock, *, stdin: bool) -> None:
        self._lock, self._stdin = lock, stdin
        self._program: Program | FileProgram | None = None
        self.channels = FakeChannels(self._given if stdin else None)

    def run(self, argv: Sequence[str], files: FakeFiles, kill: Callable[[str], bool]) -> None:
        """Begin; ``kill`` sends a signal to the main process, and says whether it is there."""
        with self._lock:
            try:
                self._program = file_program(argv, files, self.channels.put) or Program(argv, self.channels.put, kill=kill)
            except NotStarted as error:
                self.channels.finish(statuses.cannot_exec(str(error)))
                return
            self._program.go()
            if not self._stdin:
                self._program.feed(None)
            self._look()

    def _given(self, _: FakeChannels, data: bytes | None) -> None:
        with self._lock:
            if self._program is not None:
                self._program.feed(data)
                self._look()

    def _look(self) -> None:
        if self._program is not None and self._program.code is not None:
            self.channels.finish(statuses.exited(self._program.code))
