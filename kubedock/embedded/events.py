"""The node's events: what repeats is counted in one object, and only the newest are kept."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from itertools import count

from kubedock.cluster import Json
from kubedock.cluster.objects import precise
from kubedock.cluster.podevents import pod_event
from kubedock.cluster.store import ObjectStore

KEPT = 4000

Key = tuple[str, str, str, str]


class Events:
    """Writes events into the store."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime], kept: int = KEPT) -> None:
        """``kept`` is how many stay at most; the oldest go first."""
        self._store, self._now, self._kept = store, now, kept
        self._names: OrderedDict[Key, str] = OrderedDict()
        self._numbers = count(1)

    def tell(
        self, pod: Json, reason: str, message: str, *, container: str = "", warning: bool = False, at: datetime | None = None
    ) -> None:
        """Something happened to a pod, now or ``at`` that time; see ``pod_event``."""
        now = precise(at or self._now())
        key = (pod["metadata"]["uid"], reason, message, container)
        with self._store.lock:
            known = self._names.get(key)
            if known is not None and self._store.peek("Event", known) is not None:
                self._names.move_to_end(key)
                self._store.update("Event", known, lambda item: item.update(count=item["count"] + 1, lastTimestamp=now))
                return
            name = f"{pod['metadata']['name']}.{next(self._numbers):016x}"
            self._store.insert("Event", pod_event(pod, name, reason, message, now, container=container, warning=warning))
            self._names[key] = name
            while len(self._names) > self._kept:
                _, oldest = self._names.popitem(last=False)
                if self._store.peek("Event", oldest) is not None:
                    self._store.remove("Event", oldest)
