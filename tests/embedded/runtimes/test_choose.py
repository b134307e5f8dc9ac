"""Which runtime a node gets, by what a machine allows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubedock.embedded.runtimes import tools
from kubedock.embedded.runtimes.choose import Wanted, opened
from tests.support.runtimes import a_network, running
from tests.support.shared import ROOT

pytestmark = pytest.mark.embedded

DOCKERS = (
    "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap"
)
TRY = """
import logging, sys
from pathlib import Path
from tests.support.runtimes import Pods, running

logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
with running("auto", Path(sys.argv[1]) / "node", Path(sys.argv[2])) as runtime:
    run = Pods(runtime, Path(sys.argv[1])).shell("echo hello; exit 3")
    print(runtime.name, run.exit().code, run.output(), end="")
    print(Pods(runtime, Path(sys.argv[1])).run("sleep", "1000").exec("ls", "/www"))
"""
INSIDE = '{1: b\'index.html\\n\', 3: b\'{"metadata":{},"status":"Success"}\'}'


def tried(*prefix: str, folder: Path, images: Path) -> list[str]:
    """What a process of its own says that tries it."""
    argv = [*prefix, sys.executable, "-c", TRY, str(folder), str(images)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_auto_takes_runc_where_it_can(images: Path, tmp_path: Path) -> None:
    """And says so, and why."""
    why = "containers are run by runc, since this machine allows namespaces, mounts and control groups"

    assert tried(folder=tmp_path, images=images) == [why, "runc 3 hello", INSIDE]


def test_what_was_asked_for_is_said(images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With who asked."""
    with caplog.at_level("INFO"), running("chroot", tmp_path / "node", images):
        pass

    assert caplog.messages == ["containers are run by chroot, as --embedded-runtime says"]


@pytest.mark.parametrize("name", ["auto", "runc", "chroot"])
def test_missing_tools_are_an_error_and_no_reason_to_run_without_isolation(
    name: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Namespaces are allowed here: what is missing can be installed."""
    monkeypatch.setattr(tools, "find", lambda _: "")

    with pytest.raises(tools.Missing, match=r"the embedded node needs .*: apt-get install --no-install-recommends "):
        opened(Wanted(tmp_path / "node", a_network(), name))

    monkeypatch.undo()
    with running(name, tmp_path / "node", images):
        pass


def test_auto_takes_chroot_with_dockers_capabilities(images: Path, tmp_path: Path) -> None:
    """As in a container that was started without flags. It says why."""
    only = "-all," + ",".join(f"+{name}" for name in DOCKERS.split(","))

    said = tried("setpriv", "--inh-caps=-all", f"--bounding-set={only}", folder=tmp_path, images=images)

    assert said[0].startswith("containers are run by chroot, since runc cannot be used: ")
    assert said[1:] == ["chroot 3 hello", INSIDE]


def test_in_a_chroot_commands_run_in_the_container(images: Path, tmp_path: Path) -> None:
    """Not outside of the chroot, where a mount namespace's root is."""
    root = tmp_path / "root"
    root.mkdir()
    enter = (
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        'mount --rbind / "$0" && exec chroot "$0" "$@"',
        str(root),
    )

    said = tried(*enter, folder=tmp_path, images=images)

    assert said[0].startswith("containers are run by runc, since ")
    assert said[1:] == ["runc 3 hello", INSIDE]
