"""One pod on the node: a thread that runs its containers as a kubelet does, and tells the store what becomes of them.

All that happens to the pod comes as a message; between messages the worker sleeps until the next thing is due.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue

from kubedock.cluster import Json
from kubedock.cluster.objects import owners
from kubedock.embedded.backoff import Backoff
from kubedock.embedded.containerstart import ContainerStart
from kubedock.embedded.ignored import ignored
from kubedock.embedded.nodeparts import NodeParts
from kubedock.embedded.podcontainer import PodContainer
from kubedock.embedded.podstatus import PodState, outcome, status, waiting
from kubedock.embedded.resolve import containers_of, stop_signal
from kubedock.embedded.runtime import Exit, StartError
from kubedock.embedded.sandbox import sandbox_spec
from kubedock.embedded.volumes import VolumeError, Volumes

logger = logging.getLogger(__name__)

KILL = 9
PREPARE_PAUSE, LONGEST_PREPARE_PAUSE = 0.5, 30.0
SURPRISE_PAUSE, LONGEST_SURPRISE_PAUSE = 5.0, 300.0
GIVE_UP_SECONDS = 15.0
"""How long after its KILL a process may take to end before it counts as lost."""
DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


@dataclass(slots=True)
class Ending:
    """The pod's end has begun. ``kill_at`` is monotonic; ``deleted``: it goes from the API when it has ended.

    ``failure`` is the reason and the message of an end that the node wants, ``asked`` are the containers that know.
    """

    kill_at: float
    deleted: bool
    failure: tuple[str, str] | None = None
    asked: set[str] = field(default_factory=set)
    killed: bool = False


class PodWorker:
    """Start it once; it ends when the pod is gone, or the node stops."""

    def __init__(self, pod: Json, parts: NodeParts, forget: Callable[["PodWorker"], None]) -> None:
        """``pod`` is as it was created; ``forget`` is called at the end of the thread."""
        meta, spec = pod["metadata"], pod["spec"]
        self.name, self.uid = str(meta["name"]), str(meta["uid"])
        self._pod, self._spec, self._parts, self._forget = pod, spec, parts, forget
        self._folder = parts.pods / self.uid
        self.containers = tuple(PodContainer.of(one, init=init, logs=self._folder / "logs") for one, init in containers_of(spec))
        group = (spec.get("securityContext") or {}).get("fsGroup")
        self._volumes = Volumes(self._folder / "volumes", parts.store.peek, self._memory, group)
        self._start = ContainerStart(pod, parts, self._volumes, self._put)
        self._start.report, self._start.ended = self._report, self._exited
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._policy = str(spec["restartPolicy"])
        self._began: datetime = parts.now()
        self._limit: float | None = None
        self._limit_of(spec.get("activeDeadlineSeconds"))
        self._prepared = self._over = False
        self._prepare_pauses, self._prepare_due = Backoff(PREPARE_PAUSE, LONGEST_PREPARE_PAUSE), 0.0
        self._surprises = Backoff(SURPRISE_PAUSE, LONGEST_SURPRISE_PAUSE)
        self._ending: Ending | None = None
        self._failure: tuple[str, str] | None = None
        self._gone = self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"pod-{self.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for its thread."""
        self._thread.join(timeout)

    # --- messages: from any thread, nothing waits ------------------------------------------------------------------

    def end(self, seconds: float) -> None:
        """The pod is being deleted: its processes have this long."""
        self._put(lambda: self._begin_end(seconds, deleted=True))

    def expire(self, seconds: int | None) -> None:
        """Its activeDeadlineSeconds are others now."""
        self._put(lambda: self._limit_of(seconds))

    def remove(self) -> None:
        """The pod is gone from the API."""
        self._put(self._be_gone)

    def stop(self) -> None:
        """The node stops: the runtime ends the processes."""
        self._put(self._be_stopped)

    def _put(self, message: Callable[[], None]) -> None:
        self._inbox.put(message)

    def _be_gone(self) -> None:
        self._gone = True

    def _be_stopped(self) -> None:
        self._stopping = True

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        due: float | None = time.monotonic()
        while not (self._gone or self._stopping):
            try:
                self._hear(due)
                self._act()
                due = self._next_due()
                self._surprises.reset()
            except Exception as error:
                pause = self._surprises.failed()
                due = time.monotonic() + pause
                logger.exception("pod %s: unexpected; again in %.0f s", self.name, pause)
                self._parts.events.tell(self._pod, "FailedSync", f"Error syncing pod, skipping: {error}", warning=True)
        try:
            self._clean_up()
        except Exception:
            logger.exception("pod %s: something of it is left", self.name)
        finally:
            self._forget(self)

    def _hear(self, until: float | None) -> None:
        """Take the next message, and what else is there; at most until something is due (monotonic)."""
        with suppress(Empty):
            self._inbox.get(timeout=None if until is None else max(0.0, until - time.monotonic()))()
            while True:
                self._inbox.get_nowait()()

    def _next_due(self) -> float | None:
        if self._ending is not None:
            return self._ending.kill_at if self._alive() else None
        if self._over:
            return None
        times = [] if self._limit is None else [self._limit]
        if not self._prepared:
            times.append(self._prepare_due)
        else:
            times += [one.due for one in self._next() if one.startable]
        return min(times, default=None)

    def _act(self) -> None:
        """Do what is due."""
        if self._ending is None and not self._over and self._limit is not None and time.monotonic() >= self._limit:
            self._begin_end(self._spec["terminationGracePeriodSeconds"], failure=DEADLINE)
        if self._ending is None and not self._over:
            self._go_on()
        if self._ending is not None:
            self._go_on_ending(self._ending)

    def _go_on(self) -> None:
        if not self._prepared and time.monotonic() >= self._prepare_due:
            self._prepare()
        if not self._prepared:
            return
        for container in self._next():
            if container.startable and time.monotonic() >= container.due:
                self._start.attempt(container)
        self._check_over()

    def _next(self) -> tuple[PodContainer, ...]:
        """Those that should run now: the first init container that is not done, else all others; and sidecars before them."""
        if outcome(self._state()):
            return ()
        init = [one for one in self.containers if one.init]
        waiting_for = next((index for index, one in enumerate(init) if not one.done), None)
        if waiting_for is None:
            return tuple(one for one in self.containers if one.sidecar or not one.init)
        return (*(one for one in init[:waiting_for] if one.sidecar), init[waiting_for])

    def _alive(self) -> list[PodContainer]:
        return [one for one in self.containers if one.id]

    def _limit_of(self, seconds: int | None) -> None:
        gone_by = (self._parts.now() - self._began).total_seconds()
        self._limit = None if seconds is None else time.monotonic() + max(0.0, seconds - gone_by)

    # --- its place -----------------------------------------------------------------------------------------------

    def place(self) -> None:
        """The scheduler's word, before the thread starts."""
        text = f"Successfully assigned {self._pod['metadata']['namespace']}/{self.name} to {self._parts.node}"
        self._report()
        self._parts.events.tell(self._pod, "Scheduled", text)
        for name in ignored(self._pod):
            logger.warning("pod %s: the embedded node does nothing about its %s", self.name, name)

    def _memory(self, name: str, size: int) -> Path:
        return self._parts.runtime.memory_folder(self.uid, name, size)

    def _prepare(self) -> None:
        """Sandbox and volumes."""
        try:
            if not self._start.ip:
                spec = sandbox_spec(self._pod, self._parts.runtime.gateway, self._parts.upstream)
                self._start.ip = self._parts.runtime.add_sandbox(spec).ip or self._parts.host_ip
            self._volumes.make(self._spec.get("volumes") or [])
        except StartError as error:
            self._trouble("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
        except VolumeError as error:
            self._trouble("FailedMount", str(error))
        else:
            self._prepared = True

    def _trouble(self, reason: str, text: str) -> None:
        self._parts.events.tell(self._pod, reason, text, warning=True)
        self._prepare_due = time.monotonic() + self._prepare_pauses.failed()

    # --- ends ----------------------------------------------------------------------------------------------------

    def _exited(self, container: PodContainer, run: str, ended: Exit) -> None:
        """A run has ended, or could not be started (its status says so already)."""
        if container.id != run:
            return
        if container.status.running:
            state = container.ended_state(ended, container.status.container_id)
            container.status = replace(container.status, state=state)
        container.id = ""
        if container.log is not None:
            container.log.end()
        self._report()
        self._parts.runtime.remove(run)
        if self._ending is None and container.wants_again(self._policy):
            self._back_off(container, ended)

    def _back_off(self, container: PodContainer, ended: Exit) -> None:
        """It will be brought back: at once after a first end, later and later after that."""
        lasted = (ended.finished_at - (container.started_at or ended.finished_at)).total_seconds()
        pause = container.restart_pauses.failed(lasted)
        container.again, container.due = True, time.monotonic() + pause
        if pause:
            where = f"{self.name}_{self._pod['metadata']['namespace']}({self.uid})"
            text = f"back-off {pause:.0f}s restarting failed container={container.name} pod={where}"
            last = container.status.state
            container.status = replace(container.status, last=last, state=waiting("CrashLoopBackOff", text))
            self._report()
            told = f"Back-off restarting failed container {container.name} in pod {where}"
            self._parts.events.tell(self._pod, "BackOff", told, container=container.path, warning=True)

    def _check_over(self) -> None:
        """A pod whose containers have all ended for good lets go of its place; sidecars end after the others."""
        if not outcome(self._state()):
            return
        if self._alive():
            self._begin_end(self._spec["terminationGracePeriodSeconds"])
        else:
            self._over = True
            self._parts.runtime.remove_sandbox(self.uid)

    def _begin_end(self, seconds: float, *, deleted: bool = False, failure: tuple[str, str] | None = None) -> None:
        kill_at = time.monotonic() + seconds
        if self._ending is None:
            self._ending = Ending(kill_at, deleted, failure)
        else:
            self._ending.kill_at = min(kill_at, self._ending.kill_at) if not self._ending.killed else self._ending.kill_at
            self._ending.deleted = self._ending.deleted or deleted

    def _go_on_ending(self, ending: Ending) -> None:
        alive = self._alive()
        for container in [one for one in alive if not one.sidecar] or alive[-1:]:  # sidecars last, the first of them at the end
            if container.name not in ending.asked:
                ending.asked.add(container.name)
                self._ask(container)
        if self._alive() and time.monotonic() >= ending.kill_at:
            self._kill(ending)
        if not self._alive():
            self._ended(ending)

    def _ask(self, container: PodContainer) -> None:
        told = f"Stopping container {container.name}"
        self._parts.events.tell(self._pod, "Killing", told, container=container.path)
        if container.image is not None:
            self._parts.runtime.signal(container.id, stop_signal(container.image))

    def _kill(self, ending: Ending) -> None:
        if ending.killed:
            for container in self._alive():
                logger.error("pod %s: container %s did not end after KILL", self.name, container.name)
                self._exited(container, container.id, Exit(128 + KILL, self._parts.now(), error="did not end after KILL"))
            return
        ending.killed, ending.kill_at = True, time.monotonic() + GIVE_UP_SECONDS
        for container in self._alive():
            self._parts.runtime.signal(container.id, KILL)

    def _ended(self, ending: Ending) -> None:
        """No process is left."""
        if not ending.deleted:
            self._failure, self._ending, self._over = ending.failure, None, True
        self._report()
        if not self._over or not ending.deleted:
            self._parts.runtime.remove_sandbox(self.uid)
        if ending.deleted:
            self._over = True
            with self._parts.store.lock:
                item = self._parts.store.peek("Pod", self.name)
                if item is not None and item["metadata"]["uid"] == self.uid:
                    self._parts.api.drop("Pod", self.name)

    def _clean_up(self) -> None:
        """The pod is gone: so is all of it."""
        if self._gone:
            self._parts.runtime.remove_sandbox(self.uid)
        for container in self.containers:
            container.id = ""
            for log in (container.log, container.previous):
                if log is not None:
                    log.end()
        if self._folder.exists():
            shutil.rmtree(self._folder, onerror=lambda _, path, error: logger.warning("%s was not removed: %s", path, error[1]))

    # --- what is told --------------------------------------------------------------------------------------------

    def _state(self) -> PodState:
        """A pod that is being ended brings nothing back any more."""
        policy = self._policy if self._ending is None else "Never"
        statuses = tuple(one.status for one in self.containers)
        return PodState(statuses, policy, self._began, self._parts.host_ip, self._start.ip, self._failure)

    def _report(self) -> None:
        """Write the pod's status into the store."""
        store, now = self._parts.store, self._parts.now()

        def change(item: Json) -> None:
            item["spec"]["nodeName"] = self._parts.node
            item["status"] = status(self._state(), item["status"], now)

        with store.lock:
            item = store.peek("Pod", self.name)
            if item is not None and item["metadata"]["uid"] == self.uid:
                stored = store.update("Pod", self.name, change)
                if owners(stored):
                    self._parts.api.refresh(stored)
