"""Execs: commands in containers that run."""

from flask import Response, request

from kubedock.api import hijack
from kubedock.api.context import body, engine, required_body, watch
from kubedock.api.operation import Group
from kubedock.api.replies import ok, reply
from kubedock.dockerapi import execs, query
from kubedock.streams.cancel import Cancel

group = Group("execs")


@group.operation(
    "ContainerExec",
    "POST /containers/<ref>/exec",
    note="environment, directory and user go through the image's own env, sh and id; only the container's own user; no DetachKeys",
)
def create(ref: str) -> Response:
    """Make an exec, not started yet."""
    return reply({"Id": engine().execs.create(ref, execs.create(required_body()))}, 201)


@group.operation("ExecStart", "POST /exec/<ref>/start", note="input needs a connection that is upgraded")
def start(ref: str) -> Response:
    """Run it: over the connection itself where the client asks for that, or by itself."""
    running = engine().execs.start(ref, execs.start(body()))
    if running is None:
        return ok()
    return hijack.duplex(running, Cancel() if hijack.asked() else watch())


@group.operation("ExecResize", "POST /exec/<ref>/resize")
def resize(ref: str) -> Response:
    """Tell the size of its terminal, also before it is started."""
    height = query.natural(request.args, "h", "resize height")
    width = query.natural(request.args, "w", "resize width")
    engine().execs.resize(ref, height=height, width=width)
    return ok()


@group.operation("ExecInspect", "GET /exec/<ref>/json", note="Pid is 0: the node knows")
def inspect(ref: str) -> Response:
    """What was asked, whether it runs, and its exit code."""
    return reply(execs.inspect(engine().execs.inspect(ref)))
