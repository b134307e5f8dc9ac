"""API versions: comparing them, and what replies looked like in older ones.

Replies are made for the newest version. ``CHANGES`` tells what an older client misses, newest change first; each is one
function from reply to reply.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from kubedock.domain import ids, units

Json = dict[str, Any]
Version = tuple[int, ...]
Reply = Literal["container", "image", "image-summary"]


def parse(text: str) -> Version:
    """``1.47`` as numbers, which compare; ValueError for anything else."""
    major, dot, minor = text.partition(".")
    if not (dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit() and len(text) < 12):
        raise ValueError(text)
    return int(major), int(minor)


def _aliases_with_id(reply: Json) -> Json:
    """Before 1.45 a container's aliases held its short id and its host name on networks that have names."""
    settings = reply["NetworkSettings"]
    hostname = (reply.get("Config") or {}).get("Hostname", "")
    names = [ids.short(reply["Id"]), *([hostname] if hostname else [])]
    networks = {
        name: endpoint
        if name in ("bridge", "host", "none")
        else {**endpoint, "Aliases": list(dict.fromkeys((*(endpoint["Aliases"] or ()), *names)))}
        for name, endpoint in settings["Networks"].items()
    }
    return {**reply, "NetworkSettings": {**settings, "Networks": networks}}


def _with_container(reply: Json) -> Json:
    """Before 1.45 an image told of the container that it was made from."""
    return {**reply, "Container": "", "ContainerConfig": reply["Config"]}


def _with_virtual_size(reply: Json) -> Json:
    """Before 1.44 the size was there twice."""
    return {**reply, "VirtualSize": reply["Size"]}


def _with_created(reply: Json) -> Json:
    """Before 1.44 an image whose age is not known was made in the year 1."""
    return {"Created": units.ZERO_TIME, **reply}


CHANGES: Mapping[Reply, tuple[tuple[Version, Callable[[Json], Json]], ...]] = {
    "container": (((1, 45), _aliases_with_id),),
    "image": (((1, 45), _with_container), ((1, 44), _with_virtual_size), ((1, 44), _with_created)),
    "image-summary": (((1, 44), _with_virtual_size),),
}


def downgrade(kind: Reply, reply: Json, version: Version) -> Json:
    """The reply as a client of this version knows it."""
    for below, change in CHANGES[kind]:
        if version < below:
            reply = change(reply)
    return reply
