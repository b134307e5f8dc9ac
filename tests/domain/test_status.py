"""The one state machine: what is stored and what is observed -> Docker's State, and the outcome of a run."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kubedock.domain.container import ContainerRecord, ContainerSpec, Outcome, RestartPolicy
from kubedock.domain.status import Failure, Observed, Status, Terminated, conclude, status

BORN = datetime(2026, 1, 2, 10, tzinfo=UTC)
BEGAN, ENDED, NOW = BORN + timedelta(seconds=1), BORN + timedelta(seconds=5), BORN + timedelta(seconds=9)

CREATED = ContainerRecord("a" * 64, "web", ContainerSpec("alpine"), BORN)
STARTING = replace(CREATED, run=1, object_name="web-1")
RUNNING = replace(STARTING, started_at=BEGAN)
FOREVER = replace(RUNNING, spec=ContainerSpec("alpine", restart=RestartPolicy("always"), workload="deployment"))

SEEN = Observed("web-1", "uid")
ALIVE = replace(SEEN, phase="Running", started=True, running=True, log_ready=True, started_at=BEGAN)
OVER = replace(ALIVE, phase="Failed", running=False, terminated=Terminated(3, BEGAN, ENDED))
GONE = replace(ALIVE, running=False, deleted=True)
COMMAND = Failure("start", "no such command", exit_code=127)


def with_outcome(record: ContainerRecord, *outcome: Any, **more: Any) -> ContainerRecord:
    """A record of a run that has ended."""
    return replace(record, outcome=Outcome(*outcome, **more))


STATES: dict[str, tuple[ContainerRecord, Observed | None, Status]] = {
    "created": (CREATED, None, Status("created")),
    "a start is under way": (STARTING, None, Status("created")),
    "its pod waits": (STARTING, SEEN, Status("created")),
    "it runs, nobody has written it down": (STARTING, ALIVE, Status("created")),
    "running": (RUNNING, ALIVE, Status("running", started_at=BEGAN)),
    "running, nothing seen": (RUNNING, None, Status("running", started_at=BEGAN)),
    "its end is seen and not yet concluded": (RUNNING, OVER, Status("running", started_at=BEGAN)),
    "exited": (
        with_outcome(RUNNING, 3, ENDED),
        OVER,
        Status("exited", exit_code=3, started_at=BEGAN, finished_at=ENDED),
    ),
    "exited, and its pod is gone": (
        with_outcome(RUNNING, 0, ENDED),
        None,
        Status("exited", started_at=BEGAN, finished_at=ENDED),
    ),
    "what is stored wins": (
        with_outcome(RUNNING, 137, ENDED, "killed"),
        ALIVE,
        Status("exited", exit_code=137, error="killed", started_at=BEGAN, finished_at=ENDED),
    ),
    "out of memory": (
        with_outcome(RUNNING, 137, ENDED, oom_killed=True),
        None,
        Status("exited", exit_code=137, oom_killed=True, started_at=BEGAN, finished_at=ENDED),
    ),
    "a start that failed": (
        with_outcome(STARTING, 127, error="no such command", started=False),
        None,
        Status("created", exit_code=127, error="no such command"),
    ),
    "its policy starts it again": (
        replace(with_outcome(RUNNING, 1, ENDED), restarting=True, restart_count=2),
        None,
        Status("restarting", exit_code=1, started_at=BEGAN, finished_at=ENDED, restart_count=2),
    ),
    "removing": (replace(RUNNING, removing=True), ALIVE, Status("removing", started_at=BEGAN)),
    "removing what has ended": (
        replace(with_outcome(RUNNING, 4, ENDED), removing=True),
        None,
        Status("removing", exit_code=4, started_at=BEGAN),
    ),
    "a Deployment runs": (FOREVER, ALIVE, Status("running", started_at=BEGAN)),
    "a Deployment's container is brought back": (
        replace(FOREVER, restart_count=1),
        replace(OVER, phase="Running", waiting_reason="CrashLoopBackOff"),
        Status("restarting", exit_code=3, started_at=BEGAN, finished_at=ENDED, restart_count=1),
    ),
    "a Deployment's container runs again": (
        FOREVER,
        replace(OVER, phase="Running", running=True),
        Status("running", started_at=BEGAN),
    ),
    "a Deployment's next pod waits for a node": (FOREVER, SEEN, Status("restarting", started_at=BEGAN)),
    "a Deployment's pod is gone": (FOREVER, GONE, Status("restarting", started_at=BEGAN)),
}


@pytest.mark.parametrize(("record", "observed", "expected"), STATES.values(), ids=STATES.keys())
def test_status(record: ContainerRecord, observed: Observed | None, expected: Status) -> None:
    """The record decides, the observation adds what the record cannot know."""
    assert status(record, observed) == expected


@pytest.mark.parametrize(
    ("state", "running"),
    [("created", False), ("running", True), ("restarting", True), ("paused", True), ("exited", False), ("removing", False)],
)
def test_what_docker_counts_as_running(state: Any, running: bool) -> None:
    """A container that is about to be started again is."""
    assert Status(state).running == running


OUTCOMES: dict[str, tuple[ContainerRecord, Observed | None, Outcome | None]] = {
    "nothing seen": (RUNNING, None, None),
    "its pod waits": (STARTING, SEEN, None),
    "it runs": (RUNNING, ALIVE, None),
    "it ended": (RUNNING, OVER, Outcome(3, ENDED)),
    "it ended before its start was written down": (STARTING, OVER, Outcome(3, ENDED)),
    "the kubelet knows no time": (RUNNING, replace(OVER, terminated=Terminated(3, None, None)), Outcome(3, NOW)),
    "out of memory": (
        RUNNING,
        replace(OVER, terminated=Terminated(137, BEGAN, ENDED, oom_killed=True)),
        Outcome(137, ENDED, oom_killed=True),
    ),
    "it was known before": (with_outcome(RUNNING, 137, BORN), OVER, None),
    "the command is missing": (
        STARTING,
        replace(SEEN, phase="Failed", failure=COMMAND),
        Outcome(127, error="no such command", started=False),
    ),
    "an image may still come": (STARTING, replace(SEEN, failure=Failure("image", "x", permanent=False)), None),
    "an image that does not come is the start's to say": (STARTING, replace(SEEN, failure=Failure("image", "x")), None),
    "deleted from outside": (RUNNING, GONE, Outcome(137, NOW, "the pod was deleted from outside")),
    "deleted after its end": (RUNNING, replace(OVER, deleted=True), Outcome(3, ENDED)),
    "deleted before it ran": (
        STARTING,
        replace(SEEN, deleted=True),
        Outcome(137, NOW, "the pod was deleted from outside", started=False),
    ),
    "deleted by a stop": (replace(RUNNING, stopped=True), GONE, Outcome(137, NOW)),
    "evicted": (RUNNING, replace(OVER, lost="the pod was evicted"), Outcome(137, ENDED, "the pod was evicted")),
    "evicted, its end unknown": (
        RUNNING,
        replace(ALIVE, running=False, lost="the node is lost"),
        Outcome(137, NOW, "the node is lost"),
    ),
    "a deadline": (
        RUNNING,
        replace(OVER, terminated=Terminated(137, BEGAN, ENDED, message="too long")),
        Outcome(137, ENDED, "too long"),
    ),
    "a stop by way of a deadline": (
        replace(RUNNING, stopped=True),
        replace(OVER, terminated=Terminated(143, BEGAN, ENDED, message="too long")),
        Outcome(143, ENDED),
    ),
    "a Deployment's container ended": (FOREVER, replace(OVER, phase="Running"), None),
    "a Deployment's pod was evicted": (FOREVER, replace(OVER, lost="the pod was evicted"), None),
    "a Deployment's pod was deleted from outside": (FOREVER, replace(OVER, deleted=True), None),
    "a Deployment is being stopped": (replace(FOREVER, stopped=True), OVER, None),
    "a Deployment was stopped": (replace(FOREVER, stopped=True), replace(OVER, deleted=True), Outcome(3, ENDED)),
    "a Deployment's command is missing": (
        replace(FOREVER, started_at=None),
        replace(SEEN, failure=COMMAND),
        Outcome(127, error="no such command", started=False),
    ),
    "a Deployment's command is missing on another node": (FOREVER, replace(SEEN, failure=COMMAND), None),
}


@pytest.mark.parametrize(("record", "observed", "expected"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_conclude(record: ContainerRecord, observed: Observed | None, expected: Outcome | None) -> None:
    """An outcome is a fact: it is told once, and only when it is certain."""
    assert conclude(record, observed, NOW) == expected
