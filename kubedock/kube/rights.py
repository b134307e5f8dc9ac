"""The rights that kubedock needs in its namespace: what the Role grants and what a start checks. Nothing cluster-wide."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on a resource (with a subresource: ``pods/exec``). Without an ``optional`` one kubedock works, for less.

    A start does not check a ``late`` one: few need it, and who does is told when it is missing.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    purpose: str
    optional: bool = False
    late: bool = False


RIGHTS = (
    Right("", "pods", ("create", "get", "list", "watch", "patch", "delete", "deletecollection"), "containers are pods"),
    Right("", "pods/log", ("get",), "docker logs"),
    # over WebSockets: get up to Kubernetes 1.34, create from 1.35
    Right("", "pods/exec", ("create", "get"), "docker exec, and signals to a container's process"),
    Right("", "pods/attach", ("create", "get"), "docker attach"),
    Right("", "pods/portforward", ("create", "get"), "published ports where pods' addresses cannot be reached", optional=True),
    Right(
        "apps",
        "deployments",
        ("create", "get", "patch", "delete", "deletecollection"),
        "restart policies always and unless-stopped",
    ),
    Right("", "configmaps", ("create", "delete", "deletecollection"), "files that are put into a container before its start"),
    Right(
        "",
        "services",
        ("create", "get", "list", "deletecollection"),
        "names of containers on user-defined networks",
        optional=True,
    ),
    Right("", "secrets", ("create", "delete", "deletecollection"), "logins that come with a pull, for the nodes", optional=True),
    # can be narrowed to those Secrets by resourceNames
    Right("", "secrets", ("get",), "logins in the Secrets of --image-pull-secrets, for look-ups", optional=True, late=True),
    Right(
        "",
        "serviceaccounts",
        ("get",),
        "the pull secrets of the pods' service account, where look-ups or pods with a login need them",
        optional=True,
        late=True,
    ),
    Right("", "events", ("list", "watch"), "the sight of a start at once and the times of image pulls", optional=True),
)
