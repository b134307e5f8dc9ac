"""Images: what was pulled or tagged is known, and what registries tell of it."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, request

from kubedock.api import streaming
from kubedock.api.context import api_version, drain, engine, required_body
from kubedock.api.operation import Group
from kubedock.api.replies import reply
from kubedock.dockerapi import images, query, versions
from kubedock.domain.image import parse
from kubedock.engine.images import Progress, Removed
from kubedock.errors import InvalidParameter, KubedockError, NotImplemented
from kubedock.registry.credentials import Credentials, from_config_header, from_header, from_object

group = Group("images")

_PLATFORM = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+){0,2}")


@group.operation("ImageList", "GET /images/json", outcome="partly", note="what was pulled or tagged through kubedock")
def list_images() -> Response:
    """All that match."""
    users = engine().images.users()
    found = engine().images.list(query.filters(request.args))
    rows = [images.summary(image, users.get(image.id, 0)) for image in found]
    return reply([versions.downgrade("image-summary", row, api_version()) for row in rows])


@group.operation(
    "ImageCreate",
    "POST /images/create",
    note="its registry is asked for it; the kubelet pulls it when a container starts; latest, not all tags, where none is named",
)
def create() -> Response:
    """Pull one, as a stream of steps."""
    drain()
    args = request.args
    if query.text(args, "fromSrc"):
        raise NotImplemented("import is not supported: push the image to a registry that the cluster's nodes can reach")
    name, platform = query.text(args, "fromImage"), query.text(args, "platform") or ""
    if name is None:
        raise InvalidParameter("invalid reference format")
    if platform and _PLATFORM.fullmatch(platform.lower()) is None:
        raise InvalidParameter(
            f'"{platform}" is an invalid component of "{platform}": platform specifier component must match ^[A-Za-z0-9_.-]+$'
        )
    steps = engine().images.pull(name, args.get("tag", ""), platform=platform, credentials=_sent(name))
    return streaming.stream_json(_steps(steps))


def _sent(name: str) -> Credentials:
    """The login that came with the request: for this image alone, or among those for many registries."""
    alone, many = (request.headers.get(f"X-Registry-{kind}", "") for kind in ("Auth", "Config"))
    return from_header(alone) or from_config_header(many, parse(name))


def _steps(steps: Iterable[Progress]) -> Iterator[dict[str, Any]]:
    """The steps as lines; what goes wrong after the head is a line, too."""
    try:
        for step in steps:
            yield {"status": step.status, **({"id": step.id} if step.id else {})}
    except KubedockError as error:
        yield {"errorDetail": {"message": str(error)}, "error": str(error)}


@group.operation(
    "ImageInspect", "GET /images/<name>/json", note="sizes are compressed ones; empty where no registry could be asked"
)
def inspect(name: str) -> Response:
    """One."""
    return reply(versions.downgrade("image", images.inspect(engine().images.inspect(name)), api_version()))


@group.operation("ImageHistory", "GET /images/<name>/history", note="sizes are compressed ones")
def history(name: str) -> Response:
    """Its layers."""
    return reply(images.history(engine().images.inspect(name)))


@group.operation("ImageTag", "POST /images/<name>/tag")
def tag(name: str) -> Response:
    """Give it one more name."""
    engine().images.tag(name, repository=query.required(request.args, "repo"), tag=request.args.get("tag", ""))
    return Response(status=201)


@group.operation("ImageDelete", "DELETE /images/<name>", note="kubedock forgets it; the nodes keep what they have pulled")
def remove(name: str) -> Response:
    """Take a name away, and the image with its last one."""
    return reply(_removed(engine().images.remove(name, force=query.boolean(request.args, "force"))))


@group.operation("ImagePrune", "POST /images/prune", note="SpaceReclaimed is 0")
def prune() -> Response:
    """Remove what nobody uses."""
    gone = engine().images.prune(query.filters(request.args))
    return reply({"ImagesDeleted": _removed(gone), "SpaceReclaimed": 0})


@group.operation("DistributionInspect", "GET /distribution/<name>/json")
def distribution(name: str) -> Response:
    """What its registry has under a reference, whatever is known of it here."""
    return reply(images.distribution(engine().images.distribution(name, _sent(name))))


@group.operation("SystemAuth", "POST /auth", note="checked at its registry; clients keep the password and send it along")
def login() -> Response:
    """Whether a registry takes a user's password."""
    asked = required_body()
    names = ("username", "password", "auth", "identitytoken")
    credentials = from_object({name: asked[name] for name in names if name in asked})
    server = asked.get("serveraddress")
    engine().images.login(server if isinstance(server, str) else "", credentials)
    return reply({"Status": "Login Succeeded", "IdentityToken": ""})


def _removed(things: Iterable[Removed]) -> list[dict[str, str]]:
    return [{thing.kind: thing.what} for thing in things]
