"""Published ports: what one costs at the start, and what goes through it."""

import os
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack

from tests.bench.figures import Figure, milliseconds
from tests.bench.http import Client
from tests.bench.memory import SERVER
from tests.bench.real import namespace, server_of
from tests.support.clients import at_once
from tests.support.live import LiveServer
from tests.support.portclient import act, act_on_all
from tests.support.waiting import eventually

ROUNDS, ALONE = 200, 300
AT_ONCE = 50
DOWNLOAD = 256 << 20
PUBLISHED = {"PortBindings": {"80/tcp": [{"HostPort": ""}]}}


def ports() -> list[Figure]:
    """A start with a published port against one without, by turns in one run; fifty containers at once; throughput."""
    with LiveServer(SERVER) as server:
        client = Client(server.tcp)
        client.pull()
        alone = _starts(client, ALONE, "in memory")
    with namespace() as real, ExitStack() as stack:
        if real is None:
            return alone
        client = Client(server_of(stack, real, real.kubeconfig).live.tcp)
        client.pull()
        return [*alone, *_starts(client, ROUNDS, "on the cluster"), *_many(client), *_throughput(client)]


def _starts(client: Client, rounds: int, where: str) -> list[Figure]:
    """By turns in one run, in each the two in either order: what else happens on the machine happens to both."""
    times: dict[bool, list[float]] = {False: [], True: []}
    chance = random.Random()
    for number in range(rounds):
        for published in chance.sample((False, True), 2):
            host = PUBLISHED if published else {}
            made = client.container(f"c{number}{'p' * published}", "sleep", "1000", start=False, **host)
            times[published].append(client.timed("POST", f"/containers/{made}/start"))
            client.ask("DELETE", f"/containers/{made}?force=1")
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    return cost(times[False], times[True], where, load)


def cost(without: Sequence[float], with_one: Sequence[float], where: str, load: str) -> list[Figure]:
    """The medians of starts, in seconds, and their difference, which is bounded; the quick starts' difference beside it.

    A busy machine only makes starts longer, so where the two differ it is the quick ones that tell of kubedock alone.
    """
    plain, published = milliseconds(without), milliseconds(with_one)
    quick = milliseconds(with_one, 0.25) - milliseconds(without, 0.25)
    return [
        Figure(f"start {where}", plain, "ms", None, f"medians of {len(without)}; {load}"),
        Figure(f"start {where} with a published port", published, "ms"),
        Figure(f"what a published port costs {where}", published - plain, "ms", 10.0, f"lower quartiles: {quick:.4g} ms"),
    ]


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
