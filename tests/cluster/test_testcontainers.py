"""Testcontainers' own libraries, unchanged, in suites as users have them: each in its language, with its build tool and Ryuk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.kubedock_server import KubedockServer
from tests.support.samples import Suite, java_suite, node_suite, python_suite
from tests.support.waiting import eventually

SUITES = (python_suite, java_suite, node_suite)
IDS = [make.__name__.removesuffix("_suite") for make in SUITES]


@pytest.mark.subset
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("make", SUITES, ids=IDS)
def test_a_suite_passes_and_leaves_nothing(own_server: KubedockServer, make: Callable[[Path], Suite], tmp_path: Path) -> None:
    """All of its tests pass; what it did not remove itself is gone half a minute after its end: Ryuk saw to it."""
    suite, docker = make(tmp_path / "suite"), own_server.cli()

    outcomes = suite.run(own_server.tcp, own_server.place.prefix)

    assert set(outcomes.values()) == {"passed"}, outcomes

    def nothing() -> bool:
        asked = (("ps", "-aq"), ("network", "ls", "-q", "-f", "type=custom"), ("volume", "ls", "-q"))
        return not any(docker.ok(*words) for words in asked) and not own_server.objects("pods")

    eventually(nothing, seconds=30, every=0.5, what="nothing left of it")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("make", [python_suite, *(pytest.param(make, marks=pytest.mark.prove) for make in SUITES[1:])], ids=IDS)
def test_a_suite_passes_over_a_unix_socket(own_server: KubedockServer, make: Callable[[Path], Suite], tmp_path: Path) -> None:
    """Where a library finds published ports then, it finds them."""
    outcomes = make(tmp_path / "suite").run(own_server.unix, own_server.place.prefix)

    assert set(outcomes.values()) == {"passed"}, outcomes
