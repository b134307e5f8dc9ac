"""The pull secrets of the service account that pods run as.

Kubernetes gives them to a pod that names none itself: one that kubedock gives a secret has to name them as well.
"""

import logging
import time
from collections.abc import Callable
from threading import Lock

from kubedock.cluster import Cluster
from kubedock.errors import KubedockError, NotFound
from kubedock.kube.manifest import PodDefaults, service_account

logger = logging.getLogger(__name__)

KEPT_SECONDS = 60.0
"""An account changes seldom, and starts are many."""


class AccountSecrets:
    """Asked once a minute at most, by whoever needs it first."""

    def __init__(self, cluster: Cluster, defaults: PodDefaults, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster, self._name, self._clock = cluster, service_account(defaults), clock
        self._lock = Lock()
        self._until = 0.0
        self._known: tuple[str, ...] = ()
        self._complaint = ""

    def __call__(self) -> tuple[str, ...]:
        """Their names; those that were known before, or none, where the account cannot be read, which is logged once."""
        with self._lock:
            if self._until <= self._clock():
                self._known = self._read()
                self._until = self._clock() + KEPT_SECONDS
            return self._known

    def _read(self) -> tuple[str, ...]:
        try:
            account = self._cluster.get("ServiceAccount", self._name)
        except NotFound:
            return ()  # pods that need it will say so
        except KubedockError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                logger.warning(
                    "the service account %s cannot be read: kubedock does without its pull secrets: %s", self._name, error
                )
            return self._known
        return tuple(str(entry["name"]) for entry in account.get("imagePullSecrets") or () if entry.get("name"))
