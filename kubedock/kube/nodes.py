"""What the nodes are that pods run on."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping

from kubedock.cluster import Cluster, Json
from kubedock.errors import KubedockError

logger = logging.getLogger(__name__)

OS, ARCHITECTURE = "kubernetes.io/os", "kubernetes.io/arch"
LINUX, USUAL = "linux", "linux/amd64"


def platform(cluster: Cluster, selector: Mapping[str, str]) -> str:
    """The platform that images are meant for, as in ``linux/arm64``: that of most nodes with the selector's labels.

    Where nodes may not be listed (it takes a right in the whole cluster) it is the selector's own, and else that of the
    API server.
    """
    try:
        nodes = cluster.list("Node", selector=",".join(f"{key}={value}" for key, value in selector.items())).items
    except KubedockError as error:
        logger.debug("the nodes are not known: %s", error)
        nodes = []
    found = most(nodes)
    if found:
        return found
    if selector.get(ARCHITECTURE):
        return f"{selector.get(OS, LINUX)}/{selector[ARCHITECTURE]}"
    try:
        told = str(cluster.version().get("platform", ""))
    except KubedockError as error:
        logger.warning("the cluster's platform is not known, images are looked up for %s: %s", USUAL, error)
        return USUAL
    return told if told.startswith(f"{LINUX}/") else USUAL


def most(nodes: Iterable[Json]) -> str:
    """The platform of most nodes that take pods; "" where none says."""
    known = Counter(found for node in nodes if (found := _of(node)))
    return known.most_common(1)[0][0] if known else ""


def _of(node: Json) -> str:
    about = (node.get("status") or {}).get("nodeInfo") or {}
    system, architecture = about.get("operatingSystem"), about.get("architecture")
    taken = (node.get("spec") or {}).get("unschedulable")
    return "" if taken or system != LINUX or not architecture else f"{system}/{architecture}"
