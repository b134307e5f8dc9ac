"""Health: how one result follows another, and when the next check is due."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.domain.health import KEPT, LONGEST_OUTPUT, Health, Healthcheck, Output, Result, after, begun, over, pause, traced

T0 = datetime(2026, 1, 2, tzinfo=UTC)
CHECK = Healthcheck(("true",), interval=10.0, start_period=30.0, start_interval=2.0, retries=2)
NO_PERIOD = replace(CHECK, start_period=0.0)
STARTING, HEALTHY, UNHEALTHY = Health(), Health("healthy"), Health("unhealthy", 2)


def result(exit_code: int, number: int = 0) -> Result:
    """One."""
    return Result(T0 + timedelta(seconds=number), T0 + timedelta(seconds=number + 1), exit_code, f"{number}")


@pytest.mark.parametrize(
    ("check", "health", "exit_code", "age", "status", "streak"),
    [
        (CHECK, STARTING, 0, 1, "healthy", 0),
        (CHECK, STARTING, 1, 29.9, "starting", 0),
        (CHECK, STARTING, 1, 30.0, "starting", 1),
        (CHECK, Health("starting", 1), 1, 31, "unhealthy", 2),
        (CHECK, Health("starting", 1), 0, 31, "healthy", 0),
        (CHECK, HEALTHY, 1, 1, "healthy", 1),
        (CHECK, Health("healthy", 1), 2, 1, "unhealthy", 2),
        (CHECK, Health("healthy", 1), -1, 1, "unhealthy", 2),
        (CHECK, Health("healthy", 1), 0, 1, "healthy", 0),
        (CHECK, UNHEALTHY, 127, 99, "unhealthy", 3),
        (CHECK, UNHEALTHY, 0, 99, "healthy", 0),
        (NO_PERIOD, STARTING, 1, 0, "starting", 1),
        (replace(NO_PERIOD, retries=1), STARTING, 1, 0, "unhealthy", 1),
        (replace(CHECK, retries=1), STARTING, 1, 0, "starting", 0),
    ],
)
def test_a_result(check: Healthcheck, health: Health, exit_code: int, age: float, status: str, streak: int) -> None:
    """moby: daemon/health.go, handleProbeResult."""
    found = result(exit_code)
    assert after(health, check, found, age) == Health(status, streak, (found,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("check", "health", "age", "seconds"),
    [
        (CHECK, STARTING, 0.0, 2.0),
        (CHECK, STARTING, 29.0, 1.0),
        (CHECK, STARTING, 30.0, 10.0),
        (CHECK, HEALTHY, 0.0, 10.0),
        (CHECK, UNHEALTHY, 0.0, 10.0),
        (NO_PERIOD, STARTING, 0.0, 10.0),
        (replace(CHECK, start_interval=60.0), STARTING, 0.0, 30.0),
        (replace(CHECK, interval=1.0), STARTING, 0.0, 2.0),
        (Healthcheck(("true",)), STARTING, 0.0, 30.0),
        (Healthcheck(("true",), start_period=60.0), STARTING, 0.0, 5.0),
    ],
)
def test_when_the_next_one_is_due(check: Healthcheck, health: Health, age: float, seconds: float) -> None:
    """moby: daemon/health.go, monitor; a check at the end of the start period as of moby's pull request 52317."""
    assert pause(health, check, age) == seconds


def test_the_begin_and_the_end_of_a_run() -> None:
    """The results of the run before are shown until there are new ones; what does not run is not healthy."""
    last = Health("healthy", 0, (result(1), result(0)))
    assert over(last) == Health("unhealthy", 0, last.results)
    assert begun(over(last)) == Health("starting", 0, last.results)
    assert begun(None) == Health()


@pytest.mark.parametrize(("health", "words"), [(STARTING, "health: starting"), (HEALTHY, "healthy"), (UNHEALTHY, "unhealthy")])
def test_words(health: Health, words: str) -> None:
    """As docker ps shows them."""
    assert health.words == words


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.floats(0, 100))), st.integers(1, 4), st.sampled_from([0.0, 50.0]))
def test_any_results(results: list[tuple[int, float]], retries: int, period: float) -> None:
    """The last five are kept in order; the streak counts what failed since the last success, and decides."""
    check, health, failures, was_healthy = Healthcheck(("x",), retries=retries, start_period=period), Health(), 0, False
    for number, (code, age) in enumerate(results):
        counts = code != 0 and (health.status != "starting" or age >= period)
        health = after(health, check, result(code, number), age)
        failures = 0 if code == 0 else failures + counts
        was_healthy = was_healthy or code == 0
        assert health.failing_streak == failures
        assert (health.status == "unhealthy") is (failures >= retries)
        assert health.status != "healthy" or was_healthy
        assert 0 < pause(health, check, age) <= max(check.interval, check.start_interval)
    assert [each.output for each in health.results] == [str(number) for number in range(len(results))][-KEPT:]


# --- output --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"", ""),
        (b"fine\n", "fine\n"),
        ("größer".encode(), "größer"),
        (b"\xff!", "\N{REPLACEMENT CHARACTER}!"),
        (b"x" * LONGEST_OUTPUT, "x" * LONGEST_OUTPUT),
        (b"x" * (LONGEST_OUTPUT + 1), "x" * LONGEST_OUTPUT + "..."),
    ],
)
def test_output_is_cut(written: bytes, shown: str) -> None:
    """At 4096 bytes."""
    output = Output(is_traced=False)
    output.add(written, stdout=True)
    assert (str(output), output.process) == (shown, None)


@given(st.binary(max_size=LONGEST_OUTPUT), st.lists(st.integers(0, LONGEST_OUTPUT), max_size=5), st.booleans())
def test_output_comes_in_any_pieces(data: bytes, cuts: list[int], is_traced: bool) -> None:
    """With the number of the process before it, or without."""
    written = (b"123\n" if is_traced else b"") + data
    output, places = Output(is_traced=is_traced), sorted({0, len(written), *(cut for cut in cuts if cut < len(written))})
    for start, end in pairwise(places):
        output.add(written[start:end], stdout=True)
    assert (str(output), output.process) == (data.decode(errors="replace"), 123 if is_traced else None)


def test_the_number_of_the_process_is_on_the_standard_output() -> None:
    """The other stream may be earlier."""
    output = Output(is_traced=True)
    output.add(b"early\n", stdout=False)
    output.add(b"5\nout\n", stdout=True)
    assert (str(output), output.process) == ("early\nout\n", 5)
    assert traced(("a", "b c")) == ["/bin/sh", "-c", 'echo "$$"; exec "$@"', "sh", "a", "b c"]


@pytest.mark.parametrize("written", [b"what?\n", b"\n5\n", b"9" * 5000, b"x" * 5000, b"9" * 5000 + b"\n"])
def test_a_shell_that_tells_no_number(written: bytes) -> None:
    """What it writes is output, and not kept beyond what is shown."""
    output = Output(is_traced=True)
    for at in range(0, len(written), 7):
        output.add(written[at : at + 7], stdout=True)
    assert output.process is None
    assert str(output) == written.decode()[:LONGEST_OUTPUT] + "..." * (len(written) > LONGEST_OUTPUT)
