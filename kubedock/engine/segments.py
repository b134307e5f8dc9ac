"""Where the log of one segment comes from: the pod while it is there, then the archive."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from kubedock.background.logfeed import lines_after
from kubedock.cluster import ByteStream, LogOptions
from kubedock.domain.container import ContainerRecord
from kubedock.domain.status import Observed
from kubedock.engine.core import Core
from kubedock.errors import InvalidParameter, NotFound, Unavailable
from kubedock.state.archive import Segment
from kubedock.streams.cancel import Cancel
from kubedock.streams.logs import Line, LogReader, Mark, stamp

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
PATIENCE = 10.0
"""So long, in seconds, a reader that does not follow waits for a cluster that cannot be reached."""


def current_segment(record: ContainerRecord) -> Segment | None:
    """What the container writes to now, or wrote to last; None before its first start."""
    if record.run == 0:
        return None
    return Segment(record.run, record.restart_count if record.spec.workload == "deployment" else 0)


def open_log(core: Core, pod: str, options: LogOptions) -> ByteStream:
    """A pod's log, from the cluster; of a run that has no pod, the one that is written here."""
    own = core.sessions.own_logs.get(pod)
    return core.cluster.logs(pod, options) if own is None else own.open(follow=options.follow)


@dataclass(frozen=True, slots=True)
class SegmentSource:
    """One segment's log; see ``logfeed.Source``."""

    core: Core
    container_id: str
    segment: Segment

    @property
    def name(self) -> str:
        """For thread names."""
        return f"{self.container_id[:12]}-r{self.segment.run}.{self.segment.instance}"

    def ready(self) -> bool:
        """The cluster can give the log by now."""
        observed = self._observed()
        return self.over() or (observed is not None and observed.log_ready)

    def over(self) -> bool:
        """The container of this segment has ended."""
        record = self.core.containers.get(self.container_id)
        if record is None or record.run != self.segment.run or record.outcome is not None:
            return True
        if record.spec.workload != "deployment" or record.restart_count > self.segment.instance:
            return record.spec.workload == "deployment"
        observed = self._observed()  # ended, and the kubelet has not brought it back yet
        return observed is not None and observed.terminated is not None and not observed.running

    def open(self, mark: Mark, *, follow: bool, tail: int | None = None) -> ByteStream:
        """Its log from the cluster; NotFound when it is gone with its pod or by the kubelet's restarts."""
        observed = self._observed()
        record = self.core.containers.get(self.container_id)
        if observed is None or observed.deleted or record is None:
            raise NotFound(f"the log of {self.name} is gone with its pod")
        previous = self._is_previous(record, observed)
        return open_log(self.core, observed.pod, LogOptions(follow=follow, since=mark.since, tail=tail, previous=previous))

    def saved(self) -> bytes | None:
        """The archived text."""
        return self.core.archive.get(self.container_id, self.segment)

    def is_saved(self) -> bool:
        """There is an archived text."""
        return self.segment in self.core.archive.segments(self.container_id)

    def amend(self, lines: Sequence[Line]) -> None:
        """Add lines to the archived text."""
        text = self.saved()
        if text is not None:
            more = b"".join((stamp(line.ns) + b" " if line.begins else b"") + line.data for line in lines)
            self.core.archive.save(self.container_id, self.segment, text + more)

    def _is_previous(self, record: ContainerRecord, observed: Observed) -> bool:
        """The kubelet keeps the log of the instance before the present one, in the same pod."""
        if record.spec.workload != "deployment":
            return False
        back = record.restart_count - self.segment.instance
        if back > 1 or (back == 1 and not observed.restart_count):
            raise NotFound(f"the log of {self.name} is gone: its container was restarted since")
        return back == 1

    def _observed(self) -> Observed | None:
        return self.core.watcher.observed(self.container_id[:12], self.segment.run)


class PlainRead:
    """What is there of a segment, from a mark on; goes on after breaks. Afterwards ``mark`` is the place behind it.

    ``patient`` readers wait for the end of an outage, others for ``PATIENCE`` seconds.
    """

    def __init__(
        self, source: SegmentSource, mark: Mark, cancel: Cancel, *, tail: int | None = None, patient: bool = False
    ) -> None:
        """``tail``: only the last so many lines are wanted (of a saved log all come); ``mark`` tells nothing then."""
        self._source, self.mark, self._cancel, self._tail = source, mark, cancel, tail
        self._deadline = None if patient else time.monotonic() + PATIENCE

    def __iter__(self) -> Iterator[list[Line]]:
        """Batches of lines. Unavailable when the cluster is, for too long."""
        pause = FIRST_PAUSE
        while self._cancel.reason is None:
            saved = self._source.saved() if self._source.over() else None
            try:
                if saved is not None:
                    yield self._saved(saved)
                else:
                    yield from self._read()
                return
            except NotFound:
                saved = self._source.saved()
                yield self._saved(saved or b"")
                return
            except InvalidParameter:
                return
            except Unavailable:
                if self._deadline is not None and time.monotonic() + pause > self._deadline:
                    raise
                self._sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _saved(self, text: bytes) -> list[Line]:
        reader = LogReader(self.mark)
        lines = lines_after(text, self.mark)
        for line in lines:
            reader.note(line)
        self.mark = reader.mark
        return lines

    def _read(self) -> Iterator[list[Line]]:
        if self._tail is not None:
            yield self._last(self._tail)
            return
        reader = LogReader(self.mark)
        for data in self._data():
            lines = [*reader.feed(data)]
            self.mark = reader.mark
            yield lines
        lines = [*reader.end()]
        self.mark = reader.mark
        yield lines

    def _last(self, count: int) -> list[Line]:
        """All or nothing: a mark means nothing in a log whose beginning was not read."""
        reader, lines = LogReader(), list[Line]()
        for data in self._data(count):
            lines += reader.feed(data)
        return [*lines, *reader.end()]

    def _data(self, tail: int | None = None) -> Iterator[bytes]:
        stream = self._source.open(self.mark, follow=False, tail=tail)
        take_back = self._cancel.on_cancel(stream.close)
        try:
            with closing(stream):
                while data := stream.read():
                    yield data
        finally:
            take_back()

    def _sleep(self, seconds: float) -> None:
        with self._source.core.bell.listening(self._source.container_id) as changed:
            take_back = self._cancel.on_cancel(changed.set)
            changed.wait(seconds)
            take_back()
