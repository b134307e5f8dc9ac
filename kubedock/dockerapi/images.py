"""Images as Docker's JSON; see ``encode`` for the rules."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kubedock.dockerapi.defaults import image_config
from kubedock.domain import units
from kubedock.domain.imageconfig import HistoryEntry, ImageConfig, RegistryImage
from kubedock.domain.view import Image

Json = dict[str, Any]

DRIVER = "kubernetes"
MISSING = "<missing>"
"""The id of a layer, which is no image by itself."""


def summary(image: Image, containers: int = -1) -> Json:
    """One item of ``images/json``; ``containers`` is how many are made from it, -1 where nobody has counted."""
    return {
        "Id": image.id,
        "ParentId": "",
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Created": _unix(image.created_at),
        "Size": image.size,
        "SharedSize": -1,
        "Labels": dict(image.config.labels),
        "Containers": containers,
    }


def _unix(moment: datetime | None) -> int:
    """Docker's number for a time: 0 for one that nobody tells."""
    return 0 if moment is None else int(moment.timestamp())


def inspect(image: Image) -> Json:
    """The reply of ``images/X/json``. The configuration of an image on trust is empty, and so is its age."""
    system, architecture, variant = (*image.platform.split("/"), "", "")[:3]
    return {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Parent": "",
        "Comment": image.config.history[-1].comment if image.config.history else "",
        **({"Created": units.rfc3339(image.created_at)} if image.created_at is not None else {}),
        "DockerVersion": "",
        "Author": image.config.author,
        "Config": config(image.config),
        "Architecture": architecture,
        **({"Variant": variant} if variant else {}),
        "Os": system,
        "Size": image.size,
        "GraphDriver": {"Name": DRIVER, "Data": {}},
        "RootFS": {"Type": "layers", "Layers": list(image.config.diff_ids)},
        "Metadata": {"LastTagTime": units.rfc3339(image.tagged_at)},
    }


def config(found: ImageConfig) -> Json:
    """An image's Config: what it does not have is there as Docker leaves it, empty or null."""
    return {
        **image_config(),
        "User": found.user,
        "ExposedPorts": {port: {} for port in found.ports},
        "Env": list(found.env),
        "Cmd": _words(found.command),
        "Volumes": {path: {} for path in found.volumes},
        "WorkingDir": found.working_dir,
        "Entrypoint": _words(found.entrypoint),
        "OnBuild": _words(found.on_build),
        "Labels": dict(found.labels),
        **({"Healthcheck": dict(found.healthcheck)} if found.healthcheck else {}),
        **({"StopSignal": found.stop_signal} if found.stop_signal else {}),
        **({"Shell": list(found.shell)} if found.shell else {}),
        **({"ArgsEscaped": True} if found.args_escaped else {}),
    }


def _words(words: Sequence[str] | None) -> list[str] | None:
    return None if words is None else list(words)


def history(image: Image) -> list[Json]:
    """The reply of ``images/X/history``: newest first, the image's id and tags on the first. Sizes are compressed ones."""
    steps = image.config.history or (HistoryEntry(image.created_at),)
    sizes = iter([layer.size for layer in image.found.layers] if image.found is not None else [])
    shown: list[Json] = [
        {
            "Id": MISSING,
            "Created": _unix(step.created),
            "CreatedBy": step.created_by,
            "Tags": [],
            "Size": 0 if step.empty else next(sizes, 0),
            "Comment": step.comment,
        }
        for step in steps
    ]
    shown[-1] |= {"Id": image.id, "Tags": list(image.tags)}
    return shown[::-1]


def distribution(found: RegistryImage) -> Json:
    """The reply of ``distribution/X/json``."""
    platforms = [(*platform.split("/"), "", "")[:3] for platform in found.platforms]
    return {
        "Descriptor": {"mediaType": found.media_type, "digest": found.digest, "size": found.descriptor_size},
        "Platforms": [
            {"os": system, "architecture": architecture, **({"variant": variant} if variant else {})}
            for system, architecture, variant in platforms
        ],
    }
