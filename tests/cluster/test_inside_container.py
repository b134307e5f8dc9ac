"""What the program in a container sees of the options that it was created with."""

import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.waiting import eventually

LOOKS = (
    ("environment in order", ("-e", "A=1", "-e", "B=$(A) $A $$ x=y"), ("sh", "-c", 'echo "$A|$B"'), "1|$(A) $A $$ x=y\n"),
    ("an empty variable", ("-e", "EMPTY="), ("sh", "-c", "env | grep ^EMPTY"), "EMPTY=\n"),
    ("dollars in the command", (), ("echo", "$(HOME)", "$HOME", "$$", "$$(X)"), "$(HOME) $HOME $$ $$(X)\n"),
    ("working directory", ("-w", "/media"), ("pwd",), "/media\n"),
    ("entrypoint and command", ("--entrypoint", "echo"), ("a", "b c"), "a b c\n"),
    ("hostname", ("--hostname", "some-host"), ("hostname",), "some-host\n"),
    ("user and group", ("-u", "1000:1001"), ("sh", "-c", "id -u; id -g"), "1000\n1001\n"),
    ("more groups", ("-u", "1000", "--group-add", "2000"), ("sh", "-c", "id -G | tr ' ' '\\n' | grep -c '^2000$'"), "1\n"),
    ("tmpfs", ("--tmpfs", "/scratch:size=1m"), ("sh", "-c", "df -k /scratch | tail -1 | awk '{print $1, $2}'"), "tmpfs 1024\n"),
    ("shared memory", ("--shm-size", "8m"), ("sh", "-c", "df -k /dev/shm | tail -1 | awk '{print $2}'"), "8192\n"),
    ("read-only root", ("--read-only",), ("sh", "-c", "touch /x 2>/dev/null || echo refused"), "refused\n"),
    ("capabilities dropped", ("--cap-drop", "ALL"), ("grep", "CapEff", "/proc/self/status"), "CapEff:\t0000000000000000\n"),
    (
        "a capability added",
        ("--cap-drop", "ALL", "--cap-add", "NET_ADMIN"),
        ("grep", "CapEff", "/proc/self/status"),
        "CapEff:\t0000000000001000\n",
    ),
    (
        "no new privileges",
        ("--security-opt", "no-new-privileges"),
        ("grep", "NoNewPrivs", "/proc/self/status"),
        "NoNewPrivs:\t1\n",
    ),
    (
        "hosts",
        ("--add-host", "db.example:192.0.2.7", "--add-host", "six:2001:db8::1"),
        ("sh", "-c", "grep -E 'db.example|six' /etc/hosts | tr '\\t' ' ' | sort"),
        "192.0.2.7 db.example\n2001:db8::1 six\n",
    ),
    (
        "name servers",
        ("--dns", "192.0.2.53", "--dns-search", "example.org", "--dns-option", "ndots:3"),
        ("cat", "/etc/resolv.conf"),
        "search example.org\nnameserver 192.0.2.53\noptions ndots:3\n",
    ),
    (
        "memory limit",
        ("-m", "64m"),
        ("sh", "-c", "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; true"),
        "67108864\n",
    ),
    ("no token", (), ("sh", "-c", "ls /var/run/secrets/kubernetes.io 2>/dev/null || echo none"), "none\n"),
    ("no service links", (), ("sh", "-c", "env | grep _SERVICE_HOST | grep -v ^KUBERNETES_ || echo none"), "none\n"),
    ("process 1", (), ("sh", "-c", "echo $$"), "1\n"),
    ("no input", (), ("cat",), ""),
)


@pytest.mark.parametrize(("options", "command", "wanted"), [row[1:] for row in LOOKS], ids=[row[0] for row in LOOKS])
def test_options(docker: DockerCli, options: tuple[str, ...], command: tuple[str, ...], wanted: str) -> None:
    """The program prints what it sees."""
    done = docker("run", "--rm", "--name", docker.name(), *options, ALPINE, *command)

    assert (done.code, done.out) == (0, wanted)


def test_a_cleared_entrypoint(docker: DockerCli) -> None:
    """Runs the command itself."""
    name = docker.name()

    assert docker("run", "--rm", "--name", name, "--entrypoint", "", ALPINE, "echo", "hi") == (0, "hi\n", "")


def test_an_image_with_nothing_but_a_program(docker: DockerCli) -> None:
    """hello-world; a stop works without a kill in the image."""
    done = docker("run", "--rm", "--name", docker.name(), "hello-world")

    assert done.code == 0
    assert "Hello from Docker!" in done.out


def test_an_image_that_starts_a_server(docker: DockerCli) -> None:
    """The image's own entrypoint, user and environment; stopped by its own handler."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, "redis:7-alpine")
    eventually(lambda: "Ready to accept connections" in docker.ok("logs", name), what="its handler")

    docker.ok("stop", "-t", "10", name)

    assert docker.inspect(name, ".State.ExitCode") == "0"
