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


def live_output(core: Core, record: ContainerRecord, cancel: Cancel, *, stdout: bool, stderr: bool) -> Generator[Batch, None, None]:
    """Connect now (NotRunning where there is no pod), then give what comes until the container ends."""
    observed = core.watcher.observed(record.short_id, record.run)
    if observed is None or observed.deleted:
        raise NotRunning(record.id)
    channels = core.cluster.attach(observed.pod, tty=record.spec.tty)
    wanted = {STDOUT: stdout, STDERR: stderr}

    def batches() -> Generator[Batch, None, None]:
        with channels, Wakeup(cancel) as waker:
            poll = select.poll()
            poll.register(channels.fileno(), select.POLLIN)
            poll.register(waker.fileno(), select.POLLIN)
            yield ()
            while cancel.reason is None:
                batch = [(number, data) for number, data in channels.receive() if data and wanted.get(number, False)]
                if batch:
                    yield batch
                channels.flush()
                if channels.eof:
                    return
                if not channels.pending() and not poll.poll(PING_SECONDS * 1000):
                    channels.ping()

    return batches()
