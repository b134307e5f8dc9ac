"""Files from and to containers that run."""

import bz2
import gzip
import lzma
import random
import stat
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from kubedock.cluster.fake import WITHOUT_TOOLS, FakeCluster
from kubedock.cluster.fake_files import FakeFiles
from kubedock.cluster.fake_streams import FakeChannels
from kubedock.domain.container import ContainerSpec, Security
from kubedock.domain.files import Extraction, FileStat
from kubedock.domain.filetools import ENDED, NO_TOOLS
from kubedock.domain.volume import Mount
from kubedock.engine import Engine
from kubedock.engine.archives import NO_FILES
from kubedock.engine.programs import BROKEN, PING_SECONDS
from kubedock.errors import (
    FileNotFound,
    Forbidden,
    GivenUp,
    InvalidParameter,
    KubedockError,
    NoSuchContainer,
    NotFound,
    NotImplemented,
    NotRunning,
    Unavailable,
)
from kubedock.streams import tar
from kubedock.streams.cancel import Cancel
from tests.support.running import engine_with_alpine, history, make, put_container, refused, run
from tests.support.tars import TIME, archive, contents, member, of_files

NOISE = random.Random(3).randbytes(1000)
DIR, FILE, LINK = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777


NOTHING = (tar.Entry("nothing"), b"")


def files_of(engine: Engine, cluster: FakeCluster, ref: str) -> FakeFiles:
    """The simulated file system of a container that runs."""
    return cluster.kubelet.files(engine.core.containers.find(ref).object_name or "")


@pytest.fixture
def files(engine: Engine, cluster: FakeCluster) -> FakeFiles:
    """The files of a container ``web`` that runs, with a directory, files, and links to both."""
    run(engine, "web", "sleep", "100")
    made = files_of(engine, cluster, "web")
    made.put("/opt/app", tar.Entry("", tar.DIRECTORY, mode=0o755, mtime=TIME))
    made.write("/opt/app/run", b"#!", 0o4755)
    made.write("/opt/app/lib/x", b"x" * 1000)
    made.put("/current", tar.Entry("", tar.SYMLINK, mode=0o777, mtime=TIME, link="opt/app"))
    made.put("/broken", tar.Entry("", tar.SYMLINK, mode=0o777, mtime=TIME, link="../no/where"))
    return made


def got(engine: Engine, path: str, ref: str = "web") -> bytes:
    """A whole archive."""
    found = engine.archives.get(ref, path, Cancel())
    try:
        return b"".join(found)
    finally:
        found.close()


def put(engine: Engine, path: str, data: bytes, ref: str = "web", *, keep: bool = False, own: bool = False) -> None:
    """Extract an archive."""
    engine.archives.put(ref, path, Extraction(keep, own), [data[:700], data[700:]], Cancel())


def looked(engine: Engine, path: str, ref: str = "web") -> FileStat:
    """What is told of a path."""
    return engine.archives.look(ref, path, Cancel())


# --- out of a container ----------------------------------------------------------------------------------------------

APP = {"lib": None, "lib/x": b"x" * 1000, "run": b"#!"}


def below(name: str) -> dict[str, bytes | None]:
    """The directory under a name."""
    return {name or "/": None, **{f"{name}/{inside}": data for inside, data in APP.items()}}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("path", "expected", "mode", "target"),
    [
        ("/opt/app/run", {"run": b"#!"}, stat.S_IFREG | 0o4755, ""),
        ("opt/../opt/app/lib/x", {"x": b"x" * 1000}, FILE, ""),
        ("/opt/app", below("app"), DIR, ""),
        ("/opt/app/", below("app"), DIR, ""),
        ("/opt/app/.", below("."), DIR, ""),
        ("/current", {"current": "opt/app"}, LINK, "/opt/app"),
        ("/current/", below("current"), DIR, ""),
        ("/current/lib/x", {"x": b"x" * 1000}, FILE, ""),
        ("/broken", {"broken": "../no/where"}, LINK, "/no/where"),
    ],
)
def test_a_path_is_got(engine: Engine, path: str, expected: dict[str, bytes | str | None], mode: int, target: str) -> None:
    """Rooted at its name; a link is itself unless a slash behind it asks for its directory."""
    assert contents(got(engine, path)) == expected
    told = looked(engine, path)
    first, data = next(iter(expected.items()))
    assert (told.name, told.mode, told.link_target, told.size) == (first, mode, target, len(data or b""))
    assert int(told.mtime.timestamp()) == TIME
    archived = engine.archives.get("web", path, Cancel())
    archived.close()
    assert archived.stat == told


@pytest.mark.usefixtures("files")
def test_the_root(engine: Engine, cluster: FakeCluster) -> None:
    """All but what is mounted in every container; what it is, is told without asking."""
    found = contents(got(engine, "/"))
    assert {"/", "/etc", "/etc/hostname", "/opt/app/run", "/current"} <= found.keys()
    assert not [name for name in found if name.startswith("/proc")]
    before = len(cluster.requests)
    assert looked(engine, "/").mode == looked(engine, "/.").mode == DIR
    assert len(cluster.requests) == before


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("use", [looked, got])
@pytest.mark.parametrize(
    ("path", "kind", "sentence"),
    [
        ("/nosuch", FileNotFound, "Could not find the file /nosuch in container web"),
        ("opt/nosuch/", FileNotFound, "Could not find the file opt/nosuch/ in container web"),
        ("/broken/", FileNotFound, "Could not find the file /broken/ in container web"),
        ("/opt/app/run/", InvalidParameter, "/opt/app/run is not a directory"),
    ],
)
def test_what_is_not_there(engine: Engine, use: Callable[..., object], path: str, kind: type[KubedockError], sentence: str) -> None:
    """Docker's sentence, with the client's words."""
    with refused(kind, sentence):
        use(engine, path)


def test_what_cannot_be_read(engine: Engine, files: FakeFiles) -> None:
    """An error, not an archive without it."""
    files.unreadable.add("/opt/app/lib/x")
    with pytest.raises(Forbidden, match="Permission denied"):
        got(engine, "/opt/app")
    with pytest.raises(Forbidden, match="Permission denied"):
        got(engine, "/opt/app/lib/x")


@pytest.mark.usefixtures("files")
def test_nothing_is_left_running(engine: Engine, cluster: FakeCluster) -> None:
    """Whatever was asked, and however it went: each exec is closed."""
    got(engine, "/current")
    looked(engine, "/opt/app")
    with pytest.raises(FileNotFound):
        got(engine, "/nosuch")
    put(engine, "/tmp", of_files({"a": b"1"}))
    with pytest.raises(InvalidParameter):
        put(engine, "/tmp", b"x" * 1000)
    assert {channels.fileno() for channels in cluster._channels} == {-1}


class Scripted(FakeCluster):
    """A cluster whose execs say what a test wants them to."""

    def __init__(self) -> None:
        super().__init__()
        self.say: Callable[[FakeChannels], None] = lambda channels: None
        self.opened: list[FakeChannels] = []

    def exec(
        self, pod: str, argv: Sequence[str], *, container: str = "main", stdin: bool = False, tty: bool = False
    ) -> FakeChannels:
        """See Cluster."""
        channels = FakeChannels()
        self.opened.append(channels)
        self.say(channels)
        return channels


@pytest.fixture
def scripted() -> Iterator[tuple[Engine, Scripted]]:
    """An engine over such a cluster, and a container ``web`` that runs."""
    cluster = Scripted()
    with engine_with_alpine(cluster) as engine:
        run(engine, "web", "sleep", "100")
        yield engine, cluster


BIG = archive(member("big", bytes(300_000)), form=tarfile.GNU_FORMAT)
ENDS_WELL = f"{ENDED}0\n".encode()
ENDS_BADLY = b"tar: can't read 'y': Input/output error\n" + f"{ENDED}1\n".encode()
CHANGED = b"tar: big: file changed as we read it\n" + f"{ENDED}1\n".encode()


def test_an_archive_is_whole_when_tar_says_so(scripted: tuple[Engine, Scripted]) -> None:
    """In whichever order its channels come; a file that changed meanwhile is no failure."""
    engine, cluster = scripted
    for ending in (ENDS_WELL, CHANGED):
        for messages in ([(1, BIG), (2, ending)], [(2, ending), (1, BIG)]):
            cluster.say = lambda channels, messages=messages: [channels.put(*each) for each in messages]  # type: ignore[misc]
            assert contents(got(engine, "/big")) == {"big": bytes(300_000)}


@pytest.mark.parametrize(
    ("spoil", "kind", "text"),
    [
        (lambda channels: channels.put(2, ENDS_BADLY), KubedockError, "Input/output error"),
        (lambda channels: channels.snap(), Unavailable, "the connection to the cluster broke"),
        (lambda channels: channels.finish(b'{"status": "Success"}'), KubedockError, "it does not say why"),
    ],
)
@pytest.mark.parametrize("sent", [200_000, len(BIG)])
def test_a_part_is_never_taken_for_the_whole(
    scripted: tuple[Engine, Scripted], spoil: Callable[[FakeChannels], None], kind: type[KubedockError], text: str, sent: int
) -> None:
    """In its middle, or when only tar's good word is missing: its chunks end with an error, and without the end marker."""
    engine, cluster = scripted
    cluster.say = lambda channels: channels.put(1, BIG[:sent])
    found = engine.archives.get("web", "/big", Cancel())
    spoil(cluster.opened[-1])
    read: list[bytes] = []
    with pytest.raises(kind, match=text):
        read.extend(found)
    found.close()
    assert b"".join(read) == BIG[: sum(map(len, read))]
    assert sum(map(len, read)) < len(BIG) - 1024


def test_a_reader_that_leaves_is_noticed(scripted: tuple[Engine, Scripted]) -> None:
    """Also where the container has nothing to say."""
    engine, cluster = scripted
    cluster.say = lambda channels: channels.put(1, BIG[:200_000])
    cancel = Cancel()
    found = engine.archives.get("web", "/big", cancel)
    cancel.set("client gone")
    with refused(GivenUp, "the copying of files was given up: client gone"):
        for _ in found:
            pass
    found.close()


# --- into a container ------------------------------------------------------------------------------------------------


def test_an_archive_is_put(engine: Engine, files: FakeFiles) -> None:
    """With modes, times, numbers of owners, links and empty directories; all parents are made."""
    data = archive(
        member("./new/dir", None, mode=0o700),
        member("/new/file", b"1", mode=0o4711, uid=5, gid=6, mtime=TIME + 5),
        member("new/link", type=tarfile.SYMTYPE, linkname="../x"),
        member("new/hard", type=tarfile.LNKTYPE, linkname="/new/file"),
        member(".", None, mode=0o700),
    )
    put(engine, "/opt", data)

    entry, content = files.get("/opt/new/file") or NOTHING
    assert (content, entry.mode, entry.uid, entry.gid, entry.mtime) == (b"1", 0o4711, 5, 6, TIME + 5)
    assert files.read("/opt/new/hard") == b"1"
    assert [files.kind(f"/opt/new/{name}") for name in ("dir", "link")] == ["directory", "other"]
    assert (files.get("/opt") or NOTHING)[0].mode == 0o755
    assert history(engine)[-1] == "extract-to-dir"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_compressed_archives(engine: Engine, files: FakeFiles, pack: Callable[[bytes], bytes]) -> None:
    """As they are recognised by their first bytes; an empty body is an empty archive."""
    put(engine, "/tmp", pack(of_files({"a": b"1", "b": bytes(100_000)})))
    assert (files.read("/tmp/a"), files.read("/tmp/b")) == (b"1", bytes(100_000))
    put(engine, "/tmp", b"")


def test_a_link_to_a_directory_is_followed(engine: Engine, files: FakeFiles) -> None:
    """Where it ends the path that is put to."""
    put(engine, "/current", of_files({"a": b"1"}))
    assert files.read("/opt/app/a") == b"1"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (of_files({"opt": b""}), 'cannot overwrite directory "/opt" with non-directory "/"'),
        (archive(member("etc/hostname", None)), 'cannot overwrite non-directory "/etc/hostname" with directory "/"'),
        (archive(member("current", None)), 'cannot overwrite non-directory "/current" with directory "/"'),
        (archive(member("opt", type=tarfile.SYMTYPE, linkname="x")), 'cannot overwrite directory "/opt" with non-directory "/"'),
    ],
)
def test_what_is_in_the_way(engine: Engine, files: FakeFiles, data: bytes, sentence: str) -> None:
    """It is kept where the client says so, else replaced."""
    with refused(InvalidParameter, sentence):
        put(engine, "/", data, keep=True)
    put(engine, "/", data)
    name, kind = next(iter(contents(data))), "directory" if sentence.endswith('with directory "/"') else "other"
    assert files.kind(f"/{name}") == kind


def test_merging_is_no_conflict(engine: Engine, files: FakeFiles) -> None:
    """Directories with directories, files with files."""
    put(engine, "/", archive(member("opt", None), member("opt/app/run", b"new")), keep=True)
    assert (files.read("/opt/app/run"), files.read("/opt/app/lib/x")) == (b"new", b"x" * 1000)


@pytest.mark.parametrize(("own", "user", "owner"), [(False, 1, 5), (True, 1, 0), (True, None, 5)])
def test_whose_it_becomes(engine: Engine, cluster: FakeCluster, own: bool, user: int | None, owner: int) -> None:
    """The container's user's where that is asked for, and the container has been given one; else the archive's number's."""
    run(engine, "db", "sleep", "100", user=user)
    put(engine, "/tmp", of_files({"a": b""}, uid=5), "db", own=own)
    entry, _ = files_of(engine, cluster, "db").get("/tmp/a") or NOTHING
    assert entry.uid == owner


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("path", "data", "kind", "sentence"),
    [
        ("/nosuch", b"", FileNotFound, "Could not find the file /nosuch in container web"),
        ("/etc/hostname", b"", InvalidParameter, "extraction point is not a directory"),
        ("/tmp", b"x" * 1000, InvalidParameter, "archive/tar: invalid tar header"),
        ("/tmp", of_files({"a": b"12345"})[:600], InvalidParameter, "unexpected EOF"),
        ("/tmp", gzip.compress(of_files({"a": NOISE}))[:700], InvalidParameter, "unexpected EOF"),
        ("/tmp", of_files({"../a": b"1"}), InvalidParameter, '"../a" is outside of "/tmp"'),
    ],
)
def test_what_is_refused(engine: Engine, path: str, data: bytes, kind: type[KubedockError], sentence: str) -> None:
    """Before or in the middle of it."""
    with refused(kind, sentence):
        put(engine, path, data)


def test_a_tar_that_gives_up(engine: Engine, files: FakeFiles) -> None:
    """Its reason is the answer's, and the rest of the body is not sent to nobody."""
    files.read_only = True
    with refused(Forbidden, "Error processing tar file(exit status 1): can't open 'x': Read-only file system"):
        put(engine, "/tmp", of_files({str(number): bytes(300_000) for number in range(20)}))


def test_a_cluster_that_cannot_end_an_input(engine: Engine, cluster: FakeCluster, files: FakeFiles) -> None:
    """The archive goes as text, which says itself where it ends."""
    cluster.input_ends = False
    data = {"a": b"1" * 1001, "b": bytes(400_000), "c": b""}
    put(engine, "/tmp", of_files(data))
    assert {name: files.read(f"/tmp/{name}") for name in data} == data


@pytest.mark.usefixtures("files")
def test_many_small_files(engine: Engine, files: FakeFiles) -> None:
    """More than are asked about at once, and a name of several lines."""
    data = {f"d/{number}": str(number).encode() for number in range(1200)} | {"two\nlines": b"2"}
    put(engine, "/tmp", of_files(data), keep=True)
    assert {name: files.read(f"/tmp/{name}") for name in data} == data


class Clogged(FakeChannels):
    """A connection that takes nothing at first, and all of it at the next try."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._waiting = self._tries = 0

    @property
    def unsent(self) -> int:
        """See Channels."""
        return self._waiting

    def send(self, channel: int, data: bytes) -> None:
        """See Channels."""
        self._waiting += len(data)
        super().send(channel, data)

    def flush(self) -> None:
        """See Channels."""
        self._tries += 1
        self._waiting = self._waiting if self._tries % 2 else 0


def test_a_connection_that_is_full_is_waited_for(engine: Engine, files: FakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """And for no moment longer: not until the next ping."""
    monkeypatch.setattr("kubedock.cluster.fake.FakeChannels", Clogged)
    monkeypatch.setattr("kubedock.engine.programs.HIGH", 100_000)
    began = time.monotonic()
    put(engine, "/tmp", of_files({str(number): bytes(300_000) for number in range(10)}))
    assert time.monotonic() - began < PING_SECONDS / 2
    assert files.read("/tmp/9") == bytes(300_000)


def test_a_long_copy_keeps_the_checkers_connection(engine: Engine, files: FakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has nothing to say meanwhile."""
    pings: list[FakeChannels] = []
    monkeypatch.setattr("kubedock.engine.programs.PING_SECONDS", 0.0)

    def ping(channels: FakeChannels) -> None:
        pings.append(channels)

    monkeypatch.setattr(FakeChannels, "ping", ping)
    put(engine, "/tmp", of_files({"large": bytes(2_000_000)}))
    assert len(pings) >= 4
    assert files.read("/tmp/large") == bytes(2_000_000)


@pytest.mark.parametrize(
    ("answers", "kind", "sentence"),
    [
        ([(1, b"rea"), (1, b"dy\nfixed\n"), (2, b"rm: busy\n")], Forbidden, 'cannot replace "/tmp/a": rm: busy'),
        ([(1, b"ready\n"), None], Unavailable, BROKEN),
        ([None], Unavailable, BROKEN),
        ([(1, b"ready\nsomething else\n"), None], Unavailable, BROKEN),
    ],
)
def test_a_checker_that_does_not_help(
    scripted: tuple[Engine, Scripted], answers: list[tuple[int, bytes] | None], kind: type[KubedockError], sentence: str
) -> None:
    """What cannot be replaced, and a connection that breaks (None): nothing is waited for in vain."""
    engine, cluster = scripted
    cluster.say = lambda channels: [channels.put(*each) if each else channels.snap() for each in answers] and None
    with refused(kind, sentence):
        put(engine, "/tmp", of_files({"a": b"1"}))


def test_a_container_that_ends_in_the_middle(scripted: tuple[Engine, Scripted]) -> None:
    """Its connection says no more than that it broke; where it says that nothing runs, so does the answer."""
    engine, cluster = scripted
    gone = b'{"status":"Failure","message":"unable to upgrade connection: container not found (\\"main\\")"}'
    cluster.say = lambda channels: channels.finish(gone)
    container = engine.core.containers.find("web").id
    for use in (lambda: got(engine, "/etc"), lambda: put(engine, "/tmp", b"")):
        with refused(NotRunning, f"container {container} is not running"):
            use()
    cluster.say = lambda channels: channels.put(1, b"ready\n") if len(cluster.opened) % 2 else channels.finish(gone)
    cluster.opened.clear()
    with refused(NotRunning, f"container {container} is not running"):
        put(engine, "/tmp", b"")


# --- images and containers that cannot -------------------------------------------------------------------------------


def test_an_image_without_tools(engine: Engine) -> None:
    """One sentence for all."""
    for _ in engine.images.pull(WITHOUT_TOOLS, "latest"):
        pass
    bare = engine.containers.create(ContainerSpec(WITHOUT_TOOLS, command=("sleep", "9")), name="bare", endpoints={}).id
    engine.containers.start(bare)
    for use in (lambda: got(engine, "/etc", bare), lambda: looked(engine, "/etc", bare), lambda: put(engine, "/tmp", b"", bare)):
        with refused(NotImplemented, NO_TOOLS):
            use()


def test_what_docker_does_not_let_be_written(engine: Engine) -> None:
    """A volume that is read-only, and a root file system outside of volumes; the container's own user matters not."""
    mounts = (Mount("volume", "/data", "data"), Mount("volume", "/ro", "logs", read_only=True))
    run(engine, "web", "sleep", "9", mounts=mounts, security=Security(read_only_root=True))
    for path, sentence in (("/etc", "container rootfs is marked read-only"), ("/ro", "mounted volume is marked read-only")):
        with refused(Forbidden, sentence):
            put(engine, path, b"")
    put(engine, "/data", of_files({"x": b"1"}))


def test_a_container_that_is_being_started(engine: Engine, cluster: FakeCluster) -> None:
    """Its files are neither kept any more nor there yet."""
    container = make(engine, "web", "sleep", "9")
    cluster.kubelet.hold()
    engine.core.containers.update(container, lambda record: replace(record, run=1, object_name="web"))
    for use in (lambda: got(engine, "/etc"), lambda: looked(engine, "/etc"), lambda: put(engine, "/tmp", b"")):
        with refused(NotRunning, f"container {container} is not running"):
            use()


def test_a_container_that_ends_meanwhile(engine: Engine, cluster: FakeCluster) -> None:
    """As if it had ended before."""
    container = run(engine, "web", "sleep", "9")
    cluster.refuse("Pod", "exec", NotFound("pods not found"))
    with refused(NotRunning, f"container {container} is not running"):
        got(engine, "/etc")


def test_a_container_that_is_a_part_of_kubedock(engine: Engine) -> None:
    """The reaper has no files, and gets no ConfigMap either."""
    put_container(engine, "ryuk", spec=ContainerSpec("testcontainers/ryuk", workload="inside"))
    for use in (lambda: got(engine, "/", "ryuk"), lambda: looked(engine, "/", "ryuk"), lambda: put(engine, "/", b"", "ryuk")):
        with refused(NotImplemented, NO_FILES):
            use()


def test_unknown_containers(engine: Engine) -> None:
    """As everywhere."""
    for use in (got, looked):
        with refused(NoSuchContainer, "No such container: nobody"):
            use(engine, "/", "nobody")
    with refused(NoSuchContainer, "No such container: nobody"):
        put(engine, "/", b"", "nobody")
