"""What happened to a container, image, network or volume, as `docker events` tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``kind`` is Docker's Type (container, image, network, volume), ``actor`` an id or a name."""

    kind: str
    action: str
    actor: str
    attributes: Mapping[str, str]
    at: datetime
