"""What a registry tells of an image: its digests, its configuration and its layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of an image's making, oldest first. ``empty`` ones have made no layer."""

    created: datetime | None = None
    created_by: str = ""
    comment: str = ""
    empty: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's configuration: what its containers get unless they ask for something else.

    ``entrypoint`` and ``command`` are None where the image has none. ``env`` is a sequence of ``NAME=value``, ``ports``
    of ``80/tcp``, ``volumes`` of paths. ``healthcheck`` is Docker's own shape, with durations in nanoseconds.
    """

    architecture: str = ""
    os: str = ""
    variant: str = ""
    created: datetime | None = None
    author: str = ""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] | None = None
    healthcheck: Mapping[str, Any] | None = None
    args_escaped: bool = False
    diff_ids: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob of files; ``size`` is in bytes, compressed."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class RegistryImage:
    """An image as its registry has it.

    ``platforms`` are those that the reference has an image for. ``digest`` is what the reference names (an index, where
    there are several): the digest that Docker shows beside the repository. ``manifest`` is that of the platform's own
    manifest, ``config_digest`` is Docker's image id. ``platform`` is what the index says of it, where there is one: its
    configuration may be wrong.
    """

    digest: str
    media_type: str
    descriptor_size: int
    manifest: str
    config_digest: str
    config: ImageConfig
    layers: tuple[Layer, ...] = ()
    platforms: tuple[str, ...] = ()
    platform: str = ""

    @property
    def size(self) -> int:
        """Bytes that a pull fetches."""
        return sum(layer.size for layer in self.layers)
