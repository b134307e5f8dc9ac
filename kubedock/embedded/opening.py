"""The embedded cluster of the settings: the only place of this package that constructs."""

import logging
from pathlib import Path

from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.runtime import Runtime
from kubedock.embedded.runtimes.archives import archives
from kubedock.embedded.runtimes.folder import NodeFolder
from kubedock.embedded.runtimes.images import Images
from kubedock.embedded.runtimes.registry import parse_mirror
from kubedock.embedded.runtimes.runc import RuncRuntime
from kubedock.settings import Settings

logger = logging.getLogger(__name__)

NAMESPACE = "default"


def open_cluster(settings: Settings) -> EmbeddedCluster:
    """A cluster that runs containers on this machine. KubedockError, with a sentence, where the machine does not allow it."""
    folder = Path(settings.embedded_dir)
    cluster = EmbeddedCluster(_runtime(settings, folder), folder, namespace=settings.namespace or NAMESPACE)
    cluster.open()
    for warning in cluster.warnings:
        logger.warning("%s", warning)
    return cluster


def _runtime(settings: Settings, root: Path) -> Runtime:
    folder = NodeFolder(root)
    mirrors = [parse_mirror(text) for text in settings.registry_mirror]
    found = archives(Path(settings.embedded_images)) if settings.embedded_images else []
    return RuncRuntime(folder, Images(folder.images, mirrors, found), settings.embedded_network)
