"""The clusters that the contract is for, and what its tests make in them."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubedock.cluster import Cluster
from kubedock.cluster.fake import FakeCluster
from kubedock.embedded.fake import FakeRuntime
from tests.support.embedded import embedded_cluster
from tests.support.pods import main_state
from tests.support.runtimes import embedded_tools, running, tiny_images
from tests.support.waiting import eventually


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the image that pods run on this machine."""
    embedded_tools()
    return tiny_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(
    params=[
        "memory",
        "embedded",
        pytest.param("runc", marks=pytest.mark.embedded),
        pytest.param("chroot", marks=pytest.mark.embedded),
        pytest.param("real", marks=pytest.mark.cluster),
    ]
)
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster to work with: in memory, the embedded one over each of its runtimes, a real one."""
    if request.param == "memory":
        yield FakeCluster()
        return
    if request.param == "embedded":
        with embedded_cluster(FakeRuntime(tmp_path / "runtime"), tmp_path) as embedded:
            yield embedded
        return
    if request.param in ("runc", "chroot"):
        images: Path = request.getfixturevalue("images")
        with running(request.param, tmp_path, images) as runtime, embedded_cluster(runtime, tmp_path) as embedded:
            runtime.pull("alpine", timeout=60)
            yield embedded
        return
    from kubedock.kube.gateway import KubeGateway

    real = request.getfixturevalue("real_cluster")
    gateway = KubeGateway.connect(str(real.kubeconfig), None, real.namespace)
    yield gateway
    gateway.close()


@pytest.fixture
def label(cluster: Cluster) -> Iterator[str]:
    """A value for the label ``test``, by which everything is deleted afterwards."""
    value = secrets.token_hex(4)
    yield value
    for kind in ("Deployment", "Pod", "ConfigMap", "Service"):
        cluster.delete_collection(kind, selector=f"test={value}", grace=0)


@pytest.fixture
def pod(cluster: Cluster, label: str) -> Callable[..., str]:
    """Create a pod; its name."""

    def create(*command: str, image: str = "alpine", started: bool = True, **spec: Any) -> str:
        name = f"p-{secrets.token_hex(4)}"
        main = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": list(command)}
        manifest = {
            "metadata": {"name": name, "labels": {"test": label}},
            "spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [main], **spec},
        }
        cluster.create("Pod", manifest)
        if started:
            eventually(lambda: main_state(cluster, name).keys() & {"running", "terminated"})
        return name

    return create


@pytest.fixture
def configmap(cluster: Cluster, label: str) -> Callable[..., str]:
    """Create a ConfigMap; its name."""

    def create(**data: str) -> str:
        name = f"c-{secrets.token_hex(4)}"
        cluster.create("ConfigMap", {"metadata": {"name": name, "labels": {"test": label}}, "data": data})
        return name

    return create
