"""The unix socket: stale, alive, in the way."""

import signal
import socket
from pathlib import Path

from tests.support.live import OWN, LiveServer, read_all


def _ping(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(path))
        sock.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return read_all(sock)


def test_a_unix_socket_is_served_beside_the_address(tmp_path: Path) -> None:
    """Both are named in the log, and the file is gone at the end."""
    path = tmp_path / "docker.sock"
    with LiveServer(environ={"KUBEDOCK_UNIX_SOCKET": str(path)}) as server:
        assert [address.split(":")[0] for address in server.addresses] == ["tcp", "unix"]
        assert server.addresses[1] == f"unix://{path}"
        assert server.get("/ping") == b"OK"
        assert _ping(path).endswith(b"OK")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert not path.exists()


def test_a_unix_socket_can_be_all(tmp_path: Path) -> None:
    """``none`` switches TCP off."""
    path = tmp_path / "docker.sock"
    with LiveServer(environ={"KUBEDOCK_UNIX_SOCKET": str(path), "KUBEDOCK_LISTEN_ADDR": "none"}) as server:
        assert server.addresses == [f"unix://{path}"]
        assert _ping(path).endswith(b"OK")


def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    """A server that was killed leaves one behind."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with LiveServer(environ={"KUBEDOCK_UNIX_SOCKET": str(path)}):
        assert _ping(path).endswith(b"OK")


def test_a_live_socket_is_left_to_its_server(tmp_path: Path) -> None:
    """The second server ends with a sentence, the first serves on."""
    path = tmp_path / "docker.sock"
    with LiveServer(environ={"KUBEDOCK_UNIX_SOCKET": str(path)}):
        second = LiveServer(OWN, {"KUBEDOCK_UNIX_SOCKET": str(path)}).launch()

        assert second.wait() == 1
        assert second.log == f"kubedock: cannot listen on the unix socket {path}: another server is using it\n"
        assert _ping(path).endswith(b"OK")


def test_a_file_in_the_way_is_not_deleted(tmp_path: Path) -> None:
    """Whatever it is, it is not ours."""
    path = tmp_path / "docker.sock"
    path.write_text("precious")
    server = LiveServer(OWN, {"KUBEDOCK_UNIX_SOCKET": str(path)}).launch()

    assert server.wait() == 1
    assert server.log == f"kubedock: cannot listen on the unix socket {path}: there is a file of that name that is no socket\n"
    assert path.read_text() == "precious"


def test_a_folder_that_is_missing_is_a_sentence(tmp_path: Path) -> None:
    """With the system's reason."""
    path = tmp_path / "missing" / "docker.sock"
    server = LiveServer(OWN, {"KUBEDOCK_UNIX_SOCKET": str(path)}).launch()

    assert server.wait() == 1
    assert server.log == f"kubedock: cannot listen on the unix socket {path}: No such file or directory\n"
