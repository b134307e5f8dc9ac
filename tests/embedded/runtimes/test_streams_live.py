"""Exec and attach of real containers: both streams, input and its end, terminals, codes, what cannot be run."""

import json

import pytest

from kubedock.cluster.protocol import ERROR, RESIZE, STDERR, STDIN, STDOUT
from kubedock.streams.channels import ExitStatus, exit_status
from tests.support.runtimes import Pods, Run
from tests.support.waiting import converse, eventually, gathered

pytestmark = pytest.mark.embedded


@pytest.fixture
def main(pods: Pods) -> Run:
    """A container that stays."""
    return pods.run("sleep", "1000", env=(("GREETING", "hello"),), cwd="/tmp")


@pytest.mark.parametrize("code", [0, 1, 126, 127, 137, 255])
def test_an_execs_code_is_its_own(main: Run, code: int) -> None:
    """Also those that mean something else elsewhere."""
    told = main.exec("sh", "-c", f"echo out; echo err >&2; exit {code}")

    assert (told[STDOUT], told[STDERR], exit_status(told[ERROR])) == (b"out\n", b"err\n", ExitStatus(code))


@pytest.mark.parametrize(
    ("argv", "code", "reason"),
    [
        (["nosuch"], 127, 'exec: "nosuch": executable file not found in $PATH: unknown'),
        (["/no/such"], 127, 'exec: "/no/such": stat /no/such: no such file or directory: unknown'),
        (["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied: unknown'),
    ],
)
def test_what_cannot_be_run_is_told_by_the_status_alone(main: Run, argv: list[str], code: int, reason: str) -> None:
    """Nothing is written."""
    told = main.exec(*argv)

    status = exit_status(told.pop(ERROR))
    assert told == {}
    assert status.code == code
    assert status.message.endswith(f"OCI runtime exec failed: exec failed: unable to start container process: {reason}")


def test_an_exec_has_the_containers_environment_and_folder(main: Run) -> None:
    """As the main process has them."""
    assert main.exec("sh", "-c", 'pwd; echo "$GREETING"')[STDOUT] == b"/tmp\nhello\n"


def test_input_is_passed_on_and_so_is_its_end(main: Run) -> None:
    """Much of it, through a process that writes as much."""
    data = bytes(range(256)) * 4096
    with main.runtime.exec(main.spec.id, ["cat"], stdin=True) as channels:
        channels.send(STDIN, data)
        assert channels.close_channel(STDIN)

        told = gathered(converse(channels))

    assert told == {STDOUT: data, ERROR: b'{"metadata":{},"status":"Success"}'}


def test_a_terminal_has_a_size_and_is_told_a_new_one(main: Run) -> None:
    """Lines end as terminals end them."""
    with main.runtime.exec(main.spec.id, ["sh", "-c", "read go; stty size; echo done"], stdin=True, tty=True) as channels:
        channels.send(RESIZE, json.dumps({"Width": 44, "Height": 33}).encode())
        eventually(lambda: main.exec("true")[ERROR])
        channels.send(STDIN, b"go\n")

        told = gathered(converse(channels))

    assert told[STDOUT].endswith(b"33 44\r\ndone\r\n")


def test_a_command_goes_on_when_nobody_listens(main: Run) -> None:
    """Though it writes more than any pipe holds."""
    with main.runtime.exec(main.spec.id, ["sh", "-c", "seq 1 200000; touch /tmp/done"]):
        pass

    eventually(lambda: exit_status(main.exec("test", "-e", "/tmp/done")[ERROR]).code == 0)


def test_an_exec_ends_with_its_container(main: Run) -> None:
    """137, or that the container is gone."""
    with main.runtime.exec(main.spec.id, ["sleep", "1000"]) as channels:
        eventually(lambda: b"sleep" in main.exec("sh", "-c", "echo sleep")[STDOUT])
        main.runtime.signal(main.spec.id, 9)

        status = exit_status(gathered(converse(channels))[ERROR])

    assert status.code == 137 or status.container_gone


def test_who_attaches_gets_both_streams_and_may_write(pods: Pods) -> None:
    """From now on, until the end."""
    run = pods.shell("read line; echo $line; echo bad >&2; cat; exit 4", stdin=True, stdin_once=True)
    with run.runtime.attach(run.spec.id, stdin=True) as channels:
        channels.send(STDIN, b"first\nrest\n")
        channels.close_channel(STDIN)

        told = gathered(converse(channels))

    assert told == {STDOUT: b"first\nrest\n", STDERR: b"bad\n", ERROR: b'{"metadata":{},"status":"Success"}'}
    assert run.exit().code == 4


def test_without_stdin_once_input_stays_open(pods: Pods) -> None:
    """The next one who attaches goes on."""
    run = pods.shell("read a; echo $a; read b; echo $b", stdin=True)
    with run.runtime.attach(run.spec.id, stdin=True) as channels:
        channels.send(STDIN, b"one\n")
        channels.close_channel(STDIN)
        run.wrote("one")
    with run.runtime.attach(run.spec.id, stdin=True) as channels:
        channels.send(STDIN, b"two\n")

        told = gathered(converse(channels))

    assert told[STDOUT] == b"two\n"
    assert run.exit().code == 0


def test_a_main_process_with_a_terminal(pods: Pods) -> None:
    """It echoes, and is logged as stdout."""
    run = pods.shell("read go; stty size; echo err >&2", stdin=True, tty=True)
    with run.runtime.attach(run.spec.id, stdin=True, tty=True) as channels:
        channels.send(RESIZE, json.dumps({"Width": 70, "Height": 20}).encode())
        channels.flush()
        eventually(lambda: exit_status(run.exec("true")[ERROR]).code == 0)
        channels.send(STDIN, b"go\n")

        told = gathered(converse(channels))

    assert told[STDOUT].splitlines() == [b"go", b"20 70", b"err"]
    assert run.output("stderr") == ""
