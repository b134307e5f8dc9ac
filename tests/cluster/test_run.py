"""``docker run``: output, exit codes, ^C, attached and detached."""

import re

import pytest

from tests.support.clients import ALPINE, DockerCli, Done, at_once
from tests.support.waiting import eventually

INTERRUPTIBLE = "trap 'echo caught; exit 7' INT; echo up; while :; do sleep 0.1; done"


@pytest.mark.subset
def test_run_prints_what_the_program_prints_and_leaves_nothing(docker: DockerCli) -> None:
    """The first thing that anybody tries."""
    name = docker.name()

    assert docker("run", "--rm", "--name", name, ALPINE, "echo", "hi") == (0, "hi\n", "")
    assert docker.ok("ps", "-aq", "-f", f"name={name}") == ""


@pytest.mark.subset
def test_run_pulls_an_image_that_is_not_known(docker: DockerCli) -> None:
    """By another name of the same image; the client reports the pull."""
    docker("rmi", "-f", "alpine:3.20")

    done = docker("run", "--rm", "--name", docker.name(), "alpine:3.20", "echo", "hi")

    assert (done.code, done.out) == (0, "hi\n")
    assert "Unable to find image 'alpine:3.20' locally\n" in done.err


@pytest.mark.subset
def test_the_exit_code_is_the_programs(docker: DockerCli) -> None:
    """Also in what inspect tells afterwards."""
    name = docker.name()

    assert docker("run", "--name", name, ALPINE, "sh", "-c", "exit 42") == (42, "", "")
    assert docker.inspect(name, ".State.Status") == "exited"
    assert docker.inspect(name, ".State.ExitCode") == "42"
    assert docker.inspect(name, ".State.Error") == ""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "codes",
    [
        pytest.param((0, 1, 2, 3, 64, 100, 124, 125, 126, 127, 128, 130, 137, 143, 254, 255), id="some"),
        pytest.param(tuple(range(256)), id="all", marks=pytest.mark.prove),
    ],
)
def test_exit_codes_round_trip(docker: DockerCli, codes: tuple[int, ...]) -> None:
    """Each is the program's own, whatever shells mean by it."""

    def run(code: int) -> int:
        return docker("run", "--rm", "--name", docker.name(), ALPINE, "sh", "-c", f"exit {code}", seconds=120).code

    assert at_once(run, codes) == list(codes)


@pytest.mark.subset
@pytest.mark.parametrize("rm", [False, True], ids=["kept", "removed"])
def test_a_program_that_is_not_there(docker: DockerCli, rm: bool) -> None:
    """Docker's sentence and 127; ``--rm`` removes the container all the same."""
    name = docker.name()

    done = docker("run", *(["--rm"] if rm else []), "--name", name, ALPINE, "nosuch")

    assert done.code == 127
    assert 'exec: "nosuch": executable file not found in $PATH' in done.err
    if rm:
        assert docker.ok("ps", "-aq", "-f", f"name={name}") == ""
        return
    assert docker.inspect(name, ".State.Status") == "created"
    assert docker.inspect(name, ".State.ExitCode") == "127"
    assert docker.inspect(name, ".State.StartedAt") == "0001-01-01T00:00:00Z"
    assert 'exec: "nosuch": executable file not found in $PATH' in docker.inspect(name, ".State.Error")
    assert docker("logs", name) == (0, "", "")


def test_a_program_that_may_not_be_run(docker: DockerCli) -> None:
    """126."""
    done = docker("run", "--rm", "--name", docker.name(), ALPINE, "/etc")

    assert done.code == 126
    assert "permission denied" in done.err or "is a directory" in done.err


@pytest.mark.subset
def test_interrupt_reaches_an_attached_program(docker: DockerCli) -> None:
    """^C on the client: the program handles SIGINT and its exit code is the client's."""
    with docker.begin("run", "--name", docker.name(), ALPINE, "sh", "-c", INTERRUPTIBLE) as run:
        run.says("up\n")
        run.interrupt()

        assert run.wait() == (7, "up\ncaught\n", "")


@pytest.mark.subset
@pytest.mark.timeout(600)
@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.prove)])
def test_one_line_and_the_end_lose_nothing(docker: DockerCli, times: int) -> None:
    """Neither attached nor in the log, by a program that is gone at once."""

    def run(number: int) -> tuple[Done, Done]:
        name, line = docker.name(), f"line {number}"
        return docker("run", "--name", name, ALPINE, "echo", line, seconds=120), docker("logs", name)

    found = zip(range(times), at_once(run, range(times), threads=4), strict=True)
    assert [(number, done) for number, done in found if done != ((0, f"line {number}\n", ""),) * 2] == []


def test_much_output_is_complete_and_in_order(docker: DockerCli) -> None:
    """20,000 lines, attached."""
    program = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"

    done = docker("run", "--rm", "--name", docker.name(), ALPINE, "sh", "-c", program)

    assert done.code == 0
    assert done.out == "".join(f"line {number}\n" for number in range(20000))


def test_output_without_a_line_end(docker: DockerCli) -> None:
    """Stays without one."""
    assert docker("run", "--rm", "--name", docker.name(), ALPINE, "printf", "no end") == (0, "no end", "")


def test_detached_run_prints_the_id(docker: DockerCli) -> None:
    """All 64 digits of it."""
    name = docker.name()

    container_id = docker.ok("run", "-d", "--name", name, ALPINE, "sleep", "60")

    assert re.fullmatch("[0-9a-f]{64}", container_id)
    assert docker.inspect(name, ".Id") == container_id
    assert docker.inspect(name, ".State.Running") == "true"


def test_create_then_start_attached(docker: DockerCli) -> None:
    """``docker create`` runs nothing, ``docker start -a`` shows the output and ends with the program's code."""
    name = docker.name()
    docker.ok("create", "--name", name, ALPINE, "sh", "-c", "echo hi; exit 3")
    assert docker.inspect(name, ".State.Status") == "created"

    assert docker("start", "-a", name) == (3, "hi\n", "")


def test_start_attached_again_shows_the_new_run_only(docker: DockerCli) -> None:
    """The log has both."""
    name = docker.name()
    docker.ok("create", "--name", name, ALPINE, "echo", "hi")

    assert docker("start", "-a", name) == (0, "hi\n", "")
    assert docker("start", "-a", name) == (0, "hi\n", "")
    assert docker.ok("logs", name) == "hi\nhi"


def test_interactive_and_detached_stays_up(docker: DockerCli) -> None:
    """``-dit`` of a shell: it waits for input, and the log of its terminal is raw, without frames."""
    name = docker.name()
    docker.ok("run", "-dit", "--name", name, ALPINE, "sh", "-c", "echo raw; exec sh")

    eventually(lambda: docker("logs", name).out.startswith("raw"), what="the terminal's output")
    assert docker.inspect(name, ".State.Running") == "true"
    assert docker.inspect(name, ".Config.Tty") == "true"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("-i",), "kubedock cannot attach a container's stdin yet"),
        (("-t",), "kubedock cannot attach to a container's terminal yet"),
    ],
    ids=["stdin", "terminal"],
)
def test_attached_input_is_refused_with_a_sentence(docker: DockerCli, flags: tuple[str, ...], sentence: str) -> None:
    """Until it can be had, there is no container: a refusal of the attach itself would tell the client a number only."""
    name = docker.name()

    done = docker("run", "--rm", *flags, "--name", name, ALPINE, "cat")

    assert (done.code, done.out) == (125, "")
    assert sentence in done.err
    assert docker.ok("ps", "-aq", "-f", f"name={name}") == ""


@pytest.mark.subset
def test_attach_shows_output_from_now_on(docker: DockerCli) -> None:
    """Both streams, each as itself, and the program's exit code at the end."""
    name = docker.name()
    program = "trap 'exit 5' USR1; echo before; while :; do echo out; echo err >&2; sleep 0.2; done"
    docker.ok("run", "-d", "--name", name, ALPINE, "sh", "-c", program)
    eventually(lambda: "before" in docker.ok("logs", name), what="its first line")

    with docker.begin("attach", "--no-stdin", name) as attached:
        attached.says("out\n")
        docker.ok("kill", "-s", "USR1", name)
        done = attached.wait()

    assert done.code == 5
    assert set(done.out.split()) == {"out"}
    assert set(done.err.split()) == {"err"}
