"""Stop, start, kill, restart, wait, rename, remove, list: a container's life as Docker's user sees it."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.clients import ALPINE, HANDLES_TERM, DockerCli
from tests.support.waiting import eventually

PORCELAIN = "{{.Names}} {{.State}}"


def begin(docker: DockerCli, *options: str, program: str = HANDLES_TERM) -> str:
    """A container that handles TERM, and has said that it is up."""
    name = docker.name()
    docker.ok("run", "-d", *options, "--name", name, ALPINE, "sh", "-c", program)
    if "echo up" in program:
        eventually(lambda: "up" in docker("logs", name).out, what="its first line")
    return name


def state(docker: DockerCli, name: str) -> tuple[str, int]:
    """Status and exit code."""
    status, code = docker.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name).split()
    return status, int(code)


@pytest.mark.subset
def test_the_usual_life(docker: DockerCli) -> None:
    """run -d, ps, logs -f, stop, start, rm."""
    name = begin(docker)
    assert docker.ok("ps", "-f", f"name={name}", "--format", PORCELAIN) == f"{name} running"

    with docker.begin("logs", "-f", name) as follower:
        follower.says("up\n")
        assert docker.ok("stop", "-t", "5", name) == name
        assert follower.wait() == (0, "up\nbye\n", "")
    assert state(docker, name) == ("exited", 7)
    assert docker.ok("ps", "-f", f"name={name}", "--format", PORCELAIN) == ""
    assert docker.ok("ps", "-a", "-f", f"name={name}", "--format", PORCELAIN) == f"{name} exited"

    assert docker.ok("start", name) == name
    assert state(docker, name) == ("running", 0)
    eventually(lambda: docker.ok("logs", name) == "up\nbye\nup", what="the second run's line")

    refused = docker("rm", name)
    assert refused.code == 1
    assert (
        f'cannot remove container "/{name}": container is running: stop the container before removing or force remove'
        in refused.err
    )
    assert docker.ok("rm", "-f", name) == name
    assert docker("inspect", name).code == 1
    assert f"No such container: {name}" in docker("logs", name).err


@pytest.mark.subset
def test_wait_tells_the_exit_code(docker: DockerCli) -> None:
    """Of a container that ends meanwhile, and at once of one that has ended."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, ALPINE, "sh", "-c", "sleep 0.5; exit 9")

    assert docker.ok("wait", name) == "9"
    assert docker.ok("wait", name) == "9"


def test_stop_of_a_program_that_ignores_the_signal(docker: DockerCli) -> None:
    """KILL after the time that was given: 137, within seconds."""
    name = begin(docker, program="trap '' TERM; echo up; while :; do sleep 0.1; done")

    began = time.monotonic()
    docker.ok("stop", "-t", "1", name)

    assert 1 <= time.monotonic() - began < 8
    assert state(docker, name) == ("exited", 137)
    assert docker.ok("logs", name) == "up"


def test_stop_uses_the_containers_own_signal_and_time(docker: DockerCli) -> None:
    """``--stop-signal`` and ``--stop-timeout``."""
    program = "trap 'exit 12' QUIT; echo up; while :; do sleep 0.1; done"
    name = begin(docker, "--stop-signal", "QUIT", "--stop-timeout", "20", program=program)

    docker.ok("stop", name)

    assert state(docker, name) == ("exited", 12)


def test_stop_of_what_is_stopped_is_fine(docker: DockerCli) -> None:
    """304 for the client, twice."""
    name = docker.name()
    docker.ok("create", "--name", name, ALPINE, "true")

    assert docker.ok("stop", name) == name
    docker.ok("start", "-a", name)
    assert docker.ok("stop", name) == name
    assert state(docker, name) == ("exited", 0)


@pytest.mark.subset
def test_kill_ends_with_137(docker: DockerCli) -> None:
    """At once, whatever the program handles."""
    name = begin(docker)

    docker.ok("kill", name)

    assert state(docker, name) == ("exited", 137)
    assert docker.inspect(name, ".State.OOMKilled") == "false"
    assert docker.ok("logs", name) == "up"


def test_term_without_a_handler_ends_with_143(docker: DockerCli) -> None:
    """A program that is not process 1 dies of TERM, and its shell says so with 143."""
    name = begin(docker, program="sleep 600 & trap 'kill -TERM $!' TERM; echo up; wait $!; wait $!; exit $?")

    docker.ok("kill", "-s", "TERM", name)

    assert docker.ok("wait", name) == "143"


def test_kill_with_another_signal_reaches_the_program(docker: DockerCli) -> None:
    """USR1 by name and by number; the container goes on."""
    name = begin(docker, program="trap 'echo got it' USR1; echo up; while :; do sleep 0.1; done")

    for number, signal in enumerate(("USR1", "SIGUSR1", "10"), 1):
        docker.ok("kill", "-s", signal, name)
        eventually(lambda: docker.ok("logs", name).count("got it") == number, what=f"{signal} to arrive")  # noqa: B023
    assert state(docker, name) == ("running", 0)


def test_kill_of_what_does_not_run(docker: DockerCli) -> None:
    """Docker's text."""
    name = docker.name()
    container_id = docker.ok("create", "--name", name, ALPINE, "true")

    done = docker("kill", name)

    assert done.code == 1
    assert f"cannot kill container: {name}: container {container_id} is not running" in done.err


def test_an_unknown_signal_is_refused(docker: DockerCli) -> None:
    """The container runs on."""
    name = begin(docker, program="sleep 60")

    done = docker("kill", "-s", "NOSUCH", name)

    assert done.code == 1
    assert "nvalid signal: NOSUCH" in done.err
    assert state(docker, name) == ("running", 0)


def test_restart_of_a_running_and_of_an_ended_container(docker: DockerCli) -> None:
    """Both run afterwards, and the log has all runs."""
    name = begin(docker)
    before = docker.inspect(name, ".State.StartedAt")

    assert docker.ok("restart", "-t", "5", name) == name
    assert state(docker, name) == ("running", 0)
    assert docker.inspect(name, ".State.StartedAt") > before
    eventually(lambda: docker.ok("logs", name) == "up\nbye\nup", what="the second run's line")

    docker.ok("kill", name)
    docker.ok("restart", name)
    assert state(docker, name) == ("running", 0)
    eventually(lambda: docker.ok("logs", name) == "up\nbye\nup\nup", what="the third run's line")


def test_rename(docker: DockerCli) -> None:
    """The new name is good for everything, the old one for nothing."""
    name, other = begin(docker, program="sleep 60"), docker.name()

    docker.ok("rename", name, other)

    assert docker.inspect(other, ".Name") == f"/{other}"
    assert docker("inspect", name).code == 1
    assert docker.ok("ps", "-f", f"name=^{other}$", "--format", "{{.Names}}") == other


def test_names_are_unique(docker: DockerCli) -> None:
    """Docker's sentence for a second container of a name."""
    name = docker.name()
    holder = docker.ok("create", "--name", name, ALPINE, "true")

    done = docker("create", "--name", name, ALPINE, "true")

    assert done.code == 1
    assert (
        f'Conflict. The container name "/{name}" is already in use by container "{holder}".'
        " You have to remove (or rename) that container to be able to reuse that name." in done.err
    )


def test_a_container_is_found_by_id_prefix_and_name(docker: DockerCli) -> None:
    """And one without a name gets one."""
    container_id = docker.ok("create", ALPINE, "true")
    try:
        name = docker.inspect(container_id, ".Name")
        assert re.fullmatch(r"/[a-z]+-[a-z]+\d?", name)
        for ref in (container_id[:12], container_id[:20], name.removeprefix("/"), name):
            assert docker.inspect(ref, ".Id") == container_id
    finally:
        docker.ok("rm", container_id)


def test_remove_by_force_is_quick_and_frees_the_name(docker: DockerCli) -> None:
    """``rm -f`` does not wait for the kubelet."""
    name = begin(docker)

    began = time.monotonic()
    docker.ok("rm", "-f", name)
    assert time.monotonic() - began < 3

    assert docker("run", "--rm", "--name", name, ALPINE, "echo", "again") == (0, "again\n", "")


def test_several_removed_at_once(docker: DockerCli) -> None:
    """A wait on them ends, each with its code."""
    names = [begin(docker, program="sleep 60") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(docker, "wait", name) for name in names]
        docker.ok("kill", *names)

        assert [wait.result().out for wait in waits] == ["137\n", "137\n"]
    docker.ok("rm", *names)


def test_prune_with_a_label(docker: DockerCli) -> None:
    """Only what has ended and has the label."""
    label = docker.name("label")
    ended, running, other = (docker.name() for _ in range(3))
    docker.ok("run", "--name", ended, "--label", f"which={label}", ALPINE, "true")
    docker.ok("run", "-d", "--name", running, "--label", f"which={label}", ALPINE, "sleep", "60")
    ended_id = docker.inspect(ended, ".Id")
    docker.ok("create", "--name", other, ALPINE, "true")

    done = docker.ok("container", "prune", "-f", "--filter", f"label=which={label}")

    assert [line for line in done.splitlines() if re.fullmatch("[0-9a-f]{64}", line)] == [ended_id]
    assert docker.ok("ps", "-aq", "--no-trunc", "-f", f"name={other}") != ""
    assert docker.ok("ps", "-q", "-f", f"name={running}") != ""


def test_ps_filters(docker: DockerCli) -> None:
    """By label, status, exit code, ancestor, id, name, before and since; combined."""
    label = docker.name("label")
    ended, running, made = (docker.name(what) for what in ("ended", "running", "made"))
    docker("run", "--name", ended, "--label", f"which={label}", ALPINE, "sh", "-c", "exit 3")
    docker.ok("run", "-d", "--name", running, "--label", f"which={label}", "--label", "more=1", "alpine:3.20", "sleep", "60")
    docker.ok("create", "--name", made, "--label", f"which={label}", ALPINE, "true")

    def listed(*filters: str) -> set[str]:
        words = [word for text in filters for word in ("-f", text)]
        return set(docker.ok("ps", "-a", "-f", f"label=which={label}", *words, "--format", "{{.Names}}").split())

    assert listed() == {ended, running, made}
    assert listed("label=more") == {running}
    assert listed("label=more=2") == set()
    assert listed("status=exited") == {ended}
    assert listed("status=created", "status=running") == {made, running}
    assert listed("exited=3") == {ended}
    assert listed("exited=0") == set()
    assert listed("ancestor=alpine:3.20") == {running}
    assert listed(f"id={docker.inspect(made, '.Id')[:12]}") == {made}
    assert listed("name=made") == {made}
    assert listed(f"name=^/{made}$") == {made}
    assert listed(f"before={running}") == {ended}
    assert listed(f"since={running}") == {made}
    refused = docker("ps", "-f", "nosuch=1")
    assert refused.code == 1
    assert "invalid filter 'nosuch'" in refused.err


def test_ps_shows_what_docker_shows(docker: DockerCli) -> None:
    """Command, status in words, image as it was asked for; -n and -l."""
    name = docker.name()
    docker("run", "--name", name, ALPINE, "sh", "-c", "exit 3")

    shown = json.loads(docker.ok("ps", "-a", "--no-trunc", "-f", f"name={name}", "--format", "json"))

    assert (shown["Image"], shown["Command"], shown["State"], shown["Names"]) == (ALPINE, "\"sh -c 'exit 3'\"", "exited", name)
    assert re.fullmatch(r"Exited \(3\) (Less than a second|1 second|\d+ seconds) ago", shown["Status"])
    assert docker.ok("ps", "-lq") == docker.ok("ps", "-n", "1", "-q")
