"""Published ports: listened on from before the pod is posted until the run has ended.

Listeners are bound to the server's own addresses (loopback, unless it serves others), which clients see as "all". Who
connects is served by ``Connections``, or by what a caller gives.
"""

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from kubedock.background.listeners import Listening, Serve, bind
from kubedock.domain.container import ContainerRecord, Port
from kubedock.domain.publishing import Wanted, shown_hosts, wanted
from kubedock.engine.core import Core
from kubedock.errors import CannotPublish, InvalidParameter, NoSuchContainer, PortAllocated

logger = logging.getLogger(__name__)

Bound = tuple[Wanted, int, list[socket.socket]]


class Publishing:
    """Opens and closes the listeners of containers; a Follower of their runs."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._open: dict[str, tuple[int, list[Listening]]] = {}

    def publish(self, record: ContainerRecord, serve: Callable[[ContainerRecord, Port], Serve]) -> ContainerRecord:
        """Listen for the record's run; the record that tells where. All of it or nothing: CannotPublish.

        ``serve`` makes what serves the connections to one of its ports. A port that was published to any number gets the
        number that it had before, where that is free.
        """
        asked = wanted(record.spec, record.published)
        if not asked and not record.published:
            return record
        self._close(record.id, record.run)
        bound = self._bind(record, asked)
        hosts = self._core.publish_on
        published = tuple(shown for each, number, _ in bound for shown in each.published(hosts, number))
        listening = [self._core.listeners.open(sockets, serve(record, each.port)) for each, _, sockets in bound]
        with self._lock:
            self._open[record.id] = (record.run, listening)
        change = self._core.containers.update(record.id, lambda r: replace(r, published=published))
        if change is None:
            self._close(record.id, record.run)
            raise NoSuchContainer(record.id)
        return change.after

    def _bind(self, record: ContainerRecord, asked: Sequence[Wanted]) -> list[Bound]:
        with ExitStack() as undo:
            bound: list[Bound] = []
            for each in asked:
                try:
                    number, sockets = self._bind_one(each)
                except (PortAllocated, InvalidParameter) as error:
                    endpoint = next((place.endpoint_id for place in record.endpoints.values()), "")
                    raise CannotPublish(record.name, endpoint, str(error)) from error
                for sock in sockets:
                    undo.callback(sock.close)
                bound.append((each, number, sockets))
            undo.pop_all()
            return bound

    def _bind_one(self, each: Wanted) -> tuple[int, list[socket.socket]]:
        own = self._core.publish_on
        hosts = [address for host in each.hosts for address in ([host] if host else own)]
        for number in each.candidates:
            try:
                sockets = bind(hosts, number)
            except PortAllocated as error:
                if each.exact:
                    shown = next((host for host in each.hosts if host), "") or shown_hosts(own)[0]
                    raise PortAllocated(f"Bind for {shown}:{number} failed: port is already allocated") from error
            else:
                return sockets[0].getsockname()[1], sockets
        raise PortAllocated("all ports are allocated")

    def _close(self, container_id: str, run: int) -> None:
        """Close what is open for this run, or for one before it."""
        with self._lock:
            opened = self._open.get(container_id)
            if opened is None or opened[0] > run:
                return
            del self._open[container_id]
        for listening in opened[1]:
            listening.close()

    # --- as a Follower -------------------------------------------------------------------------------------------

    def began(self, record: ContainerRecord) -> None:
        """See Follower."""

    def ended(self, record: ContainerRecord) -> None:
        """See Follower: also between two runs of a policy nothing is listened on, as in Docker."""
        self._close(record.id, record.run)

    def gone(self, record: ContainerRecord) -> None:
        """See Follower."""
        self._close(record.id, record.run)
