"""What gunicorn's arbiter calls: checks before the start, and the signals that end the server."""

import os
import signal
import sys
from types import FrameType
from typing import Any

from kubedock.errors import Unavailable
from kubedock.server import listeners

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_IGNORED = (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2)
_WORKER = "kubedock.server.worker.KubedockWorker"
_ENDED = b"kubedock: ended at once; containers of this run may be left in the cluster\n"


def on_starting(arbiter: Any) -> None:
    """Before anything listens: refuse what cannot work, and open the sockets."""
    cfg = arbiter.cfg
    if f"{cfg.worker_class.__module__}.{cfg.worker_class.__qualname__}" != _WORKER:
        _refuse("kubedock needs its own gunicorn worker: leave the worker class to kubedock.server.config")
    if cfg.workers != 1:
        _refuse("kubedock runs in one worker process: leave the number of workers to kubedock.server.config")
    try:
        arbiter.LISTENERS = listeners.open_all(cfg, arbiter.log)
    except Unavailable as error:
        _refuse(str(error))
    for address in cfg.address:
        if isinstance(address, tuple) and address[0] in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
            arbiter.log.warning("whoever reaches port %s of this machine may run containers in the cluster", address[1])


def when_ready(arbiter: Any) -> None:
    """The first signal ends the server in good order, the second at once.

    A hang-up is the end of the terminal and thus of the server; gunicorn would start a second worker instead, which
    knows nothing of the first one's containers.
    """
    arbiter_pid = os.getpid()
    seen: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != arbiter_pid:  # a worker that has not set its own handlers yet
            os._exit(0)
        if seen:
            _end_at_once(arbiter, number)
        seen.append(number)
        arbiter.signal(signal.SIGTERM, frame)

    for number in _STOP:
        signal.signal(number, stop)
    for number in _IGNORED:
        signal.signal(number, _ignore)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """More workers, or a second server, would share nothing with the first."""


def _end_at_once(arbiter: Any, number: int) -> None:
    for pid in list(arbiter.WORKERS):
        os.kill(pid, signal.SIGKILL)
    os.write(2, _ENDED)
    os._exit(128 + number)


def _refuse(sentence: str) -> None:
    sys.stderr.write(f"kubedock: {sentence}\n")
    sys.exit(1)
