"""Health checks through the API."""

import json

import pytest

from tests.support.waiting import eventually

MILLISECOND = 10**6
QUICK = {"Test": ["CMD-SHELL", "echo fine"], "Interval": 10 * MILLISECOND, "Retries": 1}


def health(docker, container):
    """State.Health, None where there is none."""
    return docker.get(f"/containers/{container}/json").json["State"].get("Health")


def becomes(docker, container, status):
    """Wait for it."""
    eventually(lambda: health(docker, container)["Status"] == status, what=status)
    return health(docker, container)


@pytest.mark.operation("ContainerInspect")
def test_a_check_from_begin_to_end(docker, a_container):
    """What was asked is shown; starting at once, then healthy; the last results stay when it has ended."""
    container = a_container("web", start=True, Healthcheck=QUICK)
    shown = docker.get(f"/containers/{container}/json").json
    assert shown["Config"]["Healthcheck"] == QUICK
    assert shown["State"]["Health"]["Status"] in ("starting", "healthy")
    found = becomes(docker, container, "healthy")
    assert found["FailingStreak"] == 0
    assert {key: found["Log"][-1][key] for key in ("ExitCode", "Output")} == {"ExitCode": 0, "Output": "fine\n"}
    assert docker.get("/containers/json").json[0]["Status"] == "Up Less than a second (healthy)"

    docker.post(f"/containers/{container}/stop", expect=204)

    assert health(docker, container)["Status"] == "unhealthy"
    assert docker.get("/containers/json?all=1").json[0]["Status"] == "Exited (143) Less than a second ago"


@pytest.mark.parametrize("check", [None, {"Test": ["NONE"]}, {"Test": []}])
def test_without_a_check(docker, a_container, check):
    """There is no Health at all."""
    assert health(docker, a_container(start=True, Healthcheck=check)) is None


@pytest.mark.operation("ContainerList")
def test_the_filter(docker, a_container):
    """By status; none is for those without a check."""
    checks = {
        "good": QUICK,
        "bad": {**QUICK, "Test": ["CMD", "nosuch"]},
        "new": {"Test": ["CMD", "true"]},
        "plain": None,
    }
    ids = {name: a_container(name, start=True, Healthcheck=check) for name, check in checks.items()}
    becomes(docker, ids["good"], "healthy")
    becomes(docker, ids["bad"], "unhealthy")

    def listed(*statuses):
        found = docker.get("/containers/json", filters={"health": list(statuses)}).json
        return {item["Names"][0].removeprefix("/") for item in found}

    assert [listed(status) for status in ("healthy", "unhealthy", "starting", "none")] == [{"good"}, {"bad"}, {"new"}, {"plain"}]
    assert listed("healthy", "none") == {"good", "plain"}
    docker.get("/containers/json", filters={"health": ["ill"]}, expect=400)


@pytest.mark.operation("SystemEvents")
def test_events(docker, a_container):
    """``health_status: healthy`` after the exec's own, with the container's labels; the filter takes its beginning."""
    since = docker.get("/info").json["SystemTime"]
    container = a_container("web", start=True, Healthcheck=QUICK, Labels={"a": "b"})
    becomes(docker, container, "healthy")
    until = docker.get("/info").json["SystemTime"]
    told = docker.get(f"/events?since={since}&until={until}", filters={"container": [container]}).lines
    actions = [event["Action"] for event in told]
    first = actions.index("health_status: healthy")
    assert actions[first - 3 : first] == ["exec_create: /bin/sh -c echo fine", "exec_start: /bin/sh -c echo fine", "exec_die"]
    assert told[first]["Actor"] == {"ID": container, "Attributes": {"a": "b", "image": "alpine", "name": "web"}}
    fuzzy = docker.get(f"/events?since={since}&until={until}", filters={"event": ["health_status"]}).data
    assert [json.loads(line)["Action"] for line in fuzzy.splitlines()] == ["health_status: healthy"]


def test_what_is_refused_and_what_is_warned_of(docker):
    """With Docker's sentences."""
    body = {"Image": "alpine", "Healthcheck": {"Test": ["CMD", "true"], "Timeout": 5}}
    assert docker.post("/containers/create", body, expect=400).message == "Timeout in Healthcheck cannot be less than 1ms"
    body = {"Image": "alpine", "Healthcheck": {"Interval": 10**9}}
    assert docker.post("/containers/create", body, expect=201).json["Warnings"] == [
        "Healthcheck is not applied without a Test: the image's own check is not known"
    ]
