"""What the cluster shows of this instance's pods, kept current by LIST and WATCH.

One watch for pods and one for their events feed everybody: nothing polls, no request lists. A watch is not trusted:
it is re-listed when it breaks, when its version is too old, and every few minutes; while it is down the last picture
stands.
"""

import contextlib
import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from kubedock.cluster import Cluster, Json, Kind, Watch, WatchEvent
from kubedock.domain.status import Observed
from kubedock.errors import Forbidden, Gone, KubedockError
from kubedock.kube import labels
from kubedock.kube.observe import observe

logger = logging.getLogger(__name__)

RELIST_SECONDS = 300
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
FORBIDDEN_PAUSE = 60.0
LASTING = 1.0
"""A list and watch that held for so many seconds was a good one."""
EVENTS_KEPT, PODS_WITH_EVENTS, FORGOTTEN_KEPT = 32, 2048, 8192

Key = tuple[str, int]
"""A run of a container: the short id and the run's number."""


class _Seen(NamedTuple):
    """``generation`` counts the lists of pods that had begun when the API last told of it."""

    pod: Json
    deleted: bool
    generation: int


class Watcher:
    """The newest picture of each run. ``on_change(short id)`` is called after it has changed, in a watch's thread."""

    def __init__(self, cluster: Cluster, instance: str) -> None:
        """Watch the pods that carry this instance's label."""
        self._cluster, self._selector = cluster, labels.selector(instance)
        self._lock = threading.Lock()
        self._pods: dict[Key, _Seen] = {}
        self._rivals: dict[Key, Json] = {}  # the other pod where a run has two
        self._keys: dict[str, Key] = {}
        self._observed: dict[Key, Observed] = {}
        self._events: OrderedDict[str, dict[str, Json]] = OrderedDict()
        self._forgotten: OrderedDict[tuple[str, int | None], None] = OrderedDict()
        self._generation = 0
        self.on_change: Callable[[str], None] = lambda _: None
        self._loops = [
            _Loop("watch-pods", cluster, "Pod", self._selector, "", self._list_pods, self._pod_event),
            _Loop("watch-events", cluster, "Event", "", "involvedObject.kind=Pod", self._list_events, self._event_event),
        ]

    def start(self, timeout: float = 30.0) -> None:
        """Begin, and return when both pictures are there (events may be forbidden: then the status alone decides)."""
        for loop in self._loops:
            loop.start()
        deadline = time.monotonic() + timeout
        for loop in self._loops:
            if not loop.synced.wait(max(0.0, deadline - time.monotonic())):
                logger.warning("%s: no first list within %.0f s", loop.name, timeout)

    def stop(self, timeout: float = 2.0) -> None:
        """End both watches and wait for their threads."""
        for loop in self._loops:
            loop.stop()
        for loop in self._loops:
            loop.join(timeout)

    @property
    def events_forbidden(self) -> bool:
        """Nothing is heard of events: the right to list or watch them is missing."""
        return self._loops[1].forbidden

    # --- what is known -----------------------------------------------------------------------------------------

    def observed(self, short_id: str, run: int) -> Observed | None:
        """What is known of a run; None when nothing was ever seen of it."""
        return self._observed.get((short_id, run))

    def expect(self, pod: Json) -> None:
        """A pod that was just created: known from now on, whatever older lists say."""
        with self._lock:
            key = _key(pod)
            if key is not None and key not in self._pods:
                self._put(key, pod, deleted=False, generation=self._generation)

    def put(self, short_id: str, run: int, observed: Observed) -> None:
        """What a run shows that has no pod, from who runs it; told as if a watch had brought it."""
        with self._lock:
            known = not self._is_forgotten((short_id, run))
            if known:
                self._observed[short_id, run] = observed
        if known:
            self._tell({short_id})

    def forget(self, short_id: str, run: int | None = None) -> None:
        """A container (or one run of it) is no longer of interest, whatever is still told of its pods."""
        with self._lock:
            for key in [key for key in self._observed if key[0] == short_id and run in (None, key[1])]:
                del self._observed[key]
                self._rivals.pop(key, None)
                if key in self._pods:
                    uid = _uid(self._pods.pop(key).pod)
                    self._events.pop(uid, None)
                    self._keys.pop(uid, None)
            self._forgotten[short_id, run] = None
            while len(self._forgotten) > FORGOTTEN_KEPT:
                self._forgotten.popitem(last=False)

    # --- what the watches bring --------------------------------------------------------------------------------

    def _list_pods(self, items: list[Json] | None) -> None:
        if items is None:  # a list begins: what is put from now on is newer than it
            with self._lock:
                self._generation += 1
            return
        changed = set()
        listed = {_uid(pod) for pod in items}
        with self._lock:
            self._rivals = {key: pod for key, pod in self._rivals.items() if _uid(pod) in listed}
            for key, seen in list(self._pods.items()):
                if not seen.deleted and _uid(seen.pod) not in listed and seen.generation < self._generation:
                    self._put(key, seen.pod, deleted=True, generation=self._generation)
                    changed.add(key[0])
            changed |= {found[0] for pod in items if (found := _key(pod)) is not None and self._accept(found, pod, deleted=False)}
        self._tell(changed)

    def _pod_event(self, event: WatchEvent) -> None:
        key = _key(event.object)
        if key is None:
            return
        with self._lock:
            changed = self._accept(key, event.object, deleted=event.type == "DELETED")
        if changed:
            self._tell({key[0]})

    def _list_events(self, items: list[Json] | None) -> None:
        with self._lock:
            keys = [key for item in items or () if (key := self._accept_event(item)) is not None]
        self._tell({key[0] for key in keys})

    def _event_event(self, event: WatchEvent) -> None:
        if event.type == "DELETED":  # they expire; what they told stays true
            return
        with self._lock:
            key = self._accept_event(event.object)
        if key is not None:
            self._tell({key[0]})

    def _accept_event(self, event: Json) -> Key | None:
        """Take over what is told of a pod; its key if it is one of ours and this was new."""
        uid, name = str((event.get("involvedObject") or {}).get("uid", "")), str(event["metadata"].get("name", ""))
        kept = self._events.setdefault(uid, {})
        if name in kept and _version(event) <= _version(kept[name]):
            return None
        kept.pop(name, None)
        event["metadata"].pop("managedFields", None)
        kept[name] = event
        if len(kept) > EVENTS_KEPT:
            del kept[next(iter(kept))]
        self._events.move_to_end(uid)
        if len(self._events) > PODS_WITH_EVENTS:
            self._events.popitem(last=False)
        key = self._keys.get(uid)
        if key is not None:  # the list of pods that is under way knows no more of it than before
            seen = self._pods[key]
            self._put(key, seen.pod, deleted=seen.deleted, generation=seen.generation)
        return key

    def _accept(self, key: Key, pod: Json, *, deleted: bool) -> bool:
        """Take over a pod's newer picture. A Deployment may have two pods: the living one counts, else the newest."""
        if self._is_forgotten(key):
            return False
        seen, rival = self._pods.get(key), self._rivals.get(key)
        if seen is None:
            self._put(key, pod, deleted=deleted, generation=self._generation)
            return True
        if _uid(seen.pod) == _uid(pod):
            if seen.deleted or (not deleted and _version(pod) <= _version(seen.pod)):
                return False
            self._put(key, pod, deleted=deleted, generation=self._generation)
            if rival is not None and _rank(rival) > _rank(pod, deleted=deleted):
                self._replace(key, rival)
            return True
        if deleted:
            if rival is not None and _uid(rival) == _uid(pod):
                del self._rivals[key]
            return False
        if _rank(pod) <= _rank(seen.pod, deleted=seen.deleted):
            self._rivals[key] = pod
            return False
        self._replace(key, pod)
        return True

    def _is_forgotten(self, key: Key) -> bool:
        return key in self._forgotten or (key[0], None) in self._forgotten

    def _replace(self, key: Key, pod: Json) -> None:
        """Another pod counts from now on."""
        before = self._pods[key]
        self._rivals.pop(key, None)
        if not before.deleted:
            self._rivals[key] = before.pod
        self._put(key, pod, deleted=False, generation=self._generation)

    def _put(self, key: Key, pod: Json, *, deleted: bool, generation: int) -> None:
        pod.get("metadata", {}).pop("managedFields", None)
        uid, before = _uid(pod), self._pods.get(key)
        if before is not None and _uid(before.pod) != uid:
            self._keys.pop(_uid(before.pod), None)
        self._keys[uid] = key
        self._pods[key] = _Seen(pod, deleted, generation)
        self._observed[key] = observe(pod, list(self._events.get(uid, {}).values()), deleted=deleted)

    def _tell(self, short_ids: set[str]) -> None:
        for short_id in short_ids:
            try:
                self.on_change(short_id)
            except Exception:
                logger.exception("container %s: a change was not taken over", short_id)


class _Loop:
    """LIST, then WATCH, again and again, in a thread of its own."""

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        kind: Kind,
        selector: str,
        fields: str,
        listed: Callable[[list[Json] | None], None],
        changed: Callable[[WatchEvent], None],
    ) -> None:
        self.name, self._cluster, self._kind = name, cluster, kind
        self._selector, self._fields = selector, fields
        self._listed, self._changed = listed, changed
        self.synced = threading.Event()
        self.forbidden = False
        self._version = ""  # where the watch goes on; "" where only a list helps
        self._relist_at = 0.0
        self._pause = FIRST_PAUSE
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._watch: Watch | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        with self._guard:
            watch = self._watch
        if watch is not None:
            watch.close()

    def join(self, timeout: float) -> None:
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._once(began)
                longest = LONGEST_PAUSE
            except Gone:
                logger.info("%s: the watch's version is too old, listing again", self.name)
                self._version, longest = "", LONGEST_PAUSE
            except Forbidden as error:
                if not self.forbidden:
                    logger.warning("%s: %s", self.name, error)
                self.forbidden = True
                self.synced.set()
                self._version, longest = "", FORBIDDEN_PAUSE
            except KubedockError as error:
                if not self._stopping.is_set():
                    logger.warning("%s: %s; again in %.1f s", self.name, error, self._pause)
                self._version, longest = self._version if time.monotonic() - began > LASTING else "", LONGEST_PAUSE
            except Exception:
                logger.exception("%s: unexpected; again", self.name)
                self._version, self._pause, longest = "", LONGEST_PAUSE, LONGEST_PAUSE
            self._rest(time.monotonic() - began, longest)

    def _rest(self, lasted: float, longest: float) -> None:
        """A try that lasted is followed by the next at once; those that end at once become rare."""
        if lasted > LASTING and not self.forbidden:
            self._pause = FIRST_PAUSE
        self._stopping.wait(self._pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        if lasted <= LASTING:
            self._pause = min(self._pause * 2, longest)

    def _once(self, began: float) -> None:
        if not self._version or began >= self._relist_at:
            self._listed(None)
            found = self._cluster.list(self._kind, selector=self._selector, fields=self._fields)
            self._listed(found.items)
            self._version, self._relist_at = found.resource_version, began + RELIST_SECONDS
            self.synced.set()
        self._follow()

    def _follow(self) -> None:
        """Read one watch to its end."""
        watch = self._cluster.watch(
            self._kind, since=self._version, selector=self._selector, fields=self._fields, seconds=RELIST_SECONDS
        )
        self.forbidden = False
        with self._guard:
            self._watch = watch
        with contextlib.closing(watch):
            if self._stopping.is_set():
                return
            for event in watch:
                if event.type != "BOOKMARK":
                    self._changed(event)
                self._version = str(event.object.get("metadata", {}).get("resourceVersion") or self._version)


def _key(pod: Json) -> Key | None:
    found = pod.get("metadata", {}).get("labels", {})
    short_id, run = found.get(labels.CONTAINER), found.get(labels.RUN, "1")
    return (short_id, int(run)) if short_id and str(run).isdigit() else None


def _uid(pod: Json) -> str:
    return str(pod.get("metadata", {}).get("uid", ""))


def _rank(pod: Json, *, deleted: bool = False) -> tuple[bool, bool, str]:
    """Which of two pods of one run counts."""
    metadata, phase = pod.get("metadata", {}), pod.get("status", {}).get("phase")
    living = "deletionTimestamp" not in metadata and phase not in ("Succeeded", "Failed")
    return not deleted, living, str(metadata.get("creationTimestamp", ""))


def _version(pod: Json) -> int:
    text = str(pod.get("metadata", {}).get("resourceVersion", "0"))
    return int(text) if text.isdigit() else 0
