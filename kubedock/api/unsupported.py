"""What Docker has and kubedock declines: one line an operation, each with a sentence that says what to do instead.

Three answers: 501 for what is not there (yet), 503 for swarm's groups (as an engine that is in no swarm answers), 404 for
a plugin by its name, because there is none.
"""

from collections.abc import Callable
from typing import Any

from flask import Response

from kubedock.api.context import drain
from kubedock.api.operation import Group
from kubedock.errors import NotFound, NotImplemented, Unavailable

NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'
)

LATER: tuple[tuple[str, str, str], ...] = (
    ("ContainerTop", "GET /containers/<ref>/top", "top is not supported yet: use kubectl exec with ps in the container's pod"),
    (
        "ContainerChanges",
        "GET /containers/<ref>/changes",
        "diff is not supported: Kubernetes does not tell which files have changed",
    ),
    (
        "ContainerExport",
        "GET /containers/<ref>/export",
        "export is not supported: Kubernetes does not give a container's file system",
    ),
    ("ContainerStats", "GET /containers/<ref>/stats", "stats are not supported yet: use kubectl top where the cluster has metrics"),
    (
        "ContainerUpdate",
        "POST /containers/<ref>/update",
        "update is not supported: remove the container and create it with the new limits",
    ),
    (
        "ContainerPause",
        "POST /containers/<ref>/pause",
        "pause is not supported: Kubernetes cannot freeze a container; stop it instead",
    ),
    ("ContainerUnpause", "POST /containers/<ref>/unpause", "unpause is not supported: no container can be paused on Kubernetes"),
    (
        "ContainerAttachWebsocket",
        "GET /containers/<ref>/attach/ws",
        "attach over a WebSocket is not supported: use POST /containers/{id}/attach",
    ),
    ("ImageBuild", "POST /build", "build is not supported: build and push the image elsewhere, then run it from its registry"),
    ("Session", "POST /session", "BuildKit sessions are not supported: nothing is built here"),
    ("ImagePush", "POST /images/<name>/push", "push is not supported: the nodes hold the images, and Kubernetes cannot push them"),
    ("ImageSearch", "GET /images/search", "search is not supported: use the registry's own web pages"),
    ("ImageCommit", "POST /commit", "commit is not supported: Kubernetes cannot make an image of a container"),
    ("ImageGet", "GET /images/<name>/get", "save is not supported: the nodes hold the images, and Kubernetes does not give them"),
    (
        "ImageGetAll",
        "GET /images/get",
        "saving several images is not supported: the nodes hold the images, and Kubernetes does not give them",
    ),
    ("ImageLoad", "POST /images/load", "load is not supported: push the image to a registry that the cluster's nodes can reach"),
    ("GetPluginPrivileges", "GET /plugins/privileges", "plugins are not supported: there is no engine here that could hold one"),
    ("PluginPull", "POST /plugins/pull", "installing a plugin is not supported: there is no engine here that could hold one"),
    ("PluginCreate", "POST /plugins/create", "making a plugin is not supported: there is no engine here that could hold one"),
    ("SwarmInit", "POST /swarm/init", "swarm is not supported: Kubernetes does the clustering here"),
    ("SwarmJoin", "POST /swarm/join", "joining a swarm is not supported: Kubernetes does the clustering here"),
)
"""501: operation id, method and path, sentence."""

SWARM: tuple[tuple[str, str], ...] = (
    ("VolumeUpdate", "PUT /volumes/<ref>"),
    ("NodeList", "GET /nodes"),
    ("NodeInspect", "GET /nodes/<ref>"),
    ("NodeDelete", "DELETE /nodes/<ref>"),
    ("NodeUpdate", "POST /nodes/<ref>/update"),
    ("SwarmInspect", "GET /swarm"),
    ("SwarmLeave", "POST /swarm/leave"),
    ("SwarmUpdate", "POST /swarm/update"),
    ("SwarmUnlockkey", "GET /swarm/unlockkey"),
    ("SwarmUnlock", "POST /swarm/unlock"),
    ("ServiceList", "GET /services"),
    ("ServiceCreate", "POST /services/create"),
    ("ServiceInspect", "GET /services/<ref>"),
    ("ServiceDelete", "DELETE /services/<ref>"),
    ("ServiceUpdate", "POST /services/<ref>/update"),
    ("ServiceLogs", "GET /services/<ref>/logs"),
    ("TaskList", "GET /tasks"),
    ("TaskInspect", "GET /tasks/<ref>"),
    ("TaskLogs", "GET /tasks/<ref>/logs"),
    ("SecretList", "GET /secrets"),
    ("SecretCreate", "POST /secrets/create"),
    ("SecretInspect", "GET /secrets/<ref>"),
    ("SecretDelete", "DELETE /secrets/<ref>"),
    ("SecretUpdate", "POST /secrets/<ref>/update"),
    ("ConfigList", "GET /configs"),
    ("ConfigCreate", "POST /configs/create"),
    ("ConfigInspect", "GET /configs/<ref>"),
    ("ConfigDelete", "DELETE /configs/<ref>"),
    ("ConfigUpdate", "POST /configs/<ref>/update"),
)
"""503: what belongs to swarm."""

PLUGINS: tuple[tuple[str, str], ...] = (
    ("PluginInspect", "GET /plugins/<name>/json"),
    ("PluginDelete", "DELETE /plugins/<name>"),
    ("PluginEnable", "POST /plugins/<name>/enable"),
    ("PluginDisable", "POST /plugins/<name>/disable"),
    ("PluginUpgrade", "POST /plugins/<name>/upgrade"),
    ("PluginPush", "POST /plugins/<name>/push"),
    ("PluginSet", "POST /plugins/<name>/set"),
)
"""404: there is no plugin that could have this name."""

UNDOCUMENTED: tuple[tuple[str, str, str], ...] = (
    ("grpc", "POST /grpc", "BuildKit is not supported: nothing is built here; set DOCKER_BUILDKIT=0 for a plain answer"),
    ("checkpoints", "GET /containers/<ref>/checkpoints", "checkpoints are not supported: Kubernetes cannot freeze a container"),
    ("checkpoint", "POST /containers/<ref>/checkpoints", "checkpoints are not supported: Kubernetes cannot freeze a container"),
)
"""501 for what clients call though Docker's contract has no word of it."""

LIBPOD = "podman's own API is not supported: use a Docker client, or podman's Docker-compatible one"
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")

group = Group("unsupported")


def _decline(make: Callable[..., Exception]) -> Callable[..., Response]:
    """A view that reads the request to its end, so that a client that uploads hears the answer, and refuses."""

    def view(**names: Any) -> Response:
        drain()
        raise make(**names)

    return view


def _fill() -> None:
    for operation_id, rule, sentence in LATER:
        group.operation(operation_id, rule, note=sentence, outcome="no")(_decline(_said(NotImplemented, sentence)))
    for operation_id, rule in SWARM:
        note = "503: there is no swarm"
        group.operation(operation_id, rule, note=note, outcome="no")(_decline(_said(Unavailable, NOT_A_MANAGER)))
    for operation_id, rule in PLUGINS:
        note = "404: there are no plugins"
        group.operation(operation_id, rule, note=note, outcome="no")(_decline(lambda name: NotFound(f'plugin "{name}" not found')))
    for endpoint, rule, sentence in UNDOCUMENTED:
        method, path = rule.split(" ")
        group.add_url_rule(
            path, endpoint, _decline(_said(NotImplemented, sentence)), methods=[method], provide_automatic_options=False
        )
    group.add_url_rule(
        "/libpod/<path:rest>", "libpod", _decline(_said(NotImplemented, LIBPOD)), methods=_METHODS, provide_automatic_options=False
    )


def _said(kind: type[Exception], sentence: str) -> Callable[..., Exception]:
    return lambda **names: kind(sentence)


_fill()
