"""Files from and to containers: docker cp and docker-py, before the start, while they run, and after their end."""

import hashlib
import http.client
import io
import os
import random
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker as docker_py
import pytest
from docker.errors import APIError, NotFound

from kubedock.domain.container import ContainerSpec
from kubedock.domain.files import Extraction
from kubedock.kube.gateway import KubeGateway
from kubedock.kube.manifest import PodDefaults
from kubedock.kube.websocket import WebSocketChannels
from kubedock.runtime import Options, Runtime
from kubedock.streams.cancel import Cancel
from kubedock.streams.channels import V4
from tests.support.clients import ALPINE, DockerCli, at_once
from tests.support.kubedock_server import KubedockServer, ServerWith
from tests.support.realcluster import RealCluster
from tests.support.tars import archive, contents, member, of_files
from tests.support.waiting import eventually

MEMORY_GROWTH = 48 << 20
"""Bytes that copying 100 MiB may add to the server: what waits in each direction, and the allocator's slack."""
HUNDRED = 100 << 20


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files of several kinds."""
    made = tmp_path / "tree"
    (made / "deep" / "empty").mkdir(parents=True)
    (made / "run.sh").write_text("#!/bin/sh\necho hello\n")
    (made / "run.sh").chmod(0o751)
    (made / "deep" / "with space").write_text("spaced")
    (made / "link").symlink_to("run.sh")
    return made


@pytest.fixture
def up(docker: DockerCli) -> str:
    """A container that runs."""
    name = docker.name()
    docker.ok("run", "-d", "--name", name, ALPINE, "sleep", "600")
    return name


# --- containers that run ---------------------------------------------------------------------------------------------


@pytest.mark.subset
def test_copies_of_a_running_container(docker: DockerCli, up: str, tree: Path, tmp_path: Path) -> None:
    """Directories, files, new names, links, streams; with what there is to a file."""
    docker.ok("cp", str(tree), f"{up}:/opt")
    docker.ok("cp", str(tree), f"{up}:/opt/renamed")
    docker.ok("cp", str(tree / "run.sh"), f"{up}:/usr/bin/greet")

    listed = docker.ok(
        "exec", up, "sh", "-c", "cd /opt && find tree renamed | sort && stat -c '%a %n' tree/run.sh && readlink tree/link"
    )
    below = ["", "/deep", "/deep/empty", "/deep/with space", "/link", "/run.sh"]
    assert listed.splitlines() == [f"{top}{name}" for top in ("renamed", "tree") for name in below] + ["751 tree/run.sh", "run.sh"]
    assert docker.ok("exec", up, "greet") == "hello"

    docker.ok("cp", f"{up}:/opt/tree", str(tmp_path / "out"))
    assert (tmp_path / "out" / "deep" / "with space").read_text() == "spaced"
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o777 == 0o751
    assert (tmp_path / "out" / "link").readlink() == Path("run.sh")
    assert (tmp_path / "out" / "deep" / "empty").is_dir()
    docker.ok("cp", f"{up}:/opt/tree/.", str(tmp_path / "again"))
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["deep", "link", "run.sh"]
    docker.ok("cp", "-L", f"{up}:/opt/tree/link", str(tmp_path / "followed"))
    assert (tmp_path / "followed").read_text() == "#!/bin/sh\necho hello\n"
    docker.ok("cp", f"{up}:/opt/tree/link", str(tmp_path / "copied"))
    assert (tmp_path / "copied").readlink() == Path("run.sh")
    assert "spaced" in docker.ok("cp", f"{up}:/opt/tree/deep", "-")


@pytest.mark.subset
def test_docker_pys_archives(client: docker_py.DockerClient, docker: DockerCli, up: str) -> None:
    """Owners by number, times, links, compressed ones; out again, and what is told of files."""
    container = client.containers.get(up)
    data = archive(
        member("a", b"1", uid=1234, gid=5678, mode=0o640, uname="daemon"),
        member("l", type=tarfile.SYMTYPE, linkname="a"),
        member("h", type=tarfile.LNKTYPE, linkname="a"),
        member("ü" * 120, b"long"),
    )

    assert container.put_archive("/srv", data)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        made.add(__file__, "packed")
    assert container.put_archive("/srv", packed.getvalue())

    shown = docker.ok("exec", up, "sh", "-c", "cd /srv && stat -c '%a %u %g %Y %h' a && cat /srv/ü* && wc -c < packed")
    assert shown.splitlines() == ["640 1234 5678 1700000000 2", f"long{Path(__file__).stat().st_size}"]
    chunks, told = container.get_archive("/srv/a")
    assert contents(b"".join(chunks)) == {"a": b"1"}
    assert told == {"name": "a", "size": 1, "mode": 0o640, "mtime": "2023-11-14T22:13:20Z", "linkTarget": ""}
    _, told = container.get_archive("/srv/l")
    assert (told["mode"], told["linkTarget"]) == (1 << 27 | 0o777, "/srv/a")
    with pytest.raises(NotFound, match=f"Could not find the file /nosuch in container {container.id}"):
        container.get_archive("/nosuch")
    with pytest.raises(NotFound, match=f"Could not find the file /nosuch in container {container.id}"):
        container.put_archive("/nosuch", data)
    with pytest.raises(APIError, match="extraction point is not a directory"):
        container.put_archive("/etc/passwd", data)


def test_what_is_in_the_way_is_kept_or_replaced(client: docker_py.DockerClient, up: str) -> None:
    """As the client says; the command always has it kept."""
    container = client.containers.get(up)
    container.put_archive("/srv", archive(member("d", None), member("d/x", b"1"), member("f", b"2")))
    put = f"{client.api.base_url}/v1.47/containers/{container.id}/archive?path=/srv"
    file_over, directory_over = of_files({"d": b"new"}), archive(member("f", None), member("f/y", b"new"))
    for data, sentence in (
        (file_over, 'cannot overwrite directory "/srv/d" with non-directory "/srv"'),
        (directory_over, 'cannot overwrite non-directory "/srv/f" with directory "/srv"'),
    ):
        answer = client.api.put(f"{put}&noOverwriteDirNonDir=1", data=data)
        assert (answer.status_code, answer.json()["message"]) == (400, sentence)
        assert client.api.put(put, data=data).status_code == 200
    assert container.exec_run("cat /srv/d /srv/f/y").output == b"newnew"


def test_errors_come_from_the_container(docker: DockerCli, tree: Path) -> None:
    """What its user may not, what is read-only, what the image has not; each a sentence."""
    user, fixed, bare = docker.name(), docker.name(), docker.name()
    docker.ok("run", "-d", "--name", user, "--user", "1000:1000", ALPINE, "sleep", "600")
    docker.ok("run", "-d", "--name", fixed, "--read-only", "--tmpfs", "/tmp", ALPINE, "sleep", "600")
    docker.ok("run", "-d", "--name", bare, "-e", "PATH=/nowhere", ALPINE, "/bin/sleep", "600")

    assert "Permission denied" in docker("cp", str(tree), f"{user}:/etc").err
    assert "Permission denied" in docker("cp", f"{user}:/etc/shadow", "-").err
    assert "permission denied: the container's user may not look at /root/x" in docker("cp", f"{user}:/root/x", "-").err
    docker.ok("cp", str(tree), f"{user}:/tmp")
    assert docker.ok("exec", user, "stat", "-c", "%u", "/tmp/tree/run.sh") == "1000"
    assert "container rootfs is marked read-only" in docker("cp", str(tree), f"{fixed}:/etc").err
    docker.ok("cp", str(tree), f"{fixed}:/tmp")
    for words in (("cp", str(tree), f"{bare}:/tmp"), ("cp", f"{bare}:/etc/passwd", "-")):
        assert "copying files needs the programs sh and tar in the image" in docker(*words).err


def test_copies_at_once(docker: DockerCli, up: str, tmp_path: Path) -> None:
    """Twenty in and twenty out, each its own."""
    for number in range(20):
        (tmp_path / str(number)).write_text(str(number))
    at_once(lambda number: docker.ok("cp", str(tmp_path / str(number)), f"{up}:/tmp"), range(20))
    found = at_once(lambda number: docker.ok("exec", up, "cat", f"/tmp/{number}"), range(20))
    assert found == [str(number) for number in range(20)]
    archives = at_once(lambda number: docker.ok("cp", f"{up}:/tmp/{number}", "-"), range(20))
    assert [contents(text.encode()) for text in archives] == [{str(number): str(number).encode()} for number in range(20)]


@pytest.mark.timeout(180)
def test_a_hundred_mebibytes_pass_through(server: KubedockServer, docker: DockerCli, up: str, tmp_path: Path) -> None:
    """Byte by byte the same, and the server holds little of it at any time."""
    noise = random.Random(5).randbytes(1 << 20)
    with (tmp_path / "in").open("wb") as target:
        for _ in range(HUNDRED >> 20):
            target.write(noise)
    wanted = hashlib.sha256(noise * (HUNDRED >> 20)).hexdigest()
    docker.ok("cp", str(tmp_path / "in"), f"{up}:/tmp/warm")
    before = peak(server)

    docker.ok("cp", str(tmp_path / "in"), f"{up}:/tmp/big", seconds=90)
    assert docker.ok("exec", up, "sha256sum", "/tmp/big").split()[0] == wanted
    docker.ok("cp", f"{up}:/tmp/big", str(tmp_path / "out"), seconds=90)
    with (tmp_path / "out").open("rb") as copied:
        assert hashlib.file_digest(copied, "sha256").hexdigest() == wanted

    assert peak(server) - before < MEMORY_GROWTH


def peak(server: KubedockServer) -> int:
    """The most memory, in bytes, that the server's worker has had."""
    parent = server.live.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    lines = Path(f"/proc/{children[0]}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) << 10


def processes(docker: DockerCli, name: str) -> list[str]:
    """The programs that run in a container, those that nobody has waited for included."""
    listed = docker.ok("exec", name, "sh", "-c", "for p in /proc/[0-9]*; do cat $p/comm; done 2>/dev/null")
    return sorted(word for word in listed.split() if word not in ("cat",))


def test_a_client_that_leaves_ends_the_copy(docker: DockerCli, up: str) -> None:
    """Ten gigabytes are not read for nobody, and no process is left behind, neither then nor after copies that went well."""
    docker.ok("exec", up, "truncate", "-s", "10G", "/big")
    docker.ok("cp", f"{up}:/etc/passwd", "-")
    idle = processes(docker, up)
    with docker.begin("cp", f"{up}:/big", "-") as copying:
        eventually(lambda: len(copying.out) > 1_000_000, what="a part of it")
        assert "tar" in processes(docker, up)
    eventually(lambda: processes(docker, up) == idle, what="the end of tar")


def test_a_slow_client_gets_all_of_it(server: KubedockServer, docker: DockerCli, up: str) -> None:
    """Kubernetes drops what a slow reader of an exec has not taken when its command ends; nothing of an archive is lost."""
    size, pace = 24 << 20, 4 << 20
    docker.ok("exec", up, "sh", "-c", f"head -c {size} /dev/urandom > /slow")
    wanted = docker.ok("exec", up, "sha256sum", "/slow").split()[0]
    connection = http.client.HTTPConnection(*server.live.tcp, timeout=60)
    connection.request("GET", f"/containers/{up}/archive?path=/slow")
    answer, taken, began, pause = connection.getresponse(), bytearray(), time.monotonic(), threading.Event()
    while data := answer.read(256 * 1024):
        taken += data
        pause.wait(max(0.0, len(taken) / pace - (time.monotonic() - began)))
    connection.close()

    [(name, found)] = contents(bytes(taken)).items()
    assert isinstance(found, bytes)
    assert (name, hashlib.sha256(found).hexdigest()) == ("slow", wanted)


@pytest.fixture
def old_gateway(real_cluster: RealCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeGateway]:
    """A connection that speaks what clusters before Kubernetes 1.30 do: an exec's input cannot be ended."""
    monkeypatch.setattr(WebSocketChannels, "protocols", (V4,))
    gateway = KubeGateway.connect(str(real_cluster.kubeconfig), None, real_cluster.namespace)
    yield gateway
    gateway.close()


def test_a_cluster_that_cannot_end_an_input(old_gateway: KubeGateway) -> None:
    """In and out all the same."""
    runtime = Runtime(old_gateway, Options(PodDefaults(f"old-{os.getpid()}")))
    runtime.run()
    try:
        engine = runtime.engine
        for _ in engine.images.pull(ALPINE, "latest"):
            pass
        engine.containers.create(ContainerSpec(ALPINE, command=("sleep", "600")), name="old", endpoints={})
        engine.containers.start("old")
        files = {"a": random.Random(6).randbytes(700_000), "b": b""}
        engine.archives.put("old", "/srv", Extraction(keep=True), [of_files(files)], Cancel())
        found = engine.archives.get("old", "/srv", Cancel())
        assert contents(b"".join(found)) == {"srv": None, **{f"srv/{name}": data for name, data in files.items()}}
        found.close()
    finally:
        runtime.stop(10.0)


# --- containers that do not run --------------------------------------------------------------------------------------


@pytest.mark.subset
def test_files_are_there_before_the_first_instruction(docker: DockerCli, server: KubedockServer, tmp_path: Path) -> None:
    """Several copies accumulate; modes stay, nothing beside the files is hidden, and volumes take them."""
    name = docker.name()
    (tmp_path / "a").write_text("one")
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "b c").write_text("two")
    files = "/etc/a /data/a /opt/new/er/a '/etc/conf/b c'"
    script = f"stat -c '%a %u %n' {files}; cat {files}; wc -l < /etc/passwd"
    docker.ok("create", "--name", name, "--mount", "type=volume,target=/data", ALPINE, "sh", "-c", script)

    docker.ok("cp", str(tmp_path / "a"), f"{name}:/etc")
    docker.ok("cp", str(tmp_path / "a"), f"{name}:/data/a")
    docker.ok("cp", str(tmp_path / "a"), f"{name}:/opt/new/er/")
    docker.ok("cp", str(tmp_path / "conf"), f"{name}:/etc/")
    docker.ok("cp", f"{name}:/etc/conf", str(tmp_path / "out"))
    assert (tmp_path / "out" / "b c").read_text() == "two"

    assert docker("start", "-a", name).out.splitlines() == [
        "640 0 /etc/a",
        "640 0 /data/a",
        "640 0 /opt/new/er/a",
        "644 0 /etc/conf/b c",
        "oneoneonetwo4",
    ]
    mine = f"kubedock.containerid={docker.inspect(name, '.Id')[:12]}"
    server.objects.show(lambda: len(server.objects("configmaps", mine)), 1)
    docker.ok("rm", "-v", name)
    server.objects.show(lambda: server.objects("configmaps", mine), [])


@pytest.mark.subset
def test_docker_py_puts_before_the_start(client: docker_py.DockerClient, docker: DockerCli) -> None:
    """As every Testcontainers library does: to the root, with a slash before the names."""
    name = docker.name()
    container = client.containers.create(ALPINE, ["sh", "/run/me.sh"], name=name)
    container.put_archive("/", of_files({"/run/me.sh": b"cat /etc/app/*.conf", "/etc/app/x.conf": b"\0\xffend\n"}, uid=5))
    container.start()
    assert container.wait()["StatusCode"] == 0
    assert container.logs() == b"\0\xffend\n"


def test_after_the_end_files_wait_for_the_next_start(docker: DockerCli, tmp_path: Path) -> None:
    """What was put is told, what the container had is honestly not; a new file is mounted at the next start."""
    name = docker.name()
    (tmp_path / "a").write_text("one\n")
    docker.ok("create", "--name", name, ALPINE, "sh", "-c", "cat /tmp/*; echo mine > /tmp/mine")
    docker.ok("cp", str(tmp_path / "a"), f"{name}:/tmp")
    assert docker("start", "-a", name).out == "one\n"

    assert "one" in docker.ok("cp", f"{name}:/tmp/a", "-")
    refused = docker("cp", f"{name}:/tmp/mine", "-").err
    assert f"Could not find the file /tmp/mine in container {name}: it has ended, and its file system went with its pod" in refused
    (tmp_path / "b").write_text("two\n")
    docker.ok("cp", str(tmp_path / "b"), f"{name}:/tmp/")
    docker.ok("start", name)
    docker.ok("wait", name)
    assert docker.ok("logs", name) == "one\none\ntwo"


def test_what_cannot_be_kept_is_a_sentence(docker: DockerCli, tree: Path, tmp_path: Path) -> None:
    """Links, empty directories, and more than a ConfigMap takes; the container starts all the same."""
    name = docker.name()
    docker.ok("create", "--name", name, ALPINE, "sh", "-c", "ls /tmp")
    assert "/tmp/tree/link is a symbolic link" in docker("cp", str(tree), f"{name}:/tmp").err
    (tree / "link").unlink()
    assert "the directory /tmp/tree/deep/empty is empty" in docker("cp", str(tree), f"{name}:/tmp").err
    (tmp_path / "large").write_bytes(bytes(900 * 1024 + 1))
    assert "files of at most 900 KiB together" in docker("cp", str(tmp_path / "large"), f"{name}:/tmp").err
    (tmp_path / "large").write_bytes(random.Random(7).randbytes(900 * 1024))
    docker.ok("cp", str(tmp_path / "large"), f"{name}:/tmp")
    assert docker("start", "-a", name).out == "large\n"


def test_a_deployment_has_them_each_time(docker: DockerCli, tmp_path: Path) -> None:
    """A container that always comes back."""
    name = docker.name()
    (tmp_path / "a").write_text("one\n")
    docker.ok("create", "--name", name, "--restart", "always", ALPINE, "sh", "-c", "cat /tmp/a; sleep 1")
    docker.ok("cp", str(tmp_path / "a"), f"{name}:/tmp")
    docker.ok("start", name)
    eventually(lambda: docker.ok("logs", name).splitlines()[:2] == ["one", "one"], seconds=60, what="two runs")


def test_the_end_of_the_server_takes_them_away(server_with: ServerWith, tmp_path: Path) -> None:
    """ConfigMaps go as pods do."""
    (tmp_path / "a").write_text("one\n")
    with server_with() as server:
        docker = server.cli()
        docker.ok("pull", ALPINE)
        docker.ok("create", "--name", "web", ALPINE, "sleep", "600")
        docker.ok("cp", str(tmp_path / "a"), "web:/tmp")
        docker.ok("start", "web")
        mine = f"kubedock.id={server.instance}"
        server.objects.show(lambda: len(server.objects("configmaps", mine)), 1)
    assert server.objects("configmaps") == []
