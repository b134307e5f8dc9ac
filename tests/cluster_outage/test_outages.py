"""The cluster goes away and comes back: no answer is wrong meanwhile, nothing is lost, and everything resumes."""

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster_outage.conftest import Stage
from tests.cluster_outage.witness import Stream, Truth, Witness, contradictions, reading, truth_of
from tests.support.kubedock_server import pods
from tests.support.realcluster import CLUSTER
from tests.support.waiting import eventually

COUNTS = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done"
RESUMED = 30.0
"""Seconds after an outage until everything must be right again."""

Outage = Callable[[Stage, float], None]


def passing(seconds: float) -> None:
    """Time passes: the outage lasts."""
    threading.Event().wait(seconds)


def cut(stage: Stage, seconds: float) -> None:
    """Every connection breaks in mid-frame, again and again."""
    for _ in range(int(seconds)):
        stage.proxy.cut()
        passing(1.0)


def gone(stage: Stage, seconds: float) -> None:
    """Watches are cut, and their versions are too old."""
    stage.proxy.answer(410, "watch=true")
    stage.proxy.cut()
    passing(seconds)
    stage.proxy.clear()


def failing(stage: Stage, seconds: float) -> None:
    """Whatever is asked is answered with 500."""
    stage.proxy.answer(500)
    stage.proxy.cut()
    passing(seconds)
    stage.proxy.clear()


def held(stage: Stage, seconds: float) -> None:
    """Nothing comes through, and nothing breaks."""
    with stage.proxy.held():
        passing(seconds)


def stopped(_: Stage, seconds: float) -> None:
    """The API server's process stands still."""
    with standing(_api_server()):
        passing(seconds)


def one_after_the_other(stage: Stage, seconds: float) -> None:
    """All that a proxy can do."""
    for outage in (cut, gone, failing, held):
        outage(stage, seconds)


@contextmanager
def standing(pid: int) -> Iterator[None]:
    """A process is stopped, and goes on whatever happens."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _api_server() -> int:
    shown = subprocess.run([str(CLUSTER), "status"], capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r"^kube-apiserver\s+process (\d+)", shown, re.MULTILINE)
    assert found, shown
    return int(found[1])


def numbers(stream: Stream) -> list[bytes]:
    """What a container that counts must have written, as far as this was read."""
    return [b"%d" % (number + 1) for number in range(len(stream.lines()))]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("outage", "seconds"),
    [
        (one_after_the_other, 3.0),
        *(pytest.param(outage, 30.0, marks=pytest.mark.prove) for outage in (cut, gone, failing, held, stopped)),
    ],
)
def test_nothing_that_is_said_is_wrong_and_everything_resumes(stage: Stage, outage: Outage, seconds: float) -> None:
    """One container runs through it, one ends in it, one is not started; logs, events and waits are read all the time."""
    cli, server = stage.cli, stage.server
    with (
        Witness(server) as witness,
        reading(server, "GET", '/events?filters={"event":["start","die"]}') as events,
    ):
        steady = cli.ok("run", "-d", "alpine", "sh", "-c", COUNTS)
        ending = cli.ok("run", "-d", "alpine", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 1; done; exit 7")
        still = cli.ok("create", "alpine", "true")
        steady_log = f"/containers/{steady}/logs?follow=1&stdout=1"
        with (
            reading(server, "GET", steady_log, framed=True) as early,
            reading(server, "GET", f"/containers/{ending}/logs?follow=1&stdout=1", framed=True) as short,
            reading(server, "POST", f"/containers/{ending}/wait") as waiting,
        ):
            eventually(lambda: len(early.lines()) > 5, what="the first lines")
            outage(stage, seconds)

            assert waiting.ended.wait(RESUMED)
            assert b'"StatusCode":7' in waiting.data
            assert short.ended.wait(RESUMED)
            assert short.lines() == [b"1", b"2", b"3"]
            before = len(early.lines())
            eventually(lambda: len(early.lines()) > before + 20, seconds=RESUMED, what="more lines")
            eventually(lambda: _states(stage, steady, ending, still) == ["running", "exited", "created"], seconds=RESUMED)
            with reading(server, "GET", steady_log, framed=True) as late:
                assert cli.ok("run", "--rm", "alpine", "echo", "again", seconds=RESUMED) == "again"
                truths = {pod["metadata"]["labels"]["kubedock.containerid"]: truth_of(pod) for pod in pods(stage.real)}
                cli.ok("kill", steady)
                assert early.ended.wait(RESUMED)
                assert late.ended.wait(RESUMED)

        assert early.lines() == numbers(early)
        assert late.lines() == early.lines()
        assert cli.ok("logs", steady).encode().split(b"\n") == early.lines()
        passing(0.5)
    assert witness.troubles == []
    for container, truth in ((ending, truths[ending[:12]]), (still, Truth())):
        assert contradictions(witness.answers[container], truth) == []
    assert truths[ending[:12]].exit_code == 7
    lived = [answer for answer in witness.answers[steady] if answer.state != "exited"]
    assert contradictions(lived, truths[steady[:12]]) == []
    assert {answer.exit_code for answer in witness.answers[steady] if answer.state == "exited"} <= {None, 137}
    told = [(line["Actor"]["ID"], line["Action"]) for line in _json_lines(events)]
    assert [action for container, action in told if container == ending] == ["start", "die"]
    assert [action for container, action in told if container == steady] == ["start", "die"]


def test_what_is_asked_in_an_outage_ends_with_a_sentence(stage: Stage) -> None:
    """Nothing is claimed that did not happen, and afterwards all of it can be had."""
    cli = stage.cli
    web = cli.ok("run", "-d", "alpine", "sh", "-c", "echo 1; sleep 1000")
    eventually(lambda: cli.ok("logs", web) == "1", what="its log")
    stage.proxy.answer(500)
    stage.proxy.cut()
    failed = cli("run", "-d", "--name", cli.name("late"), "alpine", "sleep", "1000")
    killed, removed = cli("kill", web), cli("rm", "-f", web)
    shown = _states(stage, web, failed.out.strip())
    stage.proxy.clear()

    assert (failed.code, killed.code, removed.code) == (125, 1, 1)
    for answer in (failed, killed, removed):
        assert "fault injected: 500" in answer.err
    assert shown == _states(stage, web, failed.out.strip()) == ["running", "created"]
    assert cli.ok("logs", web) == "1"
    assert [
        pod["metadata"]["labels"]["kubedock.containerid"] for pod in pods(stage.real, f"kubedock.id={stage.server.instance}")
    ] == [web[:12]]
    cli.ok("start", failed.out.strip(), seconds=RESUMED)
    cli.ok("rm", "-f", web, failed.out.strip())


def test_what_is_asked_while_nothing_comes_through_is_done_afterwards(stage: Stage) -> None:
    """A short standstill is only a delay, and ``ps`` knows none."""
    cli = stage.cli
    web = cli.ok("run", "-d", "alpine", "sleep", "1000")
    with stage.proxy.held(), cli.begin("run", "--rm", "alpine", "echo", "hi") as running, cli.begin("kill", web) as killing:
        passing(3.0)
        assert cli.ok("ps", "-q", "--no-trunc") == web
        stage.proxy.release()
        assert (running.wait(RESUMED).out, killing.wait(RESUMED).code) == ("hi\n", 0)
    assert cli.inspect(web, ".State.Status") == "exited"


def _states(stage: Stage, *containers: str) -> list[str]:
    return [stage.cli.inspect(container, ".State.Status") for container in containers]


def _json_lines(stream: Stream) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.lines()]
