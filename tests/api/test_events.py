"""Events over the API."""

import time

import pytest


@pytest.fixture
def told(docker):
    """What has been told until now, by filters: (Type, Action, name)."""

    def read(**filters):
        answer = docker.get(f"/events?since=1&until={time.time():.6f}", filters=filters)
        assert answer.headers["Content-Type"] == "application/json"
        return [(event["Type"], event["Action"], event["Actor"]["Attributes"].get("name", "")) for event in answer.lines]

    return read


@pytest.mark.operation("SystemEvents")
def test_events_of_the_past_are_replayed(docker, a_container, told):
    """With since and an until that is over."""
    docker.post("/volumes/create", {"Name": "data"}, expect=201)
    docker.post("/networks/create", {"Name": "mine"}, expect=201)
    a_container("web")

    assert told() == [
        ("image", "pull", "alpine"),
        ("volume", "create", ""),
        ("network", "create", "mine"),
        ("container", "create", "web"),
    ]
    assert told(type=["network", "volume"]) == [("volume", "create", ""), ("network", "create", "mine")]
    assert told(event={"create": True}, type={"container": True}) == [("container", "create", "web")]
    assert told(container=["web"]) == [("container", "create", "web")]


@pytest.mark.operation("SystemEvents")
def test_an_event_carries_what_clients_read(docker, a_container):
    """Labels among the attributes; status, id and from for older clients."""
    web = a_container("web", Labels={"a": "b"})
    [event] = docker.get(f"/events?since=1&until={time.time():.6f}", filters={"type": ["container"]}).lines

    assert event["Actor"] == {"ID": web, "Attributes": {"a": "b", "image": "alpine", "name": "web"}}
    assert (event["status"], event["id"], event["from"], event["scope"]) == ("create", web, "alpine", "local")
    assert event["timeNano"] // 10**9 == event["time"]


@pytest.mark.operation("SystemEvents")
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("since=x", 'invalid value for "since": failed to parse value as time or duration: "x"'),
        ("since=20&until=10", "`since` time (20) cannot be after `until` time (10)"),
        ("filters=%7B", "invalid filter"),
    ],
)
def test_a_bad_question_is_refused(docker, query, message):
    """Before the stream begins."""
    assert docker.get(f"/events?{query}", expect=400).message == message
