"""The demonstration of ``make run``: the one test with real containers that ``make test`` has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubedock.embedded.runtimes import tools
from kubedock.errors import Unavailable
from tests.support.runtimes import a_network

SHOWN = (
    "  hello from a container",
    "  $ docker run --rm kubedock/demo:latest sh -c 'exit 3'; echo $?\n  3",
    "  This page is served by a container that kubedock runs.",
    "  $ docker exec web ls /www\n  index.html",
    "  $ docker logs web\n  serving",
    "  web (exited, exit code 1",
    "The server has ended, and has removed all that it made but the images in its cache folder.",
)


def test_the_demonstration_shows_what_it_says(tmp_path: Path) -> None:
    """It explains itself, and ends by itself."""
    if os.geteuid() != 0:
        pytest.skip("the embedded node needs root")
    try:
        tools.require((*tools.CONTAINER_TOOLS, *tools.IMAGE_TOOLS))
    except Unavailable as error:
        pytest.skip(str(error))
    network = str(a_network())
    argv = [sys.executable, "-m", "kubedock.demo", "--embedded-network", network, "--registry-mirror", "http://127.0.0.1:1"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}

    done = subprocess.run(argv, capture_output=True, text=True, timeout=55, check=False, env=environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [text for text in SHOWN if text not in done.stdout] == []
    assert list((tmp_path / "kubedock" / "node" / "c").iterdir()) == []
