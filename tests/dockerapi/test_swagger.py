"""The check of replies itself finds what it should find."""

import pytest

from tests.support.swagger import contract


def test_it_knows_the_operations():
    """By template, the most literal one first."""
    docker = contract()

    assert docker.operation("GET", "/containers/json")["operationId"] == "ContainerList"
    assert docker.operation("GET", "/containers/abc/json")["operationId"] == "ContainerInspect"
    assert docker.operation("GET", "/images/quay.io/a/b:t/json")["operationId"] == "ImageInspect"
    assert docker.operation("GET", "/nothing") is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'[{"Id": 1}]'),
        (200, b'{"Id": "x"}'),
        (200, b'[{"Created": null}]'),
        (200, b'[{"Ports": [{"PrivatePort": 1, "Type": "icmp"}]}]'),
        (201, b"[]"),
        (400, b'{"msg": "x"}'),
    ],
)
def test_it_finds_what_does_not_fit(status, body):
    """Types, nulls, enumerations, statuses, errors without a message."""
    with pytest.raises(AssertionError):
        contract().check("GET", "/containers/json", status, "application/json", body)


def test_it_lets_pass_what_fits():
    """Lists, nulls for objects, errors, unknown operations."""
    docker = contract()

    docker.check("GET", "/containers/json", 200, "application/json", b'[{"Id": "x", "Labels": null}]')
    docker.check("GET", "/containers/json", 501, "application/json", b'{"message": "x"}')
    docker.check("GET", "/nothing", 200, "application/json", b"1")
    docker.check("GET", "/events", 200, "application/json", b'{"Type": "container"}\n{"Type": "image"}\n')
