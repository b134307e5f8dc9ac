"""The gateway on a real cluster by way of a proxy that breaks things."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubedock.cluster import LogOptions
from kubedock.errors import Gone, Unavailable
from kubedock.kube.gateway import KubeGateway
from tests.support.faultproxy import FaultProxy
from tests.support.realcluster import RealCluster
from tests.support.waiting import converse, eventually, in_thread

pytestmark = pytest.mark.cluster
EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
MAIN = {"name": "main", "image": "alpine", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "echo up; sleep 100"]}


@pytest.fixture
def proxy(real_cluster: RealCluster, tmp_path: Path) -> Iterator[FaultProxy]:
    """A proxy before the real API server."""
    with FaultProxy(real_cluster.service_account(EVERYTHING, "proxied"), tmp_path) as proxy:
        yield proxy


@pytest.fixture
def cluster(proxy: FaultProxy) -> Iterator[KubeGateway]:
    """The gateway behind it."""
    gateway = KubeGateway.connect(str(proxy.kubeconfig), None, None)
    yield gateway
    gateway.close()


@pytest.fixture
def pod(cluster: KubeGateway) -> Iterator[str]:
    """A pod that runs and has written a line."""
    cluster.create("Pod", {"metadata": {"name": "faulty"}, "spec": {"restartPolicy": "Never", "containers": [MAIN]}})
    eventually(lambda: cluster.get("Pod", "faulty")["status"]["phase"] == "Running")
    yield "faulty"
    cluster.delete("Pod", "faulty", grace=0)


def test_every_connection_is_cut(proxy: FaultProxy, cluster: KubeGateway, pod: str) -> None:
    """Streams that wait are told of the break; the next request goes through."""
    watch = cluster.watch("Pod", since=cluster.list("Pod").resource_version)
    log = cluster.logs(pod, LogOptions(follow=True))
    assert log.read().endswith(b" up\n")
    channels = cluster.exec(pod, ["sleep", "60"])
    event, rest, messages = (
        in_thread(lambda: next(iter(watch))),
        in_thread(lambda: [log.read() for _ in range(3)]),
        in_thread(lambda: list(converse(channels))),
    )

    proxy.cut()

    assert messages() == []
    channels.close()
    for result in (event, rest):
        with pytest.raises(Unavailable):
            result()
    assert cluster.get("Pod", pod)["status"]["phase"] == "Running"


def test_answers_are_injected(proxy: FaultProxy, cluster: KubeGateway) -> None:
    """For the requests that fit, until they are taken back."""
    proxy.answer(410, "watch=true")
    proxy.answer(500, "^GET .*/configmaps")

    with pytest.raises(Gone):
        cluster.watch("Pod", since="1")
    with pytest.raises(Unavailable, match=r"^fault injected: 500$"):
        cluster.list("ConfigMap")
    cluster.list("Pod")
    proxy.clear()
    cluster.list("ConfigMap")
    assert [request.method for request in proxy.requests] == ["GET"] * 4


def test_everything_is_held(proxy: FaultProxy, cluster: KubeGateway) -> None:
    """Nothing breaks, nothing moves; then it goes on."""
    watch = cluster.watch("ConfigMap", since=cluster.list("ConfigMap").resource_version)
    with proxy.held():
        created = in_thread(lambda: cluster.create("ConfigMap", {"metadata": {"name": "held"}}))
        listed = in_thread(cluster.version)
        assert cluster_sees_nothing(proxy)

    assert created()["metadata"]["name"] == "held"
    assert listed()["major"] == "1"
    assert next(event for event in watch if event.type == "ADDED").object["metadata"]["name"] == "held"
    watch.close()


def cluster_sees_nothing(proxy: FaultProxy) -> bool:
    """No request but those from before was passed on."""
    return len(proxy.requests) == 2
