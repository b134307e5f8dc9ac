"""A cluster of one local node: see ``Cluster``. Objects are kept in this process, pods run on this machine."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubedock.cluster import statuses
from kubedock.cluster.api import ObjectApi
from kubedock.cluster.fields import check_fields
from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.nodes import VERSION
from kubedock.cluster.objects import copied
from kubedock.cluster.protocol import ERROR, FAILURE, Channels, Json, Kind, LogOptions, ObjectList
from kubedock.cluster.store import ObjectStore
from kubedock.cluster.watching import StoreWatch
from kubedock.embedded.disk import Disk
from kubedock.embedded.forwarding import Forwarded
from kubedock.embedded.logfiles import LogFileStream
from kubedock.embedded.machine import node_object
from kubedock.embedded.node import Node
from kubedock.embedded.refusal import Refusal
from kubedock.embedded.runtime import Image, Runtime
from kubedock.errors import Conflict, NotFound, Unavailable

logger = logging.getLogger(__name__)

HISTORY = 8192
STOP_SECONDS = 4.0
"""For the node and for the disk, of ``CLOSE_SECONDS``; the rest is the runtime's."""


def _now() -> datetime:
    return datetime.now(UTC)


class EmbeddedCluster:
    """See Cluster. ``open`` it before use, ``close`` it once: nothing is left on the machine then."""

    def __init__(
        self,
        runtime: Runtime,
        folder: Path,
        *,
        namespace: str = "default",
        now: Callable[[], datetime] = _now,
        ours: str = "",
    ) -> None:
        """``folder`` is the node's; the runtime has its own part of it. What has the label ``ours`` ends with the server."""
        self._runtime, self._namespace = runtime, namespace
        self._store = ObjectStore(namespace, now, history=HISTORY)
        self._node = Node(self._store, runtime, folder, now)
        self._disk = Disk(self._store, folder / "objects", ours)
        self._api = ObjectApi(self._store, now, self._node, lambda: None)
        self._opened = ExitStack()

    def open(self) -> None:
        """Take the machine, removing what a killed server has left. Unavailable, with a sentence, where that cannot be.

        What was opened is closed again where anything fails, the runtime too.
        """
        with ExitStack() as opened:  # what closes a part is known before it opens: it may fail half-way
            opened.callback(self._runtime.close)
            self._runtime.open()
            opened.callback(self._disk.stop, STOP_SECONDS)
            self._disk.load()
            self._disk.start()
            self._store.insert("Namespace", {"metadata": {"name": self._namespace}, "status": {"phase": "Active"}})
            self._store.insert("Node", node_object(self._runtime.name))
            opened.callback(self._node.stop, STOP_SECONDS)
            self._node.start(self._api)
            self._opened = opened.pop_all()

    @property
    def namespace(self) -> str:
        """See Cluster."""
        return self._namespace

    @property
    def runtime(self) -> str:
        """The name of what runs the containers."""
        return self._runtime.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """What this machine does not allow: for the log and for ``docker info``."""
        return self._runtime.warnings

    def own_image(self, ref: str, *, timeout: float) -> Image | None:
        """An image that the node has without any registry. PullError."""
        return self._runtime.own(ref, timeout=timeout)

    # --- objects -------------------------------------------------------------------------------------------------

    def create(self, kind: Kind, manifest: Mapping[str, Any]) -> Json:
        """See Cluster."""
        if kind == "SelfSubjectAccessReview":
            answer: Json = copied(manifest)
            return answer | {"status": {"allowed": True}}
        check_fields(kind, copied(manifest))
        return self._api.create(kind, manifest)

    def get(self, kind: Kind, name: str) -> Json:
        """See Cluster."""
        return self._api.get(kind, name)

    def list(self, kind: Kind, *, selector: str = "", fields: str = "") -> ObjectList:
        """See Cluster."""
        return self._api.list(kind, selector, fields)

    def watch(self, kind: Kind, *, since: str, selector: str = "", fields: str = "", seconds: int = 300) -> StoreWatch:
        """See Cluster."""
        return self._api.watch(kind, since, selector, fields, seconds)

    def patch(self, kind: Kind, name: str, change: Mapping[str, Any]) -> Json:
        """See Cluster."""
        check_fields(kind, copied(change))
        return self._api.patch(kind, name, change)

    def delete(self, kind: Kind, name: str, *, grace: int | None = None) -> None:
        """See Cluster."""
        self._api.delete(kind, name, grace)

    def delete_collection(self, kind: Kind, *, selector: str, grace: int | None = None) -> None:
        """See Cluster."""
        self._api.delete_collection(kind, selector, grace)

    # --- streams -------------------------------------------------------------------------------------------------

    def logs(self, pod: str, options: LogOptions) -> LogFileStream:
        """See Cluster. Streams can be had apart."""
        file = self._node.log(pod, options.container, previous=options.previous)
        return LogFileStream(file, options, self._node.notifier)

    def exec(self, pod: str, argv: Sequence[str], *, container: str = "main", stdin: bool = False, tty: bool = False) -> Channels:
        """See Cluster."""
        run = self._node.running(pod, container)
        try:
            if run:
                return self._runtime.exec(run, argv, stdin=stdin, tty=tty)
        except NotFound:
            logger.debug("pod %s: container %s has just ended", pod, container)
        return Refusal(ERROR, statuses.no_container(container))

    def attach(self, pod: str, *, container: str = "main", stdin: bool = False, tty: bool = False) -> Channels:
        """See Cluster."""
        run = self._node.running(pod, container)
        try:
            if run:
                return self._runtime.attach(run, stdin=stdin, tty=tty)
        except NotFound:
            logger.debug("pod %s: container %s has just ended", pod, container)
        return Refusal(ERROR, statuses.nothing_to_attach(pod, self._namespace, container))

    def signal(self, pod: str, number: int, *, container: str = "main") -> bool:
        """See Cluster. Where pods share the machine's processes, number 1 is not theirs: no exec could do it."""
        run = self._node.running(pod, container)
        if not run:
            raise Conflict(f"container {container} of pod {pod} is not running")
        self._runtime.signal(run, number)
        return True

    def forward(self, pod: str, port: int) -> Channels:
        """See Cluster."""
        uid = self._node.uid(pod)
        try:
            return Forwarded(self._runtime.dial(uid, port))
        except NotFound as error:
            raise Unavailable(f'pod not found ("{pod}_{self._namespace}")') from error
        except OSError as error:
            text = f"error forwarding port {port} to pod {uid}, uid : connect: {(error.strerror or str(error)).lower()}"
            return Refusal(FAILURE, text.encode())

    # --- the rest ------------------------------------------------------------------------------------------------

    def allowed(self, verb: str, group: str, resource: str, subresource: str = "") -> bool:
        """See Cluster: who may start the server may do all with it."""
        del verb, subresource
        return any((known.group, known.plural) == (group, resource) for known in RESOURCES.values())

    def version(self) -> Json:
        """See Cluster."""
        major, minor, _ = VERSION.removeprefix("v").split(".")
        return {"major": major, "minor": minor, "gitVersion": f"{VERSION}+embedded", "platform": "linux"}

    def compact(self) -> None:
        """Forget the history of changes: a watch of an older version gets Gone."""
        self._store.compact()

    def close(self) -> None:
        """See Cluster. All pods are ended, and nothing of them is left on the machine. Takes CLOSE_SECONDS at most.

        The runtime goes last, since it holds the lock of the folder; it goes also where the rest fails.
        """
        for watch in self._store.watches():
            watch.close()
        self._opened.close()
