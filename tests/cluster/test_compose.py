"""docker compose: a project of three services in one network, from ``up`` to ``down``."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import DockerCli, Done
from tests.support.kubedock_server import KubedockServer
from tests.support.realcluster import absent
from tests.support.samples import SAMPLES
from tests.support.waiting import eventually

FILE = SAMPLES / "compose" / "compose.yaml"
SYSTEM = ("/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec")
UP = 120
"""Seconds that ``up`` may take: three starts and two health checks."""
CLEARED = "\x1b[2K"
"""What compose begins the lines of services with, in a terminal or not."""
GET = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode(), end='')"


@dataclass(frozen=True, slots=True)
class Project:
    """One project of a file. ``compose("up", "-d")`` runs a command of it, which must be a success."""

    docker: DockerCli
    name: str
    file: Path = FILE

    def run(self, *words: str, seconds: float = 60) -> Done:
        """One command."""
        done = self.docker("compose", "-p", self.name, "-f", str(self.file), *words, seconds=seconds)
        return done._replace(out=done.out.replace(CLEARED, ""))

    def __call__(self, *words: str, seconds: float = 60) -> str:
        done = self.run(*words, seconds=seconds)
        assert done.code == 0, f"compose {' '.join(words)}: {done}"
        return done.out

    @property
    def services(self) -> dict[str, Any]:
        """What ``ps`` tells of each."""
        return {row["Service"]: row for row in map(json.loads, self("ps", "-a", "--format", "json").splitlines())}

    @property
    def runs(self) -> dict[str, tuple[str, str]]:
        """Which container each service is, and since when it runs."""
        return {name: (row["ID"], self.docker.inspect(row["ID"], ".State.StartedAt")) for name, row in self.services.items()}


def plugin() -> Path:
    """The compose plugin: the user's, or the system's."""
    folders = [Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"), *(Path(one) / "docker" for one in SYSTEM)]
    found = next((path for folder in folders if (path := folder / "cli-plugins" / "docker-compose").exists()), None)
    if found is None:
        absent("docker has no compose plugin here")
    return Path(str(found))


@pytest.fixture
def compose(own_server: KubedockServer) -> Project:
    """A project on a server of its own."""
    plugins = own_server.folder / "cli-plugins"
    plugins.mkdir()
    (plugins / "docker-compose").symlink_to(plugin())
    return Project(own_server.cli(), "sample")


@pytest.mark.subset
@pytest.mark.timeout(300)
def test_a_project(own_server: KubedockServer, compose: Project) -> None:
    """Everything is up in its order and finds each other, a second ``up`` changes nothing, and ``down`` leaves nothing."""
    compose("up", "-d", seconds=UP)

    shown = {name: (row["State"], row["Health"]) for name, row in compose.services.items()}
    assert shown == {"web": ("running", "healthy"), "store": ("running", "healthy"), "client": ("running", "")}

    wanted = ["the page of a config", "+OK", "$5", "hello", "+OK"]
    logged = eventually(lambda: len(lines := compose("logs", "--no-log-prefix", "client").splitlines()) >= 5 and lines)
    assert logged == wanted

    assert compose("exec", "-T", "store", "redis-cli", "get", "greeting") == "hello\n"
    assert compose.run("exec", "-T", "client", "sh", "-c", "echo out; echo err >&2; exit 3")[:3] == (3, "out\n", "err\n")

    host, _, port = compose("port", "web", "80").strip().rpartition(":")
    assert host == "0.0.0.0"
    asked = (*own_server.place.prefix, sys.executable, "-c", GET, f"http://127.0.0.1:{port}/")
    page = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout
    assert page == "the page of a config\n"

    before = compose.runs
    compose("up", "-d", seconds=UP)
    assert compose.runs == before

    compose("down", "-v", "-t", "1", seconds=UP)
    asked = (("ps", "-aq"), ("network", "ls", "-q", "-f", "type=custom"), ("volume", "ls", "-q"))
    assert [compose.docker.ok(*words) for words in asked] == ["", "", ""]
    eventually(lambda: not own_server.objects("pods"), what="no pod of it")


@pytest.mark.timeout(300)
def test_a_job_in_the_foreground(compose: Project) -> None:
    """The output of each service with its name; the job's end ends the rest, and its exit code is compose's own."""
    job = replace(compose, file=SAMPLES / "compose" / "job.yaml")

    done = job.run("up", "--exit-code-from", "job", seconds=UP)

    assert done.code == 3, done
    lines = {" ".join(line.split()) for line in done.out.splitlines()}
    assert {"job-1 | working", "job-1 | done", "helper-1 | helping"} <= lines, done
    assert {name: (row["State"], row["ExitCode"]) for name, row in job.services.items()} == {
        "job": ("exited", 3),
        "helper": ("exited", 0),
    }
