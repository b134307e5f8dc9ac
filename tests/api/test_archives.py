"""The operations on files."""

import base64
import json
import logging

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.engine import Engine
from kubedock.errors import System
from tests.support.docker import DockerClient, Reply
from tests.support.tars import archive, contents, member, of_files

FILES = of_files({"dir/a": b"hello", "dir/b": bytes(100_000)})


def told(reply: Reply) -> tuple[str, int, int]:
    """What the header says: name, size, mode."""
    found = json.loads(base64.b64decode(reply.headers["X-Docker-Container-Path-Stat"]))
    return found["name"], found["size"], found["mode"]


def url(container: str, path: str, **query: str) -> str:
    """A request's path."""
    return f"/containers/{container}/archive?path={path}" + "".join(f"&{key}={value}" for key, value in query.items())


@pytest.mark.operation("PutContainerArchive")
@pytest.mark.operation("ContainerArchive")
@pytest.mark.operation("ContainerArchiveInfo")
@pytest.mark.parametrize("start", [True, False])
def test_files_go_in_and_come_out(docker: DockerClient, a_container, start: bool) -> None:
    """Of a container that runs, and of one that does not yet."""
    container = a_container(start=start)

    answer = docker.put(url(container, "/opt/"), data=archive(member("dir", None), *_members()))

    assert answer.data == b""
    assert told(docker.head(url(container, "/opt/dir/a"))) == ("a", 5, 0o644)
    got = docker.get(url(container, "/opt/dir"))
    assert got.headers["Content-Type"] == "application/x-tar"
    assert told(got) == ("dir", 0, 1 << 31 | 0o755)
    assert contents(got.data) == {"dir": None, "dir/a": b"hello", "dir/b": bytes(100_000)}


def _members():
    return member("dir/a", b"hello"), member("dir/b", bytes(100_000))


def test_what_was_put_before_the_start_is_there_after_it(docker: DockerClient, a_container) -> None:
    """As every Testcontainers library does it: to the root, with a slash before the names."""
    container = a_container()
    docker.put(url(container, "/", noOverwriteDirNonDir="false", copyUIDGID="false"), data=of_files({"/etc/app/x": b"1"}))
    docker.post(f"/containers/{container}/start", expect=204)
    assert contents(docker.get(url(container, "/etc/app/x")).data) == {"x": b"1"}


def test_what_is_refused(docker: DockerClient, a_container) -> None:
    """With Docker's statuses and sentences; a HEAD has no body for them."""
    up, made = a_container(start=True), a_container()
    missing = "Could not find the file /nosuch in container"
    docker.head(url(up, "/nosuch"), expect=404)
    docker.head(url("nobody", "/"), expect=404)
    docker.head(f"/containers/{up}/archive", expect=400)
    assert docker.get(url(up, "/nosuch"), expect=404).message == f"{missing} {up}"
    assert docker.get(url(made, "/nosuch"), expect=404).message.startswith(f"{missing} {made}: it has not run yet")
    assert docker.get(url("nobody", "/x"), expect=404).message == "No such container: nobody"
    assert docker.get(f"/containers/{up}/archive", expect=400).message == "bad parameter: path cannot be empty"
    assert docker.put(url(up, "/nosuch"), data=FILES, expect=404).message == f"{missing} {up}"
    assert docker.put(url(up, "/etc/hostname"), data=FILES, expect=400).message == "extraction point is not a directory"
    for container in (up, made):
        assert docker.put(url(container, "/tmp"), data=b"x" * 600, expect=400).message == "archive/tar: invalid tar header"
        assert "zstd" in docker.put(url(container, "/tmp"), data=b"\x28\xb5\x2f\xfd....", expect=501).message
        docker.put(url("nobody", "/"), data=FILES, expect=404)
    over = of_files({"etc": b""})
    for container, status in ((up, 400), (made, 400)):
        sentence = 'cannot overwrite directory "/etc" with non-directory "/"'
        answer = docker.put(url(container, "/", noOverwriteDirNonDir="true"), data=over, expect=status)
        assert answer.message == sentence
    assert "symbolic link" in docker.put(url(made, "/tmp"), data=archive(member("l", type=b"2")), expect=501).message


def test_events(docker: DockerClient, a_container) -> None:
    """Of what is got and put, not of what is looked at."""
    container = a_container(start=True)
    since = docker.get("/info").json["SystemTime"]
    docker.put(url(container, "/tmp"), data=FILES)
    docker.head(url(container, "/tmp"))
    docker.get(url(container, "/tmp"))
    until = docker.get("/info").json["SystemTime"]
    events = docker.get(f"/events?since={since}&until={until}", filters={"container": [container]}).lines
    assert [event["Action"] for event in events] == ["extract-to-dir", "archive-path"]


def test_an_archive_that_breaks_off_breaks_the_connection(
    docker: DockerClient, a_container, engine: Engine, cluster: FakeCluster, monkeypatch, caplog
) -> None:
    """Its client would take a reply that ends in good order for the whole. What fails before its begin is a status."""
    container = a_container(start=True)
    files = cluster.kubelet.files(engine.core.containers.find(container).object_name or "")
    files.write("/opt/secret", b"")
    files.unreadable.add("/opt/secret")
    assert "Permission denied" in docker.get(url(container, "/opt"), expect=403).message
    monkeypatch.setattr("kubedock.engine.places.Archive.begin", lambda archive: None)
    caplog.set_level(logging.WARNING, "kubedock.api.streaming")
    docker.put(url(container, "/opt"), data=of_files({"large": bytes(200_000)}))
    monkeypatch.setattr("kubedock.engine.reading._await_end", _fails)
    with pytest.raises(ConnectionResetError):
        docker.get(url(container, "/opt/large"))
    assert [record.getMessage() for record in caplog.records] == ["a stream ends early: the disk is broken"]


def _fails(*_: object) -> None:
    raise System("the disk is broken")
