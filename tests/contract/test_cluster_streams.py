"""The cluster's contract: commands in pods, files through them, and their ports."""

import secrets
from collections.abc import Callable

import pytest

from kubedock.cluster import Channels, Cluster
from kubedock.cluster.protocol import DATA, FAILURE
from kubedock.domain.files import file_path
from kubedock.domain.filetools import ABSENT, ENDED, NO_DIRECTORY, checking, extracting, reading
from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.errors import Conflict, InvalidParameter, Unavailable
from kubedock.streams import tar
from kubedock.streams.channels import ExitStatus, exit_status
from tests.support.pods import all_of, ended
from tests.support.tars import contents, of_files
from tests.support.waiting import converse, eventually, gathered


def test_an_exec_has_streams_and_an_exit_code(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Output apart, the Status last."""
    name = pod("sleep", "100")

    with cluster.exec(name, ["sh", "-c", "echo out; echo err >&2; exit 7"]) as channels:
        *output, status = converse(channels)

    assert gathered(iter(output)) == {1: b"out\n", 2: b"err\n"}
    assert (status[0], exit_status(status[1])) == (3, ExitStatus(7))


def test_an_exec_reads_to_the_end_of_its_input(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Protocol v5 ends stdin; 100 kB go there and back."""
    name, sent = pod("sleep", "100"), b"0123456789" * 10_000

    with cluster.exec(name, ["cat"], stdin=True) as channels:
        channels.send(0, sent)
        assert channels.close_channel(0)
        heard = gathered(converse(channels))

    assert (heard[1], exit_status(heard[3])) == (sent, ExitStatus(0))


def test_an_exec_of_nothing_says_so(cluster: Cluster, pod: Callable[..., str]) -> None:
    """A missing executable is 127 with the runtime's text."""
    with cluster.exec(pod("sleep", "100"), ["nosuch"]) as channels:
        code, message = exit_status(gathered(converse(channels))[3])

    assert code == 127
    assert 'exec: "nosuch": executable file not found in $PATH' in message


def test_an_exec_in_an_ended_container_says_so(cluster: Cluster, pod: Callable[..., str]) -> None:
    """After the handshake, on the error channel; attach likewise."""
    name = pod("true")
    ended(cluster, name)

    for channels in (cluster.exec(name, ["true"]), cluster.attach(name)):
        with channels:
            assert exit_status(gathered(converse(channels))[3]).container_gone
    with pytest.raises(InvalidParameter, match=f"^container other is not valid for pod {name}$"):
        cluster.exec(name, ["true"], container="other")


def test_process_1_gets_signals_from_inside(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Those that it handles; KILL never reaches it from its own namespace."""
    if isinstance(cluster, EmbeddedCluster) and cluster.runtime == "chroot":
        pytest.skip("process 1 is the machine's there")
    name = pod("sh", "-c", "trap 'exit 9' INT; echo up; sleep 100 & wait")
    eventually(lambda: all_of(cluster, name))  # it handles the signal from now on

    with cluster.exec(name, ["kill", "-KILL", "1"]) as channels:
        assert exit_status(gathered(converse(channels))[3]) == ExitStatus(0)
    # The end of process 1 ends all others of its namespace, the one that brought the signal too, before or after its own end.
    with cluster.exec(name, ["sh", "-c", "kill -s INT 1"]) as channels:
        gathered(converse(channels))

    assert ended(cluster, name)["exitCode"] == 9


def test_a_signal_where_the_cluster_has_such_a_thing(cluster: Cluster, pod: Callable[..., str]) -> None:
    """Kubernetes has not; what does not run gets none."""
    name = pod("sh", "-c", "trap 'exit 9' INT; echo up; sleep 100 & wait")
    eventually(lambda: all_of(cluster, name))  # it handles the signal from now on

    if cluster.signal(name, 2):
        assert ended(cluster, name)["exitCode"] == 9
        with pytest.raises(Conflict, match=f"^container main of pod {name} is not running$"):
            cluster.signal(name, 2)


def test_attach_sees_what_comes(cluster: Cluster, pod: Callable[..., str]) -> None:
    """From now on, streams apart, to the end; stdin reaches the process."""
    main = {
        "name": "main",
        "image": "alpine",
        "imagePullPolicy": "IfNotPresent",
        "command": ["cat"],
        "stdin": True,
        "stdinOnce": True,
    }
    name = pod(containers=[main])

    with cluster.attach(name, stdin=True) as channels:
        channels.send(0, b"hello\n")
        assert channels.close_channel(0)
        heard = gathered(converse(channels))

    assert heard[1] == b"hello\n"
    assert ended(cluster, name)["exitCode"] == 0


# --- copying ---------------------------------------------------------------------------------------------------------


def told(cluster: Cluster, pod: str, argv: list[str], sent: bytes = b"", *, until: bytes = b"") -> tuple[bytes, bytes, int]:
    """Run a script that takes input: its output, what it says, and its exit code.

    Its input ends at once, or when it has said ``until``.
    """
    out, said, code = b"", b"", 0
    with cluster.exec(pod, argv, stdin=True) as channels:
        channels.send(0, sent)
        waiting = until != b"" or not channels.close_channel(0)
        for channel, data in converse(channels):
            out, said = out + data * (channel == 1), said + data * (channel == 2)
            code = exit_status(data).code if channel == 3 else code
            if waiting and until in said:
                waiting = not channels.close_channel(0)
    return out, said, code


FILES = {"d/a": b"1" * 1000, "d/b": b""}


def test_files_are_checked_extracted_and_read(cluster: Cluster, pod: Callable[..., str]) -> None:
    """The scripts of ``domain.filetools``, and what a container has of them."""
    name = pod("sleep", "100")
    questions = b"directory\nd\nother\ne\nother\na\n"

    assert told(cluster, name, checking("/tmp", keep=True), questions) == (b"ready\nok\nok\nok\n", b"", 0)
    assert told(cluster, name, extracting("/tmp", own=False, as_text=False), of_files(FILES)) == (b"", b"", 0)
    questions = b"other\nd\ndirectory\nd/a\n"
    assert told(cluster, name, checking("/tmp", keep=True), questions) == (b"ready\ndirectory\nother\n", b"", 0)

    out, said, code = told(cluster, name, reading(file_path("/tmp/d")), until=ENDED.encode())
    assert (said, code) == (f"{ENDED}0\n".encode(), 0)
    assert contents(out) == {"d": None, **FILES}
    assert told(cluster, name, reading(file_path("/tmp/nosuch"))) == (b"", b"", ABSENT)
    assert told(cluster, name, reading(file_path("/tmp/d/a/"))) == (b"", b"", NO_DIRECTORY)
    assert told(cluster, name, checking("/tmp/nosuch", keep=True)) == (b"", b"", ABSENT)


def test_files_of_a_config_map_are_mounted_one_by_one(cluster: Cluster, pod: Callable[..., str], label: str) -> None:
    """Beside the image's own, with their permissions; a pod waits for its ConfigMap."""
    name = f"c-{secrets.token_hex(4)}"
    main = {
        "name": "main",
        "image": "alpine",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "100"],
        "volumeMounts": [{"name": "f", "mountPath": "/etc/new/x y", "subPath": "k", "readOnly": True}],
    }
    source = {"name": name, "items": [{"key": "k", "path": "k", "mode": 0o640}]}
    waits = pod(containers=[main], volumes=[{"name": "f", "configMap": source}], started=False)
    eventually(
        lambda: [e for e in cluster.list("Event").items if e["reason"] == "FailedMount" and e["involvedObject"]["name"] == waits]
    )
    manifest = {"metadata": {"name": name, "labels": {"test": label}}, "immutable": True, "binaryData": {"k": "AP8="}}
    cluster.create("ConfigMap", manifest)

    runs = pod(containers=[main], volumes=[{"name": "f", "configMap": source}])

    out, _, _ = told(cluster, runs, reading(file_path("/etc/new/x y")), until=ENDED.encode())
    [entry, *data] = tar.read([out])
    assert isinstance(entry, tar.Entry)
    assert (entry.name, entry.mode, data) == ("x y", 0o640, [b"\0\xff"])


# --- port-forward ----------------------------------------------------------------------------------------------------


def test_a_port_is_forwarded(cluster: Cluster, pod: Callable[..., str]) -> None:
    """To what listens in the pod: a megabyte goes there and back, on a connection of its own each time."""
    name, sent = pod("nc", "-ll", "-p", "8080", "-e", "cat"), secrets.token_bytes(1 << 20)

    for data in (b"hello", sent):
        with eventually(lambda: reached(cluster, name, 8080)) as channels:
            channels.send(DATA, data)
            heard = b""
            for channel, part in converse(channels):
                assert channel == DATA
                heard += part
                if len(heard) == len(data):
                    break
        assert heard == data


def reached(cluster: Cluster, pod: str, port: int) -> Channels | None:
    """A forward to a program that has begun to listen; it echoes."""
    channels = cluster.forward(pod, port)
    channels.send(DATA, b"?")
    for message in converse(channels):
        if message == (DATA, b"?"):
            return channels
    channels.close()
    return None


def test_a_forward_ends_with_the_pods_side(cluster: Cluster, pod: Callable[..., str]) -> None:
    """All that was said comes before the end."""
    name = pod("nc", "-ll", "-p", "8080", "-e", "echo", "hello")

    def said() -> dict[int, bytes]:
        with cluster.forward(name, 8080) as channels:
            return gathered(converse(channels))

    assert eventually(lambda: (heard := said()).get(FAILURE) is None and heard) == {DATA: b"hello\n"}


def test_a_port_where_nothing_listens_says_so(cluster: Cluster, pod: Callable[..., str]) -> None:
    """On a channel of its own, then it is over."""
    with cluster.forward(pod("sleep", "100"), 8080) as channels:
        heard = gathered(converse(channels))

    assert list(heard) == [FAILURE]
    assert b"connection refused" in heard[FAILURE]


def test_nothing_is_forwarded_to_a_pod_that_has_ended(cluster: Cluster, pod: Callable[..., str]) -> None:
    """There is no network to forward to."""
    name = pod("true")
    ended(cluster, name)

    def refusal() -> str:
        try:
            cluster.forward(name, 8080).close()
        except Unavailable as error:
            return str(error)
        return ""  # its network goes a moment after its end

    assert eventually(refusal) == f'pod not found ("{name}_{cluster.namespace}")'
