"""Published ports on the real cluster: what one costs at the start, and what goes through it."""

import math
import os
import random
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.bench.figures import Figure
from tests.bench.http import Client, pause
from tests.bench.real import namespace, server_of
from tests.support.clients import at_once
from tests.support.portclient import act, act_on_all
from tests.support.waiting import eventually

ROUNDS = 40
AT_ONCE = 50
DOWNLOAD = 256 << 20
PUBLISHED = {"PortBindings": {"80/tcp": [{"HostPort": ""}]}}


def ports() -> list[Figure]:
    """A start with a published port against one without, by turns in one run; fifty containers at once; throughput."""
    with namespace() as real, ExitStack() as stack:
        if real is None:
            return []
        address = server_of(stack, real, real.kubeconfig).live.tcp
        client = Client(address)
        client.pull()
        return [*_starts(client), *_many(client), *_throughput(client)]


def _starts(client: Client) -> list[Figure]:
    """The turns of a round begin at the same random part of the kubelet's second, as in ``start``."""
    plain, published, chance = list[float](), list[float](), random.Random()

    def start(times: list[float], number: int, **host: object) -> None:
        made = client.container(f"c{number}", "sleep", "1000", start=False, **host)
        times.append(client.timed("POST", f"/containers/{made}/start"))
        client.ask("DELETE", f"/containers/{made}?force=1")

    turns: list[Callable[[int], None]] = [
        lambda number: start(plain, number),
        lambda number: start(published, number, **PUBLISHED),
    ]
    for number in range(ROUNDS + 1):
        begin = time.monotonic() + chance.uniform(0.2, 1.2)
        for turn in chance.sample(turns, len(turns)):
            pause(begin - time.monotonic())
            turn(number)
            begin += math.ceil(time.monotonic() + 0.2 - begin)
    without, with_one = statistics.median(plain[1:]), statistics.median(published[1:])
    costs = [one - other for one, other in zip(published[1:], plain[1:], strict=True)]
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    return [
        Figure("start", without * 1000, "ms", None, f"median of {ROUNDS}, {_spread(plain)}; {load}"),
        Figure("start with a published port", with_one * 1000, "ms", None, _spread(published)),
        Figure("what a published port costs", statistics.median(costs) * 1000, "ms", 10.0, "median of the rounds' differences"),
    ]


def _spread(times: list[float]) -> str:
    return f"{min(times) * 1000:.0f} to {max(times) * 1000:.0f}"


def _many(client: Client) -> list[Figure]:
    """They stay until the end of the bench."""
    began = time.monotonic()
    names = [f"many{number}" for number in range(AT_ONCE)]
    serve = ("nc", "-ll", "-p", "80", "-e", "echo")
    found = at_once(lambda name: _published(Client(client.address), name, *serve, name), names, threads=AT_ONCE)
    eventually(lambda: act_on_all("127.0.0.1", found, "ask") == [f"{name}\n" for name in names], what="their answers")
    took = time.monotonic() - began
    again = time.monotonic()
    answers = act_on_all("127.0.0.1", found, "ask")
    once_more = time.monotonic() - again
    wrong = sum(answer != f"{name}\n" for name, answer in zip(names, answers, strict=True))
    return [
        Figure(
            "published containers that do not answer",
            wrong,
            "",
            0.0,
            f"{AT_ONCE} started at once, all answered after {took:.1f} s",
        ),
        Figure(f"{AT_ONCE} connections at once to them", once_more, "s", None, "a forward ends a second after its pod's side"),
    ]


def _throughput(client: Client) -> list[Figure]:
    """From a pod, through the API server."""
    port = _published(client, "blob", "nc", "-ll", "-p", "80", "-e", "head", "-c", str(DOWNLOAD), "/dev/zero")
    eventually(lambda: act("127.0.0.1", port, "outcome") == "data", what="its data")
    began = time.monotonic()
    size, _ = act("127.0.0.1", port, "download")
    took = time.monotonic() - began
    return [Figure("forwarded from a pod", size / took / 1e6, "MB/s", None, f"{size >> 20} MiB")]


def _published(client: Client, name: str, *command: str) -> int:
    made = client.container(name, *command, **PUBLISHED)
    found = client.ask("GET", f"/containers/{made}/json")["NetworkSettings"]["Ports"]["80/tcp"]
    return int(found[0]["HostPort"])
