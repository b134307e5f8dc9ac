"""The object verbs of an API server over an object store in this process: admission, owners, graceful deletion.

``FakeCluster`` and the embedded cluster both answer with it; what differs is who runs the pods.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from kubedock.cluster.admission import check, check_patch, defaulted
from kubedock.cluster.decoding import decoded
from kubedock.cluster.deployments import Deployments
from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.objects import copied, merged, owners, timestamp
from kubedock.cluster.protocol import Json, Kind, ObjectList
from kubedock.cluster.store import ObjectStore
from kubedock.cluster.watching import StoreWatch
from kubedock.errors import Conflict, InvalidParameter, KubedockError

OVER = ("Succeeded", "Failed")
KEPT = ("uid", "creationTimestamp", "namespace", "name", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Metadata that no patch changes."""


class PodRunner(Protocol):
    """Who runs the pods: the simulated kubelet of ``FakeCluster``, or the embedded node.

    Called under the store's lock: nothing here may wait.
    """

    def added(self, pod: Json) -> None:
        """A pod was created."""

    def expire(self, pod: str) -> None:
        """A pod's activeDeadlineSeconds were changed."""

    def ending(self, pod: str) -> bool:
        """A pod's graceful deletion has begun, or got shorter. True: it has ended, so that it goes at once.

        Otherwise the runner drops the pod later.
        """

    def removed(self, pod: str) -> None:
        """A pod is gone from the API, ended or not."""


class ObjectApi:
    """The objects' half of ``Cluster``. Every method may be called from any thread."""

    def __init__(
        self, store: ObjectStore, now: Callable[[], datetime], runner: PodRunner, denial: Callable[[], KubedockError | None]
    ) -> None:
        """``now`` gives times for metadata, ``denial`` admission's word on pods that controllers make."""
        self._store, self._now, self._runner = store, now, runner
        self._deployments = Deployments(store, self._create_pod, self.remove, denial)

    # --- the verbs -----------------------------------------------------------------------------------------------

    def create(self, kind: Kind, manifest: Mapping[str, Any]) -> Json:
        """See Cluster."""
        with self._store.lock:
            if kind == "Pod":
                return self._create_pod(manifest)
            stored: Json = copied(self._store.insert(kind, self._admitted(kind, manifest)))
            self._collect(stored)
            if kind == "Deployment":
                self._deployments.reconcile(stored["metadata"]["name"])
            return stored

    def get(self, kind: Kind, name: str) -> Json:
        """See Cluster."""
        with self._store.lock:
            found: Json = copied(self._store.find(kind, name))
            return found

    def list(self, kind: Kind, selector: str = "", fields: str = "") -> ObjectList:
        """See Cluster."""
        with self._store.lock:
            items = [copied(item) for item in self._store.select(kind, selector, fields)]
            return ObjectList(items, str(self._store.version))

    def watch(self, kind: Kind, since: str, selector: str, fields: str, seconds: int) -> StoreWatch:
        """See Cluster."""
        return self._store.watch(kind, since, selector, fields, seconds)

    def patch(self, kind: Kind, name: str, change: Mapping[str, Any]) -> Json:
        """See Cluster. Conflict when the change carries a version that is not the object's."""
        with self._store.lock:
            before = self._store.find(kind, name)
            after = _patched(kind, before, change)
            check_patch(kind, before, after)

            def put(item: Json) -> None:
                item.clear()
                item.update(after)

            stored = self._store.update(kind, name, put)
            if kind == "Deployment":
                self._deployments.reconcile(name)
            if kind == "Pod" and _deadline(before) != _deadline(stored):
                self._runner.expire(name)
            answer: Json = copied(stored)
            return answer

    def delete(self, kind: Kind, name: str, grace: int | None) -> None:
        """See Cluster."""
        with self._store.lock:
            self._store.find(kind, name)
            self.remove(kind, name, grace)

    def delete_collection(self, kind: Kind, selector: str, grace: int | None) -> None:
        """See Cluster."""
        with self._store.lock:
            for item in self._store.select(kind, selector):
                if self._store.peek(kind, item["metadata"]["name"]) is not None:
                    self.remove(kind, item["metadata"]["name"], grace)

    # --- for runners and controllers: the lock is held -------------------------------------------------------------

    def remove(self, kind: Kind, name: str, grace: int | None) -> None:
        """Delete an object that exists; a pod that runs gets its time."""
        item = self._store.find(kind, name)
        if kind == "Pod" and item["status"]["phase"] not in OVER and "nodeName" in item["spec"]:
            seconds: int = item["spec"]["terminationGracePeriodSeconds"] if grace is None else grace
            begun = item["metadata"].get("deletionGracePeriodSeconds")
            if begun is not None and seconds >= begun:
                return
            if seconds > 0:
                gone = timestamp(self._now() + timedelta(seconds=seconds))
                mark = {"deletionTimestamp": gone, "deletionGracePeriodSeconds": seconds}
                self._store.update(kind, name, lambda each: each["metadata"].update(mark))
                if not self._runner.ending(name):
                    return
        self.drop(kind, name)

    def drop(self, kind: Kind, name: str) -> None:
        """Take an object away at once, and what only it owns. What is gone already is fine."""
        if self._store.peek(kind, name) is None:
            return
        item = self._store.remove(kind, name)
        if kind == "Pod":
            self._runner.removed(name)
        for owned, owned_name in self._orphans(item["metadata"]["uid"]):
            self.remove(owned, owned_name, None)
        if kind == "Pod":
            self._deployments.pod_gone(item)

    def refresh(self, pod: Json) -> None:
        """A pod's state has changed: its Deployment's status follows."""
        self._deployments.pod_changed(pod)

    def _orphans(self, uid: str) -> Sequence[tuple[Kind, str]]:
        """What has lost its last owner with this one (a Deployment's pods are owned by its ReplicaSet)."""
        found = []
        for gone in (uid, f"{uid}-rs"):
            for kind, name in self._store.dependents(gone):
                item = self._store.peek(kind, name)
                if item is not None and not any(self._store.exists(other) for other in owners(item) if other != gone):
                    found.append((kind, name))
        return found

    def _collect(self, item: Json) -> None:
        """What is created for owners that are gone goes after them."""
        uids = owners(item)
        if uids and not any(map(self._store.exists, uids)):
            self.remove(item["kind"], item["metadata"]["name"], None)

    # --- inside --------------------------------------------------------------------------------------------------

    def _create_pod(self, manifest: Mapping[str, Any]) -> Json:
        pod = self._admitted("Pod", manifest)
        pod["status"] = {"phase": "Pending", "qosClass": "Burstable"}
        stored: Json = copied(self._store.insert("Pod", pod))
        self._runner.added(stored)
        self._collect(stored)
        return stored

    @staticmethod
    def _admitted(kind: Kind, manifest: Mapping[str, Any]) -> Json:
        item = defaulted(kind, decoded(kind, manifest))
        check(kind, item)
        return item


def _deadline(pod: Json) -> int | None:
    seconds: int | None = pod["spec"].get("activeDeadlineSeconds")
    return seconds


def _patched(kind: Kind, item: Json, change: Mapping[str, Any]) -> Json:
    """The object after a change: Conflict, InvalidParameter."""
    wanted = {key: value for key, value in change.items() if key != "status"}
    result = defaulted(kind, decoded(kind, merged(item, wanted)))
    meta, before = result.get("metadata"), item["metadata"]
    if meta is None:
        raise InvalidParameter(f"the name of the object ({before['name']} based on URL) was undeterminable: name must be provided")
    if meta.get("resourceVersion") not in (None, "", before["resourceVersion"]):
        raise Conflict(
            f'Operation cannot be fulfilled on {RESOURCES[kind].qualified} "{before["name"]}": the object has been'
            " modified; please apply your changes to the latest version and try again"
        )
    kept = {key: before[key] for key in (*KEPT, "resourceVersion") if key in before}
    result["metadata"] = {key: value for key, value in meta.items() if key not in KEPT} | kept
    return result
