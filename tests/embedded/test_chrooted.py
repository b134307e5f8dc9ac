"""A server that was entered by chroot, as in a debootstrap's folder: runc serves it, and commands stay in their container."""

from pathlib import Path

import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import Place, embedded_argv
from tests.support.live import LiveServer
from tests.support.runtimes import embedded_tools

ENTER = """
mount --rbind / "$1" || exit 9
folder=$PWD; root=$1; shift
cd "$root" && exec chroot . sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
"""


@pytest.mark.embedded
def test_commands_stay_inside(tmp_path: Path) -> None:
    """The root is a mount point; the server makes it that of a mount namespace before it has a second thread."""
    embedded_tools()
    root = tmp_path / "root"
    root.mkdir()
    argv = embedded_argv(tmp_path, place=Place("chrooted", embedded="runc"))
    enter = ("unshare", "--mount", "sh", "-c", ENTER, "enter", str(root))
    with LiveServer((*enter, *argv)) as server:
        docker = DockerCli(server.addresses[0], tmp_path)
        docker.ok("pull", ALPINE)
        docker.ok("run", "-d", "--name", "db", ALPINE, "sh", "-c", "echo inside >/where; exec sleep 1000")
        assert docker.ok("exec", "db", "cat", "/where") == "inside"
        assert not Path("/where").exists()
        docker.ok("rm", "-f", "db")
        server.signal(15)
        server.wait(20)
