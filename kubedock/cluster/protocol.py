"""What kubedock needs of a cluster: JSON objects in and out, watches, logs and streams.

``kube.gateway.KubeGateway`` implements it over a real API server and ``cluster.fake.FakeCluster`` in memory (later
``embedded`` on one machine); the same contract tests run against all. No word of Docker's here, only Kubernetes'.

Every method raises the kinds of ``kubedock.errors``: NotFound, Conflict, Forbidden (missing rights, quotas,
admission), InvalidParameter (refused as malformed), Unavailable (cannot be reached, overloaded, too slow), Gone (a
resource version that is too old), System (anything else). Every method may be called from any thread.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, Self

Json = dict[str, Any]
Kind = Literal[
    "Pod",
    "Deployment",
    "Event",
    "ConfigMap",
    "Secret",
    "Service",
    "EndpointSlice",
    "ServiceAccount",
    "Namespace",
    "Node",
    "SelfSubjectAccessReview",
]
"""The kinds that kubedock knows; all but Namespace, Node and SelfSubjectAccessReview live in the cluster's namespace."""

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
"""Channel numbers of exec and attach (Kubernetes' remotecommand protocol)."""
DATA, FAILURE = 0, 1
"""Channel numbers of a port-forward."""


class ObjectList(NamedTuple):
    """One LIST: the objects, and the resource version that a watch may go on from."""

    items: list[Json]
    resource_version: str


class WatchEvent(NamedTuple):
    """One line of a watch. ``type`` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Json


class Watch(Protocol):
    """A watch that is open. Iterating ends when the server ends it (in good order); a break raises Unavailable."""

    def __iter__(self) -> Iterator[WatchEvent]: ...
    def close(self) -> None:
        """End it; from any thread: a reader that blocks returns as at the end."""


class ByteStream(Protocol):
    """Bytes from the cluster. A break raises Unavailable, so that ``b""`` means the end and nothing else."""

    def read(self) -> bytes:
        """Some bytes as they come, ``b""`` at the end."""

    def close(self) -> None:
        """End it; from any thread: a reader that blocks returns ``b""``."""


class Channels(Protocol):
    """An exec, attach or port-forward that is open: numbered channels over one non-blocking connection. One thread owns it.

    Wait with ``poll`` on ``fileno()`` unless ``pending()``; call ``receive`` when readable and ``flush`` when writable
    while ``unsent`` is not 0.
    """

    @property
    def unsent(self) -> int:
        """Bytes that wait to be flushed."""

    @property
    def eof(self) -> bool:
        """The peer has ended."""

    @property
    def input_ends(self) -> bool:
        """The peer can be told of the end of its input; False for protocol v4."""

    @property
    def cut(self) -> bool:
        """It has ended without saying so: the connection broke."""

    def fileno(self) -> int: ...
    def pending(self) -> bool:
        """There is data that poll does not see."""

    def receive(self) -> list[tuple[int, bytes]]:
        """What has come: (channel, bytes). The ERROR channel's bytes are a Kubernetes Status as JSON."""

    def send(self, channel: int, data: bytes) -> None: ...
    def close_channel(self, channel: int) -> bool:
        """End of input on a channel; False where the peer has no such thing (protocol v4)."""

    def ping(self) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How to read a container's log. Lines come with RFC 3339 timestamps of nine digits and one space.

    ``since`` is sent with whole seconds (the API knows no more), ``previous`` reads the container's run before a
    restart, ``stream`` is "Stdout" or "Stderr" where the cluster can split them.
    """

    container: str = "main"
    follow: bool = False
    since: datetime | None = None
    tail: int | None = None
    limit_bytes: int | None = None
    previous: bool = False
    stream: str = ""


class Cluster(Protocol):
    """One namespace of a cluster."""

    @property
    def namespace(self) -> str: ...

    def create(self, kind: Kind, manifest: Mapping[str, Any]) -> Json:
        """Post an object and return it as stored."""

    def get(self, kind: Kind, name: str) -> Json: ...

    def list(self, kind: Kind, *, selector: str = "", fields: str = "") -> ObjectList:
        """All objects with these labels (``a=b,c=d``) and fields."""

    def watch(self, kind: Kind, *, since: str, selector: str = "", fields: str = "", seconds: int = 300) -> Watch:
        """Changes after a resource version, with bookmarks; the server ends it after ``seconds``."""

    def patch(self, kind: Kind, name: str, change: Mapping[str, Any]) -> Json:
        """A JSON merge patch (RFC 7386)."""

    def delete(self, kind: Kind, name: str, *, grace: int | None = None) -> None:
        """Delete; ``grace`` in seconds, 0 removes at once, None leaves it to the object."""

    def delete_collection(self, kind: Kind, *, selector: str, grace: int | None = None) -> None:
        """Delete all that match, in one request."""

    def logs(self, pod: str, options: LogOptions) -> ByteStream:
        """A pod's log. InvalidParameter while the container is waiting to start."""

    def exec(self, pod: str, argv: Sequence[str], *, container: str = "main", stdin: bool = False, tty: bool = False) -> Channels:
        """Run a command in a container."""

    def attach(self, pod: str, *, container: str = "main", stdin: bool = False, tty: bool = False) -> Channels:
        """The streams of the container's main process, from now on."""

    def signal(self, pod: str, number: int, *, container: str = "main") -> bool:
        """Send a signal to a container's main process; False where the cluster cannot (Kubernetes has no such verb).

        Conflict when it does not run.
        """

    def forward(self, pod: str, port: int) -> Channels:
        """A TCP connection to a port of the pod's own loopback, without a half-close: the end of one side ends both.

        It is open before the port was reached. Text on the channel FAILURE says that it could not be, or that the
        connection broke; then it is over.
        """

    def allowed(self, verb: str, group: str, resource: str, subresource: str = "") -> bool:
        """Whether this user has a right in the namespace: ``allowed("watch", "", "events")``."""

    def version(self) -> Json:
        """The API server's ``/version``."""

    def close(self) -> None:
        """Let connections go."""
