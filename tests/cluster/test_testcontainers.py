"""Testcontainers' own libraries, unchanged, in suites as users have them: each in its language, with its build tool and Ryuk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clients import DockerCli
from tests.support.kubedock_server import KubedockServer
from tests.support.samples import Suite, java_suite, node_suite, python_suite
from tests.support.waiting import eventually

SUITES = (python_suite, java_suite, node_suite)


@pytest.mark.subset
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("make", SUITES, ids=[make.__name__.removesuffix("_suite") for make in SUITES])
def test_a_suite_passes_and_leaves_nothing(
    server: KubedockServer, docker: DockerCli, make: Callable[[Path], Suite], tmp_path: Path
) -> None:
    """All of its tests pass; what it did not remove itself is gone half a minute after its end: Ryuk saw to it."""
    suite = make(tmp_path / "suite")

    outcomes = suite.run(server.tcp, server.place.prefix)

    assert set(outcomes.values()) == {"passed"}, outcomes
    ours = f"label=org.testcontainers.lang={suite.language}"

    def nothing() -> bool:
        containers = docker.ok("ps", "-aq", "--filter", ours)
        return not containers and not docker.ok("network", "ls", "-q", "--filter", ours)

    eventually(nothing, seconds=30, every=0.5, what="nothing left of it")
