"""The gateway against answers written byte by byte: errors, breaks, repetition, credentials."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.protocol import OPEN, Protocol, Side

from kubedock.cluster import Cluster, LogOptions, WatchEvent
from kubedock.cluster.protocol import DATA, FAILURE
from kubedock.errors import Conflict, Forbidden, Gone, InvalidParameter, KubedockError, NotFound, System, Unavailable
from kubedock.kube import clientconfig, gateway
from kubedock.kube.gateway import KubeGateway
from tests.support.scripted import Reply, ScriptedServer, answer, broken, chunked, reset
from tests.support.waiting import converse, in_thread

POD = {"kind": "Pod", "metadata": {"name": "p", "resourceVersion": "7"}}
POD_LINE = json.dumps({"type": "ADDED", "object": POD}).encode() + b"\n"
LIST = {"kind": "PodList", "metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "p"}}]}
LOG_LINE = b"2026-11-24T23:05:07.465357520Z hi\n"
Serve = Callable[..., tuple[KubeGateway, ScriptedServer]]


def status(code: int, message: str) -> bytes:
    """A Status as the API server answers it."""
    return answer(code, json.dumps({"kind": "Status", "status": "Failure", "message": message, "code": code}).encode())


@pytest.fixture
def serve(tmp_path: Path, request: pytest.FixtureRequest) -> Serve:
    """A gateway to a server with these replies."""

    def start(*replies: Reply) -> tuple[KubeGateway, ScriptedServer]:
        server = ScriptedServer(*replies)
        request.addfinalizer(server.__exit__)
        cluster = KubeGateway.connect(server.__enter__().kubeconfig(tmp_path), None, "ns")
        request.addfinalizer(cluster.close)
        return cluster, server

    return start


def test_it_is_a_cluster(serve: Serve) -> None:
    """mypy holds it to the Protocol here."""
    cluster: Cluster = serve(answer(200, b"{}"))[0]

    assert cluster.namespace == "ns"


def test_requests_are_kubernetes(serve: Serve) -> None:
    """Paths, queries and bodies of each method."""
    cluster, server = serve(answer(200, json.dumps(LIST).encode()))

    cluster.create("Deployment", {"metadata": {"name": "d"}})
    cluster.get("Pod", "a/b")
    listed = cluster.list("Pod", selector="a=b,c", fields="x=y")
    cluster.patch("ConfigMap", "c", {"data": None})
    cluster.delete("Pod", "p", grace=0)
    cluster.delete("Pod", "p")
    cluster.delete_collection("Pod", selector="a=b", grace=0)
    cluster.get("Namespace", "ns")
    cluster.version()

    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    root, at_once = "/api/v1/namespaces/ns", {**options, "gracePeriodSeconds": 0}
    assert [(line, json.loads(body or b"null")) for line, body in server.requests] == [
        (
            "POST /apis/apps/v1/namespaces/ns/deployments",
            {"metadata": {"name": "d"}, "apiVersion": "apps/v1", "kind": "Deployment"},
        ),
        (f"GET {root}/pods/a%2Fb", None),
        (f"GET {root}/pods?labelSelector=a%3Db%2Cc&fieldSelector=x%3Dy", None),
        (f"PATCH {root}/configmaps/c", {"data": None}),
        (f"DELETE {root}/pods/p", at_once),
        (f"DELETE {root}/pods/p", options),
        (f"DELETE {root}/pods?labelSelector=a%3Db", at_once),
        ("GET /api/v1/namespaces/ns", None),
        ("GET /version", None),
    ]
    assert listed == ([{"metadata": {"name": "p"}, "apiVersion": "v1", "kind": "Pod"}], "9")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, InvalidParameter),
        (403, Forbidden),
        (404, NotFound),
        (405, System),
        (409, Conflict),
        (410, Gone),
        (422, InvalidParameter),
        (429, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
def test_each_status_is_a_kind(serve: Serve, code: int, kind: type[KubedockError]) -> None:
    """With the message of the Status; streams and WebSockets alike."""
    cluster, _ = serve(status(code, "the sentence"))

    for attempt in (
        lambda: cluster.get("Pod", "p"),
        lambda: cluster.create("Pod", POD),
        lambda: cluster.logs("p", LogOptions()),
        lambda: cluster.exec("p", ["true"]),
        lambda: cluster.forward("p", 80),
    ):
        with pytest.raises(kind, match=r"^the sentence$") as caught:
            attempt()
        assert type(caught.value) is kind


def test_messages_are_cut(serve: Serve) -> None:
    """No error is longer than a person reads; what is no Status is shown as it is."""
    cluster, _ = serve(status(409, "x" * 5000), answer(418, b"tea"), answer(500, b""), answer(200, b"no json"))

    for kind, text in ((Conflict, "x" * 1000), (System, "tea"), (Unavailable, "the cluster answered 500 Internal Server Error")):
        with pytest.raises(kind) as caught:
            cluster.get("Pod", "p")
        assert str(caught.value) == text
    with pytest.raises(System, match="no JSON"):
        cluster.get("Pod", "p")


def test_a_read_is_sent_again_once(serve: Serve) -> None:
    """A pooled connection may have gone stale; a second break is an error, and what writes is never repeated."""
    good = answer(200, json.dumps(POD).encode())
    cluster, server = serve(reset, good, reset, reset, reset, good)

    assert cluster.get("Pod", "p") == POD
    with pytest.raises(Unavailable, match=r"^the cluster cannot be reached: "):
        cluster.get("Pod", "p")
    with pytest.raises(Unavailable):
        cluster.create("Pod", POD)

    assert [line.split(" ")[0] for line, _ in server.requests] == ["GET", "GET", "GET", "GET", "POST"]


def test_nobody_listens(tmp_path: Path) -> None:
    """A refused connection is told at once."""
    with ScriptedServer(b"") as server:
        kubeconfig = server.kubeconfig(tmp_path)

    with pytest.raises(Unavailable, match=r"^the cluster cannot be reached: .*refused"):
        KubeGateway.connect(kubeconfig, None, None).version()


def test_refused_credentials_are_read_anew(serve: Serve) -> None:
    """Once; when that does not help it is said, and not tried again at once."""
    refused = status(401, "Unauthorized")
    cluster, server = serve(refused, answer(200, b'{"a":1}'), refused)

    assert cluster.version() == {"a": 1}
    with pytest.raises(Forbidden, match=r"^the cluster does not accept the credentials: Unauthorized$"):
        cluster.version()
    assert len(server.requests) == 3


# --- streams ---------------------------------------------------------------------------------------------------------


def test_a_watch_reads_lines_however_they_come(serve: Serve) -> None:
    """Lines cut into chunks anywhere; the last chunk is the end."""
    for size in (1, 7, len(POD_LINE), len(POD_LINE) * 2):
        data = POD_LINE * 2
        cluster, server = serve(chunked(*(data[start : start + size] for start in range(0, len(data), size))))

        assert list(cluster.watch("Pod", since="5", selector="a=b", seconds=60)) == [WatchEvent("ADDED", POD)] * 2
        query = "watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=60&labelSelector=a%3Db"
        assert server.requests[0][0] == f"GET /api/v1/namespaces/ns/pods?{query}"


@pytest.mark.parametrize("rest", [b"", b"400\r\n{", b"4"], ids=["between chunks", "within a chunk", "within a size"])
def test_a_cut_is_no_end(serve: Serve, rest: bytes) -> None:
    """Watches and logs tell a break from the end."""
    cluster, _ = serve(broken(chunked(POD_LINE, whole=False) + rest), broken(chunked(LOG_LINE, whole=False) + rest))

    events = iter(cluster.watch("Pod", since="5"))
    assert next(events) == WatchEvent("ADDED", POD)
    with pytest.raises(Unavailable):
        next(events)
    log = cluster.logs("p", LogOptions(follow=True))
    data = log.read()
    with pytest.raises(Unavailable):  # noqa: PT012 - how many reads it takes is left open
        while part := log.read():
            data += part
    assert data in (LOG_LINE, LOG_LINE + b"{")


def test_a_log_ends(serve: Serve) -> None:
    """``b""`` is the end, again and again."""
    cluster, server = serve(chunked(LOG_LINE))

    log = cluster.logs("p", LogOptions(follow=True, tail=3, previous=True, limit_bytes=9, stream="Stdout"))

    assert [log.read(), log.read(), log.read()] == [LOG_LINE, b"", b""]
    query = "container=main&timestamps=true&follow=true&previous=true&tailLines=3&limitBytes=9&stream=Stdout"
    assert server.requests[0][0] == f"GET /api/v1/namespaces/ns/pods/p/log?{query}"


def test_an_error_in_a_watch(serve: Serve) -> None:
    """410 comes as an event."""
    told = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version: 1 (2)"}}
    cluster, _ = serve(chunked(json.dumps(told).encode() + b"\n"))

    with pytest.raises(Gone, match=r"^too old resource version: 1 \(2\)$"):
        next(iter(cluster.watch("Pod", since="1")))


def hang(data: bytes) -> Callable[[socket.socket], None]:
    """Send this, and nothing more until the client goes."""

    def reply(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.recv(1)

    return reply


def test_a_silent_watch_ends(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead connection looks like this; opening it again tells."""
    monkeypatch.setattr(gateway, "SILENCE_SECONDS", 0.2)
    cluster, _ = serve(hang(chunked(POD_LINE, whole=False)))

    assert list(cluster.watch("Pod", since="5")) == [WatchEvent("ADDED", POD)]


def test_close_wakes_readers(serve: Serve) -> None:
    """Readers that block see the end; closing twice, or before reading, is nothing."""
    cluster, _ = serve(hang(chunked(whole=False)))
    for stream, read in (
        (watch := cluster.watch("Pod", since="5"), lambda: list(watch)),
        (log := cluster.logs("p", LogOptions(follow=True)), log.read),
    ):
        result = in_thread(read)
        stream.close()
        assert not result()
        stream.close()
    unread = cluster.watch("Pod", since="5")
    unread.close()
    assert list(unread) == []


# --- WebSockets ------------------------------------------------------------------------------------------------------


def upgraded(subprotocol: str, then: Callable[[socket.socket, Protocol], None]) -> Callable[[socket.socket], None]:
    """Accept a WebSocket, and go on."""

    def reply(connection: socket.socket) -> None:
        head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{subprotocol}\r\n"
        then(connection, protocol := Protocol(Side.SERVER, state=OPEN, max_size=None))
        connection.sendall(head.encode() + b"".join(protocol.data_to_send()))
        connection.recv(1)

    return reply


def test_frames_that_come_with_the_head(serve: Serve) -> None:
    """They were read with the answer's head, where poll does not see them."""

    def then(_: socket.socket, protocol: Protocol) -> None:
        protocol.send_binary(b"\x01early")
        protocol.send_binary(b'\x03{"status":"Success"}')
        protocol.send_close(1000)

    cluster, server = serve(upgraded("Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n", then))

    with cluster.exec("p", ["echo", "a b"], stdin=True) as channels:
        assert not channels.input_ends
        assert not channels.close_channel(0)
        assert list(converse(channels)) == [(1, b"early"), (3, b'{"status":"Success"}')]
        assert channels.unsent == 0 or channels.eof

    query = "command=echo&command=a+b&container=main&stdin=true&stdout=true&stderr=true"
    assert server.requests[0][0] == f"GET /api/v1/namespaces/ns/pods/p/exec?{query}"


def test_a_terminal_has_one_output(serve: Serve) -> None:
    """And a break is an end."""
    cluster, server = serve(upgraded("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n", lambda connection, _: None))

    with cluster.attach("p", stdin=True, tty=True) as channels:
        assert channels.input_ends
        assert channels.close_channel(0)
        channels.flush()
        assert list(converse(channels)) == []

    assert server.requests[0][0] == "GET /api/v1/namespaces/ns/pods/p/attach?container=main&stdin=true&stdout=true&tty=true"


def test_the_ports_number_begins_each_channel_of_a_forward(serve: Serve) -> None:
    """And is left out, alone or with data behind it; the end in good order is no break."""

    def then(_: socket.socket, protocol: Protocol) -> None:
        protocol.send_binary(b"\x00\x50\x00")
        protocol.send_binary(b"\x01\x50\x00refused")
        protocol.send_binary(b"\x00data")
        protocol.send_close(1000)

    cluster, server = serve(upgraded("Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n", then))

    with cluster.forward("p", 80) as channels:
        assert list(converse(channels)) == [(FAILURE, b"refused"), (DATA, b"data")]
        assert not channels.cut

    assert server.requests[0][0] == "GET /api/v1/namespaces/ns/pods/p/portforward?ports=80"


def test_a_forward_that_breaks_says_so(serve: Serve) -> None:
    """The connection ends without the WebSocket's own end."""
    cluster, _ = serve(upgraded("Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n", lambda connection, _: None))

    with cluster.forward("p", 80) as channels:
        channels.send(DATA, b"x")
        assert list(converse(channels)) == []
        assert channels.cut


def test_an_unknown_subprotocol(serve: Serve) -> None:
    """Is no way to talk."""
    cluster, _ = serve(upgraded("", lambda connection, _: None))

    with pytest.raises(Unavailable, match=r"speaks none of v5\.channel\.k8s\.io, v4\.channel\.k8s\.io but nothing"):
        cluster.exec("p", ["true"])


# --- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "namespace", "own", "expected"),
    [
        (None, "given", {"namespace": "mine"}, "given"),
        (None, None, {"namespace": "mine"}, "mine"),
        (None, None, {}, "default"),
        ("there", None, {"namespace": "mine"}, "elsewhere"),
    ],
)
def test_whose_namespace(tmp_path: Path, context: str | None, namespace: str | None, own: dict[str, str], expected: str) -> None:
    """The one that is given, else the context's, else default."""
    with ScriptedServer(b"") as server:
        kubeconfig = server.kubeconfig(tmp_path, **own)

    assert KubeGateway.connect(kubeconfig, context, namespace).namespace == expected


def test_in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service account is used where no kubeconfig is given; a context asks for the kubeconfig."""
    monkeypatch.setattr(clientconfig, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(clientconfig, "USUAL_KUBECONFIG", str(tmp_path / "none"))
    (tmp_path / "token").write_text("secret")
    (tmp_path / "namespace").write_text("pods-own\n")

    assert clientconfig.find(None, None).namespace() == "pods-own"
    with pytest.raises(InvalidParameter, match=r"^no cluster is configured: "):
        clientconfig.find(None, "there")


@pytest.mark.parametrize("text", ["", "nonsense", "a: [", "contexts: []\ncurrent-context: x\nclusters: []\n"])
def test_a_broken_kubeconfig_is_a_sentence(tmp_path: Path, text: str) -> None:
    """Whatever is wrong with it."""
    broken_file = tmp_path / "config"
    broken_file.write_text(text)

    with pytest.raises(InvalidParameter, match="cannot be used"):
        KubeGateway.connect(str(broken_file), None, "ns")
    with pytest.raises(InvalidParameter, match="does not exist"):
        KubeGateway.connect(str(tmp_path / "absent"), None, "ns")


def test_an_unknown_context_is_a_sentence(tmp_path: Path) -> None:
    """With its name."""
    with ScriptedServer(b"") as server:
        kubeconfig = server.kubeconfig(tmp_path)

    with pytest.raises(InvalidParameter, match="nowhere"):
        KubeGateway.connect(kubeconfig, "nowhere", None)
