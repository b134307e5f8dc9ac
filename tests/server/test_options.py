"""kubedock's settings as gunicorn's."""

import pytest

from kubedock import embedded
from kubedock.embedded import cluster
from kubedock.embedded.runtimes import chroot, runc
from kubedock.server.options import gunicorn_options
from kubedock.server.worker import DRAIN
from kubedock.settings import Settings

LOOP_AND_NODES_THREADS = 5.0 + 2.0


@pytest.mark.parametrize(
    ("settings", "least"),
    [
        (Settings(shutdown_timeout=3.5), 3.5 + DRAIN),
        (Settings(shutdown_timeout=3.5, embedded=True), 3.5 + DRAIN + embedded.CLOSE_SECONDS),
    ],
)
def test_the_arbiter_waits_for_the_clean_up(settings: Settings, least: float) -> None:
    """And for this machine's node: killed amid its end, the server would leave it to the next one."""
    assert least < gunicorn_options(settings)["graceful_timeout"] < least + 5


@pytest.mark.parametrize("runtime", [runc.CLEAR_SECONDS, chroot.END_SECONDS + chroot.CLEAR_SECONDS], ids=["runc", "chroot"])
def test_a_nodes_end_takes_no_longer_than_it_says(runtime: float) -> None:
    """Node and disk, then the runtime."""
    assert 2 * cluster.STOP_SECONDS + LOOP_AND_NODES_THREADS + runtime <= embedded.CLOSE_SECONDS
