"""Published ports over the API."""

from contextlib import ExitStack

import pytest

from kubedock.background.listeners import bind


def publish(port: str = "", host: str = "") -> dict:
    """A HostConfig that publishes port 80."""
    return {"PortBindings": {"80/tcp": [{"HostIp": host, "HostPort": port}]}}


@pytest.mark.operation("ContainerStart")
def test_ports_are_complete_in_the_first_inspect(docker, a_container):
    """As texts, one entry per family under one number; what is only exposed is null; the request is echoed."""
    made = a_container("web", ExposedPorts={"80/tcp": {}, "81/tcp": {}}, HostConfig=publish())
    assert docker.get(f"/containers/{made}/json").json["NetworkSettings"]["Ports"] == {}
    docker.post(f"/containers/{made}/start", expect=204)

    shown = docker.get(f"/containers/{made}/json").json

    number = shown["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    assert shown["NetworkSettings"]["Ports"] == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": number}, {"HostIp": "::", "HostPort": number}],
        "81/tcp": None,
    }
    assert shown["HostConfig"]["PortBindings"] == publish()["PortBindings"]
    [item] = docker.get(f'/containers/json?filters={{"publish":["{number}"]}}').json
    assert item["Ports"] == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": int(number), "Type": "tcp"},
        {"IP": "::", "PrivatePort": 80, "PublicPort": int(number), "Type": "tcp"},
        {"PrivatePort": 81, "Type": "tcp"},
    ]


@pytest.mark.operation("ContainerStart")
def test_a_taken_port_is_an_error_of_the_start(docker, a_container):
    """500 with Docker's sentence, which is also the container's."""
    with ExitStack() as stack:
        (sock,) = bind(["127.0.0.1"], 0)
        stack.enter_context(sock)
        number = sock.getsockname()[1]
        made = a_container("web", HostConfig=publish(str(number)))

        message = docker.post(f"/containers/{made}/start", expect=500).message

        assert message.startswith("driver failed programming external connectivity on endpoint web (")
        assert message.endswith(f"): Bind for 0.0.0.0:{number} failed: port is already allocated")
        state = docker.get(f"/containers/{made}/json").json["State"]
        assert (state["Status"], state["ExitCode"], state["Error"]) == ("created", 128, message)


@pytest.mark.operation("ContainerCreate")
def test_nothing_exposed_is_nothing_published(docker):
    """Create says so, since start has no warnings."""
    body = {"Image": "alpine", "HostConfig": {"PublishAllPorts": True}}

    assert docker.post("/containers/create", body, expect=201).json["Warnings"] == [
        "PublishAllPorts publishes nothing: the request exposes no ports, and the image's own are not known"
    ]
