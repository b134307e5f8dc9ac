"""A client's connection to a published port, and the container's port at its other end."""

import socket

from kubedock.background.listeners import Serve, reset
from kubedock.domain.container import ContainerRecord, Port
from kubedock.engine.core import Core
from kubedock.streams.cancel import Cancel


class Connections:
    """Serves the connections to containers that are pods."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def serve(self, record: ContainerRecord, port: Port) -> Serve:
        """What serves the connections to this port of the record's run."""

        def serve(connection: socket.socket, cancel: Cancel) -> None:
            del cancel
            reset(connection)

        return serve
