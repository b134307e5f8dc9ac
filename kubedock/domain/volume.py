"""Volumes, and what a container mounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount of a container. ``source`` is the volume's name ("" for a tmpfs); ``size`` in bytes, 0 for no limit.

    One ``of_image`` is made by the node, which copies the image's files into it.
    """

    kind: Literal["volume", "tmpfs"]
    target: str
    source: str = ""
    read_only: bool = False
    anonymous: bool = False
    size: int = 0
    of_image: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume: a record; its name is its id. Where it is mounted it is an emptyDir of the container's pod."""

    name: str
    created_at: datetime
    driver: str = "local"
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False

    @property
    def id(self) -> str:
        """Docker has no id for volumes."""
        return self.name
