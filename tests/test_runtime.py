"""What the settings mean for the engine."""

import pytest

from kubedock.parsing import Address
from kubedock.runtime import EVERYWHERE, LOOPBACK, options_of, publish_on
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
