"""Containers over the API, on the in-memory cluster."""

import pytest

from kubedock.errors import CannotRemoveRunning, NameTaken, NoSuchContainer
from kubedock.streams import frames

NOBODY = str(NoSuchContainer("nobody"))


def output(answer) -> dict[int, bytes]:
    """A multiplexed reply, by stream."""
    found: dict[int, bytes] = {}
    for stream, data in frames.Decoder().feed(answer.data):
        found[stream] = found.get(stream, b"") + data
    return found


@pytest.mark.operation("ContainerCreate")
def test_a_container_is_made(docker):
    """201 with an id and a list of warnings."""
    made = docker.post("/containers/create?name=web", {"Image": "alpine", "Cmd": ["true"], "HostConfig": None}, expect=201).json
    assert (len(made["Id"]), made["Warnings"]) == (64, [])


@pytest.mark.operation("ContainerCreate")
def test_what_cannot_be_honoured_is_a_warning(docker):
    """As a list of sentences."""
    host = {"PortBindings": {"53/udp": [{"HostIp": "", "HostPort": ""}]}}
    [warning] = docker.post("/containers/create", {"Image": "alpine", "HostConfig": host}, expect=201).json["Warnings"]
    assert "PortBindings" in warning


@pytest.mark.operation("ContainerCreate")
@pytest.mark.parametrize(
    ("query", "body", "status", "message"),
    [
        ("", {"Image": "nothing"}, 404, "No such image: nothing:latest"),
        ("", {}, 400, "config cannot be empty in order to create a container"),
        ("", {"Image": "alpine", "Cmd": 5}, 400, "invalid JSON: Cmd: an array of strings, or a string is expected"),
        ("", {"Image": "alpine", "HostConfig": {"NetworkMode": "nowhere"}}, 404, "network nowhere not found"),
        ("?name=a/b", {"Image": "alpine"}, 400, None),
        ("?name=.x", {"Image": "alpine"}, 400, None),
        ("", {"Image": "alpine", "User": "postgres"}, 501, None),
    ],
)
def test_what_makes_no_container_is_refused(docker, query, body, status, message):
    """With Docker's statuses; nothing is made."""
    answer = docker.post(f"/containers/create{query}", body, expect=status)
    assert message in (None, answer.message)
    assert docker.get("/containers/json?all=1").json == []


@pytest.mark.operation("ContainerCreate")
@pytest.mark.operation("ContainerRename")
def test_names_are_unique(docker, a_container):
    """moby: daemon/errors.go; the text is matched by clients."""
    db = a_container("db")
    web = a_container("web")
    assert docker.post("/containers/create?name=db", {"Image": "alpine"}, expect=409).message == str(NameTaken("db", holder=db))
    assert docker.post(f"/containers/{web}/rename?name=db", expect=409).message == str(NameTaken("db", holder=db))
    docker.post(f"/containers/{web}/rename?name=app", expect=204)
    assert docker.get("/containers/app/json").json["Id"] == web
    assert docker.get("/containers/web/json", expect=404).message == str(NoSuchContainer("web"))
    docker.post("/containers/app/rename", expect=400)
    docker.post("/containers/nobody/rename?name=x", expect=404)


@pytest.mark.operation("ContainerInspect")
@pytest.mark.operation("ContainerStart")
def test_a_container_is_found_by_all_its_names(docker, a_container):
    """Id, prefix, name, and name with Docker's slash."""
    web = a_container("web", start=True)
    for ref in (web, web[:12], "web", "/web", "%2Fweb"):
        found = docker.get(f"/containers/{ref}/json").json
        assert (found["Id"], found["Name"], found["State"]["Status"]) == (web, "/web", "running")
    assert docker.get("/containers/nobody/json", expect=404).message == NOBODY


@pytest.mark.operation("ContainerList")
def test_lists_show_running_ones_or_all(docker, a_container):
    """With limit and filters in both forms."""
    a_container("idle", Labels={"a": "b"})
    a_container("web", start=True)

    def names(query: str = "", **filters) -> list[str]:
        rows = docker.get(f"/containers/json{query}", filters=filters or None).json
        return [row["Names"][0] for row in rows]

    assert names() == ["/web"]
    assert names("?all=1") == ["/web", "/idle"]
    assert names("?limit=1") == ["/web"]
    assert names("?all=true", label={"a=b": True}) == ["/idle"]
    assert names(status=["created"]) == ["/idle"]
    assert names("?all=1", name=["^/web$"]) == ["/web"]
    assert docker.get("/containers/json?limit=x", expect=400).message == 'invalid value "x" for limit: invalid syntax'
    assert docker.get("/containers/json", filters={"colour": ["red"]}, expect=400).message == "invalid filter 'colour'"


@pytest.mark.operation("ContainerStart")
@pytest.mark.operation("ContainerStop")
def test_what_is_already_so_is_304(docker, a_container):
    """A second start, a second stop, a stop of what never ran."""
    a_container("web")
    docker.post("/containers/web/stop", expect=304)
    docker.post("/containers/web/start", expect=204)
    docker.post("/containers/web/start", expect=304)
    docker.post("/containers/web/stop?t=0", expect=204)
    docker.post("/containers/web/stop", expect=304)
    assert docker.get("/containers/web/json").json["State"]["Status"] == "exited"
    docker.post("/containers/web/stop?t=soon", expect=400)
    for verb in ("start", "stop"):
        assert docker.post(f"/containers/nobody/{verb}", expect=404).message == NOBODY


@pytest.mark.operation("ContainerRestart")
def test_a_restart_begins_a_new_run(docker, a_container):
    """204, and it runs."""
    a_container("web", start=True)
    docker.post("/containers/web/restart?t=0", expect=204)
    assert docker.get("/containers/web/json").json["State"]["Status"] == "running"
    assert docker.post("/containers/nobody/restart", expect=404).message == NOBODY


@pytest.mark.operation("ContainerKill")
def test_a_kill_needs_a_running_container_and_a_signal_that_is_one(docker, a_container):
    """409 and 400 with Docker's texts."""
    web = a_container("web")
    message = f"cannot kill container: web: container {web} is not running"
    assert docker.post("/containers/web/kill", expect=409).message == message
    docker.post("/containers/web/start", expect=204)
    assert docker.post("/containers/web/kill?signal=NOPE", expect=400).message == "invalid signal: NOPE"
    docker.post("/containers/web/kill?signal=SIGKILL", expect=204)
    assert docker.get("/containers/web/json").json["State"]["ExitCode"] == 137
    assert docker.post("/containers/nobody/kill", expect=404).message == NOBODY


@pytest.mark.operation("ContainerResize")
def test_a_resize_is_accepted(docker, a_container):
    """200, not 204: dockerode is strict."""
    a_container("web", start=True)
    docker.post("/containers/web/resize?h=40&w=120")
    assert docker.post("/containers/web/resize?h=x&w=1", expect=400).message == 'invalid resize height "x": invalid syntax'
    docker.post("/containers/nobody/resize?h=1&w=1", expect=404)


@pytest.mark.operation("ContainerWait")
def test_a_wait_tells_the_exit_code(docker, a_container):
    """As JSON after a head that went out at once; bad questions get a status before."""
    a_container("web", Cmd=["sh", "-c", "exit 42"], start=True)
    answer = docker.post("/containers/web/wait")
    assert (answer.headers["Content-Type"], answer.json) == ("application/json", {"StatusCode": 42})
    assert docker.post("/containers/web/wait?condition=x", expect=400).message == 'invalid condition: "x"'
    assert docker.post("/containers/nobody/wait", expect=404).message == NOBODY


@pytest.mark.operation("ContainerDelete")
def test_a_running_container_is_removed_only_by_force(docker, a_container):
    """409 with Docker's text, then 204, then 404."""
    a_container("web", start=True)
    assert docker.delete("/containers/web", expect=409).message == str(CannotRemoveRunning("web", "running"))
    docker.delete("/containers/web?force=true&v=true")
    assert docker.delete("/containers/web", expect=404).message == str(NoSuchContainer("web"))
    docker.delete("/containers/web?link=1", expect=400)


@pytest.mark.operation("ContainerPrune")
def test_prune_removes_what_does_not_run(docker, a_container):
    """Ids."""
    idle = a_container("idle")
    a_container("web", start=True)
    assert docker.post("/containers/prune", filters={"label": ["a"]}).json == {"ContainersDeleted": [], "SpaceReclaimed": 0}
    assert docker.post("/containers/prune").json == {"ContainersDeleted": [idle], "SpaceReclaimed": 0}


@pytest.mark.operation("ContainerLogs")
def test_logs_are_frames_by_api_version(docker, a_container):
    """Everything is stdout; stderr alone is empty, so that nobody reads it twice."""
    a_container("web", Cmd=["sh", "-c", "echo hello; echo again"], start=True)
    docker.post("/containers/web/wait")

    answer = docker.get("/containers/web/logs?stdout=1&stderr=1")
    assert answer.headers["Content-Type"] == "application/vnd.docker.multiplexed-stream"
    assert output(answer) == {1: b"hello\nagain\n"}
    assert output(docker.get("/containers/web/logs?stdout=1&tail=1")) == {1: b"again\n"}
    assert output(docker.get("/containers/web/logs?stderr=1")) == {}
    docker.version = "1.41"
    assert docker.get("/containers/web/logs?stdout=1").headers["Content-Type"] == "application/vnd.docker.raw-stream"


@pytest.mark.operation("ContainerLogs")
@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("web/logs", 400, "Bad parameters: you must choose at least one stream"),
        ("web/logs?stdout=0&stderr=false", 400, "Bad parameters: you must choose at least one stream"),
        ("web/logs?stdout=1&since=x", 400, 'invalid value for "since": failed to parse value as time or duration: "x"'),
        ("nobody/logs?stdout=1", 404, NOBODY),
    ],
)
def test_bad_questions_for_logs_get_a_status(docker, a_container, path, status, message):
    """Before the stream begins."""
    a_container("web")
    assert docker.get(f"/containers/{path}", expect=status).message == message


@pytest.mark.operation("ContainerAttach")
def test_an_attach_with_logs_replays_and_ends(docker, a_container):
    """``stream=0&logs=1``; without an upgrade it is a plain reply."""
    a_container("web", Cmd=["echo", "hello"], start=True)
    docker.post("/containers/web/wait")
    answer = docker.post("/containers/web/attach?logs=1&stdout=1")
    assert output(answer) == {1: b"hello\n"}
    assert docker.post("/containers/nobody/attach?stream=1&stdout=1", expect=404).message == NOBODY


@pytest.mark.operation("ContainerCreate")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"OpenStdin": True, "AttachStdin": True, "StdinOnce": True}, 501),
        ({"Tty": True, "AttachStdout": True}, 501),
        ({"Tty": True, "OpenStdin": True, "AttachStdout": False}, 201),
        ({"AttachStdout": True, "AttachStderr": True}, 201),
    ],
)
def test_the_command_is_told_before_it_would_attach(docker, body, status):
    """It shows no sentence of a refused attach; other clients say the same without attaching."""
    body = {"Image": "alpine", **body}
    docker.post("/containers/create", body, headers={"User-Agent": "Docker-Client/28.2.2 (linux)"}, expect=status)
    docker.post("/containers/create", body, headers={"User-Agent": "docker-sdk-python/7.2.0"}, expect=201)


@pytest.mark.operation("ContainerAttach")
@pytest.mark.parametrize(("body", "query"), [({"OpenStdin": True}, "stdin=1&"), ({"Tty": True}, "")])
def test_stdin_and_terminals_are_refused_with_a_sentence(docker, a_container, body, query):
    """Until they come."""
    a_container("web", **body)
    assert "cannot attach" in docker.post(f"/containers/web/attach?{query}stream=1&stdout=1", expect=501).message
