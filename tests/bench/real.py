"""On the real cluster: what kubedock adds to Kubernetes."""

import math
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import docker
import pytest

from kubedock.cluster import WatchEvent
from kubedock.cluster.protocol import ERROR
from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.kube.gateway import KubeGateway
from kubedock.kube.manifest import PodDefaults, pod_manifest
from kubedock.kube.rights import RIGHTS
from kubedock.streams.channels import exit_status
from tests.bench.figures import Figure
from tests.bench.http import Client, pause
from tests.support.clients import DockerCli, at_once
from tests.support.faultproxy import FaultProxy, Seen
from tests.support.kubedock_server import KubedockServer, kubedock_server
from tests.support.realcluster import RealCluster, namespace_of_our_own
from tests.support.waiting import converse, eventually, gathered

ROUNDS = 20
FOLLOWERS, FOLLOWED, LINES = 50, 10, 100


@contextmanager
def namespace() -> Iterator[RealCluster | None]:
    """A namespace of the real cluster; None where there is none, which CI takes for a failure."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            real = stack.enter_context(contextmanager(namespace_of_our_own)(Path(folder)))
        except pytest.skip.Exception as reason:
            print(f"left out: {reason}")
            real = None
        yield real


def rules(*, events: bool) -> list[dict[str, list[str]]]:
    """kubedock's Role, with or without the right to see events."""
    return [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)}
        for right in RIGHTS
        if events or right.resource != "events"
    ]


# --- start -----------------------------------------------------------------------------------------------------------


class ByHand:
    """Creates pods and sees, by two watches, when they run: by the event, and by the status."""

    def __init__(self, gateway: KubeGateway) -> None:
        self._gateway = gateway
        self._seen = threading.Condition()
        self._times: dict[tuple[str, str], float] = {}
        self._watches = [gateway.watch(kind, since=gateway.list(kind).resource_version, seconds=3000) for kind in ("Event", "Pod")]
        self._threads = [
            threading.Thread(target=self._watch, args=(watch,), name="by hand", daemon=True)  # noqa: TID251 - joined by close
            for watch in self._watches
        ]
        for thread in self._threads:
            thread.start()

    def _watch(self, watch: Iterator[WatchEvent]) -> None:
        for event in watch:
            if event.object.get("kind") == "Event":
                if event.object.get("reason") == "Started":
                    self._note(event.object["involvedObject"]["name"], "Started")
            elif any("running" in each["state"] for each in event.object.get("status", {}).get("containerStatuses") or ()):
                self._note(event.object["metadata"]["name"], "Running")

    def _note(self, pod: str, what: str) -> None:
        with self._seen:
            self._times.setdefault((pod, what), time.perf_counter())
            self._seen.notify_all()

    def create(self, number: int) -> tuple[float, float]:
        """The seconds until the event, and until the status."""
        spec, name = ContainerSpec("alpine", command=("sleep", "1000")), f"hand-{number}"
        record = ContainerRecord(f"{number:064x}", name, spec, datetime.now(UTC), image_source="alpine", run=1, object_name=name)
        manifest = pod_manifest(record, PodDefaults("by-hand"))
        began = time.perf_counter()
        self._gateway.create("Pod", manifest)
        keys = [(name, what) for what in ("Started", "Running")]
        with self._seen:
            assert self._seen.wait_for(lambda: all(key in self._times for key in keys), 30), "the pod does not run"
        self._gateway.delete("Pod", name, grace=0)
        return self._times[keys[0]] - began, self._times[keys[1]] - began

    def close(self) -> None:
        """End the watches."""
        for watch, thread in zip(self._watches, self._threads, strict=True):
            watch.close()
            thread.join(5)


class ByKubedock:
    """The same by kubedock."""

    def __init__(self, server: KubedockServer) -> None:
        self._client = Client(server.live.tcp)
        self._client.pull()

    def start(self, number: int) -> float:
        """From ``start`` to its answer."""
        made = self._client.container(f"docker{number}", "sleep", "1000", start=False)
        took = self._client.timed("POST", f"/containers/{made}/start")
        self._client.ask("DELETE", f"/containers/{made}?force=1")
        return took


def start() -> list[Figure]:
    """``start`` against the same pod made by hand, by turns in one run, with random pauses.

    The kubelet looks once a second: the turns of a round begin at the same random part of its second, or the medians of
    20 would mostly tell how lucky each was with it.
    """
    with namespace() as real, ExitStack() as stack:
        if real is None:
            return []
        gateway = KubeGateway.connect(kubeconfig=str(real.kubeconfig), context=None, namespace=real.namespace)
        hand = ByHand(gateway)
        stack.callback(hand.close)
        with_events = ByKubedock(server_of(stack, real, real.kubeconfig))
        without = ByKubedock(server_of(stack, real, real.service_account(rules(events=False), "blind")))
        by_hand, seen, blind = list[tuple[float, float]](), list[float](), list[float]()
        chance = random.Random()
        turns: list[Callable[[int], None]] = [
            lambda number: by_hand.append(hand.create(number)),
            lambda number: seen.append(with_events.start(number)),
            lambda number: blind.append(without.start(number)),
        ]
        for number in range(ROUNDS + 1):
            begin = time.monotonic() + chance.uniform(0.2, 1.2)
            for turn in chance.sample(turns, len(turns)):
                pause(begin - time.monotonic())
                turn(number)
                begin += math.ceil(time.monotonic() + 0.2 - begin)
    # The first of each opens connections and fills caches.
    return _compared(by_hand[1:], seen[1:], blind[1:])


def _compared(by_hand: Sequence[tuple[float, float]], seen: Sequence[float], blind: Sequence[float]) -> list[Figure]:
    event, status = (statistics.median(times) for times in zip(*by_hand, strict=True))
    ours, without = statistics.median(seen), statistics.median(blind)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    return [
        Figure("by hand, Started event", event * 1000, "ms", None, f"medians of {ROUNDS}; {load}"),
        Figure("by hand, status Running", status * 1000, "ms"),
        Figure("start", ours * 1000, "ms", None, f"{min(seen) * 1000:.0f} to {max(seen) * 1000:.0f}"),
        Figure("start without events", without * 1000, "ms", None, f"{min(blind) * 1000:.0f} to {max(blind) * 1000:.0f}"),
        Figure("event / status, by hand", event / status, "", 0.5, "what watching events is worth"),
        Figure("start / event by hand", ours / event, "", 1.25),
        Figure("start without events / status by hand", without / status, "", 1.15),
    ]


def server_of(stack: ExitStack, real: RealCluster, kubeconfig: Path) -> KubedockServer:
    """A server that ends with the stack."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return stack.enter_context(kubedock_server(real, folder, kubeconfig=kubeconfig))


# --- names -----------------------------------------------------------------------------------------------------------

LOOKUPS = 10


def names() -> list[Figure]:
    """A start in a network against one on the bridge, and whether its names resolve when it is answered."""
    with namespace() as real, ExitStack() as stack:
        if real is None:
            return []
        client = Client(server_of(stack, real, real.kubeconfig).live.tcp)
        client.pull()
        client.ask("POST", "/networks/create", {"Name": "net"})
        asker = client.container("asker", "sleep", "1000", NetworkMode="net")
        plain, named, known = list[float](), list[float](), 0
        for number in range(LOOKUPS + 1):
            for mode, times in (("bridge", plain), ("net", named)):
                name = f"{mode}-{number}"
                made = client.container(name, "sleep", "1000", start=False, NetworkMode=mode)
                times.append(client.timed("POST", f"/containers/{made}/start"))
                known += mode == "net" and client.code(asker, "ping", "-c", "1", "-w", "1", name) == 0
                client.ask("DELETE", f"/containers/{made}?force=1")
                pause(random.uniform(0.0, 1.0))  # the kubelet looks once a second
    bridge, net = statistics.median(plain[1:]), statistics.median(named[1:])
    return [
        Figure("start on the bridge", bridge * 1000, "ms", None, f"median of {LOOKUPS}"),
        Figure("start in a network", net * 1000, "ms", None, "the pod's address comes with its status, up to a second later"),
        Figure("names that did not resolve at once", LOOKUPS + 1 - known, "", 0.0),
    ]


# --- exec ------------------------------------------------------------------------------------------------------------

EXECS = 50


def execs() -> list[Figure]:
    """``exec true`` (create, start, inspect) against a bare exec by the same WebSocket code, by turns in one run."""
    with namespace() as real, ExitStack() as stack:
        if real is None:
            return []
        gateway = KubeGateway.connect(kubeconfig=str(real.kubeconfig), context=None, namespace=real.namespace)
        stack.callback(gateway.close)
        client = Client(server_of(stack, real, real.kubeconfig).live.tcp)
        client.pull()
        made = client.container("execs", "sleep", "1000")
        pod = gateway.list("Pod").items[0]["metadata"]["name"]
        bare, ours, chance = list[float](), list[float](), random.Random()
        turns = [lambda: bare.append(_bare_exec(gateway, pod)), lambda: ours.append(client.exec(made, "true"))]
        for _ in range(EXECS + 1):
            for turn in chance.sample(turns, len(turns)):
                turn()
    by_hand, by_us = statistics.median(bare[1:]), statistics.median(ours[1:])
    return [
        Figure(
            "a bare exec of true",
            by_hand * 1000,
            "ms",
            None,
            f"median of {EXECS}; {min(bare) * 1000:.0f} to {max(bare) * 1000:.0f}",
        ),
        Figure("exec true", by_us * 1000, "ms", None, f"{min(ours) * 1000:.0f} to {max(ours) * 1000:.0f}"),
        Figure("exec true / a bare exec", by_us / by_hand, "", 1.3),
    ]


def _bare_exec(gateway: KubeGateway, pod: str) -> float:
    began = time.perf_counter()
    with gateway.exec(pod, ["true"]) as channels:
        said = gathered(converse(channels))
    assert exit_status(said[ERROR]).code == 0
    return time.perf_counter() - began


# --- requests --------------------------------------------------------------------------------------------------------


def requests() -> list[Figure]:
    """The Kubernetes requests of ``docker run --rm``, beside the two watches."""
    with namespace() as real, ExitStack() as stack:
        if real is None:
            return []
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        proxy = stack.enter_context(FaultProxy(real.service_account(rules(events=True)), folder))
        server = server_of(stack, real, proxy.kubeconfig)
        cli = DockerCli(server.tcp, folder)
        cli.ok("pull", "alpine")
        cli.ok("network", "create", "net")
        figures = []
        for what, most, words in (
            ("that says hi", 5.0, ("alpine", "echo", "hi")),
            ("that takes two seconds", 5.0, ("alpine", "sh", "-c", "echo hi; sleep 2; echo ho")),
            # and in a network: who has its two names, a Service written and deleted for each
            ("in a network", 10.0, ("--network", "net", "alpine", "echo", "hi")),
        ):
            eventually(lambda: _quiet(proxy), what="quiet")
            before = len(proxy.requests)
            cli.ok("run", "--rm", *words)
            eventually(lambda: cli.ok("ps", "-aq") == "", what="the removal")
            seen = [_shown(request) for request in proxy.requests[before:] if "watch=true" not in request.target]
            figures.append(Figure(f"requests of a --rm container {what}", len(seen), "", most, ", ".join(seen)))
    return figures


def _quiet(proxy: FaultProxy) -> bool:
    """Nothing was asked for half a second."""
    before = len(proxy.requests)
    pause(0.5)
    return len(proxy.requests) == before


def _shown(request: Seen) -> str:
    path, _, query = request.target.partition("?")
    what = path.split("/")[5] if path.count("/") > 4 else path
    part = "/log" if path.endswith("/log") else ""
    return f"{request.method} {what}{part}{' follow' if 'follow=true' in query else ''}"


# --- followers -------------------------------------------------------------------------------------------------------


def followers() -> list[Figure]:
    """Many ``logs -f`` over a few pods: every line once to each, and one stream from the cluster for each pod."""
    with namespace() as real, ExitStack() as stack:
        if real is None:
            return []
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        proxy = stack.enter_context(FaultProxy(real.service_account(rules(events=True)), folder))
        server = server_of(stack, real, proxy.kubeconfig)
        client = Client(server.live.tcp)
        client.pull()
        script = f"sleep 3; for i in $(seq {LINES}); do echo line $i; sleep 0.05; done"
        ids = [client.container(f"c{number}", "sh", "-c", script) for number in range(FOLLOWED)]
        began = time.monotonic()
        counts = _follow(server, ids)
        took = time.monotonic() - began
        follows = [request.target.partition("?")[0] for request in proxy.requests if "follow=true" in request.target]
    wrong = sum(count != LINES for count in counts)
    return [
        Figure("followers that lack or repeat lines", wrong, "", 0.0, f"{FOLLOWERS} logs -f, {LINES} lines each, {took:.1f} s"),
        Figure("most log streams of one pod", max(map(follows.count, follows)), "", 1.0, f"{len(follows)} of {FOLLOWED} pods"),
    ]


def _follow(server: KubedockServer, ids: Sequence[str]) -> list[int]:
    """How many lines each follower got, in order and once; -1 where not."""

    def one(number: int) -> int:
        client = docker.DockerClient(base_url=server.tcp, timeout=120)
        try:
            container = client.containers.get(ids[number % len(ids)])
            text = b"".join(container.logs(stream=True, follow=True))
        finally:
            client.close()
        lines = text.splitlines()
        return len(lines) if lines == [b"line %d" % (number + 1) for number in range(len(lines))] else -1

    return at_once(one, range(FOLLOWERS), threads=FOLLOWERS)
