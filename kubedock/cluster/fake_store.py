"""The objects of the in-memory cluster: versions, selectors, watches, as the API server has them."""

import re
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from kubedock.cluster.fake_streams import FakeWatch
from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.protocol import Json, Kind, WatchEvent
from kubedock.errors import Conflict, InvalidParameter, NotFound

HISTORY = 50_000
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"),
    "Event": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "Secret": ("type",),
}

Predicate = Callable[[Json], bool]


def copied(value: Any) -> Any:
    """A deep copy of JSON."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [copied(item) for item in value]
    return value


def merged(target: Any, change: Any) -> Any:
    """A JSON merge patch (RFC 7386) applied: a new value."""
    if not isinstance(change, Mapping):
        return copied(change)
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def timestamp(moment: datetime) -> str:
    """Kubernetes' time in metadata and status: whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _at(item: Json, path: str) -> str:
    value: Any = item
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    return str(value)


def _label_term(term: str) -> Predicate:
    def labels(item: Json) -> Mapping[str, str]:
        return item["metadata"].get("labels") or {}

    within = re.fullmatch(r"(\S+)\s+(in|notin)\s+\((.*)\)", term)
    if within:
        key, word, values = within[1], within[2], {value.strip() for value in within[3].split(",")}
        return lambda item: (labels(item).get(key) in values) == (word == "in")
    if "!=" in term:
        key, value = term.split("!=", 1)
        return lambda item: labels(item).get(key.strip()) != value.strip()
    if "=" in term:
        key, value = re.split("==?", term, maxsplit=1)
        return lambda item: labels(item).get(key.strip()) == value.strip()
    if term.startswith("!"):
        return lambda item: term[1:].strip() not in labels(item)
    return lambda item: term in labels(item)


def _field_term(kind: Kind, term: str) -> Predicate:
    wanted, (path, value) = "!=" not in term, re.split("!=|==?", term, maxsplit=1)
    if path not in ("metadata.name", "metadata.namespace", *FIELDS.get(kind, ())):
        raise InvalidParameter(f"field label not supported: {path}")
    return lambda item: (_at(item, path) == value) == wanted


def predicate(kind: Kind, selector: str, fields: str) -> Predicate:
    """What a label and a field selector ask for."""
    terms = [_label_term(term.strip()) for term in re.split(r",(?![^(]*\))", selector) if term.strip()]
    terms += [_field_term(kind, term.strip()) for term in fields.split(",") if term.strip()]
    return lambda item: all(term(item) for term in terms)


def check_metadata(kind: Kind, name: str, labels: Mapping[str, str]) -> None:
    """What the API server refuses in names and labels."""
    subject = f'{kind} "{name}" is invalid'
    if not name:
        raise InvalidParameter(f"{subject}: metadata.name: Required value: name or generateName is required")
    if len(name) > 253 or not NAME.fullmatch(name):
        raise InvalidParameter(f'{subject}: metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain is needed')
    for key, value in labels.items():
        stem = key.rpartition("/")[2]
        if len(stem) > 63 or not LABEL_NAME.fullmatch(stem):
            raise InvalidParameter(f'{subject}: metadata.labels: Invalid value: "{key}": name part is not valid')
        if not isinstance(value, str) or len(value) > 63 or not LABEL_VALUE.fullmatch(value):
            raise InvalidParameter(f'{subject}: metadata.labels: Invalid value: "{value}": a valid label is needed')


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


class FakeStore:
    """All objects. Everything happens under ``lock``, which is reentrant; objects in it are never changed in place."""

    def __init__(self, namespace: str, now: Callable[[], datetime]) -> None:
        """``now`` gives times for metadata."""
        self.namespace, self._now = namespace, now
        self.lock = threading.RLock()
        self._objects: dict[Kind, dict[str, Json]] = {kind: {} for kind in RESOURCES}
        self._owned: dict[str, dict[tuple[Kind, str], None]] = defaultdict(dict)
        self._history: deque[Entry] = deque()
        self._watches: dict[FakeWatch, tuple[Kind, Predicate]] = {}
        self.version, self._compacted = 100, 0
        self._names = 0

    def insert(self, kind: Kind, manifest: Mapping[str, Any]) -> Json:
        """Store a new object: InvalidParameter, Conflict."""
        resource = RESOURCES[kind]
        item: Json = copied(manifest)
        meta = item.setdefault("metadata", {})
        with self.lock:
            if not meta.get("name") and meta.get("generateName"):
                self._names += 1
                meta["name"] = f"{meta['generateName']}{self._names:05x}"
            name = meta.get("name", "")
            check_metadata(kind, name, meta.get("labels") or {})
            if name in self._objects[kind]:
                raise Conflict(f'{resource.qualified} "{name}" already exists')
            item |= {"apiVersion": resource.api_version, "kind": kind}
            meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp(self._now()), "generation": 1}
            if resource.namespaced:
                meta["namespace"] = self.namespace
            for owner in meta.get("ownerReferences") or ():
                self._owned[owner["uid"]][(kind, name)] = None
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
            check_metadata(kind, name, after["metadata"].get("labels") or {})
            return self._commit(kind, before, after)

    def remove(self, kind: Kind, name: str) -> Json:
        """Take an object away."""
        with self.lock:
            before = self.find(kind, name)
            for owner in before["metadata"].get("ownerReferences") or ():
                self._owned[owner["uid"]].pop((kind, name), None)
            self._commit(kind, before, None)
            return before

    def dependents(self, uid: str) -> list[tuple[Kind, str]]:
        """What names this object as its owner."""
        return list(self._owned.pop(uid, ()))

    def _commit(self, kind: Kind, before: Json | None, after: Json | None) -> Json:
        self.version += 1
        if after is not None:
            after["metadata"]["resourceVersion"] = str(self.version)
            self._objects[kind][after["metadata"]["name"]] = after
        elif before is not None:
            del self._objects[kind][before["metadata"]["name"]]
        entry = Entry(self.version, kind, before, after)
        self._history.append(entry)
        if len(self._history) > HISTORY:
            self._compacted = self._history.popleft().version
        for watch, (watched, wants) in list(self._watches.items()):
            event = entry.seen_by(wants) if watched == kind else None
            if event is not None:
                watch.push(event)
        return after or {}

    def watch(self, kind: Kind, since: str, selector: str, fields: str, seconds: int) -> FakeWatch:
        """Open a watch: Gone comes out of it, as from the API server."""
        wants = predicate(kind, selector, fields)
        with self.lock:
            watch = FakeWatch(lambda: self._bookmark(kind), self._forget, seconds)
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

    def _forget(self, watch: FakeWatch) -> None:
        with self.lock:
            self._watches.pop(watch, None)

    def watches(self) -> list[FakeWatch]:
        """Those that are open."""
        with self.lock:
            return list(self._watches)

    def compact(self) -> None:
        """Forget the history: watches from before now get Gone."""
        with self.lock:
            self._history.clear()
            self._compacted = self.version
