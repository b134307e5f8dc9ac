"""``docker exec``: output, exit codes, input, terminals, and what the image's own tools must do."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import docker as docker_py
import pytest
from docker.errors import APIError, NotFound

from tests.support.clients import ALPINE, DockerCli, at_once
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

SLEEPS = ("sleep", "1000")


@pytest.fixture
def up(docker: DockerCli) -> str:
    """The name of a container that runs."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, ALPINE, *SLEEPS)
    return name


@pytest.fixture
def container(client: docker_py.DockerClient) -> Iterator[Any]:
    """The same for docker-py."""
    name = f"py-{secrets.token_hex(4)}"
    yield client.containers.run(ALPINE, list(SLEEPS), name=name, detach=True)
    with suppress(NotFound):
        client.containers.get(name).remove(force=True)


@pytest.mark.subset
def test_output_and_exit_code(docker: DockerCli, up: str) -> None:
    """Both streams apart."""
    assert docker("exec", up, "sh", "-c", "echo out; echo err >&2; exit 42") == (42, "out\n", "err\n")
    assert docker("exec", up, "true") == (0, "", "")


@pytest.mark.subset
def test_input_and_its_end(docker: DockerCli, up: str) -> None:
    """Every byte, and the command sees the end."""
    text = "".join(f"line {number}\n" for number in range(20_000))
    assert docker("exec", "-i", up, "cat", stdin=text) == (0, text, "")
    assert docker("exec", "-i", up, "sh", "-c", "cat >/dev/null; echo end; exit 3", stdin="x") == (3, "end\n", "")


def answers(user: Terminal, command: str, text: str) -> None:
    """The shell does so in the end: it drops what was typed before its prompt, and may not know of a new size yet."""

    def answered() -> bool:
        user.type(f"{command}\r")
        with suppress(AssertionError):
            user.says(text, seconds=1)
            return True
        return False

    eventually(answered, what=text)


@pytest.mark.subset
def test_a_terminal(docker: DockerCli, up: str) -> None:
    """Its size at the start and after a resize, ^C, and the exit code."""
    with docker.terminal("exec", "-it", up, "sh", rows=33, columns=101) as user:
        user.type("stty size\r")
        user.says("33 101")
        user.resize(44, 122)
        answers(user, "stty size", "44 122")
        user.type("sh -c 'echo up-$((1+1)); sleep 100'\r")
        user.says("up-2")
        user.type("\x03")
        answers(user, "echo code-$?", "code-130")
        user.type("exit 42\r")
        assert user.wait() == 42


def test_an_interrupt_ends_the_command(docker: DockerCli, up: str) -> None:
    """^C goes to the program in the container, whose exit code it is."""
    with docker.terminal("exec", "-it", up, "sh", "-c", "echo up; sleep 100") as user:
        user.says("up")
        user.type("\x03")
        assert user.wait() == 130


def test_a_command_that_is_not_there(docker: DockerCli, up: str) -> None:
    """The runtime's text and its code."""
    missing = docker("exec", up, "nosuch")
    forbidden = docker("exec", up, "/etc/passwd")

    assert missing.code == 127
    assert 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch"' in missing.out
    assert "executable file not found in $PATH" in missing.out
    assert forbidden.code == 126
    assert "permission denied" in forbidden.out


def test_environment_and_directory(docker: DockerCli, up: str) -> None:
    """By the image's own tools."""
    asked = ("exec", "-e", "A=b c", "-e", "Q='\"$X", "-w", "/etc", up)
    assert docker(*asked, "sh", "-c", 'echo "$A" "$Q" $PWD') == (0, "b c '\"$X /etc\n", "")
    for path, why in (("/nosuch", "no such file or directory"), ("/etc/passwd", "not a directory")):
        code, _, err = docker("exec", "-w", path, up, "true")
        assert (code, f'chdir to cwd ("{path}") set in config.json failed: {why}: unknown' in err) == (127, True)
    assert docker("exec", "-w", "etc", up, "true").code == 126


def test_a_user(docker: DockerCli, up: str) -> None:
    """The container's own, by number or name; another one is a sentence."""
    assert docker("exec", "-u", "root", up, "id", "-u") == (0, "0\n", "")
    assert docker("exec", "-u", "0:0", up, "id", "-u") == (0, "0\n", "")
    other = docker("exec", "-u", "1000", up, "id", "-u")
    assert (other.code, other.out) == (126, "")
    assert "exec as 1000 is not possible" in other.err
    assert "a privileged exec is not supported" in docker("exec", "--privileged", up, "true").err


def test_detached(docker: DockerCli, up: str) -> None:
    """It runs by itself, whatever it writes."""
    assert docker.ok("exec", "-d", up, "sh", "-c", "yes | head -c 10000000; echo done > /tmp/done; sleep 1000") == ""
    eventually(lambda: docker("exec", up, "cat", "/tmp/done").out == "done\n", what="its file")
    assert docker.inspect(up, "len .ExecIDs") == "1"


def test_a_detached_command_that_is_not_there(docker: DockerCli, up: str) -> None:
    """The runtime's text is the start's error, where the cluster is quick enough to say it."""
    text = 'Error response from daemon: OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch"'
    eventually(lambda: docker("exec", "-d", up, "nosuch").err.startswith(text), what="the runtime's text")


def test_a_client_that_leaves(docker: DockerCli, up: str) -> None:
    """The command goes on, as with Docker."""
    with docker.begin("exec", up, "sh", "-c", "echo up; sleep 1; echo more; touch /tmp/after; sleep 1000") as running:
        running.says("up")
    eventually(lambda: docker("exec", up, "ls", "/tmp/after").code == 0, what="what it does later")


def test_containers_that_do_not_run(docker: DockerCli, up: str) -> None:
    """Docker's sentence; what ran in it is killed with it."""
    with docker.begin("exec", up, "sh", "-c", "echo up; sleep 1000") as running:
        running.says("up")
        docker.ok("stop", "-t", "0", up)
        assert running.wait().code == 137
    identity = docker.inspect(up, ".Id")

    assert docker("exec", up, "true").err == f"Error response from daemon: container {identity} is not running\n"


def test_events(docker: DockerCli, up: str) -> None:
    """Three of them, with the exec's id and its exit code."""
    since = str(time.time())
    with docker.begin("events", "--since", since, "-f", f"container={up}", "--format", "{{json .}}") as events:
        docker("exec", up, "sh", "-c", "exit 3")
        eventually(lambda: len(events.lines()) >= 3, what="three events")
    found = [json.loads(line) for line in events.lines()]
    assert [event["Action"] for event in found] == ["exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die"]
    assert len({event["Actor"]["Attributes"]["execID"] for event in found}) == 1
    assert found[-1]["Actor"]["Attributes"]["exitCode"] == "3"


def test_a_size_that_is_told_before_the_start(client: docker_py.DockerClient, container: Any) -> None:
    """A terminal has it from its first line on."""
    made = client.api.exec_create(container.id, ["stty", "size"], tty=True)["Id"]
    client.api.exec_resize(made, height=33, width=101)
    assert client.api.exec_start(made, tty=True) == b"33 101\r\n"


def test_inspect(client: docker_py.DockerClient, container: Any) -> None:
    """Running while it runs, then its exit code; it goes with its container."""
    made = client.api.exec_create(container.id, ["sh", "-c", "read x; exit 9"], stdin=True)["Id"]
    stream = client.api.exec_start(made, socket=True)
    eventually(lambda: client.api.exec_inspect(made)["Running"], what="running")
    stream._sock.sendall(b"go\n")
    assert stream._sock.recv(100) == b""

    shown = client.api.exec_inspect(made)
    assert (shown["Running"], shown["ExitCode"], shown["ContainerID"]) == (False, 9, container.id)
    with pytest.raises(APIError, match="has already run") as refused:
        client.api.exec_start(made)
    assert refused.value.status_code == 409
    container.remove(force=True)
    with pytest.raises(NotFound, match="No such exec instance"):
        client.api.exec_inspect(made)
    stream.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=pytest.mark.prove)])
def test_many_in_a_row(container: Any, count: int) -> None:
    """Each one's whole output: docker-py loses what comes with the head."""
    assert [container.exec_run("echo x") for _ in range(count)] == [(0, b"x\n")] * count


@pytest.mark.subset
def test_many_at_once(container: Any) -> None:
    """Fifty, each with its own output and code."""

    def one(number: int) -> tuple[int, bytes]:
        done = container.exec_run(["sh", "-c", f"echo {number}; exit {number}"])
        return done.exit_code, done.output

    assert at_once(one, range(50), threads=50) == [(number, b"%d\n" % number) for number in range(50)]


def test_much_output(container: Any) -> None:
    """Exactly as many bytes as were written, through a client that reads late."""
    done = container.exec_run(["sh", "-c", "head -c 30000000 /dev/zero"], stream=True)
    assert sum(map(len, done.output)) == 30_000_000
