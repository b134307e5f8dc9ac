"""Docker's JSON of health checks: what is asked for, and how a container's health is shown."""

from collections.abc import Mapping
from typing import Any

from kubedock.dockerapi.kinds import optional
from kubedock.domain import units
from kubedock.domain.health import SHELL, Health, Healthcheck
from kubedock.errors import InvalidParameter

Json = dict[str, Any]

KINDS = ("NONE", "CMD", "CMD-SHELL")
DURATIONS = ("Interval", "Timeout", "StartPeriod", "StartInterval")
SHORTEST, SECOND = 10**6, 10**9
LONGEST = 2**63 - 1
"""Nanoseconds, as in Docker's numbers of 64 bits."""

UNKNOWN_IMAGE = "Healthcheck is not applied without a Test: the image's own check is not known"


def healthcheck(value: Mapping[str, Any]) -> str | None:
    """The rule for the field; a kind of test that Docker does not know is none there either."""
    path = "Healthcheck."
    test = optional("strings", value, "Test", path)
    for key in DURATIONS:
        duration = optional("integer", value, key, path)
        if duration and duration < SHORTEST:
            raise InvalidParameter(f"{key} in Healthcheck cannot be less than 1ms")
    if (optional("integer", value, "Retries", path) or 0) < 0:
        raise InvalidParameter("Retries in Healthcheck cannot be negative")
    if not test:
        return UNKNOWN_IMAGE if any(value.get(key) for key in (*DURATIONS, "Retries")) else None
    if test == ["CMD"]:
        raise InvalidParameter("Healthcheck CMD needs a command")
    return None if test[0] in KINDS else f'Healthcheck is not applied: "{test[0]}" is none of {", ".join(KINDS)}'


def check(value: Mapping[str, Any] | None, shell: list[str] | None) -> Healthcheck | None:
    """The check that a checked field asks for; ``shell`` is what runs CMD-SHELL, None for the usual one."""
    kind, *words = (value or {}).get("Test") or [""]
    if value is None or kind not in ("CMD", "CMD-SHELL"):
        return None
    argv = (*(shell or (SHELL, "-c")), *words) if kind == "CMD-SHELL" else tuple(words)
    usual = Healthcheck(argv)

    def seconds(key: str, default: float) -> float:
        return min(value.get(key) or 0, LONGEST) / SECOND or default

    return Healthcheck(
        argv,
        interval=seconds("Interval", usual.interval),
        timeout=seconds("Timeout", usual.timeout),
        start_period=seconds("StartPeriod", usual.start_period),
        start_interval=seconds("StartInterval", usual.start_interval),
        retries=value.get("Retries") or usual.retries,
    )


def health(shown: Health) -> Json:
    """State.Health."""
    return {
        "Status": shown.status,
        "FailingStreak": shown.failing_streak,
        "Log": [
            {
                "Start": units.rfc3339(result.began_at),
                "End": units.rfc3339(result.ended_at),
                "ExitCode": result.exit_code,
                "Output": result.output,
            }
            for result in shown.results
        ],
    }
