"""The use cases of exec: a command in a container that runs. Execs live in this process and are never stored."""

from kubedock.domain.container import ContainerRecord
from kubedock.domain.exec import Exec, ExecSpec, ExecStart, Size
from kubedock.domain.status import status
from kubedock.engine.core import Core
from kubedock.engine.executing import Executing
from kubedock.engine.lifecycle import Lifecycle
from kubedock.errors import InvalidParameter, NoSuchContainer, NoSuchExec, NotImplemented, NotRunning, Restarting

PRIVILEGED = (
    "a privileged exec is not supported: Kubernetes gives an exec its container's rights; create the container with --privileged"
)


class Execs:
    """Create, start, resize, inspect."""

    def __init__(self, core: Core, lifecycle: Lifecycle) -> None:
        self._core, self._lifecycle = core, lifecycle
        self._execs = core.sessions.execs

    def create(self, ref: str, spec: ExecSpec) -> str:
        """A new exec, not started; its id. NoSuchContainer, NotRunning, Restarting, NotImplemented."""
        if not spec.argv or not spec.argv[0]:
            raise InvalidParameter("No exec command specified")
        record = self._core.containers.find(ref)
        self._require_running(record)
        if spec.privileged and not record.spec.security.privileged:
            raise NotImplemented(PRIVILEGED)
        made = Exec(self._core.new_id(), record.id, spec, user=_user(record, spec))
        self._execs.add(made)
        if self._core.containers.get(record.id) is None:  # removed meanwhile: nobody else would forget it
            self._execs.forget(record.id)
            raise NoSuchContainer(ref)
        self._tell(made, f"exec_create: {spec.shown}")
        return made.id

    def start(self, exec_id: str, start: ExecStart) -> Executing | None:
        """Begin; None for a detached one, which runs by itself. NoSuchExec, NotRunning, Restarting, Conflict for a second start.

        What is returned must be run: the exec counts as running from now on. What keeps a detached one from beginning is
        raised, where that is known at once.
        """
        record = self._core.containers.get(self._execs.find(exec_id).container_id)
        if record is None:  # removed meanwhile: soon nobody knows the exec either
            raise NoSuchExec(exec_id)
        self._require_running(record)
        claimed = self._execs.claim(exec_id)
        if start.size is not None:
            self._execs.terminal(exec_id).resize(start.size)
        self._tell(claimed, f"exec_start: {claimed.spec.shown}")
        executing = Executing(self._core, claimed, self._ended, tty=start.tty)
        if not start.detach:
            return executing
        executing.detached()
        return None

    def resize(self, exec_id: str, *, height: int, width: int) -> None:
        """The size of its terminal, now or from its start on. NoSuchExec."""
        found = self._execs.find(exec_id)
        if found.spec.tty and not found.ended:
            self._execs.terminal(exec_id).resize(Size(height, width))

    def inspect(self, exec_id: str) -> Exec:
        """As it is now. NoSuchExec."""
        return self._execs.find(exec_id)

    # --- kubedock's own --------------------------------------------------------------------------------------------

    def begun(self, record: ContainerRecord, spec: ExecSpec) -> Exec:
        """One that kubedock runs itself: it is shown and told of as any other, and runs from now on."""
        made = Exec(self._core.new_id(), record.id, spec, started=True, user=_user(record, spec))
        self._execs.add(made)
        self._tell(made, f"exec_create: {spec.shown}")
        self._tell(made, f"exec_start: {spec.shown}")
        return made

    def ended(self, begun: Exec, exit_code: int) -> None:
        """Such a one has ended; nobody will ask for it any more."""
        self._ended(begun, exit_code)
        self._execs.drop(begun)

    # --- what they have in common ----------------------------------------------------------------------------------

    def _require_running(self, record: ContainerRecord) -> None:
        now = status(record, self._core.watcher.observed(record.short_id, record.run))
        if now.state == "restarting":
            raise Restarting(f"Container {record.id}")
        if record.started_at is None or not record.alive or not now.running:
            raise NotRunning(record.id)

    def _ended(self, ended: Exec, exit_code: int) -> None:
        if self._execs.end(ended.id, exit_code):
            self._tell(ended, "exec_die", exitCode=str(exit_code))

    def _tell(self, told: Exec, action: str, **attributes: str) -> None:
        record = self._core.containers.get(told.container_id)
        if record is not None:
            self._lifecycle.publish(record, action, execID=told.id, **attributes)


def _user(record: ContainerRecord, spec: ExecSpec) -> str:
    return spec.user or str(record.spec.asked.get("User") or "")
