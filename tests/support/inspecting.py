"""An engine that asks registries, and what it makes of their images."""

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerSpec
from kubedock.engine import Engine
from kubedock.engine.core import Limits
from kubedock.kube.manifest import PodDefaults
from kubedock.registry.client import RegistryClient
from kubedock.registry.inspector import Inspector, Places
from kubedock.runtime import Options, Runtime


def inspecting(seconds: float = 5.0, pull_policy: str = "IfNotPresent") -> Engine:
    """An engine that asks registries."""
    defaults = PodDefaults("test", pull_policy=pull_policy)
    options = Options(defaults, Limits(inspect=seconds), inspector=Inspector(RegistryClient(), Places()))
    return Runtime(FakeCluster(), options).engine


def source_of(engine: Engine, image: str, platform: str = "") -> str:
    """The reference by which nodes pull a new container's image."""
    spec = ContainerSpec(image, command=("run",), platform=platform)
    made = engine.containers.create(spec, name=None, endpoints={})
    return engine.core.containers.find(made.id).image_source
