"""Containers: views from create to prune."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response, request

from kubedock.api import hijack, streaming
from kubedock.api.context import api_version, engine, required_body, watch
from kubedock.api.operation import Group
from kubedock.api.replies import no_content, ok, reply
from kubedock.dockerapi import decode, encode, images, query, versions
from kubedock.engine.containers import ListQuery
from kubedock.engine.logs import NO_STDIN, NO_TERMINAL, AttachQuery, LogQuery
from kubedock.engine.waiting import Waiting
from kubedock.errors import InvalidParameter, NotImplemented
from kubedock.streams.cancel import Cancel

group = Group("containers")

DOCKER_COMMAND = "Docker-Client/"
"""How the docker command's User-Agent begins."""


@group.operation("ContainerList", "GET /containers/json", note="size is not known")
def list_containers() -> Response:
    """Containers that run, or all."""
    args = request.args
    limit = query.integer(args, "limit") or 0
    wanted = ListQuery(query.boolean(args, "all"), max(limit, 0), query.filters(args))
    rows = [encode.container_summary(view) for view in engine().containers.list(wanted)]
    return reply([versions.downgrade("container", row, api_version()) for row in rows])


@group.operation("ContainerCreate", "POST /containers/create", note="each option's outcome stands in the table of options")
def create() -> Response:
    """Make a container, not started yet."""
    name = query.text(request.args, "name")
    wanted = required_body()
    workload = engine().core.workload
    # What makes no sense is refused before an image that is not there, as with Docker: a pull would not help.
    asked = decode.create(wanted, request.args, workload=workload)
    # One look, so that its configuration and what nodes pull are of the same image: a tag may move meanwhile.
    image = engine().images.of(asked.spec)
    if image.found is not None and asked.spec.workload != "inside":
        asked = decode.create(wanted, request.args, workload=workload, image=images.config(image.config))
    _refuse_what_the_command_would_attach(wanted)
    made = engine().containers.create(asked.spec, name=name, endpoints=asked.endpoints, warnings=asked.warnings, image=image)
    return reply(encode.created(made.id, made.warnings), 201)


def _refuse_what_the_command_would_attach(wanted: Mapping[str, Any]) -> None:
    """The docker command shows of an attach that is refused only its status, not its sentence: so it is told here.

    What it says about streams is what it is about to do; other clients fill these fields in without attaching.
    """
    if not request.headers.get("User-Agent", "").startswith(DOCKER_COMMAND):
        return
    if wanted.get("AttachStdin"):
        raise NotImplemented(NO_STDIN)
    if wanted.get("Tty") and wanted.get("AttachStdout"):
        raise NotImplemented(NO_TERMINAL)


@group.operation("ContainerInspect", "GET /containers/<ref>/json", note="no sizes")
def inspect(ref: str) -> Response:
    """All that is known of a container."""
    found = encode.container_inspect(engine().containers.inspect(ref))
    return reply(versions.downgrade("container", found, api_version()))


@group.operation("ContainerStart", "POST /containers/<ref>/start")
def start(ref: str) -> Response:
    """Run it. A body is ignored: old clients send one."""
    engine().containers.start(ref)
    return no_content()


@group.operation("ContainerStop", "POST /containers/<ref>/stop")
def stop(ref: str) -> Response:
    """Send the stop signal, and end the container when it has not ended in time."""
    engine().containers.stop(ref, signal=query.signal(request.args), timeout=query.integer(request.args, "t"))
    return no_content()


@group.operation("ContainerRestart", "POST /containers/<ref>/restart", note="begins with the image's files")
def restart(ref: str) -> Response:
    """Stop, then start."""
    engine().containers.restart(ref, signal=query.signal(request.args), timeout=query.integer(request.args, "t"))
    return no_content()


@group.operation("ContainerKill", "POST /containers/<ref>/kill", note="signals other than KILL need a kill in the image")
def kill(ref: str) -> Response:
    """Send a signal to its first process."""
    engine().containers.kill(ref, signal=query.signal(request.args))
    return no_content()


@group.operation("ContainerRename", "POST /containers/<ref>/rename", note="the pod keeps its name")
def rename(ref: str) -> Response:
    """Give it another name."""
    engine().containers.rename(ref, to=request.args.get("name", ""))
    return no_content()


@group.operation(
    "ContainerResize", "POST /containers/<ref>/resize", outcome="partly", note="accepted; no terminal can be attached yet"
)
def resize(ref: str) -> Response:
    """Tell the size of the client's terminal."""
    height = query.natural(request.args, "h", "resize height")
    width = query.natural(request.args, "w", "resize width")
    engine().containers.resize(ref, height=height, width=width)
    return ok()


@group.operation("ContainerWait", "POST /containers/<ref>/wait")
def wait(ref: str) -> Response:
    """Tell how it ends. The head goes out at once: ``docker run`` starts the container only then."""
    waiting = engine().containers.wait(ref, condition=request.args.get("condition", ""), cancel=watch())
    return streaming.stream_json(_result(waiting))


def _result(waiting: Waiting) -> Iterator[dict[str, object]]:
    result = waiting.result()
    if result is not None:
        yield encode.waited(result.exit_code)


@group.operation("ContainerDelete", "DELETE /containers/<ref>")
def remove(ref: str) -> Response:
    """Remove it, with ``force`` also while it runs."""
    args = request.args
    if query.boolean(args, "link"):
        raise InvalidParameter("links cannot be removed: they are lines that a container has from its start")
    engine().containers.remove(ref, force=query.boolean(args, "force"), volumes=query.boolean(args, "v"))
    return no_content()


@group.operation("ContainerPrune", "POST /containers/prune", note="SpaceReclaimed is 0: the nodes know")
def prune() -> Response:
    """Remove all that do not run."""
    return reply({"ContainersDeleted": engine().containers.prune(query.filters(request.args)), "SpaceReclaimed": 0})


@group.operation(
    "ContainerLogs", "GET /containers/<ref>/logs", outcome="partly", note="all of it as stdout: the cluster keeps one log"
)
def logs(ref: str) -> Response:
    """What it has written, and with ``follow`` what it writes."""
    args, now = request.args, engine().core.now()
    wanted = LogQuery(
        stdout=query.boolean(args, "stdout"),
        stderr=query.boolean(args, "stderr"),
        follow=query.boolean(args, "follow"),
        since=query.instant(args, "since", now),
        until=query.instant(args, "until", now),
        timestamps=query.boolean(args, "timestamps"),
        tail=query.tail(args),
    )
    return hijack.log(engine().logs.read(ref, wanted, watch()))


@group.operation(
    "ContainerAttach", "POST /containers/<ref>/attach", outcome="partly", note="output only; stdin and terminals come later"
)
def attach(ref: str) -> Response:
    """Its output as it comes, over the connection itself where the client asks for that."""
    args = request.args
    wanted = AttachQuery(
        stdin=query.boolean(args, "stdin"),
        stdout=query.boolean(args, "stdout"),
        stderr=query.boolean(args, "stderr"),
        stream=query.boolean(args, "stream"),
        logs=query.boolean(args, "logs"),
    )
    cancel = Cancel() if hijack.asked() else watch()
    return hijack.reply(engine().logs.attach(ref, wanted, cancel), cancel)
