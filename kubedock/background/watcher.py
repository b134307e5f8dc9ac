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
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
EVENTS_KEPT, PODS_WITH_EVENTS = 32, 2048

Key = tuple[str, int]
"""A run of a container: the short id and the run's number."""


class _Seen(NamedTuple):
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
        self._observed: dict[Key, Observed] = {}
        self._events: OrderedDict[str, list[Json]] = OrderedDict()
        self._generation = 0
        self.on_change: Callable[[str], None] = lambda _: None
        self.events_forbidden = False
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
        self.events_forbidden = self._loops[1].forbidden

    def stop(self, timeout: float = 2.0) -> None:
        """End both watches and wait for their threads."""
        for loop in self._loops:
            loop.stop()
        for loop in self._loops:
            loop.join(timeout)

    # --- what is known -----------------------------------------------------------------------------------------

    def observed(self, short_id: str, run: int) -> Observed | None:
        """What is known of a run; None when nothing was ever seen of it."""
        return self._observed.get((short_id, run))

    def expect(self, pod: Json) -> None:
        """A pod that was just created: known from now on, whatever older lists say."""
        with self._lock:
            key = _key(pod)
            if key is not None and key not in self._pods:
                self._put(key, pod, deleted=False)

    def forget(self, short_id: str, run: int | None = None) -> None:
        """A container (or one run of it) is no longer of interest."""
        with self._lock:
            for key in [key for key in self._pods if key[0] == short_id and run in (None, key[1])]:
                self._events.pop(_uid(self._pods[key].pod), None)
                del self._pods[key]
                del self._observed[key]

    # --- what the watches bring --------------------------------------------------------------------------------

    def _list_pods(self, items: list[Json] | None) -> None:
        if items is None:  # a list begins: what is put from now on is newer than it
            with self._lock:
                self._generation += 1
            return
        changed = set()
        listed = {_uid(pod) for pod in items}
        with self._lock:
            for pod in items:
                key = _key(pod)
                if key is not None and self._accept(key, pod, deleted=False):
                    changed.add(key[0])
            for key, seen in list(self._pods.items()):
                if not seen.deleted and _uid(seen.pod) not in listed and seen.generation < self._generation:
                    self._put(key, seen.pod, deleted=True)
                    changed.add(key[0])
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
        for item in items or []:
            self._event_event(WatchEvent("ADDED", item))

    def _event_event(self, event: WatchEvent) -> None:
        if event.type == "DELETED":  # they expire; what they told stays true
            return
        involved = event.object.get("involvedObject", {})
        uid, name = str(involved.get("uid", "")), event.object.get("metadata", {}).get("name")
        changed = set()
        with self._lock:
            kept = self._events.setdefault(uid, [])
            kept[:] = [item for item in kept if item["metadata"]["name"] != name][-EVENTS_KEPT + 1 :]
            kept.append(event.object)
            while len(self._events) > PODS_WITH_EVENTS:
                self._events.popitem(last=False)
            for key, seen in self._pods.items():
                if _uid(seen.pod) == uid:
                    self._put(key, seen.pod, deleted=seen.deleted)
                    changed.add(key[0])
        self._tell(changed)

    def _accept(self, key: Key, pod: Json, *, deleted: bool) -> bool:
        """Take over a pod's newer picture. A Deployment may have two pods: the living one counts, else the newest."""
        seen = self._pods.get(key)
        if seen is not None:
            same = _uid(seen.pod) == _uid(pod)
            if same and (seen.deleted or (not deleted and _version(pod) <= _version(seen.pod))):
                return False
            if not same and not seen.deleted and (deleted or _created(pod) < _created(seen.pod)):
                return False
            if not same and seen.deleted and deleted:
                return False
        self._put(key, pod, deleted=deleted)
        return True

    def _put(self, key: Key, pod: Json, *, deleted: bool) -> None:
        pod.get("metadata", {}).pop("managedFields", None)
        self._pods[key] = _Seen(pod, deleted, self._generation)
        self._observed[key] = observe(pod, self._events.get(_uid(pod), ()), deleted=deleted)

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
        pause, version = FIRST_PAUSE, ""
        relist_at = 0.0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if not version or began >= relist_at:
                    version, relist_at = self._list(), began + RELIST_SECONDS
                version = self._follow(version)
                pause = FIRST_PAUSE
            except Gone:
                logger.info("%s: the watch's version is too old, listing again", self.name)
                version = ""
            except Forbidden as error:
                self.forbidden = True
                self.synced.set()
                logger.warning("%s: %s", self.name, error)
                version, pause = "", 60.0
                self._stopping.wait(pause)
            except KubedockError as error:
                logger.warning("%s: %s; again in %.1f s", self.name, error, pause)
                version = "" if time.monotonic() - began < 1 else version
                self._stopping.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                pause = min(pause * 2, LONGEST_PAUSE)
            except Exception:
                logger.exception("%s: unexpected; again in %.1f s", self.name, LONGEST_PAUSE)
                version = ""
                self._stopping.wait(LONGEST_PAUSE)

    def _list(self) -> str:
        self._listed(None)
        found = self._cluster.list(self._kind, selector=self._selector, fields=self._fields)
        self._listed(found.items)
        self.forbidden = False
        self.synced.set()
        return found.resource_version

    def _follow(self, version: str) -> str:
        """Read one watch to its end and return the newest version seen."""
        watch = self._cluster.watch(self._kind, since=version, selector=self._selector, fields=self._fields, seconds=RELIST_SECONDS)
        with self._guard:
            self._watch = watch
        with contextlib.closing(watch):
            if self._stopping.is_set():
                return version
            for event in watch:
                version = str(event.object.get("metadata", {}).get("resourceVersion") or version)
                if event.type != "BOOKMARK":
                    self._changed(event)
        return version


def _key(pod: Json) -> Key | None:
    found = pod.get("metadata", {}).get("labels", {})
    short_id, run = found.get(labels.CONTAINER), found.get(labels.RUN, "1")
    return (short_id, int(run)) if short_id and str(run).isdigit() else None


def _uid(pod: Json) -> str:
    return str(pod.get("metadata", {}).get("uid", ""))


def _created(pod: Json) -> str:
    return str(pod.get("metadata", {}).get("creationTimestamp", ""))


def _version(pod: Json) -> int:
    text = str(pod.get("metadata", {}).get("resourceVersion", "0"))
    return int(text) if text.isdigit() else 0
