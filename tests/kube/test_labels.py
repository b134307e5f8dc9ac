"""Labels, and what Kubernetes takes as one."""

from datetime import UTC, datetime

import pytest

from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.kube import labels

CREATED = datetime(2026, 1, 2, tzinfo=UTC)
OURS = {
    "kubedock": "true",
    "kubedock.id": "abc",
    "kubedock.containerid": "0123456789ab",
    "app.kubernetes.io/managed-by": "kubedock",
}


def a_record(**docker: str) -> ContainerRecord:
    """A container with these Docker labels (``__`` for a dot)."""
    given = {key.replace("__", "."): value for key, value in docker.items()}
    return ContainerRecord("0123456789ab" + "c" * 52, "web", ContainerSpec("alpine", labels=given), CREATED, run=3)


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [
        ("app", "web", True),
        ("org.testcontainers.session-id", "5f3f2a0e-8c1d-4b8e-9a73-1df5e9c2a9b1", True),
        ("com.docker.compose.depends_on", "", True),
        ("example.com/name", "A_b-c.9", True),
        ("a.b/c/d", "x", False),
        ("UPPER.example/name", "x", False),
        ("/name", "x", False),
        ("example.com/", "x", False),
        ("", "x", False),
        ("k" * 63, "v" * 63, True),
        ("k" * 64, "x", False),
        ("key", "v" * 64, False),
        ("-key", "x", False),
        ("key-", "x", False),
        ("key", "with space", False),
        ("key", "-x", False),
        ("key", "a/b", False),
        ("key", "line\n", False),
        ("p" * 253 + "/k", "x", True),
        ("p" * 254 + "/k", "x", False),
        ("schlüssel", "x", False),
    ],
)
def test_what_kubernetes_takes_as_a_label(key: str, value: str, valid: bool) -> None:
    """Valid is what the API server accepts, nothing else."""
    assert labels.valid(key, value) == valid


def test_an_object_carries_ours_and_the_valid_ones_of_docker() -> None:
    """Docker labels that Kubernetes takes are copied, the rest is left to the record."""
    record = a_record(app="web", note="not a label!")
    assert labels.object_labels(record, "abc", {"team": "x"}) == {"team": "x", "app": "web", **OURS}


def test_ours_win_over_docker_and_docker_over_the_settings() -> None:
    """Nobody takes a container out of its kubedock's sight by a label."""
    record = a_record(kubedock__id="evil", kubedock="false", kubedock__run="99", app="docker")
    assert labels.run_labels(record, "abc", {"app": "settings"}) == {"app": "docker", **OURS, "kubedock.run": "3"}


def test_selectors() -> None:
    """By instance, by container, by run."""
    assert labels.selector("abc") == "kubedock.id=abc"
    assert labels.container_selector("abc", "0123456789ab") == "kubedock.id=abc,kubedock.containerid=0123456789ab"
    assert labels.run_selector("abc", "0123456789ab", 2) == ("kubedock.id=abc,kubedock.containerid=0123456789ab,kubedock.run=2")
