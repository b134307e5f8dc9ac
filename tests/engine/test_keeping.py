"""Files that are put into containers that do not run: what is kept, told and given back, and what the next start mounts."""

import logging
import stat
import tarfile
from collections.abc import Callable, Iterator

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import RestartPolicy
from kubedock.domain.files import Extraction
from kubedock.domain.kept import MOST_BYTES, MOST_FILES, NOTHING, Kept, KeptFile
from kubedock.domain.volume import Mount
from kubedock.engine import Engine
from kubedock.engine.keeping import AFTER, BEFORE
from kubedock.errors import Conflict, FileNotFound, Forbidden, InvalidParameter, KubedockError, NotImplemented, Unavailable
from kubedock.state.files import FileStore
from kubedock.streams.cancel import Cancel
from tests.support.running import ended, history, make, refused, running
from tests.support.tars import TIME, archive, contents, member, of_files
from tests.support.waiting import eventually

MOUNTS = (Mount("volume", "/data", "data"), Mount("volume", "/ro", "logs", read_only=True))


@pytest.fixture
def web(engine: Engine) -> str:
    """A container that was created."""
    return make(engine, "web", "sleep", "100", mounts=MOUNTS, working_dir="/srv/app")


def put(engine: Engine, path: str, data: bytes, *, keep: bool = False) -> None:
    """Put an archive into ``web``."""
    engine.archives.put("web", path, Extraction(keep), [data], Cancel())


def got(engine: Engine, path: str) -> dict[str, bytes | str | None]:
    """What the archive of a path holds."""
    found = engine.archives.get("web", path, Cancel())
    with_data = contents(b"".join(found))
    found.close()
    return with_data


def mode_of(engine: Engine, path: str) -> str:
    """As ls shows it, or "" where nothing is known to be there."""
    try:
        return stat.filemode(engine.archives.look("web", path, Cancel()).mode)
    except FileNotFound:
        return ""


def kept(engine: Engine) -> dict[str, bytes]:
    """The data of all files that are kept."""
    container = engine.core.containers.find("web").id
    return {path: file.data for path, file in engine.core.files.get(container).files.items()}


def config_maps(cluster: FakeCluster) -> list[str]:
    """The names of all ConfigMaps."""
    return [item["metadata"]["name"] for item in cluster.list("ConfigMap").items]


def mounted(engine: Engine, cluster: FakeCluster) -> dict[str, tuple[bytes, int]]:
    """What the running container has of the files, and with which permissions."""
    files = cluster.kubelet.files(engine.core.containers.find("web").object_name or "")
    found = {path: files.get(path) for path in kept(engine)}
    return {path: (node[1], node[0].mode) for path, node in found.items() if node is not None}


# --- what is kept ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("web")
def test_files_accumulate(engine: Engine) -> None:
    """Several archives, later files instead of earlier ones; names with or without a slash before them."""
    put(engine, "/", of_files({"/etc/app/a": b"1", "b": b"2"}))
    put(engine, "/etc/app/", of_files({"./a": b"3", "deep/er/c": b"4"}, mode=0o751))
    assert kept(engine) == {"/b": b"2", "/etc/app/a": b"3", "/etc/app/deep/er/c": b"4"}
    assert got(engine, "/etc/app/a") == {"a": b"3"}
    told = engine.archives.look("web", "etc/app/a", Cancel())
    assert (told.name, told.size, told.mode, told.link_target) == ("a", 1, stat.S_IFREG | 0o751, "")
    assert int(told.mtime.timestamp()) == TIME
    assert [event for event in history(engine) if event != "create"] == ["extract-to-dir", "extract-to-dir", "archive-path"]


@pytest.mark.usefixtures("web")
def test_directories_that_were_put_are_given_back(engine: Engine) -> None:
    """With what is below them; one that the image may fill is not, since a part of it would be taken for all."""
    members = (member("conf", None, mode=0o700), member("conf/a", b"1"), member("conf/d", None), member("conf/d/b", b"2"))
    put(engine, "/opt", archive(*members, member("other/x", b"3"), member("empty.txt")))

    assert got(engine, "/opt/conf") == {"conf": None, "conf/a": b"1", "conf/d": None, "conf/d/b": b"2"}
    assert got(engine, "/opt/conf/.") == {".": None, "./a": b"1", "./d": None, "./d/b": b"2"}
    for path in ("/opt", "/opt/other", "/etc"):
        with refused(FileNotFound, f"Could not find the file {path} in container web: {BEFORE}"):
            got(engine, path)


@pytest.mark.usefixtures("web")
def test_what_is_known_to_be_there(engine: Engine) -> None:
    """Clients look before they copy, and take what is not there for the name of a new file."""
    put(engine, "/opt", archive(member("conf", None, mode=0o700), member("conf/a", b"1", mode=0o600)))
    asked = ("/", "/tmp", "/data", "/srv/app", "/srv", "/opt/conf", "/opt/conf/a", "/new/", "/new/.", "/new", "/etc/passwd")
    assert {path: mode_of(engine, path) for path in asked} == {
        **dict.fromkeys(("/", "/tmp", "/data", "/srv/app", "/srv", "/new/", "/new/."), "drwxr-xr-x"),
        "/opt/conf": "drwx------",
        "/opt/conf/a": "-rw-------",
        "/new": "",
        "/etc/passwd": "",
    }
    with refused(InvalidParameter, "/opt/conf/a is not a directory"):
        engine.archives.look("web", "/opt/conf/a/", Cancel())
    with refused(FileNotFound, f"Could not find the file /etc/passwd in container web: {BEFORE}"):
        got(engine, "/etc/passwd")


ONLY_FILES = "only files can be put into a container that does not run; start the container first, or put it into the image"
TOO_MANY = "start the container first, or put it into the image"


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("path", "data", "kind", "sentence"),
    [
        (
            "/tmp",
            archive(member("l", type=tarfile.SYMTYPE, linkname="x")),
            NotImplemented,
            f"/tmp/l is a symbolic link: {ONLY_FILES}",
        ),
        ("/tmp", archive(member("l", type=tarfile.LNKTYPE, linkname="x")), NotImplemented, f"/tmp/l is a hard link: {ONLY_FILES}"),
        ("/tmp", archive(member("p", type=tarfile.FIFOTYPE)), NotImplemented, f"/tmp/p is a device or a pipe: {ONLY_FILES}"),
        (
            "/tmp",
            archive(member("d", None)),
            NotImplemented,
            "the directory /tmp/d is empty: only files can be put into a container that does not run;"
            " start the container first, or put it into the image",
        ),
        (
            "/tmp",
            of_files({"s": b""}, mode=0o4755),
            NotImplemented,
            f"/tmp/s changes its user or group when it is run, which is not kept: {TOO_MANY}",
        ),
        (
            "/tmp",
            of_files({"\udcff": b""}),
            NotImplemented,
            f"the name '/tmp/\\udcff' is no UTF-8: {TOO_MANY}",
        ),
        (
            "/",
            of_files({"tmp": b""}),
            NotImplemented,
            "/tmp is a directory of the image, which cannot be replaced before the container runs",
        ),
        ("/ro", b"", Forbidden, "mounted volume is marked read-only"),
        ("/", of_files({"ro/x": b""}), Forbidden, "mounted volume is marked read-only"),
        ("/tmp", b"x" * 1000, InvalidParameter, "archive/tar: invalid tar header"),
        ("/tmp", of_files({"a": b"1", "../b": b""}), InvalidParameter, '"../b" is outside of "/tmp"'),
        (
            "/tmp",
            of_files({"big": bytes(MOST_BYTES + 1)}),
            NotImplemented,
            "files of at most 900 KiB together can be put into a container that does not run, and with /tmp/big they are more:"
            " start the container first, or put it into the image",
        ),
        (
            "/tmp",
            of_files({str(number): b"" for number in range(MOST_FILES + 1)}),
            NotImplemented,
            "at most 1000 files can be put into a container that does not run: start the container first, or put it into the image",
        ),
        (
            "/tmp",
            archive(*(member(f"d{number}", None) for number in range(2 * MOST_FILES + 1))),
            NotImplemented,
            "at most 1000 files can be put into a container that does not run: start the container first, or put it into the image",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_cannot_be_kept(engine: Engine, path: str, data: bytes, kind: type[KubedockError], sentence: str) -> None:
    """One sentence, and nothing of such an archive is kept."""
    with refused(kind, sentence):
        put(engine, path, data)
    assert kept(engine) == {}


@pytest.mark.usefixtures("web")
def test_all_together_have_a_limit(engine: Engine) -> None:
    """What is replaced does not count."""
    put(engine, "/tmp", of_files({"a": bytes(MOST_BYTES)}))
    put(engine, "/tmp", of_files({"a": bytes(MOST_BYTES - 1)}))
    put(engine, "/tmp", of_files({"b": b"1"}))
    with pytest.raises(NotImplemented, match="and with /tmp/c they are more"):
        put(engine, "/tmp", of_files({"c": b"1"}))


def test_an_archive_is_not_held_beyond_that(engine: Engine, web: str) -> None:
    """However much is sent: reading stops where it is too much."""
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(1000):
            taken.append(number)
            yield of_files({f"f{number}": bytes(100_000)})[: 512 + 100_352]

    with pytest.raises(NotImplemented, match="900 KiB together"):
        engine.archives.put(web, "/tmp", Extraction(), chunks(), Cancel())
    assert len(taken) < 60


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("data", "sentence", "after"),
    [
        (
            of_files({"opt/d": b"new"}),
            'cannot overwrite directory "/opt/d" with non-directory "/"',
            {"/opt/f": b"1", "/opt/d": b"new"},
        ),
        (
            archive(member("opt/f", None), member("opt/f/y", b"new")),
            'cannot overwrite non-directory "/opt/f" with directory "/"',
            {"/opt/d/x": b"2", "/opt/f/y": b"new"},
        ),
    ],
)
def test_what_is_in_the_way(engine: Engine, data: bytes, sentence: str, after: dict[str, bytes]) -> None:
    """As in a container that runs."""
    put(engine, "/opt", archive(member("f", b"1"), member("d", None), member("d/x", b"2")))
    with refused(InvalidParameter, sentence):
        put(engine, "/", data, keep=True)
    put(engine, "/", data)
    assert kept(engine) == after


@pytest.mark.usefixtures("web")
def test_a_file_is_no_directory(engine: Engine) -> None:
    """Neither as the place to extract to nor above another file."""
    put(engine, "/opt", of_files({"f": b"1"}))
    with refused(InvalidParameter, "extraction point is not a directory"):
        put(engine, "/opt/f", of_files({"x": b""}))
    with refused(InvalidParameter, "/opt/f is not a directory"):
        put(engine, "/opt", of_files({"f/x": b""}))


@pytest.mark.usefixtures("web")
def test_what_is_lost_is_said(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """Once an archive; not where nothing is lost."""
    caplog.set_level(logging.WARNING, "kubedock.engine.keeping")
    put(engine, "/opt", of_files({"a": b"1"}, mtime=0))
    put(engine, "/opt", archive(member("d", None, mode=0o700), member("d/a", b"1", uid=5, gid=6)))
    short = engine.core.containers.find("web").short_id
    assert [record.getMessage() for record in caplog.records] == [
        f"container {short}: of the files that were put into it before its start, owners (5:6) and times"
        " and modes of directories are not kept"
    ]


def test_the_store_is_bounded() -> None:
    """Of all containers together."""
    store = FileStore(in_all=1 << 20)
    big = Kept({"/a": KeptFile(bytes(700_000))})
    store.save("one", big)
    with refused(Conflict, "kubedock keeps at most 1 MiB of files for containers that do not run: remove some of those containers"):
        store.save("two", big)
    store.save("one", big)
    store.forget("one")
    store.forget("nobody")
    store.save("two", big)
    assert (store.get("one"), store.get("two")) == (NOTHING, big)


# --- what a start makes of it ----------------------------------------------------------------------------------------


def test_a_start_mounts_them(engine: Engine, cluster: FakeCluster, web: str) -> None:
    """From a ConfigMap that is there before the pod and goes with the container."""
    put(engine, "/", of_files({"etc/app.conf": b"\0\xff", "data/x": b"2"}, mode=0o640))

    engine.containers.start(web)

    assert mounted(engine, cluster) == {"/etc/app.conf": (b"\0\xff", 0o640), "/data/x": (b"2", 0o640)}
    name = engine.core.containers.find("web").object_name
    assert config_maps(cluster) == [name]
    made = [request for request in cluster.requests if request[0] == "create" and request[1] in ("ConfigMap", "Pod")]
    assert made == [("create", "ConfigMap", name), ("create", "Pod", name)]
    assert got(engine, "/etc/app.conf") == {"app.conf": b"\0\xff"}
    engine.containers.remove(web, force=True, volumes=False)
    assert config_maps(cluster) == []


def test_without_files_nothing_is_made(engine: Engine, cluster: FakeCluster, web: str) -> None:
    """No ConfigMap is even asked for, from the start to the end."""
    engine.containers.start(web)
    engine.containers.remove(web, force=True, volumes=False)
    assert not [request for request in cluster.requests if request[1] == "ConfigMap"]


def test_after_its_end_files_are_kept_for_the_next_start(engine: Engine, cluster: FakeCluster, web: str) -> None:
    """Its file system has gone, what was put has not."""
    put(engine, "/tmp", of_files({"a": b"1"}))
    engine.containers.start(web)
    put(engine, "/tmp", of_files({"running": b"1"}))
    engine.containers.kill(web, signal=None)

    assert got(engine, "/tmp/a") == {"a": b"1"}
    for path in ("/tmp/running", "/etc/passwd"):
        with refused(FileNotFound, f"Could not find the file {path} in container web: {AFTER}"):
            got(engine, path)
    put(engine, "/tmp", of_files({"a": b"2", "b": b"3"}))
    engine.containers.start(web)
    assert mounted(engine, cluster) == {"/tmp/a": (b"2", 0o644), "/tmp/b": (b"3", 0o644)}
    assert config_maps(cluster) == [engine.core.containers.find("web").object_name]


def test_restarts_by_policy_mount_them_again(engine: Engine, cluster: FakeCluster) -> None:
    """Each run has its own ConfigMap, one at a time."""
    restart = RestartPolicy("on-failure", 2)
    make(engine, "web", "sh", "-c", "exit 3", restart=restart)
    put(engine, "/tmp", of_files({"a": b"1"}))
    engine.containers.start("web")
    assert ended(engine, "web") == 3
    eventually(lambda: engine.core.containers.find("web").run == 3)
    eventually(lambda: config_maps(cluster) == [engine.core.containers.find("web").object_name])


def test_a_deployment_mounts_them(engine: Engine, cluster: FakeCluster) -> None:
    """As a pod does, each time that it comes back."""
    container = make(engine, "web", "sleep", "9", restart=RestartPolicy("always"))
    put(engine, "/tmp", of_files({"a": b"1"}))
    engine.containers.start(container)
    [pod] = cluster.kubelet.pods()
    assert cluster.kubelet.files(pod).read("/tmp/a") == b"1"
    engine.containers.remove(container, force=True, volumes=False)
    assert config_maps(cluster) == []


@pytest.mark.parametrize("kind", ["Pod", "ConfigMap"])
def test_a_start_that_fails_leaves_nothing(engine: Engine, cluster: FakeCluster, web: str, kind: str) -> None:
    """And what was put is there for the next one."""
    put(engine, "/tmp", of_files({"a": b"1"}))
    cluster.refuse(kind, "create", Unavailable("not now"))  # type: ignore[arg-type]
    with refused(Unavailable, "not now"):
        engine.containers.start(web)
    assert config_maps(cluster) == []
    cluster.refuse(kind, "create", None)  # type: ignore[arg-type]
    engine.containers.start(web)
    assert mounted(engine, cluster) == {"/tmp/a": (b"1", 0o644)}


def test_a_namespace_that_wants_the_restricted_level(engine: Engine, cluster: FakeCluster, web: str) -> None:
    """The pod is posted twice, its files once."""
    put(engine, "/tmp", of_files({"a": b"1"}))
    denial = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
    create: Callable[..., object] = cluster.create
    refusals = [Forbidden(denial)]

    def once(kind: str, manifest: object) -> object:
        if kind == "Pod" and refusals:
            raise refusals.pop()
        return create(kind, manifest)

    cluster.create = once  # type: ignore[method-assign, assignment]
    engine.containers.start(web)
    assert mounted(engine, cluster) == {"/tmp/a": (b"1", 0o644)}


def test_the_end_of_the_server_takes_them_away() -> None:
    """And asks for no ConfigMap where none was ever made."""
    for with_files in (True, False):
        cluster = FakeCluster()
        with running(cluster) as runtime:
            engine = runtime.engine
            for _ in engine.images.pull("alpine", "latest"):
                pass
            make(engine, "web", "sleep", "9")
            if with_files:
                put(engine, "/tmp", of_files({"a": b"1"}))
            engine.containers.start("web")
            assert bool(config_maps(cluster)) is with_files
        assert bool([r for r in cluster.requests if r[:2] == ("deletecollection", "ConfigMap")]) is with_files
        assert config_maps(cluster) == []


def test_a_start_that_comes_between(engine: Engine, web: str) -> None:
    """An archive that ends after the start is not kept in silence."""

    def slow() -> Iterator[bytes]:
        yield of_files({"a": b"1"})[:1024]
        engine.containers.start(web)

    container = engine.core.containers.find(web).id
    with refused(Conflict, f"container {container} was started while files were put into it: put them once more"):
        engine.archives.put(web, "/tmp", Extraction(), slow(), Cancel())
