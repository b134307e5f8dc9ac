"""The embedded cluster of the settings: the only place of this package that constructs."""

import logging
from contextlib import ExitStack
from pathlib import Path

from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.runtimes.choose import Wanted, opened
from kubedock.errors import Unavailable
from kubedock.settings import Settings

logger = logging.getLogger(__name__)

NAMESPACE = "default"


def open_cluster(settings: Settings, ours: str) -> EmbeddedCluster:
    """A cluster that runs containers on this machine. KubedockError, with a sentence, where the machine does not allow it.

    ``ours`` is the label of what a server makes for its own time: what one that was killed has left of it is dropped.
    """
    folder = Path(settings.embedded_dir)
    wanted = Wanted(
        folder,
        settings.embedded_network,
        settings.embedded_runtime,
        settings.registry_mirror,
        Path(settings.embedded_images) if settings.embedded_images else None,
        settings.insecure_registry,
    )
    with ExitStack() as undo:
        runtime = opened(wanted)
        undo.callback(runtime.close)
        cluster = EmbeddedCluster(runtime, folder, namespace=settings.namespace or NAMESPACE, ours=ours)
        try:
            cluster.open()
        except OSError as error:
            raise Unavailable(f"the embedded node cannot begin in {folder}: {error}") from error
        undo.pop_all()
    for warning in cluster.warnings:
        logger.warning("%s", warning)
    return cluster
