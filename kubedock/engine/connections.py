"""A client's connection to a published port, and the container's port at its other end.

Inside the cluster's network that end is a TCP connection to the pod's address, outside it is a port-forward through the
API server. Which of the two works turns out with the first connection that succeeds, or finds nobody at the address.
"""

import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from kubedock.background.listeners import Serve, reset
from kubedock.domain.container import ContainerRecord, Port
from kubedock.engine.addresses import wait_for_address
from kubedock.engine.core import Core
from kubedock.errors import KubedockError
from kubedock.streams.cancel import Cancel
from kubedock.streams.forward import ForwardSide
from kubedock.streams.relay import Side, SocketSide, dial, linger, relay

logger = logging.getLogger(__name__)

PROBE_SECONDS, DIAL_SECONDS = 1.0, 10.0
"""How long a connection to a pod may take: while it is not known whether one can be reached, and once it is."""
DIRECT = "published ports are connected to their pods directly"
FORWARDED = "published ports are forwarded through the API server: pods' addresses cannot be reached from here (%s)"


class Connections:
    """Serves the connections to containers that are pods."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._direct: bool | None = {"direct": True, "forward": False}.get(core.port_mode)
        """Whether pods' addresses can be reached; None: not known yet."""

    def serve(self, record: ContainerRecord, port: Port) -> Serve:
        """What serves the connections to this port of the record's run: a target that cannot be reached is a reset."""
        tell = _first_louder()

        def serve(connection: socket.socket, cancel: Cancel) -> None:
            try:
                with self._reached(record, port.number, cancel) as far:
                    relay(SocketSide(connection), far, cancel)
                linger(connection)
            except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
                reset(connection)
            except (OSError, KubedockError) as error:
                reset(connection)
                if cancel.reason is None:
                    tell(f"container {record.short_id}: a connection to its port {port.key} broke: {error}")

        return serve

    @contextmanager
    def _reached(self, record: ContainerRecord, port: int, cancel: Cancel) -> Iterator[Side]:
        now = self._core.containers.get(record.id)
        if now is None or now.run != record.run or not now.alive or now.started_at is None:
            raise _refused()
        sock = None if self._direct is False else self._dialled(record, port, cancel)
        if sock is not None:
            with sock:
                yield SocketSide(sock)
            return
        observed = self._core.watcher.observed(record.short_id, record.run)
        if observed is None or observed.deleted:
            raise _refused()
        with closing(self._core.cluster.forward(observed.pod, port)) as channels:
            yield ForwardSide(channels)

    def _dialled(self, record: ContainerRecord, port: int, cancel: Cancel) -> socket.socket | None:
        """A connection to the pod's address; None where a port-forward is to be tried.

        Who refuses is believed once a connection has succeeded: before that it may be a firewall.
        """
        never_forward = self._core.port_mode == "direct"
        known = self._direct is True
        address = wait_for_address(self._core, record, self._core.limits.address, cancel)
        if not address:
            if never_forward:
                raise _refused()
            return None
        try:
            sock = dial(address, port, DIAL_SECONDS if known else PROBE_SECONDS, cancel)
        except OSError as error:
            if never_forward or cancel.reason is not None or (known and isinstance(error, ConnectionRefusedError)):
                raise
            if not known and not isinstance(error, ConnectionRefusedError) and self._is_at(record, address):
                self._decide(direct=False, reason=str(error))
            return None
        self._decide(direct=True)
        return sock

    def _is_at(self, record: ContainerRecord, address: str) -> bool:
        """The run's pod still has this address: it was not there to answer otherwise."""
        observed = self._core.watcher.observed(record.short_id, record.run)
        return observed is not None and observed.running and not observed.deleted and observed.ip == address

    def _decide(self, *, direct: bool, reason: str = "") -> None:
        """Once for the process."""
        if self._direct is None:
            self._direct = direct
            if direct:
                logger.info(DIRECT)
            else:
                logger.info(FORWARDED, reason)


def _refused() -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def _first_louder() -> Callable[[str], None]:
    """Log the first line as a warning, further ones for those who look closely: clients try again and again."""
    told = False

    def tell(line: str) -> None:
        nonlocal told
        logger.log(logging.DEBUG if told else logging.WARNING, "%s", line)
        told = True

    return tell
