"""What Ryuk's filters name: found by the engine's own lists and removed by its own use cases, so only what this kubedock has."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from kubedock.domain import ryuk, units
from kubedock.domain.filters import Filters
from kubedock.engine.containers import Containers, ListQuery
from kubedock.engine.core import Core
from kubedock.engine.images import Images
from kubedock.engine.networks import Networks
from kubedock.engine.ryuk import KINDS, Looked, Removed, Say, Thing
from kubedock.engine.volumes import Volumes
from kubedock.errors import KubedockError, NotFound


class _Candidate(NamedTuple):
    id: str
    created_at: datetime
    labels: Mapping[str, str]


class Reaping:
    """Look and remove. Ryuks themselves are never removed."""

    def __init__(self, core: Core, containers: Containers, networks: Networks, volumes: Volumes, images: Images) -> None:
        self._core = core
        self._containers, self._networks, self._volumes, self._images = containers, networks, volumes, images

    def look(self, wanted: Iterable[ryuk.Filters], say: Say, *, offset: float) -> Looked:
        """What matches one of the filters. A kind that has no such filter is left out, which is logged."""
        limit, failed = self._core.now() + timedelta(seconds=offset), False
        found: dict[Thing, bool] = {}
        asked = [dict(filters) for filters in wanted]
        for kind in KINDS:
            for filters in asked:
                try:
                    candidates = list(self._find(kind, filters))
                except KubedockError as error:
                    say("ERROR", f"affected {kind}s", error=error)
                    failed = True
                    continue
                found |= {Thing(kind, each.id): each.created_at > limit for each in candidates if _may_go(each)}
        new = tuple(thing for thing, young in found.items() if young)
        return Looked(tuple(thing for thing, young in found.items() if not young), new, failed)

    def remove(self, things: Iterable[Thing], say: Say) -> Removed:
        """One try for each; what is gone already is fine."""
        counts, left = Counter[str](), list[Thing]()
        for thing in things:
            try:
                self._remove(thing)
            except NotFound:
                continue
            except KubedockError as error:
                say("ERROR", "remove", resource=thing.kind, id=thing.id, error=error)
                left.append(thing)
                continue
            say("INFO", "remove", resource=thing.kind, id=thing.id)
            counts[thing.kind] += 1
        return Removed(counts, tuple(left))

    def _find(self, kind: str, filters: Filters) -> Iterator[_Candidate]:
        match kind:
            case "container":
                for view in self._containers.list(ListQuery(all=True, filters=filters)):
                    yield _Candidate(view.record.id, view.record.created_at, view.record.spec.labels)
            case "network":
                for found in self._networks.list(filters):
                    yield _Candidate(found.network.id, found.network.created_at, found.network.labels)
            case "volume":
                for volume in self._volumes.list(filters):
                    yield _Candidate(volume.name, volume.created_at, volume.labels)
            case "image":
                for image in self._images.list(filters):
                    yield _Candidate(image.id, image.created_at or units.EARLIEST, image.config.labels)

    def _remove(self, thing: Thing) -> None:
        match thing.kind:
            case "container":
                self._containers.remove(thing.id, force=True, volumes=True)
            case "network":
                self._networks.remove(thing.id)
            case "volume":
                self._volumes.remove(thing.id, force=True)
            case "image":
                self._images.remove(thing.id, force=False)


def _may_go(candidate: _Candidate) -> bool:
    return candidate.labels.get(ryuk.LABEL) != "true"
