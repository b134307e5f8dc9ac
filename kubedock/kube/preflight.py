"""What a start needs of the cluster: it can be reached, the namespace exists, the rights are there."""

from kubedock.cluster import Cluster
from kubedock.errors import Forbidden, NotFound, Unavailable
from kubedock.kube.rights import RIGHTS, Right


def check(cluster: Cluster, namespace: str) -> list[str]:
    """Warnings of what kubedock can do without; Unavailable, NotFound or Forbidden, with one sentence, otherwise."""
    _reach(cluster)
    _find(cluster, namespace)
    checked = [right for right in RIGHTS if not right.late]
    missing = {right: [verb for verb in right.verbs if not _allowed(cluster, right, verb)] for right in checked}
    needed = [f"{right.resource} ({', '.join(verbs)})" for right, verbs in missing.items() if verbs and not right.optional]
    if needed:
        raise Forbidden(
            f"these rights are missing in namespace {namespace}: {', '.join(needed)}"
            f" (grant them with: kubedock manifests role -n {namespace} | kubectl apply -f -)"
        )
    return [_without(right, verbs, namespace) for right, verbs in missing.items() if verbs]


def _reach(cluster: Cluster) -> None:
    try:
        cluster.version()
    except Forbidden as error:
        if "credentials" in str(error):
            raise
    except Unavailable as error:
        text = str(error)
        raise Unavailable(text if "cannot be reached" in text else f"the cluster cannot be reached: {text}") from error


def _find(cluster: Cluster, namespace: str) -> None:
    """Reading namespaces is a right that kubedock does not need: without it the namespace is taken to be there."""
    try:
        found = cluster.get("Namespace", namespace)
    except NotFound as error:
        raise NotFound(f"there is no namespace {namespace} in the cluster") from error
    except Forbidden:
        return
    if (found.get("status") or {}).get("phase") == "Terminating":
        raise NotFound(f"namespace {namespace} is being deleted")


def _allowed(cluster: Cluster, right: Right, verb: str) -> bool:
    resource, _, subresource = right.resource.partition("/")
    return cluster.allowed(verb, right.group, resource, subresource)


def _without(right: Right, verbs: list[str], namespace: str) -> str:
    words = f"{' and '.join(verbs)} {right.resource}"
    return f"the right to {words} is missing in namespace {namespace}: kubedock does without {right.purpose}"
