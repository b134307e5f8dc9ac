"""The embedded cluster of the settings: the only place of this package that constructs."""

import logging
from pathlib import Path

from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.runtimes.choose import Wanted, opened
from kubedock.settings import Settings

logger = logging.getLogger(__name__)

NAMESPACE = "default"


def open_cluster(settings: Settings) -> EmbeddedCluster:
    """A cluster that runs containers on this machine. KubedockError, with a sentence, where the machine does not allow it."""
    folder = Path(settings.embedded_dir)
    wanted = Wanted(
        folder,
        settings.embedded_network,
        settings.embedded_runtime,
        settings.registry_mirror,
        Path(settings.embedded_images) if settings.embedded_images else None,
        settings.insecure_registry,
    )
    cluster = EmbeddedCluster(opened(wanted), folder, namespace=settings.namespace or NAMESPACE)
    cluster.open()
    for warning in cluster.warnings:
        logger.warning("%s", warning)
    return cluster
