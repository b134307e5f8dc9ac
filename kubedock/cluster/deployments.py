"""The Deployments of a cluster that is in this process: as many pods as wanted, replaced when they go.

There are no ReplicaSets: a pod names one as its owner (uid ``<the Deployment's>-rs``) as it does on a real cluster. The
strategy is always Recreate: the pods of a changed template come when those of the old one are gone.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from kubedock.cluster.objects import owners
from kubedock.cluster.protocol import Json, Kind
from kubedock.cluster.store import LONGEST_STEM, ObjectStore
from kubedock.errors import KubedockError

Create = Callable[[Mapping[str, Any]], Json]
Delete = Callable[[Kind, str, int | None], None]
HASH = "pod-template-hash"


class Deployments:
    """The controller. Everything happens under the store's lock."""

    def __init__(self, store: ObjectStore, create_pod: Create, delete: Delete, denial: Callable[[], KubedockError | None]) -> None:
        """``create_pod`` and ``delete`` are the API's own, without the rights; ``denial`` is admission's word on pods."""
        self._store, self._create, self._delete, self._denial = store, create_pod, delete, denial
        self._counter = 0

    def reconcile(self, name: str) -> None:
        """Make as many pods as are wanted; delete those too many, and those of an older template."""
        deployment = self._store.peek("Deployment", name)
        if deployment is None:
            return
        replicas: int = deployment["spec"].get("replicas", 1)
        wanted = _template_hash(deployment)
        pods = self._living(deployment)
        current = [pod for pod in pods if pod["metadata"]["labels"].get(HASH) == wanted]
        for pod in [*(pod for pod in pods if pod not in current), *current[replicas:]]:
            self._delete("Pod", pod["metadata"]["name"], None)
        if self._denial() is None and not self._old(deployment, wanted):
            for _ in range(replicas - len(current)):
                self._create(self._pod(deployment, wanted))
        self._tell(name)

    def pod_gone(self, pod: Json) -> None:
        """A pod was removed: replace it if it is one of ours."""
        name = self._deployment_of(pod)
        if name:
            self.reconcile(name)

    def pod_changed(self, pod: Json) -> None:
        """A pod's state has changed: so does its Deployment's status; one that the node has ended is replaced."""
        name = self._deployment_of(pod)
        if name and pod["status"]["phase"] == "Failed":
            self.reconcile(name)
        elif name:
            self._tell(name)

    def _deployment_of(self, pod: Json) -> str:
        uids = owners(pod)
        if not uids:
            return ""
        found = (one for one in self._store.select("Deployment") if _replica_set(one) in uids)
        return str(next((one["metadata"]["name"] for one in found), ""))

    def _pods(self, deployment: Json) -> list[Json]:
        return [pod for pod in self._store.select("Pod") if _replica_set(deployment) in owners(pod)]

    def _living(self, deployment: Json) -> list[Json]:
        """Those that are neither being deleted nor over."""
        return [pod for pod in self._pods(deployment) if "deletionTimestamp" not in pod["metadata"] and not _over(pod)]

    def _old(self, deployment: Json, wanted: str) -> list[Json]:
        """Those of an older template that are not gone yet."""
        return [pod for pod in self._pods(deployment) if pod["metadata"]["labels"].get(HASH) != wanted and not _over(pod)]

    def _pod(self, deployment: Json, template_hash: str) -> Json:
        self._counter += 1
        template, name = deployment["spec"]["template"], deployment["metadata"]["name"]
        meta = template.get("metadata") or {}
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": f"{name}-{template_hash}",
            "uid": _replica_set(deployment),
            "controller": True,
        }
        return {
            "metadata": dict(meta)
            | {
                "name": f"{f'{name}-{template_hash}-'[:LONGEST_STEM]}{self._counter:05x}",
                "labels": dict(meta.get("labels") or {}) | {HASH: template_hash},
                "ownerReferences": [owner],
            },
            "spec": template["spec"],
        }

    def _tell(self, name: str) -> None:
        deployment = self._store.peek("Deployment", name)
        if deployment is None:
            return
        pods = self._living(deployment)
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


def _over(pod: Json) -> bool:
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def _replica_set(deployment: Json) -> str:
    return f"{deployment['metadata']['uid']}-rs"


def _template_hash(deployment: Json) -> str:
    """Ten digits for what stands in the template."""
    text = json.dumps([deployment["metadata"]["uid"], deployment["spec"]["template"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
