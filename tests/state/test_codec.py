"""Records as text and back."""

from datetime import UTC, datetime

import pytest

from kubedock.domain.container import ContainerRecord, ContainerSpec, Outcome, Port, Resources, RestartPolicy, Security
from kubedock.domain.network import Endpoint, Network
from kubedock.domain.volume import Mount, Volume
from kubedock.errors import System
from kubedock.state import codec

AT = datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)
FULL = ContainerRecord(
    id="a" * 64,
    name="web",
    created_at=AT,
    image_id="sha256:" + "b" * 64,
    run=2,
    object_name="kubedock-web-aaaaaaaaaaaa-r2",
    started_at=AT,
    outcome=Outcome(137, AT, "killed", oom_killed=True),
    restart_count=3,
    stopped=True,
    endpoints={"n1": Endpoint("n1", "e1", ("alias",), {"DriverOpts": None})},
    spec=ContainerSpec(
        image="alpine",
        entrypoint=(),
        command=("echo", "hi"),
        env=(("A", "1"), ("B", None)),
        labels={"x": "y"},
        ports=(Port(80, published=(("", "8080"),)),),
        restart=RestartPolicy("on-failure", 3),
        mounts=(Mount("volume", "/data", "db"),),
        resources=Resources(memory=1 << 30),
        security=Security(sysctls=(("net.core.somaxconn", "1024"),), supplemental_groups=(5,)),
        asked={"HostConfig": {"Memory": 1 << 30}, "Env": ["A=1"]},
    ),
)
RECORDS = [
    FULL,
    ContainerRecord("c" * 64, "plain", ContainerSpec("alpine"), AT),
    Network("n1", "net", "bridge", AT, labels={"a": "b"}, ipam={"Config": [{"Subnet": "172.20.0.0/16"}]}),
    Volume("db", AT, labels={"a": "b"}),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__ + "-" + record.name)
def test_a_record_comes_back_whole(record: object) -> None:
    """Every field of every kind of record."""
    assert codec.load(type(record), codec.dump(record)) == record


def test_what_is_missing_gets_its_default_and_what_is_too_much_is_left_out() -> None:
    """Within a schema, older and newer kubedocks read each other's records."""
    text = codec.dump(RECORDS[3]).replace('"driver":"local",', "").replace('"name":"db"', '"name":"db","newer":1')

    assert codec.load(Volume, text) == RECORDS[3]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"schema":2,"record":{}}', "a stored record has schema 2, this kubedock reads 1"),
        ("nonsense", "a stored record cannot be read: Expecting value: line 1 column 1 (char 0)"),
        ('{"record":{}}', "a stored record cannot be read: 'schema'"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, sentence: str) -> None:
    """Never a traceback of JSON's."""
    with pytest.raises(System) as caught:
        codec.load(Volume, text)

    assert str(caught.value) == sentence
