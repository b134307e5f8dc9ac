"""The operations of exec."""

import base64
import json

import pytest

from kubedock.cluster.fake import WITHOUT_TOOLS, FakeCluster
from kubedock.errors import Unavailable
from tests.support.docker import DockerClient
from tests.support.waiting import eventually

ATTACHED = {"AttachStdout": True, "AttachStderr": True}


def make(docker: DockerClient, container: str, *command: str, **asked: object) -> str:
    """A new exec; its id."""
    made = docker.post(f"/containers/{container}/exec", {**ATTACHED, "Cmd": list(command), **asked}, expect=201).json["Id"]
    assert isinstance(made, str)
    return made


def run(docker: DockerClient, container: str, *command: str, **asked: object) -> tuple[int, bytes]:
    """Run one; its exit code, and what came."""
    made = make(docker, container, *command, **asked)
    data = docker.post(f"/exec/{made}/start", {}).data
    code = docker.get(f"/exec/{made}/json").json["ExitCode"]
    assert isinstance(code, int)
    return code, data


@pytest.mark.operation("ContainerExec")
@pytest.mark.operation("ExecStart")
@pytest.mark.operation("ExecInspect")
def test_an_exec(docker, a_container):
    """Its streams apart, its exit code, and what inspect tells."""
    container = a_container(start=True)
    made = make(docker, container, "sh", "-c", "echo out; echo err >&2; exit 5", User="0", DetachKeys="ctrl-x")
    assert docker.get(f"/containers/{container}/json").json["ExecIDs"] == [made]

    answer = docker.post(f"/exec/{made}/start", {"Detach": False, "Tty": False})

    assert answer.headers["Content-Type"] == "application/vnd.docker.raw-stream"
    assert answer.data == b"\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n"
    assert docker.get(f"/exec/{made}/json").json == {
        "ID": made,
        "Running": False,
        "ExitCode": 5,
        "ProcessConfig": {
            "tty": False,
            "entrypoint": "sh",
            "arguments": ["-c", "echo out; echo err >&2; exit 5"],
            "privileged": False,
            "user": "0",
        },
        "OpenStdin": False,
        "OpenStdout": True,
        "OpenStderr": True,
        "CanRemove": True,
        "ContainerID": container,
        "DetachKeys": "GA==",
        "Pid": 0,
    }
    assert docker.get(f"/containers/{container}/json").json["ExecIDs"] is None


@pytest.mark.parametrize(("created", "started", "raw"), [(False, True, True), (True, False, False), (True, True, True)])
def test_the_framing_follows_the_starts_tty(docker, a_container, created, started, raw):
    """testcontainers-node sends it there alone."""
    made = make(docker, a_container(start=True), "echo", "hi", Tty=created)
    answer = docker.post(f"/exec/{made}/start", {"Tty": started})
    assert answer.data == (b"hi\n" if raw else b"\x01\0\0\0\0\0\0\x03hi\n")


def test_streams_that_are_not_attached_are_not_sent(docker, a_container):
    """Which ones, the create says."""
    assert run(docker, a_container(start=True), "sh", "-c", "echo out; echo err >&2", AttachStdout=False) == (
        0,
        b"\x02\0\0\0\0\0\0\x04err\n",
    )


def test_a_command_that_is_not_there(docker, a_container):
    """The runtime's text in the stream, and its code; no error of HTTP's."""
    code, data = run(docker, a_container(start=True), "nosuch")
    text = b'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found'
    assert (code, data[8:]) == (127, text + b" in $PATH: unknown\r\n")
    assert run(docker, a_container(start=True), "noexec")[0] == 126


def test_environment_directory_and_user_go_through_the_images_tools(docker, a_container, cluster: FakeCluster):
    """An image without them is a sentence."""
    container = a_container(start=True)
    assert run(docker, container, "echo", "hi", Env=["A=b", "C"], WorkingDir="/tmp", User="root")[1][8:] == b"hi\n"
    docker.post(f"/images/create?fromImage={WITHOUT_TOOLS}&tag=latest")
    bare = a_container(Image=WITHOUT_TOOLS, start=True)
    code, data = run(docker, bare, "echo", "hi", Env=["A=b"])
    assert (code, data[8:]) == (
        126,
        b"kubedock: an exec with environment variables needs a program env in the image, and this image has none\r\n",
    )
    assert run(docker, container, "true", WorkingDir="etc")[0] == 126


def test_a_detached_exec(docker, a_container):
    """Answered at once; it runs by itself."""
    made = make(docker, a_container(start=True), "sh", "-c", "echo lost; exit 4")
    assert docker.post(f"/exec/{made}/start", {"Detach": True}).data == b""
    eventually(lambda: docker.get(f"/exec/{made}/json").json["CanRemove"], what="its end")
    assert docker.get(f"/exec/{made}/json").json["ExitCode"] == 4


def test_a_detached_exec_that_cannot_begin(docker, a_container, cluster: FakeCluster):
    """What an attached one reads is the start's error here, with moby's statuses; the exit code is noted."""
    docker.post(f"/images/create?fromImage={WITHOUT_TOOLS}&tag=latest")
    up, bare = a_container(start=True), a_container(Image=WITHOUT_TOOLS, start=True)
    missing = 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found'
    no_env = "kubedock: an exec with environment variables needs a program env in the image, and this image has none"
    no_cwd = "OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown"

    def refused(made: str, status: int) -> tuple[str, int]:
        message = docker.post(f"/exec/{made}/start", {"Detach": True}, expect=status).message
        return message, docker.get(f"/exec/{made}/json").json["ExitCode"]

    assert refused(make(docker, up, "nosuch"), 400) == (f"{missing} in $PATH: unknown", 127)
    assert refused(make(docker, up, "/noexec"), 400)[0].endswith('exec: "/noexec": permission denied: unknown')
    assert refused(make(docker, bare, "true", Env=["A=b"]), 400) == (no_env, 126)
    assert refused(make(docker, up, "true", WorkingDir="etc"), 400) == (no_cwd, 126)
    made = make(docker, up, "true")
    cluster.deny("create", "pods/exec")
    message, code = refused(made, 403)
    assert (code, 'User "fake" cannot create resource "pods/exec"' in message) == (126, True)
    made = make(docker, up, "true")
    cluster.outage(Unavailable("the cluster cannot be reached"))
    assert refused(made, 503) == ("the cluster cannot be reached", 126)
    cluster.outage(None)


def test_whom_it_runs_as(docker, a_container):
    """The container's user, as that was asked for, where the exec names none."""

    def shown(container: str, **asked: str) -> object:
        return docker.get(f"/exec/{make(docker, container, 'true', **asked)}/json").json["ProcessConfig"].get("user")

    container = a_container(User="1000:5", start=True)
    assert (shown(container), shown(container, User="app"), shown(a_container(start=True))) == ("1000:5", "app", None)


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("", ""),
        ("ctrl-x", b"\x18"),
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("ctrl-@,a,DEL,ctrl-_,ctrl-\\", b"\0a\x7f\x1f\x1c"),
        ("ctrl-X", None),
        ("a,,b", None),
        ("ctrl-", None),
        ("ab", None),
        ("é", None),
    ],
)
def test_detach_keys(docker, a_container, keys, shown):
    """The bytes that they mean; nonsense is refused."""
    container = a_container(start=True)
    if shown is None:
        refused = docker.post(f"/containers/{container}/exec", {"Cmd": ["true"], "DetachKeys": keys}, expect=400)
        assert refused.message == f"Invalid escape keys ({keys}) provided"
    else:
        made = make(docker, container, "true", DetachKeys=keys)
        assert docker.get(f"/exec/{made}/json").json["DetachKeys"] == base64.b64encode(shown or b"").decode()


@pytest.mark.parametrize(
    ("terminal", "created", "resized", "started", "sent"),
    [
        pytest.param(True, None, "h=40&w=120", None, [(120, 40)], id="resize-before-the-start"),
        pytest.param(True, [24, 80], None, None, [(80, 24)], id="at-create"),
        pytest.param(True, None, None, [30, 90], [(90, 30)], id="at-start"),
        pytest.param(True, [24, 80], None, [30, 90], [(90, 30)], id="start-over-create"),
        pytest.param(True, [24, 80], "h=40&w=120", None, [(120, 40)], id="resize-over-create"),
        pytest.param(True, None, None, None, [], id="none"),
        pytest.param(False, [24, 80], "h=40&w=120", [30, 90], [], id="no-terminal"),
    ],
)
@pytest.mark.parametrize("detach", [False, True])
def test_a_terminals_first_size(docker, a_container, cluster, *, terminal, created, resized, started, sent, detach):
    """The last one that was told, to a terminal alone, attached or not."""
    made = make(docker, a_container(start=True), "echo", "hi", Tty=terminal, ConsoleSize=created)
    if resized:
        docker.post(f"/exec/{made}/resize?{resized}")
    docker.post(f"/exec/{made}/start", {"Tty": True, "Detach": detach, "ConsoleSize": started})
    assert [json.loads(size) for size in cluster._channels[-1].resized] == [
        {"Width": width, "Height": height} for width, height in sent
    ]


@pytest.mark.operation("ExecResize")
def test_a_resize_before_the_start(docker, a_container):
    """200, and remembered; sizes that are none are refused."""
    made = make(docker, a_container(start=True), "echo", "hi", Tty=True)
    assert docker.post(f"/exec/{made}/resize?h=40&w=120").data == b""
    docker.post(f"/exec/{made}/resize?h=x&w=120", expect=400)
    docker.post(f"/exec/{made}/start", {"Tty": True})
    docker.post(f"/exec/{made}/resize?h=40&w=120")
    docker.post("/exec/nosuch/resize?h=40&w=120", expect=404)


def test_what_is_refused(docker, a_container):
    """With Docker's statuses and sentences."""
    stopped, up = a_container(), a_container(start=True)
    ask = {"Cmd": ["true"]}
    assert docker.post(f"/containers/{stopped}/exec", ask, expect=409).message == f"container {stopped} is not running"
    assert docker.post("/containers/nobody/exec", ask, expect=404).message == "No such container: nobody"
    assert docker.post(f"/containers/{up}/exec", {"Cmd": []}, expect=400).message == "No exec command specified"
    assert "privileged exec" in docker.post(f"/containers/{up}/exec", {**ask, "Privileged": True}, expect=501).message
    docker.post(f"/containers/{up}/exec", {"Cmd": [1]}, expect=400)
    docker.post(f"/containers/{up}/exec", {**ask, "Env": ["=x"]}, expect=400)
    docker.post(f"/containers/{up}/exec", {**ask, "ConsoleSize": [1]}, expect=400)
    assert docker.get("/exec/nosuch/json", expect=404).message == "No such exec instance: nosuch"
    docker.post("/exec/nosuch/start", {}, expect=404)


def test_an_exec_is_started_once(docker, a_container):
    """And it goes with its container."""
    container = a_container(start=True)
    made, other = make(docker, container, "true"), make(docker, container, "true")
    docker.post(f"/exec/{made}/start", {})
    assert "has already run" in docker.post(f"/exec/{made}/start", {}, expect=409).message
    docker.post(f"/containers/{container}/kill", expect=204)
    assert docker.post(f"/exec/{other}/start", {}, expect=409).message == f"container {container} is not running"
    docker.delete(f"/containers/{container}")
    docker.get(f"/exec/{made}/json", expect=404)


def test_events(docker, a_container):
    """Create, start, die, with the exec's id."""
    container = a_container(start=True)
    since = docker.get("/info").json["SystemTime"]
    made = make(docker, container, "sh", "-c", "exit 3")
    docker.post(f"/exec/{made}/start", {})
    told = docker.get(f"/events?since={since}&until={docker.get('/info').json['SystemTime']}", filters={"container": [container]})
    found = [json.loads(line) for line in told.data.splitlines()]
    seen = [(e["Action"], e["Actor"]["Attributes"].get("execID")) for e in found if e["Action"].startswith("exec")]
    assert seen == [("exec_create: sh -c exit 3", made), ("exec_start: sh -c exit 3", made), ("exec_die", made)]
    assert next(e for e in found if e["Action"] == "exec_die")["Actor"]["Attributes"]["exitCode"] == "3"
