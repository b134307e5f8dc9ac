"""Real clients against a live worker over the in-memory cluster: docker-py, and the docker command where it is there."""

import gc
import itertools
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest

from tests.support.clients import DockerCli
from tests.support.live import LiveServer
from tests.support.tars import archive, contents, member
from tests.support.waiting import eventually

ARGV = (sys.executable, "-m", "gunicorn", "-c", "python:kubedock.server.config", "tests.support.live_engine:app")


# docker-py leaves the sockets of its streams to the garbage collector, which warns; so it runs at the end of each test.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def host():
    """A server's DOCKER_HOST."""
    with LiveServer(ARGV) as live:
        client = docker.DockerClient(base_url=live.addresses[0], timeout=20)
        client.images.pull("alpine", tag="latest")
        client.close()
        yield live.addresses[0]


@pytest.fixture
def client(host):
    """docker-py."""
    made = docker.DockerClient(base_url=host, timeout=20)
    yield made
    for container in made.containers.list(all=True):
        container.remove(force=True)
    made.close()
    gc.collect()


@pytest.fixture
def cli(host, tmp_path):
    """The docker command."""
    if shutil.which("docker") is None:
        pytest.skip("the docker command is not on this machine")
    made = DockerCli(host, tmp_path)
    yield made
    made.clean()


def test_docker_py_runs_a_container(client):
    """Pull on 404, create, start, wait, logs, remove."""
    assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"
    with pytest.raises(docker.errors.ContainerError) as failed:
        client.containers.run("busybox", ["sh", "-c", "exit 42"])
    assert failed.value.exit_status == 42
    client.containers.prune()


def test_docker_py_loses_nothing_of_what_it_removes_before_it_has_read(client):
    """It opens the log, waits, removes, and reads only then."""
    client.images.pull("alpine", tag="latest")
    for number in range(30):
        assert client.containers.run("alpine", ["echo", str(number)], remove=True) == f"{number}\n".encode()


def test_docker_py_follows_stops_and_removes(client):
    """The life of a detached container."""
    made = client.containers.run(
        "alpine", ["sh", "-c", "echo one; echo two; sleep 100"], name="py-web", detach=True, labels={"a": "b"}
    )
    lines = made.logs(stream=True)
    assert list(itertools.islice(lines, 2)) == [b"one\n", b"two\n"]
    lines.close()
    assert [found.name for found in client.containers.list(filters={"label": "a=b"})] == ["py-web"]
    made.stop(timeout=0)
    assert made.wait()["StatusCode"] in (137, 143)
    made.reload()
    assert made.status == "exited"
    with pytest.raises(docker.errors.APIError, match="is not running"):
        made.kill()
    made.remove(v=True)
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("py-web")


def test_docker_py_sees_events(client):
    """Decoded, in order, until it closes them."""
    events = client.events(decode=True, filters={"type": "container", "label": "watched=yes"})
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(lambda: [event["Action"] for event in itertools.islice(events, 4)])
        client.containers.run("alpine", ["true"], labels={"watched": "yes"}, remove=True)
        assert seen.result(20) == ["create", "start", "die", "destroy"]
    events.close()


def test_docker_py_execs(client):
    """Output of both streams, exit codes, input with its end, and nothing lost of many in a row."""
    up = client.containers.run("alpine", ["sleep", "100"], detach=True)
    assert up.exec_run(["sh", "-c", "echo out; echo err >&2; exit 5"], demux=True) == (5, (b"out\n", b"err\n"))
    assert up.exec_run("nosuch").exit_code == 127
    assert [up.exec_run("echo x") for _ in range(20)] == [(0, b"x\n")] * 20
    made = client.api.exec_create(up.id, ["cat"], stdin=True)["Id"]
    stream = client.api.exec_start(made, socket=True)
    stream._sock.sendall(b"hello")
    stream._sock.shutdown(1)
    assert b"".join(iter(lambda: stream._sock.recv(100), b"")) == b"\x01\0\0\0\0\0\0\x05hello"
    stream.close()
    assert client.api.exec_inspect(made)["ExitCode"] == 0
    assert up.exec_run(["sleep", "100"], detach=True).exit_code is None
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda number: up.exec_run(["sh", "-c", f"echo {number}; exit {number}"]), range(20)))
    assert found == [(number, b"%d\n" % number) for number in range(20)]


@pytest.mark.parametrize("start", [True, False])
def test_docker_py_copies(client, start):
    """Into a container that runs and one that does not; out of it in pieces."""
    made = client.containers.create("alpine", ["sleep", "100"])
    if start:
        made.start()
    data = {"a": b"1" * 300_000, "b": b""}
    assert made.put_archive("/opt", archive(member("d", None), *(member(f"d/{name}", text) for name, text in data.items())))
    chunks, told = made.get_archive("/opt/d")
    assert contents(b"".join(chunks)) == {"d": None, "d/a": b"1" * 300_000, "d/b": b""}
    assert (told["name"], told["mode"]) == ("d", 1 << 31 | 0o755)
    with pytest.raises(docker.errors.NotFound, match="Could not find the file /nosuch in container"):
        made.get_archive("/nosuch")
    with pytest.raises(docker.errors.APIError, match="invalid tar header"):
        made.put_archive("/opt", b"x" * 2000)


def test_docker_py_knows_what_there_is_not(client):
    """By type of error."""
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("nothing")
    with pytest.raises(docker.errors.NotFound):
        client.networks.get("nothing")
    with pytest.raises(docker.errors.NotFound):
        client.volumes.get("nothing")
    with pytest.raises(docker.errors.APIError, match="stats are not supported"):
        client.containers.create("alpine").stats(stream=False)


def test_docker_py_keeps_records(client):
    """Networks, volumes, images."""
    network = client.networks.create("py-net", driver="bridge")
    web = client.containers.create("alpine", name="py-member", command=["sleep", "9"])
    network.connect(web, aliases=["db"])
    web.start()
    network.reload()
    assert [member.name for member in network.containers] == ["py-member"]
    network.disconnect(web)
    web.remove(force=True)
    network.remove()
    volume = client.volumes.create("py-data", labels={"a": "b"})
    assert client.volumes.list(filters={"name": "py-data"}) == [volume]
    volume.remove()
    image = client.images.pull("redis", tag="7")
    assert image.tag("mine", "1")
    assert "mine:1" in client.images.get("redis:7").tags
    client.images.remove("mine:1")
    assert client.info()["Swarm"]["LocalNodeState"] == "inactive"
    assert client.version()["ApiVersion"] == "1.47"
    assert client.df()["BuildCache"] == []


def test_the_command_runs_a_container(cli):
    """Attached, with the exit code, removed at the end."""
    name = cli.name()
    assert cli.ok("run", "--rm", "--name", name, "alpine", "echo", "hi") == "hi"
    assert cli("run", "--rm", "--name", name, "alpine", "sh", "-c", "exit 42").code == 42
    assert cli.ok("ps", "-aq", "-f", f"name={name}") == ""


def test_the_command_tells_why_a_start_failed(cli):
    """127, Docker's sentence, and nothing left of --rm."""
    done = cli("run", "--rm", "alpine", "nosuch")
    assert done.code == 127
    assert "executable file not found in $PATH" in done.err


@pytest.mark.parametrize(("flag", "sentence"), [("-i", "cannot attach a container's stdin yet"), ("-t", "terminal yet")])
def test_the_command_tells_what_cannot_be_attached(cli, flag, sentence):
    """And leaves nothing behind."""
    name = cli.name()
    done = cli("run", "--rm", flag, "--name", name, "alpine", "cat")
    assert (done.code, done.out) == (125, "")
    assert sentence in done.err
    assert cli.ok("ps", "-aq", "-f", f"name={name}") == ""
    assert len(cli.ok("run", "-dit", "--name", name, "alpine", "cat")) == 64


def test_the_command_execs(cli):
    """Attached with input, without, in a terminal, and by itself."""
    name = cli.name()
    cli.ok("run", "-d", "--name", name, "alpine", "sleep", "100")
    assert cli("exec", name, "sh", "-c", "echo out; echo err >&2; exit 42") == (42, "out\n", "err\n")
    assert cli("exec", "-i", name, "cat", stdin="hello\n" * 1000) == (0, "hello\n" * 1000, "")
    assert cli("exec", name, "nosuch").code == 127
    assert cli("exec", "-e", "A=b", "-w", "/tmp", "-u", "root", name, "echo", "hi") == (0, "hi\n", "")
    assert cli.ok("exec", "-d", name, "sleep", "100") == ""
    with cli.terminal("exec", "-it", name, "sh", "-c", "echo in a terminal; exit 3") as user:
        user.says("in a terminal")
        assert user.wait() == 3
    assert cli.inspect(name, "len .ExecIDs") == "1"
    cli.ok("stop", "-t", "0", name)
    assert "is not running" in cli("exec", name, "true").err


@pytest.mark.parametrize("start", [True, False])
def test_the_command_copies(cli, tmp_path, start):
    """Files and directories, in and out, and as a stream."""
    name = cli.name()
    cli.ok(*(("run", "-d") if start else ("create",)), "--name", name, "alpine", "sleep", "100")
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "f").write_text("hello")
    cli.ok("cp", str(tmp_path / "in"), f"{name}:/tmp")
    cli.ok("cp", str(tmp_path / "in" / "deep" / "f"), f"{name}:/etc/renamed")
    cli.ok("cp", f"{name}:/tmp/in", str(tmp_path / "out"))
    assert (tmp_path / "out" / "deep" / "f").read_text() == "hello"
    cli.ok("cp", f"{name}:/etc/renamed", str(tmp_path / "again"))
    assert (tmp_path / "again").read_text() == "hello"
    assert "hello" in cli.ok("cp", f"{name}:/etc/renamed", "-")
    assert "Could not find the file /nosuch in container" in cli("cp", f"{name}:/nosuch", str(tmp_path)).err
    assert f"No such container: no{name}" in cli("cp", str(tmp_path / "in"), f"no{name}:/tmp").err


def test_the_command_lives_with_a_detached_container(cli):
    """ps, logs, inspect, wait, stop, start, rm."""
    name = cli.name()
    cli.ok("run", "-d", "--name", name, "alpine", "sh", "-c", "echo up; sleep 100")
    assert cli.ok("ps", "--format", "{{.Names}} {{.State}}", "-f", f"name={name}") == f"{name} running"
    eventually(lambda: cli.ok("logs", name) == "up", what="its log")
    assert cli.ok("stop", "-t", "0", name) == name
    assert cli.inspect(name, ".State.Status") == "exited"
    cli.ok("start", name)
    assert cli.inspect(name, ".State.Running") == "true"
    assert "container is running" in cli("rm", name).err
    cli.ok("rm", "-f", name)
    assert "No such container" in cli("wait", name).err


def test_the_command_shows_what_it_can(cli):
    """Nothing of these may fail, or mean that kubedock cannot be reached."""
    for words in (["version"], ["info"], ["images"], ["network", "ls"], ["volume", "ls"], ["system", "df"], ["ps", "-a", "-s"]):
        cli.ok(*words)
    assert cli.ok("network", "ls", "-f", "type=builtin", "--format", "{{.Name}}").split() == ["bridge", "host", "none"]
    assert "No such object: nothing" in cli("inspect", "nothing").err
    assert "pause is not supported" in cli("pause", "nothing").err
    assert "not a swarm manager" in cli("node", "ls").err
