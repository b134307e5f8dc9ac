"""Volumes: records."""

from flask import Response, request

from kubedock.api.context import api_version, body, engine
from kubedock.api.operation import Group
from kubedock.api.replies import no_content, reply
from kubedock.dockerapi import encode, query, records

group = Group("volumes")

_NOTE = "a record; mounted as an empty folder of the container's pod"


@group.operation("VolumeList", "GET /volumes")
def list_volumes() -> Response:
    """All that match."""
    return reply({"Volumes": [encode.volume(v) for v in engine().volumes.list(query.filters(request.args))], "Warnings": []})


@group.operation("VolumeCreate", "POST /volumes/create", outcome="partly", note=_NOTE)
def create() -> Response:
    """Make one; an existing one of this name is given back."""
    asked = records.volume(body())
    made = engine().volumes.create(asked.name, driver=asked.driver, labels=asked.labels, options=asked.options)
    return reply(encode.volume(made), 201)


@group.operation("VolumeInspect", "GET /volumes/<ref>")
def inspect(ref: str) -> Response:
    """One, by its whole name."""
    return reply(encode.volume(engine().volumes.inspect(ref)))


@group.operation("VolumeDelete", "DELETE /volumes/<ref>")
def remove(ref: str) -> Response:
    """Remove one that no container mounts."""
    engine().volumes.remove(ref, force=query.boolean(request.args, "force"))
    return no_content()


@group.operation("VolumePrune", "POST /volumes/prune", note="SpaceReclaimed is 0")
def prune() -> Response:
    """Remove what no container mounts; before API 1.42 named ones, too."""
    wanted = query.filters(request.args)
    if api_version() < (1, 42):
        wanted = {"all": ("true",), **wanted}
    return reply({"VolumesDeleted": engine().volumes.prune(wanted), "SpaceReclaimed": 0})
