"""Images that have nothing that sends a signal: the kubelet ends their containers."""

import json

import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.waiting import eventually

EMPTIED = 'mkdir /x; cp /bin/busybox /x/sh; cp /bin/busybox /x/sleep; rm -rf /bin /usr/bin /sbin /usr/sbin; exec /x/sh -c "$1"'
"""A container that takes away its own tools; what stays has no name that could be found."""


def _run(docker: DockerCli, program: str) -> str:
    name = docker.name()
    docker.ok("run", "-d", "--name", name, ALPINE, "sh", "-c", EMPTIED, "sh", program)
    eventually(lambda: "up" in docker.ok("logs", name), what="its first line")
    return name


def test_a_stop_goes_through_the_kubelet(docker: DockerCli) -> None:
    """The program's own exit code, and pod and log stay."""
    name = _run(docker, "trap 'echo bye; exit 7' TERM; echo up; while :; do /x/sleep 0.1; done")
    docker.ok("stop", "-t", "20", name)

    state = json.loads(docker.ok("inspect", "-f", "{{json .State}}", name))
    assert (state["Status"], state["ExitCode"], state["Error"]) == ("exited", 7, "")
    assert docker.ok("logs", name).splitlines() == ["up", "bye"]


def test_what_does_not_listen_is_ended_hard(docker: DockerCli) -> None:
    """After the time that the user gave it."""
    name = _run(docker, "echo up; while :; do /x/sleep 0.1; done")
    docker.ok("stop", "-t", "1", name)

    assert docker.inspect(name, ".State.ExitCode") == "137"


@pytest.mark.cluster_only
def test_other_signals_cannot_be_sent(docker: DockerCli) -> None:
    """A sentence says why; KILL needs nothing of the image."""
    name = _run(docker, "echo up; while :; do /x/sleep 0.1; done")

    refused = docker("kill", "-s", "USR1", name)
    docker.ok("kill", name)

    assert refused.err.strip() == (
        "Error response from daemon: cannot send SIGUSR1: the image has neither a shell nor a kill program"
    )
    assert docker.inspect(name, ".State.ExitCode") == "137"
