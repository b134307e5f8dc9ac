"""Real runtimes: one of each kind for a module, pods of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubedock.embedded.runtime import Runtime
from tests.support.runtimes import Pods, busybox_layout, embedded_tools, running


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image of busybox."""
    embedded_tools()
    return busybox_layout(tmp_path_factory.mktemp("busybox"))


@pytest.fixture(scope="module", params=["runc", "chroot"])
def runtime(request: pytest.FixtureRequest, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One that is open."""
    with running(request.param, tmp_path_factory.mktemp("node"), images) as runtime:
        yield runtime


@pytest.fixture
def pods(runtime: Runtime, tmp_path: Path) -> Iterator[Pods]:
    """Pods of the runtime."""
    pods = Pods(runtime, tmp_path)
    yield pods
    pods.close()


@pytest.fixture
def isolated(pods: Pods) -> Pods:
    """The same, for what the chroot runtime says that it cannot do."""
    if pods.runtime.name == "chroot":
        pytest.skip("the chroot runtime does not isolate or limit: see its warnings")
    return pods
