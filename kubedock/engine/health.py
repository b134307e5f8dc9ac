"""Health checks: a container's check is run in it from the begin of a run to its end, and its health follows.

What cannot be known is not made up. Where the cluster cannot be reached, or the connection breaks under a check, there
is no result: the health stays what it was, and the log says so, once. Where the cluster refuses, or the command cannot
be begun, there is one, as with Docker: -1, with the reason as its output.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from kubedock.background.health import End
from kubedock.cluster import Channels
from kubedock.cluster.protocol import STDOUT
from kubedock.domain.container import ContainerRecord
from kubedock.domain.exec import Exec, ExecSpec
from kubedock.domain.health import FAILED, SHELL, Health, Healthcheck, Output, Result, after, killing, over, pause, traced
from kubedock.domain.status import KILLED
from kubedock.domain.units import go_duration
from kubedock.engine.core import Core
from kubedock.engine.execs import Execs
from kubedock.engine.executing import UNKNOWN
from kubedock.engine.lifecycle import Lifecycle
from kubedock.errors import NotFound, NotRunning, Unavailable
from kubedock.notstarted import COMMAND_NOT_RUNNABLE
from kubedock.streams.channels import exit_status

logger = logging.getLogger(__name__)

BEGIN_SECONDS = 30.0
"""So long the cluster may take until a command's process runs; that is no time of the check's."""
BROKE = "the connection broke"
SLOW = "the cluster took too long"
NOT_FOUND_BY_SHELL = (126, 127)


class Verdict(NamedTuple):
    """What the end of a command says. ``exit_code`` is None where it says nothing of the container's health.

    ``exec_code`` is what is told of the exec; ``text`` the result's output, or why there is no result ("" where the
    container has ended, which is told by others).
    """

    exec_code: int
    exit_code: int | None
    text: str = ""


class Late(NamedTuple):
    """A check that has taken too long: its process, what it had written, and when its time was over."""

    process: int
    output: str
    at: datetime


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


def judge_late(kill: End, timeout: float, output: str) -> Verdict:
    """Of a command that has taken too long, by the end of the one that killed it.

    A cluster that cannot bring that about may have held up the check's own end as well.
    """
    if kill.late:
        return Verdict(UNKNOWN, None, SLOW)
    found = judge(kill, timeout, output)
    return found if found.exit_code is None else judge(End(late=True), timeout, output)


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
        if check is None or record.spec.workload == "inside":  # nothing can be executed in what has no pod
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

    It goes through the image's shell, which tells the number of its process: that is when its time begins, and what is
    killed when that is over. Where the image has no shell, or the shell cannot find the command, it is run once more as it
    is, and always from then on: what cannot be begun is told by the runtime, as with Docker.
    """

    def __init__(self, owner: HealthChecks, record: ContainerRecord, check: Healthcheck) -> None:
        self.name = f"container {record.short_id}"
        self._owner, self._record, self._check = owner, record, check
        self._core = owner.core
        self._run_began = self._began_at = self._core.now()
        self._traced = True
        self._output = Output(is_traced=False)
        self._exec: Exec | None = None
        self._late: Late | None = None
        self._over = self._warned = False

    @property
    def timeout(self) -> float:
        """See Check."""
        if self._late is not None:
            return self._core.limits.signal
        return BEGIN_SECONDS if self._traced else self._check.timeout

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
            self._output = Output(is_traced=False)
            return killing(self._late.process)
        if self._exec is None:
            self._began_at = self._core.now()
            self._exec = self._owner.execs.begun(self._record, ExecSpec(self._check.argv, stdout=True, stderr=True))
        self._output = Output(is_traced=self._traced)
        return traced(self._check.argv) if self._traced else list(self._check.argv)

    def take(self, channel: int, data: bytes) -> float | None:
        """See Check."""
        known = self._output.process
        self._output.add(data, stdout=channel == STDOUT)
        return self._check.timeout if known is None and self._output.process is not None else None

    def end(self, end: End) -> float | None:
        """See Check."""
        with self._owner.lock:
            if self._over:
                return None
            return 0.0 if self._goes_on(end) else self._ended(end)

    def leave(self) -> None:
        """Under the lock: its run has ended, and the command that runs with it."""
        self._over = True
        self._exec_ended(KILLED)

    def _goes_on(self, end: End) -> bool:
        """There is one thing more to do about it at once: kill it, or run it without the shell."""
        process = self._output.process
        if end.late and process is not None:
            self._late = Late(process, str(self._output), self._core.now())
            return True
        if self._traced and self._late is None and end.status is not None and self._check.argv[0] != SHELL:
            self._traced = exit_status(end.status).code not in NOT_FOUND_BY_SHELL
            return not self._traced
        return False

    def _ended(self, end: End) -> float:
        late, self._late = self._late, None
        if late is not None:
            verdict = judge_late(end, self._check.timeout, late.output)
        elif end.late and self._traced:
            verdict = Verdict(UNKNOWN, None, SLOW)
        else:
            verdict = judge(end, self._check.timeout, str(self._output))
        self._exec_ended(verdict.exec_code)
        now = self._core.now()
        if verdict.exit_code is not None:
            result = Result(self._began_at, late.at if late is not None else now, verdict.exit_code, verdict.text)
            age = (self._began_at - self._run_began).total_seconds()
            self._owner.change(self._record, lambda health: after(health, self._check, result, age))
        self._log(verdict, refused=end.error is not None)
        health = self._core.sessions.healths.of(self._record) or Health()
        return pause(health, self._check, (now - self._run_began).total_seconds())

    def _exec_ended(self, exit_code: int) -> None:
        begun, self._exec = self._exec, None
        if begun is not None:
            self._owner.execs.ended(begun, exit_code)

    def _log(self, verdict: Verdict, *, refused: bool) -> None:
        """What could not be run, once until it can be again."""
        if verdict.exit_code is not None and not refused:
            self._warned = False
        elif verdict.text and not self._warned:
            self._warned = True
            what = "its health stays as it was" if verdict.exit_code is None else "that counts as a failure"
            logger.warning("%s: its health check could not be run, %s: %s", self.name, what, verdict.text)
