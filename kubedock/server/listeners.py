"""The sockets that the server listens on, opened with a sentence for everything that can be in the way."""

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any

from gunicorn.sock import TCP6Socket, TCPSocket, UnixSocket
from gunicorn.util import is_ipv6

from kubedock.errors import Unavailable

_NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


def open_all(cfg: Any, log: Any) -> list[Any]:
    """gunicorn's sockets for ``cfg.address``; [] where gunicorn must open inherited descriptors itself.

    Raises Unavailable with a sentence.
    """
    if any(isinstance(address, int) for address in cfg.address):
        return []
    opened: list[Any] = []
    try:
        for address in cfg.address:
            opened.append(_unix(address, cfg, log) if isinstance(address, str) else _tcp(address, cfg, log))
    except Unavailable:
        for listener in opened:
            listener.close()
        raise
    return opened


def _tcp(address: tuple[str, int], cfg: Any, log: Any) -> Any:
    host, port = address
    try:
        if not is_ipv6(host):
            return TCPSocket(address, cfg, log)
        try:
            return TCP6Socket(address, cfg, log)
        except OSError as error:
            if host != "::" or error.errno not in _NO_IPV6:
                raise
            return TCPSocket(("0.0.0.0", port), cfg, log)  # noqa: S104 - all addresses were asked for
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unavailable(f"cannot listen on {host}:{port}: {reason}") from error


def _unix(path: str, cfg: Any, log: Any) -> Any:
    try:
        _make_way(path)
        return UnixSocket(path, cfg, log)
    except OSError as error:
        raise Unavailable(f"cannot listen on the unix socket {path}: {error.strerror or error}") from error


def _make_way(path: str) -> None:
    """A socket that nobody listens on is left over from a server that was killed; gunicorn replaces it."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Unavailable(f"cannot listen on the unix socket {path}: there is a file of that name that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return
    raise Unavailable(f"cannot listen on the unix socket {path}: another server is using it")


def shown(listener: Any) -> str:
    """The address as a client writes it into DOCKER_HOST."""
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix://{Path(name).absolute()}"
    host, port = name[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
