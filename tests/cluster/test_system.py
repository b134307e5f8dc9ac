"""Information on the engine, and what is not supported: a sentence each."""

import json

import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import KubedockServer, Place


@pytest.mark.subset
def test_info(docker: DockerCli, place: Place) -> None:
    """The cluster's size (as far as rights go), counts, and honest warnings."""
    name = docker.name()
    docker.ok("create", "--name", name, ALPINE, "true")

    info = json.loads(docker.ok("info", "--format", "json"))

    assert info["NCPU"] >= 1
    assert info["MemTotal"] > 2**28
    assert info["Containers"] == info["ContainersRunning"] + info["ContainersPaused"] + info["ContainersStopped"]
    assert info["Containers"] >= 1
    assert info["OSType"] == "linux"
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert any(warning.startswith("Logs: Kubernetes keeps one log per container") for warning in info["Warnings"])
    assert any("right to list nodes is missing" in warning for warning in info["Warnings"]) is place.least
    assert "ServerErrors" not in info or not info["ServerErrors"]
    assert "Server Version: " in docker.ok("info")


@pytest.mark.subset
def test_version(docker: DockerCli) -> None:
    """1.47, from 1.24 on; Kubernetes among the components."""
    version = json.loads(docker.ok("version", "--format", "json"))["Server"]

    assert (version["ApiVersion"], version["MinAPIVersion"], version["Os"]) == ("1.47", "1.24", "linux")
    assert any("1.34" in json.dumps(component) for component in version["Components"])


def test_disk_usage(docker: DockerCli) -> None:
    """Counts; the sizes are the nodes'."""
    volume = docker.name("vol")
    docker.ok("volume", "create", volume)

    rows = [json.loads(line) for line in docker.ok("system", "df", "--format", "json").splitlines()]

    counts = {row["Type"]: int(row["TotalCount"]) for row in rows}
    assert counts["Images"] >= 1
    assert counts["Local Volumes"] >= 1
    assert counts["Build Cache"] == 0
    docker.ok("volume", "rm", volume)


DECLINED = (
    (("pause", "{name}"), "pause is not supported"),
    (("unpause", "{name}"), "unpause is not supported"),
    (("top", "{name}"), "top is not supported yet"),
    (("stats", "--no-stream", "{name}"), "stats are not supported yet"),
    (("diff", "{name}"), "diff is not supported"),
    (("export", "{name}"), "export is not supported"),
    (("commit", "{name}"), "commit is not supported"),
    (("update", "--cpus", "1", "{name}"), "update is not supported"),
    (("push", "alpine"), "push is not supported"),
    (("save", "alpine", "alpine:3.20"), "saving several images is not supported"),
    (("search", "alpine"), "search is not supported"),
    (("swarm", "init"), "swarm is not supported"),
    (("service", "ls"), "This node is not a swarm manager."),
    (("plugin", "inspect", "nosuch"), "nosuch"),
)


@pytest.mark.parametrize(("words", "sentence"), DECLINED, ids=[words[0] for words, _ in DECLINED])
def test_what_is_not_supported_says_so(docker: DockerCli, words: tuple[str, ...], sentence: str) -> None:
    """Exit code 1 and a sentence, never a success that is none."""
    name = docker.name()
    if any("{name}" in word for word in words):
        docker.ok("run", "-d", "--name", name, ALPINE, "sleep", "100")

    done = docker(*(word.format(name=name) for word in words))

    assert done.code != 0
    assert sentence in done.err + done.out


def test_plugins(docker: DockerCli) -> None:
    """There are none."""
    assert docker.ok("plugin", "ls", "-q") == ""


def test_the_log_of_the_server_is_quiet(docker: DockerCli, server: KubedockServer) -> None:
    """No traceback from all that the tests before this one did, and no line of gunicorn's."""
    docker.ok("ps")

    assert "Traceback" not in server.live.log
