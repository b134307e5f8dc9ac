"""Health checks: a container's check is run in it from the begin of a run to its end, and its health follows.

What cannot be known is not made up. Where the cluster cannot be reached, or the connection breaks under a check, there
is no result: the health stays what it was, and the log says so, once. Where the cluster refuses, or the command cannot
be begun, there is one, as with Docker: -1, with the reason as its output.
"""

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from kubedock.background.health import End
from kubedock.cluster import Channels
from kubedock.cluster.protocol import STDOUT
from kubedock.domain.container import ContainerRecord
from kubedock.domain.exec import Exec, ExecSpec
from kubedock.domain.health import FAILED, SHELL, Health, Healthcheck, Output, Result, after, killing, over, pause, traced
from kubedock.domain.status import COMMAND_NOT_RUNNABLE, KILLED
from kubedock.domain.units import go_duration
from kubedock.engine.core import Core
from kubedock.engine.execs import Execs
from kubedock.engine.executing import UNKNOWN
from kubedock.engine.lifecycle import Lifecycle
from kubedock.errors import NotFound, NotRunning, Unavailable
from kubedock.streams.channels import exit_status

logger = logging.getLogger(__name__)

BROKE = "the connection broke"
NOT_FOUND_BY_SHELL = (126, 127)


class Verdict(NamedTuple):
    """What the end of a command says. ``exit_code`` is None where it says nothing of the container's health.

    ``exec_code`` is what is told of the exec; ``text`` the result's output, or why there is no result ("" where the
    container has ended, which is told by others).
    """

    exec_code: int
    exit_code: int | None
    text: str = ""


def judge(end: End, timeout: float, output: str) -> Verdict:
    """Of a command that could run for ``timeout`` seconds, and has written this."""
    if end.late:
        text = f"Health check exceeded timeout ({go_duration(timeout)})"
        return Verdict(KILLED, FAILED, f"{text}: {output}" if output else text)
    if isinstance(end.error, NotFound | NotRunning):
        return Verdict(KILLED, None)
    if end.error is not None:
        return Verdict(COMMAND_NOT_RUNNABLE, None if isinstance(end.error, Unavailable) else FAILED, str(end.error))
    if end.status is None:
        return Verdict(UNKNOWN, None, BROKE)
    found = exit_status(end.status)
    if found.container_gone:
        return Verdict(KILLED, None)
    if found.message:
        return Verdict(found.code, FAILED, found.reason)
    return Verdict(found.code, found.code, output)


class HealthChecks:
    """Follows the runs of the containers that have a check. One lock decides what still counts."""

    def __init__(self, core: Core, lifecycle: Lifecycle, execs: Execs) -> None:
        """Begin to follow."""
        self.core, self.execs, self._lifecycle = core, execs, lifecycle
        self.lock = threading.Lock()
        self._checks: dict[str, RunCheck] = {}
        lifecycle.followers.append(self)
        lifecycle.instance_followers.append(self)

    def began(self, record: ContainerRecord) -> None:
        """See Follower."""
        check = record.spec.healthcheck
        if check is None:
            return
        with self.lock:
            self._leave(record)
            self.core.sessions.healths.begin(record)
            watched = self._checks[record.id] = RunCheck(self, record, check)
            self.core.prober.add(watched, pause(Health(), check, 0.0))

    def ended(self, record: ContainerRecord) -> None:
        """See Follower."""
        with self.lock:
            if self._leave(record):
                self.core.sessions.healths.change(record.id, over)

    def gone(self, record: ContainerRecord) -> None:
        """See Follower."""
        with self.lock:
            self._leave(record)

    def instance_began(self, record: ContainerRecord) -> None:
        """See InstanceFollower."""
        self.began(record)

    def instance_ended(self, record: ContainerRecord) -> None:
        """See InstanceFollower."""
        self.ended(record)

    def _leave(self, record: ContainerRecord) -> bool:
        """Under the lock. True where there was a check to leave."""
        watched = self._checks.pop(record.id, None)
        if watched is None:
            return False
        self.core.prober.drop(watched)
        watched.leave()
        return True

    def change(self, record: ContainerRecord, change: Callable[[Health], Health]) -> None:
        """Under the lock: change a container's health, and tell of another status."""
        changed = self.core.sessions.healths.change(record.id, change)
        now = self.core.containers.get(record.id)
        if changed is not None and now is not None and changed[0].status != changed[1].status:
            self._lifecycle.publish(now, f"health_status: {changed[1].status}")


class RunCheck:
    """The check of one run; see ``background.health.Check``.

    One that takes too long is followed by the command that ends it. The check itself goes through the image's shell for
    that; where the image has none, or the shell cannot find the command, it is run once more as it is, and always from
    then on: what cannot be begun is told by the runtime, as with Docker.
    """

    def __init__(self, owner: HealthChecks, record: ContainerRecord, check: Healthcheck) -> None:
        self.name, self.timeout = f"container {record.short_id}", check.timeout
        self._owner, self._record, self._check = owner, record, check
        self._core = owner.core
        self._run_began = self._began_at = self._core.now()
        self._traced = True
        self._output = Output(is_traced=False)
        self._exec: Exec | None = None
        self._late: int | None = None
        self._over = self._warned = False

    def begin(self) -> Channels:
        """See Check. An exec has the container's own user, directory and environment, as a check has."""
        observed = self._core.watcher.observed(self._record.short_id, self._record.run)
        if observed is None or observed.deleted:
            raise NotRunning(self._record.id)
        with self._owner.lock:
            if self._over:
                raise NotRunning(self._record.id)
            argv = self._argv()
        return self._core.cluster.exec(observed.pod, argv)

    def _argv(self) -> list[str]:
        if self._late is not None:
            return killing(self._late)
        if self._exec is None:
            self._began_at = self._core.now()
            self._exec = self._owner.execs.begun(self._record, ExecSpec(self._check.argv, stdout=True, stderr=True))
        self._output = Output(is_traced=self._traced)
        return traced(self._check.argv) if self._traced else list(self._check.argv)

    def take(self, channel: int, data: bytes) -> None:
        """See Check."""
        self._output.add(data, stdout=channel == STDOUT)

    def end(self, end: End) -> float | None:
        """See Check."""
        with self._owner.lock:
            if self._over:
                return None
            if self._late is not None:
                self._late, self.timeout = None, self._check.timeout
                return self._pause()
            verdict = judge(end, self.timeout, str(self._output))
            if self._traced and verdict.exec_code in NOT_FOUND_BY_SHELL and self._check.argv[0] != SHELL and end.status is not None:
                self._traced = False
                return 0.0
            self._exec_ended(verdict.exec_code)
            self._note(verdict, refused=end.error is not None)
            if end.late and self._output.process is not None:
                self._late, self.timeout = self._output.process, self._core.limits.signal
                return 0.0
            return self._pause()

    def leave(self) -> None:
        """Under the lock: its run has ended, and the command that runs with it."""
        self._over = True
        self._exec_ended(KILLED)

    def _note(self, verdict: Verdict, *, refused: bool) -> None:
        if verdict.exit_code is not None:
            result = Result(self._began_at, self._core.now(), verdict.exit_code, verdict.text)
            age = (self._began_at - self._run_began).total_seconds()
            self._owner.change(self._record, lambda health: after(health, self._check, result, age))
        if verdict.exit_code is not None and not refused:
            self._warned = False
        elif verdict.text and not self._warned:
            self._warned = True
            what = "its health stays as it was" if verdict.exit_code is None else "that counts as a failure"
            logger.warning("%s: its health check could not be run, %s: %s", self.name, what, verdict.text)

    def _pause(self) -> float:
        age = (self._core.now() - self._run_began).total_seconds()
        return pause(self._core.sessions.healths.of(self._record) or Health(), self._check, age)

    def _exec_ended(self, exit_code: int) -> None:
        begun, self._exec = self._exec, None
        if begun is not None:
            self._owner.execs.ended(begun, exit_code)
