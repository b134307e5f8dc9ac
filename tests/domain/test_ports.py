"""The grammar of ports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.domain import ports
from kubedock.domain.container import Port
from kubedock.errors import InvalidParameter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", (Port(80),)),
        ("80/tcp", (Port(80),)),
        ("53/UDP", (Port(53, "udp"),)),
        ("9/sctp", (Port(9, "sctp"),)),
        ("8000-8002/udp", (Port(8000, "udp"), Port(8001, "udp"), Port(8002, "udp"))),
    ],
)
def test_ports(text, expected):
    """Numbers, protocols, ranges."""
    assert ports.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'invalid port specification: ""'),
        ("http", 'invalid port specification: "http"'),
        ("0", 'invalid port specification: "0"'),
        ("65536", 'invalid port specification: "65536"'),
        ("90-80", 'invalid port specification: "90-80"'),
        ("80/", 'invalid port specification: "80/"'),
        ("80\n", 'invalid port specification: "80\n"'),
        ("80/icmp", "invalid proto: icmp"),
    ],
)
def test_what_is_no_port(text, sentence):
    """Docker's sentences."""
    with pytest.raises(InvalidParameter) as refusal:
        ports.parse(text)

    assert str(refusal.value) == sentence


@given(st.text("0123456789-/tcpudx ", max_size=14))
def test_reading_ports_is_total(text):
    """Ports in range, or a refusal."""
    try:
        found = ports.parse(text)
    except InvalidParameter:
        return

    assert found
    assert all(1 <= port.number <= ports.HIGHEST for port in found)


def test_host_ports():
    """Any, a number, a range; anything else is refused."""
    assert [ports.parse_host_port(text) for text in ("", "0", "8080", "8000-8010")] == ["", "0", "8080", "8000-8010"]
    for text in ("x", "70000", "9-8", "80/tcp"):
        with pytest.raises(InvalidParameter):
            ports.parse_host_port(text)


def test_each_port_once():
    """What is exposed and published is one port."""
    bound = Port(80, "tcp", (("", "8080"),))

    assert ports.merge([Port(90), Port(80), bound, Port(80, "udp")]) == (bound, Port(80, "udp"), Port(90))
