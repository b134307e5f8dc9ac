"""``docker logs`` with all its options, of running, ended and followed containers."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.waiting import eventually

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
FIVE = "for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done"


def five(docker: DockerCli) -> tuple[str, list[str]]:
    """A container that has written five lines, 0.3 s apart, and their timestamps."""
    name = docker.name()
    docker.ok("run", "--name", name, ALPINE, "sh", "-c", FIVE)
    return name, [line.split(" ")[0] for line in docker.ok("logs", "-t", name).splitlines()]


@pytest.mark.subset
def test_options(docker: DockerCli) -> None:
    """Tail, timestamps, since and until, each and together."""
    name, stamps = five(docker)

    def lines(*options: str) -> str:
        return docker.ok("logs", *options, name).replace("line ", "").replace("\n", " ")

    assert all(re.fullmatch(STAMP, stamp) for stamp in stamps)
    assert stamps == sorted(set(stamps))
    assert len(stamps) == 5
    assert lines() == "1 2 3 4 5"
    assert lines("-t") == " ".join(f"{stamp} {number}" for number, stamp in enumerate(stamps, 1))
    assert lines("--tail", "2") == "4 5"
    assert lines("--tail", "0") == ""
    assert lines("--tail", "99") == "1 2 3 4 5"
    assert lines("--tail", "all") == "1 2 3 4 5"
    assert lines("--since", stamps[2]) == "3 4 5"
    assert lines("--until", stamps[2]) == "1 2 3"
    assert lines("--since", stamps[1], "--until", stamps[3]) == "2 3 4"
    # As in Docker, the tail is cut first.
    assert lines("--since", stamps[1], "--until", stamps[3], "--tail", "3") == "3 4"
    assert lines("--since", "1h") == "1 2 3 4 5"
    assert lines("--since", (datetime.now(UTC) + timedelta(hours=1)).isoformat()) == ""
    assert lines("--until", "1h") == ""
    assert lines("-f") == "1 2 3 4 5"
    assert lines("-f", "--tail", "1") == "5"


def test_the_log_is_the_same_after_a_stop(docker: DockerCli) -> None:
    """The pod is gone then, its log is not."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, ALPINE, "sh", "-c", f"{FIVE}; sleep 100")
    before = eventually(lambda: (text := docker.ok("logs", "-t", name)).count("\n") == 4 and text, what="five lines")

    docker.ok("kill", name)

    assert docker.ok("logs", "-t", name) == before
    assert docker.ok("logs", "--tail", "2", name) == "line 4\nline 5"
    assert docker.ok("logs", "--since", before.splitlines()[3].split(" ")[0], name) == "line 4\nline 5"


def test_follow_from_a_place_resumes_without_loss_or_repeat(docker: DockerCli) -> None:
    """As a log collector does it: by the last timestamp that it saw."""
    name = docker.name()
    docker.ok(
        "run", "-d", "--name", name, ALPINE, "sh", "-c", "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.1; done"
    )
    with docker.begin("logs", "-f", "-t", name) as follower:
        follower.says("line 5\n")
    first = follower.lines()
    last = first[-1].split(" ")[0]

    with docker.begin("logs", "-f", "-t", "--since", last, name) as follower:
        second = follower.wait().out.splitlines()

    assert second[0] == first[-1]
    assert [line.split(" ", 1)[1] for line in (*first, *second[1:])] == [f"line {number}" for number in range(40)]


@pytest.mark.subset
def test_two_followers(docker: DockerCli) -> None:
    """Both see every line once, whenever they came, up to the end."""
    name = docker.name()
    docker.ok(
        "run", "-d", "--name", name, ALPINE, "sh", "-c", "i=0; while [ $i -lt 20 ]; do echo line $i; i=$((i+1)); sleep 0.1; done"
    )
    wanted = "".join(f"line {number}\n" for number in range(20))

    with docker.begin("logs", "-f", name) as early:
        early.says("line 3\n")
        with docker.begin("logs", "-f", name) as late:
            assert late.wait() == (0, wanted, "")
        assert early.wait() == (0, wanted, "")


def test_a_follower_that_leaves_does_not_disturb(docker: DockerCli) -> None:
    """The other one goes on."""
    name = docker.name()
    docker.ok(
        "run",
        "-d",
        "--name",
        name,
        ALPINE,
        "sh",
        "-c",
        "trap 'exit 0' TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.1; done",
    )
    with docker.begin("logs", "-f", name) as stays:
        with docker.begin("logs", "-f", name) as leaves:
            leaves.says("line 5\n")
        seen = len(stays.lines())
        eventually(lambda: len(stays.lines()) > seen + 10, what="more lines")
        docker.ok("stop", "-t", "5", name)
        done = stays.wait()

    lines = done.out.splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]


def test_follow_before_the_start(docker: DockerCli) -> None:
    """A created container has an empty log; a follower ends or waits, and shows what comes."""
    name = docker.name()
    docker.ok("create", "--name", name, ALPINE, "sh", "-c", "echo out; echo err >&2")

    assert docker("logs", name) == (0, "", "")
    docker.ok("start", name)
    docker.ok("wait", name)
    done = docker("logs", name)
    assert sorted((done.out + done.err).split()) == ["err", "out"]


def test_a_long_line_and_bytes_that_are_no_text(docker: DockerCli) -> None:
    """Come as they were written: the runtime splits lines at 16 KiB, nobody sees it."""
    name = docker.name()
    program = "head -c 50000 /dev/zero | tr '\\0' x; echo; printf '\\303\\244 \\t.\\n'"

    done = docker("run", "--name", name, ALPINE, "sh", "-c", program)

    assert done.out == "x" * 50000 + "\nä \t.\n"
    assert docker.ok("logs", name) == "x" * 50000 + "\nä \t."


def test_logs_of_nothing(docker: DockerCli) -> None:
    """Docker's sentence."""
    done = docker("logs", "nosuch")

    assert done.code == 1
    assert done.err == "Error response from daemon: No such container: nosuch\n"
