"""The output of a container from now on, both streams apart: Kubernetes' own attach."""

import select
from collections.abc import Generator, Sequence

from kubedock.cluster.protocol import STDERR, STDOUT
from kubedock.domain.container import ContainerRecord
from kubedock.engine.core import Core
from kubedock.errors import NotRunning
from kubedock.streams.cancel import Cancel, Wakeup

PING_SECONDS = 20.0
Batch = Sequence[tuple[int, bytes]]


class LiveOutput:
    """An attach that is connected; close it."""

    def __init__(self, core: Core, record: ContainerRecord, cancel: Cancel, *, stdout: bool, stderr: bool) -> None:
        """Connect. NotRunning where there is no pod."""
        observed = core.watcher.observed(record.short_id, record.run)
        if observed is None or observed.deleted:
            raise NotRunning(record.id)
        self._channels = core.cluster.attach(observed.pod, tty=record.spec.tty)
        self._wanted = {STDOUT: stdout, STDERR: stderr}
        self._cancel = cancel

    def batches(self) -> Generator[Batch, None, None]:
        """What comes until the container ends."""
        channels = self._channels
        with Wakeup(self._cancel) as waker:
            poll = select.poll()
            poll.register(waker.fileno(), select.POLLIN)
            yield ()
            while self._cancel.reason is None:
                batch = [(number, data) for number, data in channels.receive() if data and self._wanted.get(number, False)]
                if batch:
                    yield batch
                channels.flush()
                if channels.eof:
                    return
                poll.register(channels.fileno(), select.POLLIN | (select.POLLOUT if channels.unsent else 0))
                if not channels.pending() and not poll.poll(PING_SECONDS * 1000):
                    channels.ping()

    def close(self) -> None:
        """End the connection, whether its output was read or not."""
        self._channels.close()
