"""What a pod's events tell before its status does. Pure.

The kubelet counts what repeats in one object (``count``, ``lastTimestamp``); a restarted kubelet begins a new one. Times
are whole seconds, so order is told by counts and never by times.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubedock.cluster import Json
from kubedock.domain import units
from kubedock.errors import InvalidParameter

_PULL_FAILED = "Failed to pull image"
_PULLED = re.compile(r"^Successfully pulled image .* in (\S+?)(?: \((\S+) including waiting\))?\.?(?: Image size: .*)?$")
_START_FAILED = re.compile(r"^Error: failed to (?:create|start) containerd task|^Error: .*OCI runtime")
_TROUBLE = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"})


@dataclass(frozen=True, slots=True)
class Told:
    """``starts`` counts main's Started events. ``pull_failures`` are the texts of an image's failed tries by
    container path, ``pull_attempts`` how often they failed. ``start_failure`` is the runtime's text when it could not
    start main. ``trouble`` is the newest text of what the kubelet retries.
    """

    starts: int = 0
    started_at: datetime | None = None
    pulling_since: datetime | None = None
    pull_seconds: float = 0.0
    pull_failures: tuple[tuple[str, str], ...] = ()
    pull_attempts: tuple[tuple[str, int], ...] = ()
    start_failure: str = ""
    trouble: str = ""

    def causes(self, path: str) -> tuple[str, ...]:
        """What was told of the failed pulls of a container."""
        return tuple(text for of, text in self.pull_failures if of == path)

    def attempts(self, path: str) -> int:
        """How often a container's image could not be pulled."""
        return sum(count for of, count in self.pull_attempts if of == path)


def path_of(container: str, *, init: bool = False) -> str:
    """How events name a container."""
    return f"spec.{'initContainers' if init else 'containers'}{{{container}}}"


def told(events: Sequence[Json], main: str) -> Told:
    """All that a pod's events tell."""
    if not events:
        return Told()
    started = [event for event in events if event.get("reason") == "Started" and _path(event) == path_of(main)]
    failures = [event for event in events if event.get("reason") == "Failed"]
    failed = [event for event in failures if _message(event).startswith(_PULL_FAILED)]
    refused = [event for event in failures if _START_FAILED.match(_message(event)) and _path(event) == path_of(main)]
    troubles = sorted((_time(event), _message(event)) for event in events if event.get("reason") in _TROUBLE)
    since, seconds = _pulls(events, failed)
    return Told(
        starts=sum(map(_count, started)),
        started_at=moment(max(map(_time, started), default="")),
        pulling_since=since,
        pull_seconds=seconds,
        pull_failures=tuple((_path(event), _message(event)) for event in failed),
        pull_attempts=tuple((_path(event), _count(event)) for event in failed),
        start_failure=_message(refused[-1]) if refused else "",
        trouble=troubles[-1][1] if troubles else "",
    )


def _pulls(events: Sequence[Json], failed: Sequence[Json]) -> tuple[datetime | None, float]:
    """Since when an image is being pulled (None: none is), and the seconds that finished pulls took."""
    begun = [event for event in events if event.get("reason") == "Pulling"]
    done = [(event, found) for event in events if event.get("reason") == "Pulled" and (found := _PULLED.match(_message(event)))]
    since = ""
    for path in {_path(event) for event in begun}:
        ended = (*failed, *(event for event, _ in done))
        if _total(begun, path) > _total(ended, path):
            times = [_time(event) for event in begun if _path(event) == path]
            since = min(filter(None, (since, max(times))), default="")
    return moment(since), sum((_seconds(found[2] or found[1]) for _, found in done), 0.0)


def _total(events: Iterable[Json], path: str) -> int:
    return sum(_count(event) for event in events if _path(event) == path)


def _seconds(duration: str) -> float:
    try:
        return units.parse_duration(duration)
    except InvalidParameter:
        return 0.0


def _path(event: Json) -> str:
    return str((event.get("involvedObject") or {}).get("fieldPath") or "")


def _message(event: Json) -> str:
    return str(event.get("message") or "")


def _count(event: Json) -> int:
    series: Any = event.get("series") or {}
    return int(event.get("count") or series.get("count") or 1)


def _time(event: Json) -> str:
    series: Any = event.get("series") or {}
    return str(event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime") or "")


def moment(text: str | None) -> datetime | None:
    """A time as Kubernetes writes it; None for none, and for 1970, which means none as well."""
    if not text or text.startswith("1970-"):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
