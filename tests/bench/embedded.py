"""On the embedded node: starts through the Docker API, one after another and many at once."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.bench.figures import Figure, milliseconds
from tests.bench.http import Client
from tests.support.clients import at_once
from tests.support.kubedock_server import KubedockServer, embedded_server

WARM, ROUNDS, FEW, MANY = 3, 20, 30, 100
CONTAINER = {"Image": "alpine", "Cmd": ["sleep", "1000"]}
PORT = {"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": {"80/tcp": [{}]}}}


@contextmanager
def server() -> Iterator[KubedockServer | None]:
    """A server on this machine; None where there can be none."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            found = stack.enter_context(embedded_server(Path(folder)))
        except pytest.skip.Exception as reason:
            print(f"left out: {reason}")
            found = None
        yield found


class Starts:
    """Containers that are created and started; all are removed with ``clear``."""

    def __init__(self, tcp: tuple[str, int]) -> None:
        self._tcp, self._made = tcp, list[str]()
        Client(tcp).pull()

    def one(self, body: dict[str, object]) -> float:
        """The seconds from ``create`` to the answer of ``start``."""
        client, began = Client(self._tcp), time.perf_counter()
        made = client.ask("POST", "/containers/create", body)["Id"]
        client.ask("POST", f"/containers/{made}/start")
        self._made.append(made)
        return time.perf_counter() - began

    def many(self, count: int) -> float:
        """The seconds until so many that were asked for at once run."""
        began = time.perf_counter()
        at_once(lambda _: self.one(CONTAINER), range(count), threads=count)
        took = time.perf_counter() - began
        self.clear()
        return took

    def clear(self) -> None:
        """Remove them."""
        client = Client(self._tcp)
        for made in self._made:
            client.ask("DELETE", f"/containers/{made}?force=1")
        self._made.clear()


def starts() -> list[Figure]:
    """How long containers take to start on this machine, image present, through the Docker API."""
    with server() as found:
        if found is None:
            return []
        starts = Starts(found.live.tcp)
        for _ in range(WARM):
            starts.one(CONTAINER | PORT)
        plain = [starts.one(CONTAINER) for _ in range(ROUNDS)]
        published = [starts.one(CONTAINER | PORT) for _ in range(ROUNDS)]
        starts.clear()
        return [
            Figure("create and start, median", milliseconds(plain), "ms", 100),
            Figure("the same with a published port, median", milliseconds(published), "ms", 100),
            Figure(f"{FEW} at once", starts.many(FEW), "s", 1.5),
            Figure(f"{MANY} at once", starts.many(MANY), "s", note="that all of them run is what counts"),
        ]
