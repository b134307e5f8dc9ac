"""What a container's configuration takes over from its image's. Pure; the rules are those of moby's daemon/commit.go."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def inherited(config: Json, image: Json) -> dict[str, Any]:
    """A create request's fields with the image's Config behind them: what the request leaves open is the image's.

    Environment variables and labels are the image's unless the request has them, ports and volumes are both's. A
    command alone keeps the image's entrypoint, an entrypoint drops the image's command, an empty one the entrypoint alone.
    """
    found = dict(config)
    for key in ("User", "WorkingDir", "StopSignal"):
        if not found.get(key) and image.get(key):
            found[key] = image[key]
    for key in ("ExposedPorts", "Volumes", "Labels"):
        if image.get(key):
            found[key] = {**image[key], **(found.get(key) or {})}
    if image.get("Env"):
        found["Env"] = _environment(found.get("Env") or [], image["Env"])
    if not found.get("Entrypoint"):
        if not found.get("Cmd") and image.get("Cmd"):
            found["Cmd"] = image["Cmd"]
        if found.get("Entrypoint") is None and image.get("Entrypoint"):
            found["Entrypoint"] = image["Entrypoint"]
    if image.get("Healthcheck"):
        found["Healthcheck"] = _healthcheck(found.get("Healthcheck") or {}, image["Healthcheck"])
    return found


def _environment(own: list[str], image: list[str]) -> list[str]:
    known = {entry.partition("=")[0] for entry in own}
    return [*own, *(entry for entry in image if entry.partition("=")[0] not in known)]


def _healthcheck(own: Json, image: Json) -> dict[str, Any]:
    """Field by field: an interval alone changes the interval of the image's check."""
    return {**image, **{key: value for key, value in own.items() if value}}
