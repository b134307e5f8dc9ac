"""Runs of containers that kubedock does itself instead of a pod: Ryuk's.

To the rest of the engine such a run looks like one with a pod: what it shows comes through the watcher, what it writes
is a log, and the name that its pod would have names it.
"""

import logging
import socket
import threading
from dataclasses import dataclass, replace

from kubedock.background.listeners import Serve, reset
from kubedock.domain import ryuk
from kubedock.domain.container import ContainerRecord, Port
from kubedock.domain.status import Observed, Terminated
from kubedock.engine.core import Core
from kubedock.engine.ryuk import Reaper, Ryuk, Say
from kubedock.errors import InvalidParameter
from kubedock.state.ownlogs import OwnLog
from kubedock.streams.cancel import Cancel

logger = logging.getLogger(__name__)

_LEVELS = {"INFO": logging.INFO, "WARN": logging.INFO, "ERROR": logging.WARNING}
"""Ryuk's levels as kubedock's: what clients do wrong, or that they are killed, is no error of the server's."""


@dataclass(frozen=True, slots=True)
class _Run:
    ryuk: Ryuk
    port: int


class Inside:
    """All such runs. ``reaper`` is set by the Engine."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self.reaper: Reaper

    def begin(self, record: ContainerRecord) -> None:
        """The record's run begins. It ends at once where its settings make no sense, which its log tells."""
        name, now = str(record.object_name), self._core.now()
        shown = Observed(name, uid=name, phase="Running", started=True, running=True, log_ready=True, started_at=now)
        log = self._core.sessions.own_logs.begin(name)
        say = self._writer(record, log)

        def ended(exit_code: int) -> None:
            end = Terminated(exit_code, now, self._core.now())
            log.end()
            self._core.watcher.put(record.short_id, record.run, replace(shown, phase="Succeeded", running=False, terminated=end))

        self._core.watcher.put(record.short_id, record.run, shown)
        try:
            settings = ryuk.settings(dict(record.spec.env))
        except InvalidParameter as error:
            say("ERROR", "run", error=f"load config: {error}")
            ended(1)
            return
        run = Ryuk(settings, self.reaper, say, self._core.tasks.submit, ended)
        with self._lock:
            self._runs[name] = _Run(run, settings.port)
        run.start()

    def end(self, name: str) -> None:
        """Take a run away, hard where it has not ended, and its log with it. Nothing where there is none."""
        with self._lock:
            run = self._runs.pop(name, None)
        if run is not None:
            run.ryuk.close()
        self._core.sessions.own_logs.forget(name)

    def signal(self, name: str, signal: str) -> None:
        """A signal for its process."""
        run = self._runs.get(name)
        if run is not None:
            run.ryuk.signal(signal)

    def serve(self, record: ContainerRecord, port: Port) -> Serve:
        """What serves the connections to this port of the record's run; a reset where nothing listens on it."""
        name = str(record.object_name)

        def serve(connection: socket.socket, _: Cancel) -> None:
            run = self._runs.get(name)
            if run is None or (port.number, port.protocol) != (run.port, "tcp"):
                reset(connection)
            else:
                run.ryuk.serve(connection)

        return serve

    def _writer(self, record: ContainerRecord, log: OwnLog) -> Say:
        """Lines go into the container's log, and into kubedock's own: what is removed here is removed by kubedock."""

        def say(level: str, message: str, **about: object) -> None:
            now = self._core.now()
            log.write(now, ryuk.log_line(now, level, message, about))
            logger.log(_LEVELS[level], "ryuk %s: %s %s", record.short_id, message, ryuk.fields(about))

        return say
