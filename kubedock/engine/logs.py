"""A container's output: ``logs`` and ``attach``."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from kubedock.domain.container import ContainerRecord
from kubedock.domain.status import status
from kubedock.engine.attaching import LiveOutput
from kubedock.engine.core import Core
from kubedock.engine.following import Batch, Follower, LogQuery
from kubedock.engine.lifecycle import Lifecycle
from kubedock.errors import InvalidParameter, NotImplemented, Restarting
from kubedock.streams.cancel import Cancel

__all__ = ["AttachQuery", "LogQuery", "Logs", "Output"]


NO_STDIN = "kubedock cannot attach a container's stdin yet: use docker run without -i, or docker logs -f"
NO_TERMINAL = "kubedock cannot attach to a container's terminal yet: use docker run -d with docker logs -f"


@dataclass(frozen=True, slots=True)
class AttachQuery:
    """What to attach: ``stream`` for what comes from now on, ``logs`` for what was before."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    stream: bool = False
    logs: bool = False


class Output:
    """Batches of (stream number, bytes), an empty batch to flush; ``close`` when no more is wanted."""

    def __init__(self, tty: bool, batches: Generator[Batch, None, None], release: ExitStack) -> None:  # noqa: FBT001
        self.tty = tty
        self._batches, self._release = batches, release

    def __iter__(self) -> Iterator[Batch]:
        """Itself."""
        return self

    def __next__(self) -> Batch:
        """The next batch."""
        return next(self._batches)

    def close(self) -> None:
        """Nobody reads any more."""
        self._batches.close()
        self._release.close()


class Logs:
    """The use cases ``logs`` and ``attach``."""

    def __init__(self, core: Core, lifecycle: Lifecycle) -> None:
        self._core, self._lifecycle = core, lifecycle

    def read(self, ref: str, query: LogQuery, cancel: Cancel) -> Output:
        """The log. InvalidParameter where no stream is chosen."""
        if not (query.stdout or query.stderr):
            raise InvalidParameter("Bad parameters: you must choose at least one stream")
        record = self._core.containers.find(ref)
        return self._output(record, Follower(self._core, record, query, cancel).batches(), ExitStack())

    def attach(self, ref: str, query: AttachQuery, cancel: Cancel) -> Output:
        """The output from now on, or from the next start on for a container that does not run."""
        record = self._core.containers.find(ref)
        if query.stdin and record.spec.open_stdin:
            raise NotImplemented(NO_STDIN)
        if record.spec.tty and query.stream:
            raise NotImplemented(NO_TERMINAL)
        if status(record, self._core.watcher.observed(record.short_id, record.run)).state == "restarting":
            raise Restarting(f"container {ref}")
        log = LogQuery(stdout=query.stdout, stderr=query.stderr, follow=query.stream)
        release = ExitStack()
        if not query.stream:
            batches = Follower(self._core, record, log, cancel).batches() if query.logs else _nothing()
        elif record.alive and record.started_at is not None and not query.logs and record.spec.workload == "inside":
            batches = Follower(self._core, record, replace(log, tail=0), cancel).batches()
        elif record.alive and record.started_at is not None and not query.logs:
            live = LiveOutput(self._core, record, cancel, stdout=query.stdout, stderr=query.stderr)
            release.callback(live.close)
            batches = live.batches()
        else:
            batches = Follower(self._core, record, log, cancel).one_run(history=query.logs)
        self._lifecycle.publish(record, "attach")
        return self._output(record, batches, release)

    def _output(self, record: ContainerRecord, batches: Generator[Batch, None, None], release: ExitStack) -> Output:
        release.enter_context(self._core.sessions.reading(record.id))
        return Output(record.spec.tty, batches, release)


def _nothing() -> Generator[Batch, None, None]:
    yield ()
