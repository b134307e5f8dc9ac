"""A Ryuk over the API, as the libraries of Testcontainers make and look for one."""

import json
import socket
from urllib.parse import quote

import pytest

from tests.support.waiting import eventually

NAME = "reaper_1"
SESSION = {"org.testcontainers.session-id": "1"}
LABELS = {"org.testcontainers.ryuk": "true", "org.testcontainers.reaper": "true", **SESSION}
BODY = {
    "Image": "testcontainers/ryuk:0.14.0",
    "Env": ["RYUK_RECONNECTION_TIMEOUT=50ms", "RYUK_CHANGES_RETRY_INTERVAL=100ms"],
    "ExposedPorts": {"8080/tcp": {}},
    "Labels": LABELS,
    "HostConfig": {
        "AutoRemove": True,
        "Privileged": True,
        "Binds": ["/var/run/docker.sock:/var/run/docker.sock"],
        "PortBindings": {"8080/tcp": [{"HostIp": "", "HostPort": "0"}]},
    },
}


@pytest.fixture
def ryuk(docker) -> str:
    """Pulled, created and started; its id."""
    create = f"/containers/create?name={NAME}"
    assert docker.post(create, BODY, expect=404).message == "No such image: testcontainers/ryuk:0.14.0"
    docker.post("/images/create?fromImage=testcontainers%2Fryuk&tag=0.14.0")
    made = docker.post(create, BODY, expect=201).json
    assert made["Warnings"] == []
    docker.post(f"/containers/{made['Id']}/start", expect=204)
    return made["Id"]


def listed(docker, what: str = "/containers/json", **filters: list[str]) -> list:
    """A list with filters."""
    return docker.get(f"{what}?filters={quote(json.dumps(filters))}").json


@pytest.mark.operation("ContainerInspect")
def test_it_is_shown_as_a_container_that_runs(docker, ryuk):
    """With the ports that clients connect to, in the first inspect."""
    shown = docker.get(f"/containers/{ryuk}/json").json
    bindings = shown["NetworkSettings"]["Ports"]["8080/tcp"]

    assert (shown["State"]["Status"], shown["State"]["Running"], shown["Config"]["Labels"]) == ("running", True, LABELS)
    assert [binding["HostIp"] for binding in bindings] == ["0.0.0.0", "::"]
    assert len({binding["HostPort"] for binding in bindings}) == 1
    assert shown["HostConfig"]["Binds"] == BODY["HostConfig"]["Binds"]
    assert shown["Mounts"] == []


@pytest.mark.operation("ContainerList")
def test_it_is_found_by_those_who_share_it(docker, ryuk):
    """By its labels and its state (Node), by its name (Go); the port is in the list."""
    [found] = listed(docker, label=[f"{key}={value}" for key, value in LABELS.items()], name=[f"^{NAME}$"], status=["running"])

    assert (found["Id"], found["State"], {port["PrivatePort"] for port in found["Ports"]}) == (ryuk, "running", {8080})
    message = docker.post(f"/containers/create?name={NAME}", BODY, expect=409).message
    assert f'The container name "/{NAME}" is already in use by container "{ryuk}"' in message


@pytest.mark.operation("ContainerLogs")
def test_its_log_has_the_word_that_clients_wait_for(docker, ryuk):
    """As soon as it has started."""
    text = docker.get(f"/containers/{ryuk}/logs?stdout=1&stderr=1&since=0&tail=all").data

    assert b"level=INFO msg=Started address=[::]:8080\n" in text
    assert b" Started!" in text


@pytest.mark.operation("ContainerExec")
def test_a_shell_is_not_found(docker, ryuk):
    """An exec is no error: it ends as in an image without a shell, which clients (Go) take for the end of their question."""
    made = docker.post(f"/containers/{ryuk}/exec", {"Cmd": ["/bin/sh"], "AttachStdout": True}, expect=201).json["Id"]

    assert b"executable file not found in $PATH" in docker.post(f"/exec/{made}/start", {}).data
    found = docker.get(f"/exec/{made}/json").json
    assert (found["Running"], found["ExitCode"]) == (False, 127)


def test_a_session_that_ends(docker, ryuk, a_container):
    """All that it made is gone, then Ryuk itself; what is somebody else's stays."""
    other = a_container("other", start=True)
    network = docker.post("/networks/create", {"Name": "n1", "Labels": SESSION}, expect=201).json["Id"]
    docker.post("/volumes/create", {"Name": "v1", "Labels": SESSION}, expect=201)
    a_container("mine", start=True, Labels=SESSION, HostConfig={"NetworkMode": network, "Binds": ["v1:/data"]})
    a_container("made", Labels=SESSION)
    ports = docker.get(f"/containers/{ryuk}/json").json["NetworkSettings"]["Ports"]
    with socket.create_connection(("127.0.0.1", int(ports["8080/tcp"][0]["HostPort"])), timeout=10) as client:
        client.sendall(b"label=org.testcontainers.session-id%3D1\n")
        assert client.recv(10) == b"ACK\n"

    eventually(lambda: [found["Id"] for found in docker.get("/containers/json?all=1").json] == [other])
    assert listed(docker, "/networks", label=["org.testcontainers.session-id"]) == []
    assert listed(docker, "/volumes", label=["org.testcontainers.session-id"])["Volumes"] == []
    docker.get(f"/containers/{ryuk}/json", expect=404)
