"""A real cluster: the only user of the official client, of which it takes configuration, credentials and the pool.

Objects go in and out as JSON. Every request has its time limits; only what is safe to repeat is repeated.
"""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Self
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util import Timeout

from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.protocol import Json, Kind, LogOptions, ObjectList
from kubedock.errors import Forbidden, InvalidParameter, System
from kubedock.kube import clientconfig
from kubedock.kube.errors import UNAUTHORIZED, from_answer, from_transport
from kubedock.kube.reading import LogStream, WatchStream
from kubedock.kube.resources import path
from kubedock.kube.websocket import Channels, ForwardChannels, WebSocketChannels, take_over, upgrade_headers

logger = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
SILENCE_SECONDS = 75.0
"""How long a watch may be silent. Bookmarks come every minute; for kinds that have none it ends, and is opened again."""
RENEW_SECONDS = 30.0
LONGEST_ERROR = 64 * 1024
REDIRECTS = 300

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``again``: it may be sent a second time when the connection broke before any answer.

    ``read`` is the longest silence in seconds, None for any.
    """

    method: str
    path: str
    query: Query = ()
    body: Mapping[str, Any] | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] | None = None
    read: float | None = READ_SECONDS
    again: bool = False


class KubeGateway:
    """See Cluster."""

    def __init__(self, load: Callable[[], clientconfig.Client], namespace: str) -> None:
        """``load`` reads the configuration and makes a client; it is called again when credentials have expired."""
        self._load, self._namespace = load, namespace
        self._client = load()
        self._credentials = threading.Lock()
        self._renewed = time.monotonic() - RENEW_SECONDS

    @classmethod
    def connect(cls, kubeconfig: str | None, context: str | None, namespace: str | None) -> Self:
        """The cluster of a kubeconfig (several paths as in KUBECONFIG; None: the usual one), or the one around this pod.

        InvalidParameter when there is no usable configuration. No request is made.
        """
        source = clientconfig.find(kubeconfig, context)
        return cls(source.client, namespace or source.namespace())

    @property
    def namespace(self) -> str:
        """See Cluster."""
        return self._namespace

    @property
    def host(self) -> str:
        """The API server's URL."""
        return self._client.host

    # --- objects -------------------------------------------------------------------------------------------------

    def create(self, kind: Kind, manifest: Mapping[str, Any]) -> Json:
        """See Cluster."""
        resource = RESOURCES[kind]
        body = {"apiVersion": resource.api_version, "kind": kind, **manifest}
        return self._json(Request("POST", path(kind, self._namespace), body=body))

    def get(self, kind: Kind, name: str) -> Json:
        """See Cluster."""
        return self._json(Request("GET", path(kind, self._namespace, name), again=True))

    def list(self, kind: Kind, *, selector: str = "", fields: str = "") -> ObjectList:
        """See Cluster. Each object carries its kind, as it does when it is got alone."""
        answer = self._json(Request("GET", path(kind, self._namespace), _selectors(selector, fields), again=True))
        items: list[Json] = answer.get("items") or []
        for item in items:
            item.update(apiVersion=RESOURCES[kind].api_version, kind=kind)
        return ObjectList(items, answer["metadata"].get("resourceVersion", ""))

    def watch(self, kind: Kind, *, since: str, selector: str = "", fields: str = "", seconds: int = 300) -> WatchStream:
        """See Cluster."""
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", since),
            ("timeoutSeconds", str(seconds)),
            *_selectors(selector, fields),
        ]
        return WatchStream(self._open(Request("GET", path(kind, self._namespace), query, read=SILENCE_SECONDS, again=True)))

    def patch(self, kind: Kind, name: str, change: Mapping[str, Any]) -> Json:
        """See Cluster."""
        where = path(kind, self._namespace, name)
        return self._json(Request("PATCH", where, body=change, content_type="application/merge-patch+json"))

    def delete(self, kind: Kind, name: str, *, grace: int | None = None) -> None:
        """See Cluster."""
        self._json(Request("DELETE", path(kind, self._namespace, name), body=_delete_options(grace)))

    def delete_collection(self, kind: Kind, *, selector: str, grace: int | None = None) -> None:
        """See Cluster."""
        if not selector:
            raise System("a collection is deleted by selector only")
        query = _selectors(selector, "")
        self._json(Request("DELETE", path(kind, self._namespace), query, body=_delete_options(grace), again=True))

    # --- streams -------------------------------------------------------------------------------------------------

    def logs(self, pod: str, options: LogOptions) -> LogStream:
        """See Cluster."""
        query = [("container", options.container), ("timestamps", "true")]
        if options.follow:
            query.append(("follow", "true"))
        if options.previous:
            query.append(("previous", "true"))
        if options.since is not None:
            query.append(("sinceTime", options.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
        if options.tail is not None:
            query.append(("tailLines", str(options.tail)))
        if options.limit_bytes is not None:
            query.append(("limitBytes", str(options.limit_bytes)))
        if options.stream:
            query.append(("stream", options.stream))
        read = None if options.follow else READ_SECONDS
        return LogStream(self._open(Request("GET", path("Pod", self._namespace, pod, "log"), query, read=read, again=True)))

    def exec(
        self, pod: str, argv: Sequence[str], *, container: str = "main", stdin: bool = False, tty: bool = False
    ) -> WebSocketChannels:
        """See Cluster."""
        query = [*(("command", word) for word in argv), *_channels(container, stdin=stdin, tty=tty)]
        return self._upgrade(path("Pod", self._namespace, pod, "exec"), query, WebSocketChannels)

    def attach(self, pod: str, *, container: str = "main", stdin: bool = False, tty: bool = False) -> WebSocketChannels:
        """See Cluster."""
        query = _channels(container, stdin=stdin, tty=tty)
        return self._upgrade(path("Pod", self._namespace, pod, "attach"), query, WebSocketChannels)

    def signal(self, pod: str, number: int, *, container: str = "main") -> bool:
        """See Cluster: what the image has must do it, through an exec."""
        del pod, number, container
        return False

    def forward(self, pod: str, port: int) -> ForwardChannels:
        """See Cluster."""
        return self._upgrade(path("Pod", self._namespace, pod, "portforward"), [("ports", str(port))], ForwardChannels)

    def _upgrade(self, where: str, query: Query, kind: type[Channels]) -> Channels:
        return take_over(self._send(Request("GET", where, query, headers=upgrade_headers(kind.protocols))), kind)

    # --- the rest ------------------------------------------------------------------------------------------------

    def allowed(self, verb: str, group: str, resource: str, subresource: str = "") -> bool:
        """See Cluster."""
        asked = {"namespace": self._namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource}
        answer = self.create("SelfSubjectAccessReview", {"spec": {"resourceAttributes": asked}})
        return bool(answer.get("status", {}).get("allowed"))

    def version(self) -> Json:
        """See Cluster."""
        return self._json(Request("GET", "/version", again=True))

    def close(self) -> None:
        """See Cluster. Streams that are open go on."""
        self._client.pool.clear()

    # --- requests ------------------------------------------------------------------------------------------------

    def _json(self, request: Request) -> Json:
        """Send, and read the answer's JSON."""
        for last in (not request.again, True):
            response = self._open(request)
            try:
                answer: Json = json.loads(response.read())
            except ProtocolError as error:
                if last:
                    raise from_transport(error) from error
                continue
            except HTTPError as error:
                response.close()
                raise from_transport(error) from error
            except ValueError as error:
                raise System("the cluster's answer is no JSON") from error
            return answer
        raise AssertionError

    def _open(self, request: Request) -> urllib3.BaseHTTPResponse:
        """Send; an answer that is no success is an error."""
        response = self._send(request)
        if response.status < REDIRECTS:
            return response
        body = b""
        with contextlib.suppress(HTTPError):
            body = response.read(LONGEST_ERROR)
        response.release_conn()
        raise from_answer(response.status, body)

    def _send(self, request: Request) -> urllib3.BaseHTTPResponse:
        """Send; once more with new credentials after a 401, and where that is safe after a broken connection."""
        client = self._client
        try:
            response = self._attempt(client, request)
        except ProtocolError as error:
            if not request.again:
                raise from_transport(error) from error
            try:
                response = self._attempt(client, request)
            except HTTPError as second:
                raise from_transport(second) from second
        except HTTPError as error:
            raise from_transport(error) from error
        if response.status != UNAUTHORIZED or not self._renew(client):
            return response
        response.drain_conn()
        try:
            return self._attempt(self._client, request)
        except HTTPError as error:
            raise from_transport(error) from error

    def _attempt(self, client: clientconfig.Client, request: Request) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": client.user_agent, **(request.headers or {})}
        # Plug-ins and token files are run and read in here, by one thread at a time.
        with self._credentials:
            url, credentials = client.authorize(request.method, request.path)
        headers |= credentials
        body = None
        if request.body is not None:
            body, headers["Content-Type"] = json.dumps(request.body).encode(), request.content_type
        response: urllib3.BaseHTTPResponse = client.pool.request(
            request.method,
            f"{url}?{urlencode(request.query)}" if request.query else url,
            headers=headers,
            body=body,
            preload_content=False,
            redirect=False,
            retries=False,
            timeout=Timeout(connect=CONNECT_SECONDS, read=request.read),
        )
        return response

    def _renew(self, used: clientconfig.Client) -> bool:
        """Read the configuration anew (client certificates and token files may have changed); True if it is worth a try."""
        with self._credentials:
            if self._client is not used:
                return True
            if time.monotonic() - self._renewed < RENEW_SECONDS:
                return False
            self._renewed = time.monotonic()
            try:
                self._client = self._load()
            except InvalidParameter as error:
                raise Forbidden(f"the cluster does not accept the credentials: {error}") from error
            logger.debug("the cluster refused the credentials; they were read anew")
            return True


def _selectors(selector: str, fields: str) -> list[tuple[str, str]]:
    return [(key, value) for key, value in (("labelSelector", selector), ("fieldSelector", fields)) if value]


def _delete_options(grace: int | None) -> Json:
    options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    return options if grace is None else options | {"gracePeriodSeconds": grace}


def _channels(container: str, *, stdin: bool, tty: bool) -> list[tuple[str, str]]:
    """A terminal has one output."""
    streams = [("stdin", stdin), ("stdout", True), ("stderr", not tty), ("tty", tty)]
    return [("container", container), *((name, "true") for name, wanted in streams if wanted)]
