"""All objects of a cluster that is in this process: versions, selectors, watches, owners, as an API server has them.

The cluster in memory and the embedded one keep theirs here.
"""

import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.objects import copied, owners, timestamp
from kubedock.cluster.protocol import Json, Kind, WatchEvent
from kubedock.cluster.selectors import Predicate, predicate
from kubedock.cluster.watching import Clock, Origin, StoreWatch
from kubedock.errors import Conflict, InvalidParameter, NotFound

LONGEST_STEM = 58
"""What is taken of a ``generateName``, so that the name is a label with what makes it unique."""
HISTORY = 50_000
"""Changes that are remembered at most: who watches from an older version gets Gone."""


class Entry(NamedTuple):
    """One change: the object before and after it; None where there was or is none."""

    version: int
    kind: Kind
    before: Json | None
    after: Json | None

    def seen_by(self, wants: Predicate) -> WatchEvent | None:
        """The line of a watch with this selector."""
        was, is_now = self.before is not None and wants(self.before), self.after is not None and wants(self.after)
        if is_now:
            return WatchEvent("MODIFIED" if was else "ADDED", copied(self.after))
        if was:
            gone = copied(self.before)
            gone["metadata"]["resourceVersion"] = str(self.version)
            return WatchEvent("DELETED", gone)
        return None


class ObjectStore:
    """All objects. Everything happens under ``lock``, which is reentrant; objects in it are never changed in place."""

    def __init__(
        self, namespace: str, now: Callable[[], datetime], *, history: int = HISTORY, clock: Clock = time.monotonic
    ) -> None:
        """``now`` gives times for metadata, ``clock`` those of watches."""
        self.namespace, self._now, self._longest, self._clock = namespace, now, history, clock
        self.lock = threading.RLock()
        self._objects: dict[Kind, dict[str, Json]] = {kind: {} for kind in RESOURCES}
        self._owned: dict[str, dict[tuple[Kind, str], None]] = defaultdict(dict)
        self._uids: set[str] = set()
        self._history: deque[Entry] = deque()
        self._watches: dict[StoreWatch, tuple[Kind, Predicate]] = {}
        self.version, self._compacted = 100, 0
        self._names = 0
        self._listeners: list[Callable[[Entry], None]] = []

    def insert(self, kind: Kind, manifest: Mapping[str, Any]) -> Json:
        """Store a new object, which was admitted: Conflict."""
        resource = RESOURCES[kind]
        item: Json = copied(manifest)
        meta = item.setdefault("metadata", {})
        with self.lock:
            if not meta.get("name") and meta.get("generateName"):
                self._names += 1
                meta["name"] = f"{meta['generateName'][:LONGEST_STEM]}{self._names:05x}"
            name = meta.get("name", "")
            if name in self._objects[kind]:
                raise Conflict(f'{resource.qualified} "{name}" already exists')
            item |= {"apiVersion": resource.api_version, "kind": kind}
            meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp(self._now()), "generation": 1}
            if resource.namespaced:
                meta["namespace"] = self.namespace
            return self._commit(kind, None, item)

    def find(self, kind: Kind, name: str) -> Json:
        """The object as stored (not to be changed): NotFound."""
        item = self._objects[kind].get(name)
        if item is None:
            raise NotFound(f'{RESOURCES[kind].qualified} "{name}" not found')
        return item

    def peek(self, kind: Kind, name: str) -> Json | None:
        """The object as stored, None when it is gone."""
        return self._objects[kind].get(name)

    def select(self, kind: Kind, selector: str = "", fields: str = "") -> list[Json]:
        """Objects as stored."""
        wants = predicate(kind, selector, fields)
        with self.lock:
            return [item for item in self._objects[kind].values() if wants(item)]

    def update(self, kind: Kind, name: str, change: Callable[[Json], None]) -> Json:
        """Change a copy in place and store it; nothing happens when nothing differs."""
        with self.lock:
            before = self.find(kind, name)
            after: Json = copied(before)
            change(after)
            if after == before:
                return before
            if after.get("spec") != before.get("spec"):
                after["metadata"]["generation"] = before["metadata"].get("generation", 1) + 1
            return self._commit(kind, before, after)

    def remove(self, kind: Kind, name: str) -> Json:
        """Take an object away."""
        with self.lock:
            before = self.find(kind, name)
            self._commit(kind, before, None)
            return before

    def exists(self, uid: str) -> bool:
        """An object with this uid is there; a Deployment's ReplicaSet (``<uid>-rs``) is as long as the Deployment is."""
        return uid.removesuffix("-rs") in self._uids

    def dependents(self, uid: str) -> list[tuple[Kind, str]]:
        """What names this object as its owner. It is gone: nothing will do so again."""
        return list(self._owned.pop(uid, ()))

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Tell of each change from now on, under the lock: who is told must not wait."""
        with self.lock:
            self._listeners.append(listener)

    def restore(self, item: Json) -> None:
        """Put an object back as it was stored before, with its uid and version: nobody is told."""
        kind, meta = item["kind"], item["metadata"]
        with self.lock:
            self._objects[kind][meta["name"]] = item
            self._own(kind, None, item)

    def advance(self, version: int) -> None:
        """Versions up to this one were given by somebody before: a watch of one of them gets Gone."""
        with self.lock:
            self.version = self._compacted = max(self.version, version)

    def _commit(self, kind: Kind, before: Json | None, after: Json | None) -> Json:
        self.version += 1
        if after is not None:
            after["metadata"]["resourceVersion"] = str(self.version)
            self._objects[kind][after["metadata"]["name"]] = after
        elif before is not None:
            del self._objects[kind][before["metadata"]["name"]]
        self._own(kind, before, after)
        entry = Entry(self.version, kind, before, after)
        self._history.append(entry)
        if len(self._history) > self._longest:
            self._compacted = self._history.popleft().version
        for watch, (watched, wants) in list(self._watches.items()):
            event = entry.seen_by(wants) if watched == kind else None
            if event is not None:
                watch.push(event)
        for listener in self._listeners:
            listener(entry)
        return after or {}

    def _own(self, kind: Kind, before: Json | None, after: Json | None) -> None:
        """Keep the indexes of uids and owners."""
        if before is not None:
            self._uids.discard(before["metadata"]["uid"])
            for uid in owners(before):
                self._owned[uid].pop((kind, before["metadata"]["name"]), None)
        if after is not None:
            self._uids.add(after["metadata"]["uid"])
            for uid in owners(after):
                self._owned[uid][(kind, after["metadata"]["name"])] = None

    def watch(self, kind: Kind, since: str, selector: str, fields: str, seconds: int) -> StoreWatch:
        """Open a watch: Gone comes out of it, as from the API server. InvalidParameter for what is no version."""
        wants = predicate(kind, selector, fields)
        if since and not (since.isascii() and since.isdigit()):
            raise InvalidParameter(f'resourceVersion: Invalid value: "{since}": a number is needed')
        with self.lock:
            watch = StoreWatch(Origin(self.lock, lambda: self._bookmark(kind), self._forget, self._clock), seconds)
            for event in self._backlog(kind, since, wants):
                watch.push(event)
            if since not in ("", "0") and int(since) < self._compacted:
                watch.expire(f"too old resource version: {since} ({self._compacted})")
            self._watches[watch] = (kind, wants)
            return watch

    def _backlog(self, kind: Kind, since: str, wants: Predicate) -> Iterator[WatchEvent]:
        if since in ("", "0"):
            yield from (WatchEvent("ADDED", copied(item)) for item in self._objects[kind].values() if wants(item))
            return
        newer: list[Entry] = []
        for entry in reversed(self._history):
            if entry.version <= int(since):
                break
            newer.append(entry)
        for entry in reversed(newer):
            event = entry.seen_by(wants) if entry.kind == kind else None
            if event is not None:
                yield event

    def _bookmark(self, kind: Kind) -> WatchEvent:
        resource = RESOURCES[kind]
        shown = {"kind": kind, "apiVersion": resource.api_version, "metadata": {"resourceVersion": str(self.version)}}
        return WatchEvent("BOOKMARK", shown)

    def _forget(self, watch: StoreWatch) -> None:
        with self.lock:
            self._watches.pop(watch, None)

    def watches(self) -> list[StoreWatch]:
        """Those that are open."""
        with self.lock:
            return list(self._watches)

    def compact(self) -> None:
        """Forget the history: watches from before now get Gone."""
        with self.lock:
            self._history.clear()
            self._compacted = self.version
