"""The health of containers, by run and instance."""

from dataclasses import replace
from datetime import UTC, datetime

from kubedock.domain.container import ContainerRecord, ContainerSpec, Outcome
from kubedock.domain.health import Health, Healthcheck, over
from kubedock.state.health import Healths

T0 = datetime(2026, 1, 2, tzinfo=UTC)
CREATED = ContainerRecord("a" * 64, "web", ContainerSpec("alpine", healthcheck=Healthcheck(("true",))), T0)
STARTING = replace(CREATED, run=1, object_name="web-1")
RUNNING = replace(STARTING, started_at=T0)
EXITED = replace(RUNNING, outcome=Outcome(0, T0))
AGAIN = replace(RUNNING, run=2)
HEALTHY = Health("healthy")


def test_what_has_just_begun_is_starting_before_anybody_says_so() -> None:
    """Who inspects at once sees it, also after a restart by the kubelet; what has never run has no health."""
    healths = Healths()
    assert [healths.of(record) for record in (CREATED, STARTING, RUNNING)] == [None, None, Health()]
    healths.begin(RUNNING)
    assert healths.change(RUNNING.id, lambda _: HEALTHY) == (Health(), HEALTHY)
    assert healths.of(RUNNING) == HEALTHY
    assert [healths.of(record) for record in (AGAIN, replace(RUNNING, restart_count=1))] == [Health(), Health()]


def test_what_has_ended_keeps_its_health() -> None:
    """Until it is forgotten, also while the next run is on its way."""
    healths = Healths()
    healths.begin(RUNNING)
    healths.change(RUNNING.id, over)
    waiting = replace(AGAIN, started_at=None)
    assert [healths.of(record) for record in (EXITED, waiting)] == [Health("unhealthy")] * 2
    healths.forget(RUNNING.id)
    assert healths.of(EXITED) is None
    assert healths.change(RUNNING.id, over) is None


def test_without_a_check_there_is_none() -> None:
    """Whatever happens."""
    healths, plain = Healths(), replace(RUNNING, spec=ContainerSpec("alpine"))
    healths.begin(plain)
    assert healths.of(plain) is None
