"""What a server that was killed in the middle of its work leaves is ended and removed by the next one."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kubedock.embedded.runtimes import cgroups, leftovers, syscalls
from kubedock.embedded.runtimes.choose import Wanted, opened
from kubedock.embedded.runtimes.folder import NodeFolder
from kubedock.errors import Conflict, Unavailable
from tests.support.runtimes import Pods, running
from tests.support.shared import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.embedded

BUSY = """
import sys, threading
from pathlib import Path
from tests.support.runtimes import Pods, running

name, folder, images = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
with running(name, folder, images) as runtime:
    pods = Pods(runtime, folder.parent)
    for _ in range(2):
        pods.shell("sleep 98765 & sleep 98765")
    print("begun", flush=True)
    many = [threading.Thread(target=lambda: pods.run("sleep", "98765")) for _ in range(20)]
    for each in many:
        each.start()
    for each in many[: int(sys.argv[4])]:
        each.join()
    print("now", flush=True)
    threading.Event().wait()
"""


def left(folder: NodeFolder) -> dict[str, object]:
    """All that can be left of a node on a machine."""
    return {
        "processes": leftovers.processes(folder.root, lambda words: not words[0].endswith((b"python", b"python3"))),
        "sleeping": [each for each in map(_command, Path("/proc").glob("[0-9]*")) if each == b"sleep\x0098765\x00"],
        "mounts": list(syscalls.mounted(folder.root)),
        "groups": cgroups.roots(folder.prefix),
        "links": leftovers.links(folder.prefix),
        "containers": [path.name for part in (folder.containers, folder.sandboxes, folder.state) for path in part.iterdir()],
    }


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


NOTHING = {"processes": [], "sleeping": [], "mounts": [], "groups": [], "links": [], "containers": []}


def killed(name: str, folder: NodeFolder, images: Path, started: int = 20, *, shims: bool = False) -> None:
    """A server that starts twenty containers, and is killed when so many of them have been; its ``shims`` before it."""
    argv = [sys.executable, "-c", BUSY, name, str(folder.root), str(images), str(started)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if line == "now\n":
                break
        if shims:
            leftovers.kill(leftovers.processes(folder.root, lambda words: any(word.endswith(b"/shim.py") for word in words)))
        server.kill()


@pytest.mark.parametrize(
    ("name", "started", "then"),
    [
        *((name, started, name) for name in ("runc", "chroot") for started in (0, 7, 20)),
        ("runc", 20, "chroot"),
        ("chroot", 20, "runc"),
    ],
)
def test_the_next_start_leaves_nothing_of_a_killed_server(name: str, started: int, then: str, images: Path, tmp_path: Path) -> None:
    """Killed before, amid and after twenty starts; whichever runtime the next one has."""
    folder = NodeFolder(tmp_path / "node")
    killed(name, folder, images, started)
    bridge = [f"{folder.prefix}-br"] if then == "runc" else []

    with running(then, folder.root, images) as runtime:
        found = left(folder) | {"groups": [path for root in cgroups.roots(folder.prefix) for path in root.glob("*/")]}
        found.pop("links")  # the kernel takes a namespace's away in its own time
        eventually(lambda: leftovers.links(folder.prefix) == bridge, what="only the bridge")
        pods = Pods(runtime, tmp_path)
        assert pods.run("true").exit().code == 0

    assert found == {key: value for key, value in NOTHING.items() if key in found}
    assert eventually(lambda: left(folder) == NOTHING), left(folder)


def test_what_shims_that_were_killed_leave_is_ended(images: Path, tmp_path: Path) -> None:
    """Their containers' orphans are nobody's; their root tells whose they were. So does a pull's folder."""
    folder = NodeFolder(tmp_path / "node")
    killed("chroot", folder, images, shims=True)
    assert leftovers.inside(folder.containers)
    (folder.images / "tmp-1-1").mkdir()
    other = subprocess.Popen(["sleep", "98765"], executable=shutil.which("sleep"), cwd=folder.images / "tmp-1-1")
    assert leftovers.fetching(folder.images) == []

    fetching = subprocess.Popen(["skopeo", "98765"], executable=shutil.which("sleep"), cwd=folder.images / "tmp-1-1")
    with running("chroot", folder.root, images):
        assert leftovers.inside(folder.containers) == []
        assert fetching.wait(5) == -signal.SIGKILL
        assert other.poll() is None
    other.kill()
    other.wait()

    assert eventually(lambda: left(folder) == NOTHING), left(folder)


@pytest.mark.parametrize("name", ["runc", "chroot"])
def test_close_ends_what_runs(name: str, images: Path, tmp_path: Path) -> None:
    """And removes all but images. A second close does nothing."""
    folder = NodeFolder(tmp_path / "node")
    with running(name, folder.root, images) as runtime:
        pods = Pods(runtime, tmp_path)
        runs = [pods.shell("sleep 98765 & exec sleep 98765") for _ in range(3)]
        runtime.memory_folder(runs[0].spec.pod_uid, "memory")
        runtime.exec(runs[0].spec.id, ["sleep", "98765"])

    runtime.close()

    assert eventually(lambda: left(folder) == NOTHING), left(folder)
    assert [run.exits for run in runs] == [[], [], []]


def test_two_servers_do_not_share_a_folder(images: Path, tmp_path: Path) -> None:
    """The second one is told what to do; the first is not disturbed."""
    with running("chroot", tmp_path / "node", images) as first:
        with pytest.raises(Unavailable, match=r"another kubedock has the folder .*/node: give each its own --embedded-dir"):
            running("auto", tmp_path / "node", images).__enter__()

        assert Pods(first, tmp_path).run("true").exit().code == 0


def test_two_servers_do_not_share_a_network(images: Path, tmp_path: Path) -> None:
    """The sentence names the setting; without isolation is not the answer."""
    with running("runc", tmp_path / "one", images) as first:
        network = first._network.subnet  # type: ignore[attr-defined]
        text = rf"the network {network} is in use on this machine .* choose another with --embedded-network"
        with pytest.raises(Conflict, match=text):
            opened(Wanted(tmp_path / "two", network))
