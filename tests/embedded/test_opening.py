"""A node that cannot begin, or end, in good order: nothing stays open."""

import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from kubedock.embedded import disk, node
from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.dns import NameServer
from kubedock.embedded.fake import FakeRuntime
from kubedock.errors import Unavailable
from tests.support.running import left_behind


class Watched(FakeRuntime):
    """Notes in which order it is opened and closed."""

    def __init__(self, folder: Path, *, gateway: str = "") -> None:
        super().__init__(folder, gateway=gateway)
        self.told: list[str] = []

    def open(self) -> None:
        """See Runtime."""
        self.told.append("opened")
        super().open()

    def close(self) -> None:
        """See Runtime."""
        self.told.append("closed")
        super().close()


class Stillborn(Watched):
    """Fails half-way."""

    def open(self) -> None:
        """See Runtime."""
        super().open()
        raise Unavailable("the machine does not allow it")


def test_a_start_that_fails_closes_what_it_has_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name server's port is taken."""
    before = set(threading.enumerate())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(node, "NameServer", partial(NameServer, port=port))
        runtime = Watched(tmp_path / "runtime", gateway="127.0.0.1")

        with pytest.raises(Unavailable, match=rf"name server cannot listen on 127.0.0.1:{port}: Address already in use"):
            EmbeddedCluster(runtime, tmp_path).open()

    assert runtime.told == ["opened", "closed"]
    assert left_behind(before) == []


def test_a_runtime_that_fails_half_way_is_closed(tmp_path: Path) -> None:
    """As what comes after it."""
    runtime = Stillborn(tmp_path / "runtime")

    with pytest.raises(Unavailable, match="the machine does not allow it"):
        EmbeddedCluster(runtime, tmp_path).open()

    assert runtime.told == ["opened", "closed"]


def interrupted() -> None:
    """Not even an Exception."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("part", ["load", "start"])
def test_whatever_ends_a_start(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime is closed, and no thread stays."""
    before = set(threading.enumerate())
    runtime = Watched(tmp_path / "runtime")
    monkeypatch.setattr(disk.Disk, part, lambda _: interrupted())

    with pytest.raises(KeyboardInterrupt):
        EmbeddedCluster(runtime, tmp_path).open()

    assert runtime.told == ["opened", "closed"]
    assert left_behind(before) == []


def test_an_end_that_fails_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime is closed, whatever becomes of the pods' threads; a second close does nothing."""
    before = set(threading.enumerate())
    runtime = Watched(tmp_path / "runtime")
    cluster = EmbeddedCluster(runtime, tmp_path)
    stop: Callable[[node.Node, float], None] = node.Node.stop

    def failing(self: node.Node, timeout: float) -> None:
        stop(self, timeout)
        raise OSError("no space left")

    monkeypatch.setattr(node.Node, "stop", failing)
    cluster.open()
    with pytest.raises(OSError, match="no space left"):
        cluster.close()
    cluster.close()

    assert runtime.told == ["opened", "closed"]
    assert left_behind(before) == []
