"""The Deployments of the in-memory cluster: one pod per replica, replaced when it goes."""

from collections.abc import Callable, Mapping
from typing import Any

from kubedock.cluster.fake_store import FakeStore
from kubedock.cluster.protocol import Json, Kind
from kubedock.errors import KubedockError

Create = Callable[[Mapping[str, Any]], Json]
Delete = Callable[[Kind, str, int | None], None]


class FakeDeployments:
    """The controller. Everything happens under the store's lock."""

    def __init__(self, store: FakeStore, create_pod: Create, delete: Delete, denial: Callable[[], KubedockError | None]) -> None:
        """``create_pod`` and ``delete`` are the API's own, without the rights; ``denial`` is admission's word on pods."""
        self._store, self._create, self._delete, self._denial = store, create_pod, delete, denial
        self._counter = 0

    def reconcile(self, name: str) -> None:
        """Make as many pods as are wanted; delete those too many."""
        deployment = self._store.peek("Deployment", name)
        if deployment is None:
            return
        replicas: int = deployment["spec"].get("replicas", 1)
        pods = self._pods(deployment["metadata"]["uid"])
        for pod in pods[replicas:]:
            self._delete("Pod", pod["metadata"]["name"], None)
        if self._denial() is None:
            for _ in range(replicas - len(pods)):
                self._create(self._pod(deployment))
        self._tell(name)

    def pod_gone(self, pod: Json) -> None:
        """A pod was removed: replace it if it is one of ours."""
        for owner in pod["metadata"].get("ownerReferences") or ():
            if owner["kind"] == "ReplicaSet":
                for deployment in self._store.select("Deployment"):
                    if owner["uid"] == _replica_set(deployment):
                        self.reconcile(deployment["metadata"]["name"])

    def _pods(self, uid: str) -> list[Json]:
        """Those that are not being deleted."""
        return [
            pod
            for pod in self._store.select("Pod")
            if "deletionTimestamp" not in pod["metadata"]
            and any(owner["uid"] == f"{uid}-rs" for owner in pod["metadata"].get("ownerReferences") or ())
        ]

    def _pod(self, deployment: Json) -> Json:
        self._counter += 1
        template, name = deployment["spec"]["template"], deployment["metadata"]["name"]
        short = deployment["metadata"]["uid"].replace("-", "")[:9]
        meta = template.get("metadata") or {}
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": f"{name}-{short}",
            "uid": _replica_set(deployment),
            "controller": True,
        }
        return {
            "metadata": dict(meta)
            | {
                "name": f"{name}-{short}-{self._counter:05x}",
                "labels": dict(meta.get("labels") or {}) | {"pod-template-hash": short},
                "ownerReferences": [owner],
            },
            "spec": template["spec"],
        }

    def _tell(self, name: str) -> None:
        deployment = self._store.peek("Deployment", name)
        if deployment is None:
            return
        pods = self._pods(deployment["metadata"]["uid"])
        ready = sum(pod["status"]["phase"] == "Running" for pod in pods)
        status: Json = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        denial = self._denial()
        if denial is not None and len(pods) < deployment["spec"].get("replicas", 1):
            failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": str(denial)}
            status["conditions"] = [failure]
        self._store.update("Deployment", name, lambda item: item.update(status=status))


def _replica_set(deployment: Json) -> str:
    return f"{deployment['metadata']['uid']}-rs"
