"""A program that uses testcontainers-python and never ends by itself: something is to kill it.

It makes a network, a volume and two containers on them, one of which has ended, then prints its process id and its
session's. ``python -m tests.support.tc_session`` with DOCKER_HOST set.
"""

import os
import threading

import docker
from testcontainers.core.container import DockerContainer
from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID
from testcontainers.core.network import Network


def main() -> None:
    """Make all of it, and wait."""
    network = Network().create()
    volume = docker.from_env().volumes.create(labels={LABEL_SESSION_ID: SESSION_ID})
    running = DockerContainer("alpine", command="sleep 1000", network=network, ports=[80])
    running.with_volume_mapping(volume.name, "/data", "rw").start()
    ended = DockerContainer("alpine", command="true", network=network).start()
    ended.get_wrapped_container().wait()
    print("ready", os.getpid(), SESSION_ID, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
