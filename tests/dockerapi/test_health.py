"""Health checks in Docker's JSON."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kubedock.dockerapi import decode
from kubedock.dockerapi.health import UNKNOWN_IMAGE, health, healthcheck
from kubedock.domain.health import Health, Healthcheck, Result
from kubedock.errors import InvalidParameter

SECOND = 10**9


@pytest.mark.parametrize(
    ("config", "check"),
    [
        ({}, None),
        ({"Healthcheck": None}, None),
        ({"Healthcheck": {}}, None),
        ({"Healthcheck": {"Test": []}}, None),
        ({"Healthcheck": {"Test": ["NONE"]}}, None),
        ({"Healthcheck": {"Test": ["WHAT", "x"]}}, None),
        ({"Healthcheck": {"Interval": SECOND}}, None),
        ({"Healthcheck": {"Test": ["CMD", "pg_isready", "-q"]}}, Healthcheck(("pg_isready", "-q"), 30.0, 30.0, 0.0, 5.0, 3)),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "a || b"]}}, Healthcheck(("/bin/sh", "-c", "a || b"))),
        (
            {"Healthcheck": {"Test": ["CMD-SHELL", "a"]}, "Shell": ["/bin/bash", "-eu", "-c"]},
            Healthcheck(("/bin/bash", "-eu", "-c", "a")),
        ),
        (
            {
                "Healthcheck": {
                    "Test": ["CMD", "a"],
                    "Interval": SECOND,
                    "Timeout": SECOND // 2,
                    "StartPeriod": 10**6,
                    "StartInterval": 90 * SECOND,
                    "Retries": 7,
                }
            },
            Healthcheck(("a",), interval=1.0, timeout=0.5, start_period=0.001, start_interval=90.0, retries=7),
        ),
        ({"Healthcheck": {"Test": ["CMD", "a"], "Interval": 10**400}}, Healthcheck(("a",), interval=(2**63 - 1) / SECOND)),
        (
            {
                "Healthcheck": {
                    "Test": ["CMD", "a"],
                    "Interval": 0,
                    "Timeout": None,
                    "StartPeriod": 0,
                    "StartInterval": 0,
                    "Retries": 0,
                }
            },
            Healthcheck(("a",)),
        ),
    ],
)
def test_a_check(config: dict[str, Any], check: Healthcheck | None) -> None:
    """What is not said is Docker's default."""
    assert decode.create({"Image": "alpine", **config}, {}).spec.healthcheck == check


@pytest.mark.parametrize(
    ("value", "warning"),
    [
        ({}, None),
        ({"Test": []}, None),
        ({"Test": ["NONE"], "Interval": SECOND}, None),
        ({"Test": ["CMD", "a"], "Interval": 10**6}, None),
        ({"Test": ["CMD-SHELL"]}, None),
        ({"Test": ["cmd", "a"]}, 'Healthcheck is not applied: "cmd" is none of NONE, CMD, CMD-SHELL'),
        ({"Interval": SECOND}, UNKNOWN_IMAGE),
        ({"Test": [], "Retries": 2}, UNKNOWN_IMAGE),
    ],
)
def test_warnings(value: dict[str, Any], warning: str | None) -> None:
    """For what has no effect."""
    assert healthcheck(value) == warning


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        *(({key: 10**6 - 1}, f"{key} in Healthcheck cannot be less than 1ms") for key in ("Interval", "Timeout", "StartPeriod")),
        ({"StartInterval": -1}, "StartInterval in Healthcheck cannot be less than 1ms"),
        ({"Retries": -1}, "Retries in Healthcheck cannot be negative"),
        ({"Test": ["CMD"]}, "Healthcheck CMD needs a command"),
        ({"Test": "true"}, "invalid JSON: Healthcheck.Test: an array of strings is expected"),
        ({"Interval": "30s"}, "invalid JSON: Healthcheck.Interval: an integer is expected"),
    ],
)
def test_refusals(value: dict[str, Any], sentence: str) -> None:
    """moby: daemon/container.go, validateHealthCheck."""
    with pytest.raises(InvalidParameter) as refused:
        healthcheck(value)
    assert str(refused.value) == sentence


def test_how_it_is_shown() -> None:
    """Whole; without results the log is empty, not null."""
    began = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
    found = Result(began, began + timedelta(seconds=1), -1, "Health check exceeded timeout (1s)")
    assert health(Health("unhealthy", 3, (found,))) == {
        "Status": "unhealthy",
        "FailingStreak": 3,
        "Log": [
            {
                "Start": "2026-01-02T03:04:05.6Z",
                "End": "2026-01-02T03:04:06.6Z",
                "ExitCode": -1,
                "Output": "Health check exceeded timeout (1s)",
            }
        ],
    }
    assert health(Health()) == {"Status": "starting", "FailingStreak": 0, "Log": []}
