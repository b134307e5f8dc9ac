"""Names by hosts files, where pods have no name server: each pod's file follows the Services and their pods."""

import logging
import threading

from kubedock.cluster.names import host_lines
from kubedock.cluster.store import Entry, ObjectStore
from kubedock.embedded.runtime import Runtime
from kubedock.embedded.sandbox import host_lines as own_lines
from kubedock.errors import KubedockError, NotFound

logger = logging.getLogger(__name__)

KINDS = ("Pod", "Service", "EndpointSlice")

Lines = list[tuple[str, tuple[str, ...]]]


class HostsFiles:
    """Start it, stop it. ``changed`` is told of the store's changes."""

    def __init__(self, store: ObjectStore, runtime: Runtime) -> None:
        self._store, self._runtime = store, runtime
        self._dirty = threading.Event()
        self._stopping = False
        self._written: dict[str, Lines] = {}
        self._thread = threading.Thread(target=self._run, name="node-hosts", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End it."""
        self._stopping = True
        self._dirty.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def changed(self, entry: Entry) -> None:
        """Under the store's lock: only wakes."""
        if entry.kind in KINDS:
            self._dirty.set()

    def _run(self) -> None:
        while not self._stopping:
            self._dirty.wait()
            self._dirty.clear()
            try:
                self._write()
            except (KubedockError, OSError):
                logger.exception("hosts files were not written")

    def _write(self) -> None:
        """Where the lines are others than before."""
        common = host_lines(self._store)
        with self._store.lock:
            pods = {
                pod["metadata"]["uid"]: pod["spec"]
                for pod in self._store.select("Pod")
                if pod["status"].get("podIP") and pod["status"]["phase"] not in ("Succeeded", "Failed")
            }
        self._written = {uid: lines for uid, lines in self._written.items() if uid in pods}
        for uid, spec in pods.items():
            lines = [*own_lines(spec), *common]
            if self._written.get(uid, list(own_lines(spec))) != lines:
                try:
                    self._runtime.set_hosts(uid, lines)
                except NotFound:
                    logger.debug("pod %s is gone meanwhile", uid)
                    continue
            self._written[uid] = lines
