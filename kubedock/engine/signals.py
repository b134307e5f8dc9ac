"""A signal for the main process of a container, through what its image has."""

import logging
import select
import time

from kubedock.cluster import Channels, Cluster
from kubedock.cluster.protocol import ERROR, STDERR
from kubedock.domain.status import KILLED
from kubedock.domain.units import signal_number
from kubedock.errors import Conflict, NotImplemented, Unavailable
from kubedock.streams.channels import exit_status

logger = logging.getLogger(__name__)


class NoKill(NotImplemented):
    """The image has nothing that sends a signal."""

    def __init__(self, signal: str) -> None:
        super().__init__(f"cannot send SIG{signal}: the image has neither a shell nor a kill program")


def deliver(cluster: Cluster, pod: str, signal: str, timeout: float) -> None:
    """Send a signal to the main process of a pod's container and return when it was sent.

    Where the cluster cannot, what the image has sends it to process 1: a shell's own ``kill`` is tried first, because
    slim images have no program of that name. NoKill when neither is there, Unavailable after ``timeout`` seconds.
    """
    if cluster.signal(pod, signal_number(signal)):
        return
    deadline = time.monotonic() + timeout
    for argv in (["sh", "-c", f"kill -s {signal} 1"], ["kill", "-s", signal, "1"]):
        with cluster.exec(pod, argv) as channels:
            code, text = _outcome(channels, deadline)
        # The end of process 1 ends all others of its container, the one that brought the signal too.
        if code in (0, KILLED):
            return
        logger.info("signal %s for %s through %s: %s %s", signal, pod, argv[0], code, text)
        if code not in (126, 127):
            raise Conflict(f"sending SIG{signal} failed: {text.strip() or code}")
    raise NoKill(signal)


def _outcome(channels: Channels, deadline: float) -> tuple[int, str]:
    poll = select.poll()
    poll.register(channels.fileno(), select.POLLIN)
    said = b""
    while True:
        for channel, data in channels.receive():
            if channel == STDERR:
                said = (said + data)[:1000]
            elif channel == ERROR:
                return _exit_code(data, said)
        channels.flush()
        if channels.eof:
            raise Unavailable("the connection ended before it was known whether the signal was delivered")
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unavailable("the cluster took too long to deliver a signal")
        if not channels.pending():
            poll.poll(left * 1000)


def _exit_code(status: bytes, said: bytes) -> tuple[int, str]:
    found = exit_status(status)
    return found.code, said.decode("utf-8", "replace") or found.message
