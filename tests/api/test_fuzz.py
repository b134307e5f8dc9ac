"""Malformed requests, from a fixed seed: never a 500 of which Docker knows nothing, never a traceback, never a hang."""

import io
import json
import logging
import random
import re
import time
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest

from kubedock.api.groups import compatibility
from kubedock.api.unsupported import NOT_A_MANAGER
from kubedock.app import create_app
from kubedock.cluster.fake import FakeCluster
from kubedock.streams.cancel import Cancel
from tests.support.running import running

NOT_CONNECTED = re.compile(r"container \w+ is not connected to (the )?network ")
"""The one answer with 500: Docker has no other for a disconnect of what is not connected."""
SEED, SOME, ALL = 20260727, 500, 10_000
SLOWEST = 5.0
"""Seconds that any answer may take, once its client has gone where it is a stream."""

REFS = [
    "web",
    "idle",
    "done",
    "/web",
    "alpine",
    "mine",
    "data",
    "bridge",
    "nobody",
    "",
    ".",
    "..",
    "a/b",
    "%",
    "\0",
    "é",
    "\ud7ff",
    "x" * 300,
]
TEXTS = [
    *REFS,
    "0",
    "1",
    "-1",
    "true",
    "None",
    "99999999999999999999",
    "1e400",
    "NaN",
    "nan",
    "inf",
    "1.5",
    "253402300799",
    "-62135596801",
    "2026-13-45T99:99:99Z",
    "٣",
    "[",
    "(",
    "",
    "a{999999}",
    "sha256:" + "a" * 64,
    "a" * 64,
    "KILL",
    "SIGFOO",
    "next-exit",
    "not-running",
    "\r\nX: y",
    "🦊",
    "A=B",
    "localhost:5000/a:b@sha256:c",
]
NAMES = (
    *("all", "limit", "size", "filters", "name", "signal", "condition", "h", "w", "t", "v", "force", "link"),
    *("stdout", "stderr", "stdin", "stream", "logs", "follow", "since", "until", "timestamps", "tail", "details"),
    *("fromImage", "fromSrc", "tag", "repo", "platform", "message", "noprune", "type", "dangling", "verbose"),
    *("scope", "path"),
)
KEYS = (
    *("id", "label", "label!", "name", "status", "ancestor", "before", "since", "exited", "network", "volume"),
    *("publish", "expose", "health", "is-task", "reference", "dangling", "driver", "scope", "type", "event"),
    *("container", "image", "until", "all", "colour"),
)
BODIES: dict[str, dict[str, Any]] = {
    "ContainerCreate": {
        "Image": "alpine",
        "Cmd": ["sleep", "1"],
        "Entrypoint": None,
        "Env": ["A=B", "C"],
        "Labels": {"a": "b"},
        "User": "1:2",
        "WorkingDir": "/x",
        "Hostname": "h",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "TERM",
        "StopTimeout": 1,
        "Tty": False,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "Binds": ["vol:/data:ro"],
            "Memory": 1 << 26,
            "NanoCpus": 10**9,
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "NetworkMode": "default",
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            "Mounts": [{"Type": "volume", "Source": "v", "Target": "/m"}],
            "Tmpfs": {"/t": "size=1m"},
            "CapAdd": ["NET_ADMIN"],
            "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 1}],
            "ExtraHosts": ["a:1.2.3.4"],
            "Dns": ["1.1.1.1"],
            "SecurityOpt": ["no-new-privileges"],
            "Sysctls": {"net.core.somaxconn": "1"},
            "ShmSize": 1 << 20,
            "Privileged": False,
            "GroupAdd": ["1"],
            "LogConfig": {"Type": "", "Config": {}},
        },
        "NetworkingConfig": {"EndpointsConfig": {"mine": {"Aliases": ["db"], "IPAMConfig": {"IPv4Address": "1.2.3.4"}}}},
    },
    "NetworkCreate": {
        "Name": "n",
        "Driver": "bridge",
        "IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}]},
        "Options": {},
    },
    "NetworkConnect": {"Container": "idle", "EndpointConfig": {"Aliases": ["a"], "DriverOpts": None}},
    "NetworkDisconnect": {"Container": "idle", "Force": True},
    "VolumeCreate": {"Name": "vol", "Driver": "local", "DriverOpts": {}, "Labels": {"a": "b"}},
}
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    2**70,
    1.5,
    1e300,
    "",
    [],
    {},
    [None],
    {"": None},
    [[]],
    [{}],
    {"a": {}},
    *TEXTS,
]
RAW = [
    b"{",
    b"",
    b"null",
    b"[]",
    b"{}{}",
    b"\xff\xfe\x00",
    b'{"Image": "\\ud800"}',
    b'{"Memory": 1e999}',
    b"[" * 5000,
    b'{"a":' * 5000,
    b"NaN",
]


class Fuzz:
    """Makes requests that are nearly right, or not at all."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        rows = compatibility()
        self.declined = [row for row in rows if row.outcome == "no"]
        self.supported = [row for row in rows if row.outcome != "no"]

    def request(self) -> tuple[str, str, str, bytes]:
        """Method, path as it stands on the wire, query, body."""
        row = self.random.choice(self.supported if self.random.random() < 0.9 else self.declined)
        method = (
            row.method
            if self.random.random() < 0.9
            else self.random.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
        )
        return method, self._path(row.path), self._query(), self._body(row.operation_id)

    def _path(self, template: str) -> str:
        parts = [self._part(part) if part.startswith("{") else part for part in template.split("/")]
        path = "/".join(parts)
        dice = self.random.random()
        if dice < 0.05:
            path = path.replace("/", "//", 1)
        elif dice < 0.10:
            cut = self.random.randrange(len(path) + 1)
            path = path[:cut] + self._escaped() + path[cut:]
        elif dice < 0.13:
            path += "/"
        usual, odd = ["", "/v1.24", "/v1.41", "/v1.47", "/v1.99"], ["/v0.1", "/v", "/v9999.9999", "/v1.47/v1.47", "/v5.8.2/libpod"]
        return self.random.choice(usual if self.random.random() < 0.95 else odd) + path

    def _part(self, part: str) -> str:
        return self._escaped() if self.random.random() < 0.2 else quote(self.random.choice(REFS[:9]))

    def _escaped(self) -> str:
        text = self.random.choice(TEXTS)
        return self.random.choice([quote(text, safe=""), quote(text), "%ff%fe", "%", "%zz", "%2f..%2f"])

    def _query(self) -> str:
        pairs = []
        for _ in range(self.random.choice([0, 1, 2, 3, 6])):
            name = self.random.choice(NAMES)
            value = self._filters() if name == "filters" else quote(self.random.choice(TEXTS), safe="")
            pairs.append(f"{name}={value}" if self.random.random() < 0.95 else name)
        return "&".join(pairs)

    def _filters(self) -> str:
        if self.random.random() < 0.2:
            return quote(self.random.choice(["{", "[]", "5", "null", '{"a":5}', '{"label":[1]}', '{"label":{"a":1}}', "[" * 500]))
        keys = self.random.sample(KEYS, self.random.choice([1, 1, 1, 2]))
        return quote(
            json.dumps({key: self.random.choice([[self.random.choice(TEXTS)], {self.random.choice(TEXTS): True}]) for key in keys})
        )

    def _body(self, operation: str) -> bytes:
        if operation not in BODIES or self.random.random() < 0.1:
            return self.random.choice(RAW)
        body = json.loads(json.dumps(BODIES[operation]))
        for _ in range(self.random.choice([0, 0, 1, 1, 2, 3])):
            self._spoil(body)
        return json.dumps(body).encode()

    def _spoil(self, value: Any) -> None:
        """Replace, drop or add something, at any depth."""
        while isinstance(value, dict | list) and value:
            key = self.random.choice(list(value)) if isinstance(value, dict) else self.random.randrange(len(value))
            inner = value[key]
            if isinstance(inner, dict | list) and inner and self.random.random() < 0.6:
                value = inner
                continue
            if isinstance(value, dict) and self.random.random() < 0.2:
                del value[key]
            elif isinstance(value, dict) and self.random.random() < 0.1:
                value[self.random.choice(TEXTS)] = self.random.choice(VALUES)
            else:
                value[key] = self.random.choice(VALUES)
            return


class Wire:
    """Sends requests as a server would hand them over, and leaves as soon as an answer has begun."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def send(self, method: str, path: str, query: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body."""
        cancel, got = Cancel(), []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "docker",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
            "CONTENT_TYPE": "application/json",
            "kubedock.watch": lambda: (cancel, lambda: None),
        }

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            for name, value in headers:
                assert "\n" not in value, f"{name}: {value!r}"
                assert "\r" not in value, f"{name}: {value!r}"
            got.append((int(status[:3]), dict(headers)))

        result = self.app(environ, start_response)
        try:
            cancel.set("client gone")
            data = b"".join(result)
        finally:
            getattr(result, "close", lambda: None)()
        return *got[0], data


def prepare(wire: Wire) -> None:
    """Something to ask about."""
    wire.send("POST", "/images/create", "fromImage=alpine", b"")
    wire.send("POST", "/networks/create", "", b'{"Name":"mine"}')
    wire.send("POST", "/volumes/create", "", b'{"Name":"data"}')
    script = ["sh", "-c", "trap 'exit 0' TERM; sleep 1000"]
    for name, command in (("web", script), ("idle", ["true"]), ("done", ["true"])):
        wire.send("POST", "/containers/create", f"name={name}", json.dumps({"Image": "alpine", "Cmd": command}).encode())
    for name in ("web", "done"):
        wire.send("POST", f"/containers/{name}/start", "", b"")


def fuzz(count: int, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Send many; stop at the first bad answer, saying which request it was."""
    maker = Fuzz(seed)
    with running(FakeCluster()) as runtime, caplog.at_level(logging.ERROR):
        wire = Wire(create_app(runtime.engine))
        for number in range(count):
            if number % 100 == 0:
                prepare(wire)
            request = maker.request()
            began = time.monotonic()
            status, headers, data = wire.send(*request)
            took = time.monotonic() - began
            shown = f"request {number}: {request!r}: {status} {data[:300]!r} after {took:.2f} s"
            assert status != 500 or NOT_CONNECTED.search(json.loads(data)["message"]), shown
            assert took < SLOWEST, shown
            assert status != 503 or NOT_A_MANAGER in json.loads(data)["message"], shown
            assert headers["Api-Version"] == "1.47", shown
            if status >= 400 and request[0] != "HEAD":
                assert headers["Content-Type"] == "application/json", shown
                assert json.loads(data)["message"], shown
            assert [record.getMessage() for record in caplog.records if record.exc_info] == [], shown


def test_malformed_requests_are_answered(caplog):
    """Five hundred of them in every run."""
    fuzz(SOME, SEED, caplog)


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_very_many_malformed_requests_are_answered(caplog):
    """Ten thousand for ``make prove``."""
    fuzz(ALL, SEED + 1, caplog)
