"""What is to be listened on for a container, and how that is shown."""

from dataclasses import replace

import pytest

from kubedock.domain.container import ContainerSpec, Port, Published
from kubedock.domain.publishing import Wanted, shown_hosts, wanted

ANY = ("", "")


def spec(*ports: Port, **fields: object) -> ContainerSpec:
    """A container with these ports."""
    return ContainerSpec("alpine", ports=ports, **fields)


def web(*published: tuple[str, str]) -> Port:
    """Port 80, published to this."""
    return Port(80, "tcp", published)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (spec(), ()),
        (spec(web()), ()),
        (spec(web(ANY)), (Wanted(web(ANY), ("",)),)),
        (spec(web(("", "0"))), (Wanted(web(("", "0")), ("",)),)),
        (spec(web(("", "8080"))), (Wanted(web(("", "8080")), ("",), 8080, 8080),)),
        (spec(web(("", "8000-8010"))), (Wanted(web(("", "8000-8010")), ("",), 8000, 8010),)),
        (spec(Port(53, "udp", (ANY,)), Port(9, "sctp", (ANY,))), ()),
        (spec(web(ANY), host_network=True), ()),
    ],
)
def test_what_is_wanted(asked, expected):
    """Any number, one, a range; TCP only, and nothing on the node's network."""
    assert wanted(asked) == expected


def test_exact_numbers_come_first():
    """So that none of them is taken for any."""
    ports = (Port(1, "tcp", (ANY,)), Port(2, "tcp", (("", "9000-9001"),)), Port(3, "tcp", (("", "9000"),)))

    assert [each.port.number for each in wanted(spec(*ports))] == [3, 1, 2]


@pytest.mark.parametrize(
    ("bindings", "groups"),
    [
        ((("127.0.0.1", ""), ("::1", "")), [("127.0.0.1", "::1")]),
        ((("127.0.0.1", "8080"), ("::1", "8081")), [("127.0.0.1",), ("::1",)]),
        ((ANY, ANY), [("",), ("",)]),
        ((("", "8080"), ("", "8080")), [("",), ("",)]),
        ((ANY, ("127.0.0.1", ""), ANY), [("", "127.0.0.1"), ("",)]),
    ],
)
def test_bindings_that_differ_in_their_address_get_one_number(bindings, groups):
    """As in Docker; what is asked for twice gets two, or collides."""
    assert [each.hosts for each in wanted(spec(web(*bindings)))] == groups


@pytest.mark.parametrize(
    ("each", "numbers"),
    [
        (Wanted(web(), ("",)), [0]),
        (Wanted(web(), ("",), before=40000), [40000, 0]),
        (Wanted(web(), ("",), 8080, 8080), [8080]),
        (Wanted(web(), ("",), 8000, 8002, before=8001), [8001, 8000, 8001, 8002]),
    ],
)
def test_candidates(each, numbers):
    """The number that it had comes first."""
    assert list(each.candidates) == numbers


def test_a_number_is_remembered():
    """By the next run, for the same port and address, where the range still has it."""
    before = (
        Published(80, "tcp", "0.0.0.0", 40000),
        Published(80, "tcp", "::", 40000),
        Published(80, "tcp", "0.0.0.0", 40001),
        Published(81, "tcp", "127.0.0.1", 8005),
        Published(82, "tcp", "0.0.0.0", 9999),
    )
    ports = (
        web(ANY, ANY, ANY),
        Port(81, "tcp", (("127.0.0.1", "8000-8010"), ("::1", "8000-8010"))),
        Port(82, "tcp", (("", "8000-8010"),)),
        Port(83, "tcp", (ANY,)),
        Port(84, "tcp", (("", "8084"),)),
    )

    assert [(each.port.number, each.before) for each in wanted(spec(*ports), before)] == [
        (84, 0),
        (80, 40000),
        (80, 40001),
        (80, 0),
        (81, 8005),
        (82, 0),
        (83, 0),
    ]


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        (("127.0.0.1", "::1"), ("0.0.0.0", "::")),
        (("127.0.0.1",), ("0.0.0.0",)),
        (("::1",), ("::",)),
        (("127.0.0.1", "::1", "192.0.2.1"), ("0.0.0.0", "::")),
    ],
)
def test_the_servers_own_addresses_are_shown_as_all(hosts, shown):
    """Of each family that it has."""
    assert shown_hosts(hosts) == shown


def test_how_it_is_shown():
    """One entry for each address, the named ones as they were named."""
    each = Wanted(web(), ("", "192.0.2.1"))

    assert each.published(("127.0.0.1", "::1"), 40000) == tuple(
        Published(80, "tcp", host, 40000) for host in ("0.0.0.0", "::", "192.0.2.1")
    )
    assert replace(each, hosts=("::1",)).published(("127.0.0.1",), 8) == (Published(80, "tcp", "::1", 8),)
