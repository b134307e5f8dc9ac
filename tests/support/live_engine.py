"""kubedock over the in-memory cluster, for its worker: the whole product but for Kubernetes.

``/state`` tells of the engine: how many listen to its events.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from kubedock.app import create_app
from kubedock.cluster.fake import FakeCluster
from kubedock.kube.manifest import PodDefaults
from kubedock.runtime import Options, Runtime


class LiveEngine:
    """WSGI, with a life."""

    _runtime: Runtime
    _app: Any

    def start(self) -> None:
        """In the worker."""
        self._runtime = Runtime(FakeCluster(), Options(PodDefaults("live")))
        self._runtime.run()
        self._app = create_app(self._runtime.engine)

    def stop(self) -> None:
        """At the end."""
        self._runtime.stop(5.0)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request."""
        if environ["PATH_INFO"] == "/state":
            state = json.dumps({"listeners": self._runtime.engine.events.listeners}).encode()
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(state)))])
            return [state]
        return self._app(environ, start_response)


app = LiveEngine()
