"""What the settings mean for the engine, and the end of everything."""

import pytest

from kubedock.background.listeners import Listeners
from kubedock.cluster.fake import FakeCluster
from kubedock.errors import KubedockError
from kubedock.kube.manifest import PodDefaults
from kubedock.parsing import Address
from kubedock.runtime import EVERYWHERE, LOOPBACK, Found, Options, Runtime, options_of, publish_on
from kubedock.settings import Settings
from tests.support.running import run
from tests.support.threads import none_left


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

    def close(self) -> None:
        """See Cluster."""
        self.closed = True
        super().close()


@pytest.mark.parametrize("step", ["options_of", "platform", "Runtime.run"])
@pytest.mark.parametrize("error", [KubedockError("it fails"), KeyboardInterrupt()])
def test_a_start_that_ends_early_closes_its_cluster(step: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever step it ends at: on this machine the cluster has made links, mounts and groups by then."""
    cluster = Closing()

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("kubedock.runtime._embedded", lambda _: Found(cluster, "here"))
    monkeypatch.setattr(f"kubedock.runtime.{step}", fails)

    with pytest.raises(type(error)):
        Runtime.start(Settings(embedded=True))
    assert cluster.closed


@pytest.fixture
def cluster() -> FakeCluster:
    """What is looked at when all has ended."""
    return FakeCluster()


@pytest.fixture
def runtime(cluster: FakeCluster) -> Runtime:
    """It runs, and has a container that does; the test stops it."""
    made = Runtime(cluster, Options(PodDefaults("test")))
    made.run()
    for _ in made.engine.images.pull("alpine", "latest"):
        pass
    run(made.engine, "web", "sleep", "1000")
    return made


def test_a_step_of_the_stop_that_raises_keeps_no_other_from_being_taken(
    runtime: Runtime, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster is cleaned up; all mistakes are told at the end."""
    stopped = Listeners.stop

    def stop(self: Listeners, timeout: float) -> None:
        stopped(self, timeout)
        raise RuntimeError("the first step")

    monkeypatch.setattr(Listeners, "stop", stop)
    monkeypatch.setattr(cluster, "close", lambda: {}["the last step"])
    assert cluster.kubelet.pods() != []

    with pytest.raises(ExceptionGroup) as raised:
        runtime.stop(5.0)

    assert [repr(error) for error in raised.value.exceptions] == ["RuntimeError('the first step')", "KeyError('the last step')"]
    assert cluster.kubelet.pods() == []


def test_the_cluster_is_cleaned_up_without_a_thread(
    runtime: Runtime, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Then it takes the time that it takes."""
    with none_left("clean-up"):
        runtime.stop(5.0)

    assert cluster.kubelet.pods() == []
    assert [record.message for record in caplog.records] == ["the clean-up may take longer: can't start new thread"]
