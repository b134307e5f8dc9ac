"""A cluster in memory: stateful, with Kubernetes' semantics, a kubelet that needs no time, and failures at will.

It is part of the product: the same contract tests run over it and over a real cluster, and users may test with it.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kubedock.cluster import statuses
from kubedock.cluster.api import ObjectApi
from kubedock.cluster.fake_exec import FakeExec
from kubedock.cluster.fake_kubelet import FakeKubelet
from kubedock.cluster.fake_program import Program
from kubedock.cluster.fake_reports import NODE
from kubedock.cluster.fake_streams import FakeChannels, FakeLogStream
from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.names import SUFFIX, resolve
from kubedock.cluster.nodes import VERSION, node
from kubedock.cluster.objects import copied
from kubedock.cluster.protocol import DATA, FAILURE, Json, Kind, LogOptions, ObjectList
from kubedock.cluster.store import ObjectStore
from kubedock.cluster.watching import StoreWatch
from kubedock.errors import Forbidden, InvalidParameter, KubedockError

__all__ = ["FakeCluster"]

WITHOUT_TOOLS = "scratch"
RESOURCES_OF_NODE = {"cpu": "4", "memory": "8388608Ki", "pods": "250"}
PARTS = {
    "logs": ("/log", "get"),
    "exec": ("/exec", "create"),
    "attach": ("/attach", "create"),
    "forward": ("/portforward", "create"),
}
"""The subresource of pods that a call is about, and the right that it takes."""


def _now() -> datetime:
    return datetime.now(UTC)


class FakeCluster:
    """See Cluster. ``kubelet`` moves pods by hand; ``requests`` are the last calls as (verb, kind, name or selector)."""

    def __init__(self, namespace: str = "test", *, now: Callable[[], datetime] = _now, split_streams: bool = False) -> None:
        """``split_streams``: logs can be had per stream, which most clusters refuse."""
        self._namespace, self._now, self._split = namespace, now, split_streams
        self._store = ObjectStore(namespace, now)
        self.kubelet = FakeKubelet(self._store, now)
        self._api = ObjectApi(self._store, now, self.kubelet, lambda: self._refused.get(("Pod", "create")))
        self.requests: deque[tuple[str, str, str]] = deque(maxlen=10_000)
        self._refused: dict[tuple[str, str], KubedockError] = {}
        self._denied: set[tuple[str, str]] = set()
        self._outage: KubedockError | None = None
        self._streams_lock = threading.Lock()
        self._logs: list[FakeLogStream] = []
        self._channels: list[FakeChannels] = []
        self.input_ends = True
        """Execs' input can be ended, as from Kubernetes 1.30 on."""
        self._store.insert("Namespace", {"metadata": {"name": namespace}, "status": {"phase": "Active"}})
        self._store.insert("Node", node(NODE, "amd64", RESOURCES_OF_NODE, kernelVersion="6.1.0"))

    # --- failures at will ----------------------------------------------------------------------------------------

    def refuse(self, kind: Kind, verb: str, error: KubedockError | None) -> None:
        """Let every call of this verb on this kind raise; None lifts it.

        Verbs: create, get, list, watch, patch, delete, deletecollection, and for pods logs, exec, attach, forward.
        Forbidden for a right also makes ``allowed`` say no.
        """
        if error is None:
            self._refused.pop((kind, verb), None)
        else:
            self._refused[(kind, verb)] = error

    def deny(self, verb: str, plural: str) -> None:
        """Take a right away: ``deny("watch", "events")``, ``deny("create", "pods/exec")``. Calls raise Forbidden."""
        self._denied.add((verb, plural))

    def outage(self, error: KubedockError | None) -> None:
        """Let every call raise, until called with None. Streams that are open go on; see ``break_streams``."""
        self._outage = error

    def break_watches(self) -> None:
        """Cut the connections of all watches: their readers get Unavailable."""
        for watch in self._store.watches():
            watch.snap()

    def break_streams(self) -> None:
        """Cut the connections of all logs, execs, attaches and forwards."""
        with self._streams_lock:
            logs, self._logs = self._logs, []
            channels, self._channels = self._channels, []
        for log in logs:
            log.snap()
        for each in channels:
            each.snap()

    def compact(self) -> None:
        """Forget the history: a watch or a list of an older version gets Gone."""
        self._store.compact()

    def bookmarks(self) -> None:
        """Send a bookmark on every watch."""
        for watch in self._store.watches():
            watch.bookmark()

    @property
    def lingering(self) -> bool:
        """Gracefully deleted pods stay until ``vanish``."""
        return self.kubelet.lingering

    @lingering.setter
    def lingering(self, stay: bool) -> None:
        self.kubelet.lingering = stay

    def vanish(self, pod: str) -> None:
        """End a pod that is lingering."""
        with self._store.lock:
            self.kubelet.terminate(pod)
            self._api.drop("Pod", pod)

    def resolve(self, name: str) -> list[str]:
        """The addresses that a container asking for this name gets."""
        return resolve(self._store, f"{name}.{self._namespace}{SUFFIX}") or []

    @property
    def open_watches(self) -> int:
        """How many watches are open."""
        return len(self._store.watches())

    # --- Cluster -------------------------------------------------------------------------------------------------

    @property
    def namespace(self) -> str:
        """See Cluster."""
        return self._namespace

    def create(self, kind: Kind, manifest: Mapping[str, Any]) -> Json:
        """See Cluster."""
        self._admit("create", kind, str(manifest.get("metadata", {}).get("name", "")))
        if kind == "SelfSubjectAccessReview":
            return self._review(manifest)
        return self._api.create(kind, manifest)

    def get(self, kind: Kind, name: str) -> Json:
        """See Cluster."""
        self._admit("get", kind, name)
        return self._api.get(kind, name)

    def list(self, kind: Kind, *, selector: str = "", fields: str = "") -> ObjectList:
        """See Cluster."""
        self._admit("list", kind, selector)
        return self._api.list(kind, selector, fields)

    def watch(self, kind: Kind, *, since: str, selector: str = "", fields: str = "", seconds: int = 300) -> StoreWatch:
        """See Cluster."""
        self._admit("watch", kind, selector)
        return self._api.watch(kind, since, selector, fields, seconds)

    def patch(self, kind: Kind, name: str, change: Mapping[str, Any]) -> Json:
        """See Cluster."""
        self._admit("patch", kind, name)
        return self._api.patch(kind, name, change)

    def delete(self, kind: Kind, name: str, *, grace: int | None = None) -> None:
        """See Cluster."""
        self._admit("delete", kind, name)
        self._api.delete(kind, name, grace)

    def delete_collection(self, kind: Kind, *, selector: str, grace: int | None = None) -> None:
        """See Cluster."""
        self._admit("deletecollection", kind, selector)
        self._api.delete_collection(kind, selector, grace)

    def logs(self, pod: str, options: LogOptions) -> FakeLogStream:
        """See Cluster."""
        self._admit("logs", "Pod", pod)
        if options.stream and not self._split:
            raise InvalidParameter(f'PodLogOptions "{pod}" is invalid: stream: Forbidden: may not be specified')
        with self._store.lock:
            stream = FakeLogStream(self.kubelet.log(pod, options.container, previous=options.previous), options)
        if options.follow:
            with self._streams_lock:
                self._logs = [*(each for each in self._logs if not each.done), stream]
        return stream

    def exec(
        self, pod: str, argv: Sequence[str], *, container: str = "main", stdin: bool = False, tty: bool = False
    ) -> FakeChannels:
        """See Cluster."""
        self._admit("exec", "Pod", pod)
        del tty
        with self._store.lock:
            running = self.kubelet.running(pod, container)
            started = FakeExec(self._store.lock, stdin=stdin)
            channels = self._opened(started.channels)
            channels.input_ends = self.input_ends
            if running is None:
                channels.finish(statuses.no_container(container))
            elif WITHOUT_TOOLS in self._store.find("Pod", pod)["spec"]["containers"][0]["image"]:
                lacking = f'exec: "{argv[0]}": executable file not found in $PATH: unknown'
                channels.finish(statuses.cannot_exec(lacking))
            else:
                started.run(argv, running.files, lambda signal: self.kubelet.deliver(pod, signal))
            return channels

    def attach(self, pod: str, *, container: str = "main", stdin: bool = False, tty: bool = False) -> FakeChannels:
        """See Cluster."""
        self._admit("attach", "Pod", pod)
        del tty

        def given(_: FakeChannels, data: bytes | None) -> None:
            with self._store.lock:
                self.kubelet.feed(pod, data)

        with self._store.lock:
            run = self.kubelet.running(pod, container)
            channels = self._opened(FakeChannels(given if stdin else None))
            if run is None:
                channels.finish(statuses.nothing_to_attach(pod, self._namespace, container))
            else:
                run.log.listen(channels)
            return channels

    def signal(self, pod: str, number: int, *, container: str = "main") -> bool:
        """See Cluster: as on Kubernetes."""
        del pod, number, container
        return False

    def forward(self, pod: str, port: int) -> FakeChannels:
        """See Cluster. The port's program runs with the connection's data as its input and output."""
        self._admit("forward", "Pod", pod)
        program: Program | None = None

        def given(channels: FakeChannels, data: bytes | None) -> None:
            with self._store.lock:
                if program is not None:
                    program.feed(data)
                    _end_of_data(channels, program)

        with self._store.lock:
            command = self.kubelet.listener(pod, port)
            channels = self._opened(FakeChannels(given))
            if command is None:
                channels.put(FAILURE, f"error forwarding port {port} to pod {pod}, uid : connect: connection refused".encode())
                channels.end()
                return channels
            program = Program(command, lambda _, data: channels.put(DATA, data))
            program.go()
            _end_of_data(channels, program)
            return channels

    def version(self) -> Json:
        """See Cluster."""
        self._admit("get", "Version", "")
        return {"major": "1", "minor": "34", "gitVersion": VERSION, "platform": "linux/amd64"}

    def allowed(self, verb: str, group: str, resource: str, subresource: str = "") -> bool:
        """See Cluster."""
        self._admit("create", "SelfSubjectAccessReview", "")
        plural = f"{resource}/{subresource}" if subresource else resource
        kind = next((kind for kind, known in RESOURCES.items() if (known.group, known.plural) == (group, resource)), "")
        call = next((call for call, (part, _) in PARTS.items() if subresource and part == f"/{subresource}"), verb)
        refused = self._refused.get((kind, call))
        return (verb, plural) not in self._denied and not isinstance(refused, Forbidden)

    def close(self) -> None:
        """See Cluster."""
        for watch in self._store.watches():
            watch.close()

    # --- inside --------------------------------------------------------------------------------------------------

    def _admit(self, verb: str, kind: str, name: str) -> None:
        """Note a call; raise what was asked for."""
        self.requests.append((verb, kind, name))
        error = self._outage or self._refused.get((kind, verb))
        if error is not None:
            raise error
        resource = next((known for each, known in RESOURCES.items() if each == kind), None)
        if resource is None:
            return
        part, right = PARTS.get(verb, ("", verb))
        if (right, resource.plural + part) in self._denied:
            raise Forbidden(
                f'{resource.qualified} "{name}" is forbidden: User "fake" cannot {right} resource "{resource.plural}{part}"'
                f' in API group "{resource.group}" in the namespace "{self._namespace}"'
            )

    def _review(self, manifest: Mapping[str, Any]) -> Json:
        asked = manifest["spec"]["resourceAttributes"]
        yes = self.allowed(asked["verb"], asked.get("group", ""), asked["resource"], asked.get("subresource", ""))
        answer: Json = copied(manifest)
        return answer | {"status": {"allowed": yes}}

    def _opened(self, channels: FakeChannels) -> FakeChannels:
        with self._streams_lock:
            self._channels = [*(each for each in self._channels if not each.eof), channels]
        return channels


def _end_of_data(channels: FakeChannels, program: Program) -> None:
    if program.code is not None:
        channels.end()
