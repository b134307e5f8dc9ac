"""Names on networks."""

import pytest

from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.domain.naming import peer_names, service_name
from kubedock.domain.network import Endpoint
from tests.support.running import T0

ID = "abcdef012345" + "6" * 52


@pytest.mark.parametrize(
    ("name", "aliases", "hostname", "names"),
    [
        ("web", (), "", ("web", "abcdef012345")),
        ("web", ("www", "web", "api"), "host.example", ("web", "www", "api", "abcdef012345", "host.example")),
        ("web", ("abcdef012345",), "web", ("web", "abcdef012345")),
    ],
)
def test_dockers_names(name, aliases, hostname, names):
    """In Docker's order, each once (moby: daemon/container_operations.go)."""
    record = ContainerRecord(ID, name, ContainerSpec("alpine", hostname=hostname), T0)
    assert peer_names(record, Endpoint("n", "e", aliases)) == names


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("db", "db"),
        ("DB", "db"),
        ("proj-db-1", "proj-db-1"),
        ("a" * 63, "a" * 63),
        ("a" * 64, ""),
        ("abcdef012345", "abcdef012345"),
        ("1db", ""),
        ("proj_db_1", ""),
        ("db.example", ""),
        ("db-", ""),
        ("-db", ""),
        ("db\n", ""),
        ("dé", ""),
        ("", ""),
    ],
)
def test_which_names_a_service_can_have(name, service):
    """DNS-1035 labels; DNS itself does not tell letters' cases apart."""
    assert service_name(name) == service
