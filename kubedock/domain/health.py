"""Health checks: what was asked for, and how one result follows another. The rules are those of moby's daemon/health.go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

HealthStatus = Literal["starting", "healthy", "unhealthy"]

KEPT = 5
"""So many results are shown; the oldest go first."""
LONGEST_OUTPUT = 4096
FAILED = -1
"""The exit code of a check that did not end by itself, or could not be begun."""


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """A command that tells whether a container is well: exit code 0. Durations in seconds; the defaults are Docker's.

    ``interval`` lies between two checks, and before the first one; while the container has not been healthy yet, within
    its ``start_period``, it is ``start_interval`` instead, and failures do not count. After ``retries`` failures
    in a row it is unhealthy.
    """

    argv: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    start_period: float = 0.0
    start_interval: float = 5.0
    retries: int = 3


@dataclass(frozen=True, slots=True)
class Result:
    """What one check has found."""

    began_at: datetime
    ended_at: datetime
    exit_code: int
    output: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """A container's health at one moment. ``results`` are the last few, oldest first."""

    status: HealthStatus = "starting"
    failing_streak: int = 0
    results: tuple[Result, ...] = ()

    @property
    def words(self) -> str:
        """As ``docker ps`` shows it beside the age."""
        return "health: starting" if self.status == "starting" else self.status


def begun(before: Health | None) -> Health:
    """At the begin of a run: nothing is known. The results of the run before are still shown."""
    return Health(results=before.results if before is not None else ())


def over(health: Health) -> Health:
    """At the end of a run: what does not run is not healthy. As with Docker no event tells of it."""
    return replace(health, status="unhealthy")


def after(health: Health, check: Healthcheck, result: Result, age: float) -> Health:
    """The health after one more result. ``age`` is for how long the container had run when the check began, in seconds."""
    results = (*health.results, result)[-KEPT:]
    if result.exit_code == 0:
        return Health("healthy", 0, results)
    if health.status == "starting" and age < check.start_period:
        return replace(health, results=results)
    streak = health.failing_streak + 1
    return Health("unhealthy" if streak >= check.retries else health.status, streak, results)


def pause(health: Health, check: Healthcheck, age: float) -> float:
    """For how long to wait before the next check. No pause goes beyond the end of the start period."""
    left = check.start_period - age
    return min(check.start_interval, left) if health.status == "starting" and left > 0 else check.interval


# --- what Kubernetes' exec lacks: to end a command that takes too long -----------------------------------------------

SHELL = "/bin/sh"
TRACE = 'echo "$$"; exec "$@"'
LONGEST_NUMBER = 20
KILL = 'kill -s KILL -- "-$0" || kill -s KILL "$0"'


def traced(argv: Sequence[str]) -> list[str]:
    """The same command, which tells the number of its process first, on a line of its standard output."""
    return [SHELL, "-c", TRACE, "sh", *argv]


def killing(process: int) -> list[str]:
    """What ends such a command, with all that it has begun: the runtime makes each exec a group of its own."""
    return [SHELL, "-c", KILL, str(process)]


class Output:
    """The first bytes of what a check writes, to both streams. ``process`` is its number, once it was told."""

    def __init__(self, *, is_traced: bool) -> None:
        self.process: int | None = None
        self._first_line: bytearray | None = bytearray() if is_traced else None
        self._kept = bytearray()
        self._more = False

    def add(self, data: bytes, *, stdout: bool) -> None:
        """Keep what there is room for."""
        if stdout and self._first_line is not None:
            self._first_line += data
            data = bytes(self._first_line)
            line, end, rest = data.partition(b"\n")
            if not end and len(line) < LONGEST_NUMBER:
                return
            self._first_line = None
            if line.isdigit() and len(line) < LONGEST_NUMBER:
                self.process, data = int(line), rest
        room = LONGEST_OUTPUT - len(self._kept)
        self._kept += data[:room]
        self._more = self._more or len(data) > room

    def __str__(self) -> str:
        """As text; what is missing is three dots."""
        return self._kept.decode(errors="replace") + ("..." if self._more else "")
