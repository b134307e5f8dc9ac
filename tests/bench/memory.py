"""Over the in-memory cluster, with the real worker in a process of its own: what kubedock itself costs."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.bench.figures import Figure, milliseconds
from tests.bench.http import Address, Client, pause
from tests.support.live import LiveServer
from tests.support.shared import ROOT

SERVER = (sys.executable, "-m", "gunicorn", "-c", "python:kubedock.server.config", "tests.bench.app:app")
CONTAINERS, RUNNING, FOLLOWERS, LISTENERS = 500, 50, 500, 500
PINGS = 400
COMPARED = ("named", "busy", "fds", "processes", "listeners", "feeds", "readers", "bells", "log streams")


def inspect() -> list[Figure]:
    """``inspect`` and ``ps`` with many containers known."""
    with LiveServer(SERVER) as server:
        client = Client(server.tcp)
        client.pull()
        ids = [client.container(f"c{number}", "sleep", "1000") for number in range(CONTAINERS)]
        chance = random.Random(1)
        inspected = [client.timed("GET", f"/v1.47/containers/{chance.choice(ids)}/json") for _ in range(1000)]
        listed = [client.timed("GET", "/v1.47/containers/json?all=1") for _ in range(10)]
        pinged = [client.timed("GET", "/_ping") for _ in range(PINGS)]
    known = f"{CONTAINERS} containers known"
    return [
        Figure("inspect, median", milliseconds(inspected), "ms", 3.0, f"{known}, 1000 requests, one client"),
        Figure("inspect, 99th percentile", milliseconds(inspected, 0.99), "ms"),
        Figure("ps -a, median", milliseconds(listed), "ms", None, f"all {CONTAINERS} of them"),
        Figure("_ping, median", milliseconds(pinged), "ms", None, "nobody else there"),
    ]


def streams() -> list[Figure]:
    """Many followers of logs and events, and what an idle client sees of it."""
    with LiveServer(SERVER) as server:
        client = Client(server.tcp)
        client.pull()
        ids = [client.container(f"c{number}", "sleep", "1000") for number in range(RUNNING)]
        client.ask("POST", "/bench/write")
        before, pinged = client.ask("GET", "/bench/state"), list[float]()
        during, came = _visit(server.tcp, ids, pinged)
        began = time.monotonic()
        after = _settled(client, before)
        settled = time.monotonic() - began
    left = [key for key in COMPARED if after[key] != before[key]]
    load = f"{os.getloadavg()[0]:.1f} runnable on {os.cpu_count()} processors"
    return [
        Figure(
            "_ping beside the streams, median", milliseconds(pinged), "ms", 5.0, f"{FOLLOWERS} logs -f, {LISTENERS} events; {load}"
        ),
        Figure("_ping beside the streams, 99th percentile", milliseconds(pinged, 0.99), "ms"),
        Figure("lines that came, share", came, "", None, f"of {FOLLOWERS} a second, by the followers' count"),
        Figure("log streams from the cluster", during["log streams"], "", RUNNING, f"{RUNNING} containers followed"),
        Figure("threads in a request meanwhile", during["busy"], "", None, f"{during['fds']} fds, {during['memory'] >> 20} MiB"),
        Figure(
            "kinds of things left behind", len(left), "", 0.0, f"{', '.join(left) or 'none'} after {settled:.1f} s: {_shown(after)}"
        ),
    ]


def _visit(address: Address, ids: Sequence[str], pinged: list[float]) -> tuple[dict[str, Any], float]:
    """All come, stay for a while and leave. What the server held meanwhile, and which share of all lines came."""
    paths = [f"/v1.47/containers/{ids[number % len(ids)]}/logs?follow=1&stdout=1&tail=0" for number in range(FOLLOWERS)]
    paths += ["/v1.47/events"] * LISTENERS
    client = Client(address)
    with _clients(address, paths) as process:
        until = time.monotonic() + 30
        while client.ask("GET", "/bench/state")["busy"] < len(paths):
            assert time.monotonic() < until, "the clients did not get in"
            pause(0.2)
        first = _told(process)
        while first[0] < len(paths):
            first = _told(process)
        for _ in range(PINGS):
            pinged.append(client.timed("GET", "/_ping"))
            pause(0.02)
        during = client.ask("GET", "/bench/state")
        last = first
        while last[3] < first[3] + 10:
            last = _told(process)
        came = (last[2] - first[2]) / (FOLLOWERS * (last[3] - first[3]))
    client.close()
    return during, came


def _told(process: "subprocess.Popen[str]") -> list[float]:
    """Open streams, bytes, lines, and the clients' clock."""
    assert process.stdout is not None
    return [float(word) for word in process.stdout.readline().split()]


@contextmanager
def _clients(address: Address, paths: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    argv = [sys.executable, "-m", "tests.bench.streams", address[0], str(address[1])]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        process.stdin.write("\n".join(paths) + "\n\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


def _settled(client: Client, before: dict[str, Any], seconds: float = 15.0) -> dict[str, Any]:
    """The state when it is as before, or when time is up."""
    until = time.monotonic() + seconds
    while True:
        state: dict[str, Any] = client.ask("GET", "/bench/state")
        if all(state[key] == before[key] for key in COMPARED) or time.monotonic() > until:
            return state
        pause(0.1)


def _shown(state: dict[str, Any]) -> str:
    return ", ".join(f"{key} {len(state[key]) if key == 'named' else state[key]}" for key in COMPARED)
