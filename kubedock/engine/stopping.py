"""End a container's process: stop, kill, restart."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

from kubedock.domain.container import ContainerRecord
from kubedock.domain.status import Status, status
from kubedock.domain.units import signal_name, signal_number
from kubedock.engine import signals
from kubedock.engine.core import Core
from kubedock.engine.lifecycle import Lifecycle
from kubedock.engine.naming import Names
from kubedock.engine.starting import Starting
from kubedock.engine.workloads import Workloads
from kubedock.errors import CannotKill, KubedockError, NoSuchContainer, NotFound, NotModified

DEFAULT_SIGNAL = "TERM"


class Stopping:
    """The use cases ``stop``, ``kill`` and ``restart``."""

    def __init__(self, core: Core, lifecycle: Lifecycle, workloads: Workloads, starting: Starting, names: Names) -> None:
        self._core, self._lifecycle, self._workloads, self._starting, self._names = core, lifecycle, workloads, starting, names

    def stop(self, ref: str, *, signal: str | None, timeout: int | None) -> None:
        """Send the stop signal, wait ``timeout`` seconds (negative: for ever), then end it hard."""
        name = signal_name(signal) if signal else None
        record = self._core.containers.find(ref)
        with self._core.sessions.exclusive(record.id):
            record = self._current(record.id)
            if not self._status(record).running and not record.alive:
                raise NotModified
            self._stop(record, name, timeout)
            self._names.release(record)
            self._lifecycle.publish(record, "stop")

    def restart(self, ref: str, *, signal: str | None, timeout: int | None) -> None:
        """Stop it if it runs, then start it."""
        name = signal_name(signal) if signal else None
        record = self._core.containers.find(ref)
        with self._core.sessions.exclusive(record.id):
            record = self._current(record.id)
            if record.alive or record.restarting:
                self._stop(record, name, timeout)
                self._lifecycle.publish(record, "stop")
        self._starting.start(record.id)
        self._lifecycle.publish(record, "restart")

    def kill(self, ref: str, *, signal: str | None) -> None:
        """Send a signal; KILL (the default) ends it hard."""
        name = signal_name(signal) if signal else "KILL"
        record = self._core.containers.find(ref)
        if not self._status(record).running:
            raise CannotKill(ref, record.id)
        if record.restarting and not record.alive and self._kill_between_runs(record, name):
            return
        if name == "KILL":
            with self._core.sessions.exclusive(record.id):
                record = self._current(record.id)
                self._mark_stopped(record)
                self._told(record, name)
                self._end_hard(record)
                self._names.release(record)
            return
        is_stop = name == self._stop_signal(record)
        if is_stop:
            self._mark_stopped(record)
        self._told(record, name)
        if is_stop and record.spec.workload == "deployment":
            self._workloads.scale_to_zero(record)
        else:
            self._deliver(record, name)

    # --- how -----------------------------------------------------------------------------------------------------

    def _kill_between_runs(self, record: ContainerRecord, name: str) -> bool:
        """A signal that ends it keeps its policy from the next run; others have no process to reach. False: it runs again."""
        with self._core.sessions.exclusive(record.id):
            record = self._current(record.id)
            if record.alive or not record.restarting:
                return False
            if name in ("KILL", self._stop_signal(record)):
                self._mark_stopped(record)
                self._told(record, name)
                self._stay_down(record)
        return True

    def _stay_down(self, record: ContainerRecord) -> None:
        """Between two runs of its policy: there will be no next one."""
        self._core.containers.update(record.id, lambda r: replace(r, restarting=False))
        self._lifecycle.tell(record.id)

    def _stop(self, record: ContainerRecord, signal: str | None, timeout: int | None) -> None:
        self._mark_stopped(record)
        if record.restarting and not record.alive:  # between two runs of its policy
            self._stay_down(record)
            return
        if record.started_at is None:  # its start is still under way and will hear of it
            self._workloads.end_hard(record)
            return
        seconds = record.spec.stop_timeout if timeout is None else timeout
        name = signal or self._stop_signal(record)
        self._told(record, name)
        deadline = None if seconds < 0 else time.monotonic() + seconds
        if seconds != 0:
            self._ask(record, name)
        if not self._ended(record, deadline):
            self._told(record, "KILL")
            self._end_hard(record)

    def _ask(self, record: ContainerRecord, name: str) -> None:
        """Ask the process to end; through the kubelet where the image has nothing that sends a signal."""
        if record.spec.workload == "deployment":
            if name != DEFAULT_SIGNAL:
                self._deliver(record, name)
            self._workloads.scale_to_zero(record)
            return
        try:
            self._deliver(record, name)
        except signals.NoKill:
            self._workloads.enforce_deadline(record)

    def _deliver(self, record: ContainerRecord, name: str) -> None:
        try:
            self._workloads.signal(record, name)
        except KubedockError:
            # The exec that brings a deadly signal often breaks with its container: an end is what was asked for.
            if not self._ended(record, time.monotonic() + 2.0, only_if=self._ending(record)):
                raise

    def _ending(self, record: ContainerRecord) -> Callable[[], bool]:
        return lambda: (now := self._core.containers.get(record.id)) is None or now.run != record.run or now.outcome is not None

    def _ended(self, record: ContainerRecord, deadline: float | None, only_if: Callable[[], bool] | None = None) -> bool:
        """Wait until the run has ended, at most until ``deadline`` (monotonic)."""
        ended = only_if or self._ending(record)
        with self._core.bell.listening(record.id) as changed:
            while not ended():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                changed.wait(left)
                changed.clear()
        return True

    def _end_hard(self, record: ContainerRecord) -> None:
        if record.spec.workload == "deployment":
            with contextlib.suppress(NotFound):
                self._workloads.scale_to_zero(record)
        self._workloads.end_hard(record)

    def _mark_stopped(self, record: ContainerRecord) -> None:
        self._core.containers.update(record.id, lambda r: replace(r, stopped=True))

    def _told(self, record: ContainerRecord, name: str) -> None:
        self._lifecycle.publish(record, "kill", signal=str(signal_number(name)))

    def _stop_signal(self, record: ContainerRecord) -> str:
        return record.spec.stop_signal or DEFAULT_SIGNAL

    def _status(self, record: ContainerRecord) -> Status:
        return status(record, self._core.watcher.observed(record.short_id, record.run))

    def _current(self, container_id: str) -> ContainerRecord:
        record = self._core.containers.get(container_id)
        if record is None:
            raise NoSuchContainer(container_id)
        return record
