"""kubedock's settings as gunicorn's."""

import math
import os
from typing import Any

from kubedock.embedded import CLOSE_SECONDS
from kubedock.server import hooks, logs
from kubedock.server.worker import DRAIN
from kubedock.settings import Settings

_MEMORY_FOLDER = "/dev/shm"  # noqa: S108 - a folder that can be written also where the root file system cannot


def gunicorn_options(settings: Settings) -> dict[str, Any]:
    """What gunicorn is told; docker's clients need the limits, the rest is measured."""
    return {
        "proc_name": "kubedock",
        "bind": _bind(settings),
        "worker_class": "kubedock.server.worker.KubedockWorker",
        "workers": 1,
        # a stream holds a thread for as long as it lasts; idle ones cost little
        "threads": 4096,
        "worker_connections": 10000,
        # clients pool their connections: a short time would close them under a request on its way
        "keepalive": 3600,
        "timeout": 0,
        "graceful_timeout": _most_of_a_stop(settings),
        # build arguments and registry configurations are longer than gunicorn's defaults
        "limit_request_line": 0,
        "limit_request_fields": 1000,
        "limit_request_field_size": 1 << 20,
        # it would want a home
        "control_socket_disable": True,
        "worker_tmp_dir": _MEMORY_FOLDER if os.access(_MEMORY_FOLDER, os.W_OK) else None,
        "preload_app": False,
        "accesslog": None,
        "logconfig_dict": logs.config(settings.verbosity, settings.log_format),
        "on_starting": hooks.on_starting,
        "when_ready": hooks.when_ready,
    }


def _most_of_a_stop(settings: Settings) -> int:
    """Seconds after which the arbiter kills: more than the requests in flight, the clean-up and this machine's node need."""
    node = CLOSE_SECONDS if settings.embedded else 0.0
    return math.ceil(settings.shutdown_timeout + node) + DRAIN + 2


def _bind(settings: Settings) -> list[str]:
    address = settings.listen_addr
    tcp = [] if address is None else [f"[::]:{address.port}" if address.host == "" else str(address)]
    return [*tcp, *([f"unix:{settings.unix_socket}"] if settings.unix_socket else [])]
