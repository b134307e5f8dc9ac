"""The Services that hold names, in the cluster: written, deleted, and asked whose they are.

A namespace has each name once, so one network holds it at a time. What belongs to another kubedock or to somebody else
is left alone; what a kubedock that was killed has left over is not.
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping

from kubedock.domain.network import Network
from kubedock.engine.core import Core
from kubedock.errors import Conflict, NotFound
from kubedock.kube import labels
from kubedock.kube.services import Holder, holder, service

logger = logging.getLogger(__name__)

TRIES = 3
LOCKS = 64

Takers = Callable[[str], Mapping[str, Network]]
"""The networks, by id, that need a name now, in the order in which they get it."""


class NameServices:
    """One at a time for each name; nothing else waits for an answer of the cluster."""

    def __init__(self, core: Core, takers: Takers) -> None:
        self._core, self._takers = core, takers
        self._instance = core.defaults.instance
        self._held: dict[str, Network] = {}
        self._locks = tuple(threading.Lock() for _ in range(LOCKS))
        self.used = False
        """A Service was written since the start: the clean-up at the end has something to look for."""

    def settle(self, name: str) -> Holder | None:
        """Let a name's Service be as it has to be now; whose it is then, None for nobody's. Raises what the cluster says."""
        with self._locks[hash(name) % LOCKS]:
            takers = self._takers(name)
            held = self._held.get(name)
            if held is not None and held.id not in takers:
                self._drop(self._instance, name)
                del self._held[name]
                held = None
            if held is None and takers and not self._core.tasks.stopping:
                return self._take(name, next(iter(takers.values())))
            return None if held is None else self._ours(held)

    def held(self, name: str, network: Network) -> bool:
        """This network has the name."""
        found = self._held.get(name)
        return found is not None and found.id == network.id

    def holders(self, names: Collection[str]) -> dict[str, Holder]:
        """Whose these names are now, of those that somebody has. One request, seldom more."""
        found = {item["metadata"]["name"]: holder(item) for item in self._core.cluster.list("Service").items}
        return {name: one for name, one in found.items() if name in names and not self._left_over(one)}

    def _ours(self, network: Network) -> Holder:
        return Holder(self._instance, network.id, network.name)

    def _take(self, name: str, network: Network) -> Holder:
        """Write the Service of a name that is free as far as it is known; whose it is now.

        Conflict when each time that it was in the way it had gone when it was looked at.
        """
        self.used = True
        for last in (*[False] * (TRIES - 1), True):
            try:
                self._core.cluster.create("Service", service(name, network, self._core.defaults))
            except Conflict:
                found = self._look(name)
                if found is not None and (found.instance, found.network_id) == (self._instance, network.id):
                    break  # the answer to an earlier try was lost
                if found is not None and found.instance != self._instance and not self._left_over(found):
                    return found
                if last:
                    raise
                if found is not None:
                    self._drop(found.instance, name)
            else:
                break
        self._held[name] = network
        return self._ours(network)

    def _look(self, name: str) -> Holder | None:
        try:
            return holder(self._core.cluster.get("Service", name))
        except NotFound:
            return None

    def _drop(self, instance: str, name: str) -> None:
        """By its labels: a Service of that name that somebody else has put in its place stays."""
        self._core.cluster.delete_collection("Service", selector=labels.name_selector(instance, name))

    def _left_over(self, found: Holder) -> bool:
        """Another kubedock's Service without any pod: its pod is posted before it, so its server has not lived to delete it."""
        if found.instance in ("", self._instance) or not found.pods:
            return False
        return not self._core.cluster.list("Pod", selector=found.pods).items
