"""Files from and to containers, as tar archives."""

from flask import Response, request

from kubedock.api import streaming
from kubedock.api.context import blocks, engine, watch
from kubedock.api.operation import Group
from kubedock.api.replies import ok
from kubedock.dockerapi import archives

group = Group("archives")

NOTE = "a running container's through its image's own sh and tar; before its start and after its end {rest}"


@group.operation(
    "ContainerArchiveInfo", "HEAD /containers/<ref>/archive", note=NOTE.format(rest="what was put into it"), outcome="partly"
)
def look(ref: str) -> Response:
    """What a file is. Registered by itself: a HEAD must not run the GET's body."""
    answer = ok()
    told = engine().archives.look(ref, archives.path(request.args), watch())
    answer.headers[archives.STAT_HEADER] = archives.stat_header(told)
    return answer


@group.operation(
    "ContainerArchive", "GET /containers/<ref>/archive", note=NOTE.format(rest="what was put into it"), outcome="partly"
)
def get(ref: str) -> Response:
    """A file or a directory."""
    archive = engine().archives.get(ref, archives.path(request.args), watch())
    answer = streaming.stream(archive, content_type=archives.CONTENT_TYPE, whole=True)
    answer.headers[archives.STAT_HEADER] = archives.stat_header(archive.stat)
    return answer


@group.operation(
    "PutContainerArchive",
    "PUT /containers/<ref>/archive",
    outcome="partly",
    note=NOTE.format(rest="regular files of 900 KiB together, mounted read-only at the next start"),
)
def put(ref: str) -> Response:
    """Extract an archive, plain or compressed, into a directory."""
    args = request.args
    engine().archives.put(ref, archives.path(args), archives.extraction(args), blocks(), watch())
    return ok()
