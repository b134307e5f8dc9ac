"""What the settings mean for the engine."""

import pytest

from kubedock import runtime
from kubedock.cluster.fake import FakeCluster
from kubedock.errors import KubedockError
from kubedock.parsing import Address
from kubedock.runtime import EVERYWHERE, LOOPBACK, Found, Runtime, options_of, publish_on
from kubedock.settings import Settings


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (None, LOOPBACK),
        (Address("127.0.0.1", 8999), (*LOOPBACK, "127.0.0.1")),
        (Address("", 8999), EVERYWHERE),
        (Address("0.0.0.0", 8999), EVERYWHERE),
        (Address("::", 8999), EVERYWHERE),
        (Address("192.0.2.1", 8999), (*LOOPBACK, "192.0.2.1")),
    ],
)
def test_where_ports_are_published(address, expected):
    """On loopback, unless others are served."""
    assert publish_on(address) == expected


def test_the_settings_reach_the_engine():
    """Those of published ports."""
    options = options_of(Settings.from_options({"port_mode": "direct", "listen_addr": ":1"}, {}), "https://192.0.2.9:6443")

    assert (options.publish_on, options.port_mode) == (EVERYWHERE, "direct")


class Closing(FakeCluster):
    """Tells that it was closed."""

    closed = False

    def close(self):
        """See Cluster."""
        self.closed = True
        super().close()


@pytest.mark.parametrize("step", ["options_of", "platform", "Runtime.run"])
@pytest.mark.parametrize("error", [KubedockError("it fails"), KeyboardInterrupt()])
def test_a_start_that_ends_early_closes_its_cluster(step, error, monkeypatch):
    """Whichever step it ends at: on this machine the cluster has made links, mounts and groups by then."""
    cluster = Closing()

    def fails(*_):
        raise error

    monkeypatch.setattr(runtime, "_embedded", lambda _: Found(cluster, "here"))
    monkeypatch.setattr(f"kubedock.runtime.{step}", fails)

    with pytest.raises(type(error)):
        Runtime.start(Settings(embedded=True))
    assert cluster.closed
