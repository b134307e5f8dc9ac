"""Networks: records, and the names of their containers."""

import logging

from flask import Response, request

from kubedock.api.context import engine, required_body
from kubedock.api.operation import Group
from kubedock.api.replies import no_content, ok, reply
from kubedock.dockerapi import decode, encode, query, records

logger = logging.getLogger(__name__)

group = Group("networks")


@group.operation("NetworkList", "GET /networks")
def list_networks() -> Response:
    """All that match."""
    return reply([encode.network(view) for view in engine().networks.list(query.filters(request.args))])


@group.operation("NetworkInspect", "GET /networks/<ref>")
def inspect(ref: str) -> Response:
    """One, with the running containers on it."""
    return reply(encode.network(engine().networks.inspect(ref)))


@group.operation(
    "NetworkCreate", "POST /networks/create", outcome="partly", note="gives names: addresses and isolation are the cluster's"
)
def create() -> Response:
    """Make one."""
    asked = required_body()
    made = engine().networks.create(records.network(asked))
    return reply({"Id": made.id, "Warning": "; ".join(records.network_warnings(asked))}, 201)


@group.operation("NetworkConnect", "POST /networks/<ref>/connect", note="gives names, also while it runs")
def connect(ref: str) -> Response:
    """Put a container on it."""
    asked = required_body()
    request, warnings = decode.endpoint(asked.get("EndpointConfig"))
    container = records.container(asked)
    engine().networks.connect(ref, container, request)
    for warning in warnings:
        logger.warning("container %s on network %s: %s", container, ref, warning)
    return ok()


@group.operation("NetworkDisconnect", "POST /networks/<ref>/disconnect", note="takes names away")
def disconnect(ref: str) -> Response:
    """Take a container off it."""
    asked = required_body()
    engine().networks.disconnect(ref, records.container(asked), force=records.force(asked))
    return ok()


@group.operation("NetworkDelete", "DELETE /networks/<ref>")
def remove(ref: str) -> Response:
    """Remove one that no running container is on."""
    engine().networks.remove(ref)
    return no_content()


@group.operation("NetworkPrune", "POST /networks/prune")
def prune() -> Response:
    """Remove all that no running container is on."""
    return reply({"NetworksDeleted": engine().networks.prune(query.filters(request.args))})
