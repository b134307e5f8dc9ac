"""Health checks: what they find, when they are run, and what is shown."""

import json
from typing import Any

import docker as docker_py
import pytest

from tests.support.clients import ALPINE, DockerCli, at_once
from tests.support.waiting import eventually

SLEEPS = ("sleep", "1000")
QUICK = ("--health-interval", "200ms", "--health-retries", "2")
MARK = "test -e /tmp/well"


def health(docker: DockerCli, name: str) -> Any:
    """State.Health."""
    return json.loads(docker.inspect(name, "json .State.Health"))


def becomes(docker: DockerCli, name: str, status: str) -> Any:
    """Wait for it."""
    eventually(lambda: health(docker, name)["Status"] == status, what=f"{name} {status}")
    return health(docker, name)


def listed(docker: DockerCli, name: str, *statuses: str) -> str:
    """What docker ps tells of it, "" where the filter leaves it out."""
    filters = [word for status in statuses for word in ("--filter", f"health={status}")]
    return docker.ok("ps", "--filter", f"name={name}", *filters, "--format", "{{.Status}}")


@pytest.mark.subset
def test_a_container_becomes_healthy_and_unhealthy(docker: DockerCli) -> None:
    """Starting at once; inspect, list, filter and events tell the same."""
    name = docker.name()
    with docker.begin("events", "-f", f"container={name}", "-f", "event=health_status", "--format", "{{.Action}}") as events:
        docker.ok("run", "-d", "--name", name, "--health-cmd", f"echo look; {MARK}", *QUICK, ALPINE, *SLEEPS)
        first = health(docker, name)
        docker.ok("exec", name, "touch", "/tmp/well")
        well = becomes(docker, name, "healthy")
        assert listed(docker, name, "healthy").endswith("(healthy)")
        docker.ok("exec", name, "rm", "/tmp/well")
        ill = becomes(docker, name, "unhealthy")
        assert listed(docker, name, "unhealthy", "none").endswith("(unhealthy)")
        assert listed(docker, name, "healthy", "starting", "none") == ""
        docker.ok("exec", name, "touch", "/tmp/well")
        becomes(docker, name, "healthy")
        eventually(lambda: len(events.lines()) >= 3, what="three events")

    assert first["Status"] in ("starting", "unhealthy")
    assert (well["Log"][-1]["ExitCode"], well["Log"][-1]["Output"], well["FailingStreak"]) == (0, "look\n", 0)
    assert (ill["Log"][-1]["ExitCode"], ill["Log"][-1]["Output"]) == (1, "look\n")
    assert ill["FailingStreak"] >= 2
    assert events.lines()[-3:] == ["health_status: healthy", "health_status: unhealthy", "health_status: healthy"]


@pytest.mark.subset
def test_it_is_starting_in_the_first_inspect(docker: DockerCli) -> None:
    """The first check comes after the interval; without a check there is no health."""
    name, other = docker.name(), docker.name()
    docker.ok("run", "-d", "--name", name, "--health-cmd", "true", ALPINE, *SLEEPS)
    assert health(docker, name) == {"Status": "starting", "FailingStreak": 0, "Log": []}
    assert listed(docker, name, "starting").endswith("(health: starting)")
    docker.ok("run", "-d", "--name", other, "--no-healthcheck", ALPINE, *SLEEPS)
    assert docker.inspect(other, "json .State.Health") in ("null", "<no value>")
    assert listed(docker, other, "none").startswith("Up ")


@pytest.mark.subset
def test_a_check_that_takes_too_long_is_ended(docker: DockerCli) -> None:
    """A failure with Docker's text; its processes do not pile up."""
    name = docker.name()
    slow = ("--health-cmd", "echo begun; sleep 77; true", "--health-timeout", "300ms")
    docker.ok("run", "-d", "--name", name, *slow, *QUICK, ALPINE, "sh", "-c", "while :; do sleep 0.2; done")
    found = becomes(docker, name, "unhealthy")
    assert {(each["ExitCode"], each["Output"]) for each in found["Log"]} == {(-1, "Health check exceeded timeout (300ms): begun\n")}
    eventually(lambda: health(docker, name)["FailingStreak"] > 6, what="more checks")
    assert docker.ok("exec", name, "ps").count("sleep 77") <= 2


def test_a_command_that_is_not_there(docker: DockerCli) -> None:
    """The shell says so."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, "--health-cmd", "nosuch", *QUICK, ALPINE, *SLEEPS)
    last = becomes(docker, name, "unhealthy")["Log"][-1]
    assert last["ExitCode"] == 127
    assert "not found" in last["Output"]


def test_through_docker_py(client: docker_py.DockerClient) -> None:
    """A list of words, the container's own user, directory and environment; the start period."""
    script = '[ "$PWD" = /etc ] && [ "$A" = "b c" ] && [ "$(id -u)" = 1000 ]'
    second = 10**9
    check = {
        "test": ["CMD", "sh", "-c", script],
        "interval": second // 5,
        "start_period": 60 * second,
        "start_interval": second // 5,
    }
    missing = {"test": ["CMD", "nosuch", "word"], "interval": second // 5, "retries": 1}
    options = {"detach": True, "working_dir": "/etc", "environment": {"A": "b c"}, "user": "1000"}
    good = client.containers.run(ALPINE, list(SLEEPS), healthcheck=check, **options)
    bad = client.containers.run(ALPINE, list(SLEEPS), healthcheck=missing, **options)
    try:
        eventually(lambda: good.reload() or good.health == "healthy", what="healthy")
        eventually(lambda: bad.reload() or bad.health == "unhealthy", what="unhealthy")
        log = bad.attrs["State"]["Health"]["Log"][-1]
        assert log["ExitCode"] == -1
        assert log["Output"].startswith('OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch"')
    finally:
        good.remove(force=True)
        bad.remove(force=True)


def test_after_a_stop_and_a_restart(docker: DockerCli) -> None:
    """What has exited keeps its results and is unhealthy; a new run is starting."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, "--health-cmd", MARK, *QUICK, ALPINE, "sh", "-c", "touch /tmp/well; sleep 1000")
    becomes(docker, name, "healthy")
    docker.ok("stop", "-t", "0", name)
    ended = health(docker, name)
    assert (ended["Status"], ended["Log"][-1]["ExitCode"]) == ("unhealthy", 0)
    docker.ok("start", name)
    becomes(docker, name, "healthy")
    docker.ok("restart", "-t", "0", name)
    assert health(docker, name)["Status"] in ("starting", "healthy")
    becomes(docker, name, "healthy")


def test_after_the_kubelets_restart(docker: DockerCli) -> None:
    """The container of a Deployment begins anew."""
    name = docker.name()
    script = "trap 'exit 3' TERM; touch /tmp/well; while :; do sleep 0.1; done"
    with docker.begin("events", "-f", f"container={name}", "--format", "{{.Action}}") as events:
        docker.ok("run", "-d", "--restart", "always", "--name", name, "--health-cmd", MARK, *QUICK, ALPINE, "sh", "-c", script)
        becomes(docker, name, "healthy")
        docker.ok("exec", name, "sh", "-c", "kill 1")
        told = ("start", "die", "health_status: healthy")

        def order() -> list[str]:
            return [action for action in events.lines() if action in told]

        eventually(lambda: len(order()) >= 5, what="five events")
    assert order() == ["start", "health_status: healthy", "die", "start", "health_status: healthy"]


def test_a_database(docker: DockerCli) -> None:
    """As Testcontainers asks: healthy when it answers."""
    name = docker.name()
    ready = "pg_isready --host localhost --username test --dbname test"
    docker.ok("pull", "postgres:16-alpine")
    options = ("-e", "POSTGRES_USER=test", "-e", "POSTGRES_PASSWORD=test", "--health-cmd", ready, "--health-interval", "250ms")
    docker.ok("run", "-d", "--name", name, *options, "postgres:16-alpine")
    assert "accepting connections" in becomes(docker, name, "healthy")["Log"][-1]["Output"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.prove)])
def test_many_containers(docker: DockerCli, count: int) -> None:
    """Each is checked about once a second, and nobody waits for another."""
    names = [docker.name() for _ in range(count)]
    check = ("--health-cmd", "true", "--health-interval", "1s")
    at_once(lambda name: docker.ok("run", "-d", "--name", name, *check, ALPINE, *SLEEPS, seconds=120), names, threads=4)
    for name in names:
        becomes(docker, name, "healthy")
        eventually(lambda name=name: len(health(docker, name)["Log"]) == 5, what=f"five results of {name}")  # type: ignore[misc]
