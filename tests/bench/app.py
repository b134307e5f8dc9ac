"""kubedock over the in-memory cluster for its own worker, with a look into the process.

``POST /bench/write``: from now on every running container writes one line a second. ``GET /bench/state``: threads, file
descriptors, processes, and what the engine holds for its clients.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from kubedock.app import create_app
from kubedock.cluster.fake import FakeCluster
from kubedock.kube.manifest import PodDefaults
from kubedock.runtime import Options, Runtime


class BenchApp:
    """WSGI, with a life."""

    def start(self) -> None:
        """In the worker."""
        self._cluster = FakeCluster()
        self._runtime = Runtime(self._cluster, Options(PodDefaults("bench")))
        self._runtime.run()
        self._app = create_app(self._runtime.engine)
        self._stopping = threading.Event()
        self._writer = threading.Thread(target=self._write, name="bench-writer")  # noqa: TID251 - joined at the end
        self._writing = False

    def stop(self) -> None:
        """At the end."""
        self._stopping.set()
        if self._writing:
            self._writer.join(5)
        self._runtime.stop(5.0)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request."""
        match environ["PATH_INFO"]:
            case "/bench/write":
                self._writing = True
                self._writer.start()
                answer: Any = {}
            case "/bench/state":
                answer = self._state()
            case _:
                return self._app(environ, start_response)
        body = json.dumps(answer).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _write(self) -> None:
        """One line a second for each pod, spread over the second."""
        pods = self._cluster.kubelet.pods()
        number, due = 0, time.monotonic()
        while True:
            for pod in pods:
                due += 1.0 / len(pods)
                if self._stopping.wait(max(0.0, due - time.monotonic())):
                    return
                self._cluster.kubelet.write(pod, f"line {number}\n")
            number += 1

    def _state(self) -> dict[str, Any]:
        core = self._runtime.engine.core
        pool = {thread.ident for thread in threading.enumerate() if thread.name.startswith("ThreadPool")}
        frames = sys._current_frames()
        children = "".join(each.read_text() for each in Path("/proc/self/task").glob("*/children"))
        return {
            "named": sorted(thread.name for thread in threading.enumerate() if thread.ident not in pool),
            "pool": len(pool),
            "busy": sum(_in_a_request(frames.get(ident or 0)) for ident in pool if ident != threading.get_ident()),
            "fds": len(os.listdir("/proc/self/fd")),
            "processes": len(children.split()),
            "listeners": core.events.listeners,
            "feeds": len(core.feeds._feeds),
            "readers": sum(core.sessions._readers.values()),
            "bells": sum(map(len, core.bell._listeners.values())),
            "log streams": len([log for log in self._cluster._logs if not log.done]),
            "memory": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        }


def _in_a_request(frame: FrameType | None) -> bool:
    """A thread of gunicorn's pool that serves a client, not one that waits for work."""
    while frame is not None:
        if frame.f_code.co_name == "handle_request":
            return True
        frame = frame.f_back
    return False


app = BenchApp()
