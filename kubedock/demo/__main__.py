"""The demonstration: a server on this machine, a few containers, and what a Docker client sees of them.

``python -m kubedock.demo [OPTION of kubedock server …]``. It keeps images in a cache folder, and nothing else.
"""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from kubedock import parsing
from kubedock.demo import image as tiny
from kubedock.demo.docker import Docker, Refused
from kubedock.demo.server import serving
from kubedock.embedded.runtimes import registry, tools
from kubedock.errors import KubedockError

REGISTRY_IMAGE = "busybox:latest"
LOCAL_IMAGE = "kubedock/demo:latest"
MIRROR = "--registry-mirror"
LOOK_SECONDS = 15
PAGE = "This page is served by a container that kubedock runs."


def say(text: str = "") -> None:
    """A line of the demonstration."""
    print(text, flush=True)


def shown(command: str, *output: str) -> None:
    """What a user would type, and what would follow."""
    say(f"  $ {command}")
    for text in output:
        for line in text.splitlines():
            say(f"  {line}")


def cache() -> Path:
    """The folder of the demonstration."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubedock"


def reachable(options: Sequence[str], folder: Path) -> bool:
    """Whether the registry, or the mirror among the options, has the image."""
    words = [word for option in options for word in option.split("=", 1)] if MIRROR in " ".join(options) else []
    try:
        mirrors = parsing.mirrors([after for word, after in pairwise(words) if word == MIRROR])
    except ValueError:
        return False  # the server will say why
    asked = registry.source(registry.reference(REGISTRY_IMAGE), mirrors)
    argv = [tools.find("skopeo") or "skopeo", "inspect", "--raw", f"--tls-verify={str(not asked.plain).lower()}"]
    try:
        done = subprocess.run(
            [*argv, asked.at(asked.suffix)],
            capture_output=True,
            timeout=LOOK_SECONDS,
            check=False,
            env=tools.image_environment(folder),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def an_image(options: Sequence[str], folder: Path) -> tuple[str, list[str]]:
    """An image to run, and the options of the server that let it find it."""
    if reachable(options, folder):
        say(f"The image is {REGISTRY_IMAGE}, from its registry.")
        return REGISTRY_IMAGE, []
    say(f"No registry has {REGISTRY_IMAGE} for us here: the image is {LOCAL_IMAGE}, built from Debian's busybox-static.")
    images = folder / "images"
    tiny.write(images / "demo", [f"docker.io/{LOCAL_IMAGE}"], tiny.busybox(folder))
    return LOCAL_IMAGE, ["--embedded-images", str(images)]


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def fetched(url: str) -> str:
    """A page, as soon as it is served."""
    opener = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + LOOK_SECONDS
    while True:
        try:
            with opener.open(url, timeout=LOOK_SECONDS) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)  # noqa: TID251 the demonstration has nothing else to do


def demonstrate(docker: Docker, image: str) -> None:
    """The containers."""
    say("1. A container says hello.")
    begun = time.monotonic()
    docker.ask("POST", "/images/create", fromImage=image)
    _, text = docker.run(image, ["echo", "hello from a container"])
    shown(f"docker run --rm {image} echo hello from a container", text)
    say(f"  (that took {time.monotonic() - begun:.2f} s, the image's unpacking included)")

    say("\n2. An exit code is the process's own.")
    begun = time.monotonic()
    code, _ = docker.run(image, ["sh", "-c", "exit 3"])
    shown(f"docker run --rm {image} sh -c 'exit 3'; echo $?", str(code))
    say(f"  (created, run, waited for and removed in {time.monotonic() - begun:.2f} s)")

    say("\n3. A web server's port is published on this machine.")
    inside = str(free_port())
    script = f"mkdir -p /www; echo '{PAGE}' > /www/index.html; echo serving; exec httpd -f -p {inside} -h /www"
    host = {"PortBindings": {f"{inside}/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}}
    web = docker.create(image, ["sh", "-c", script], name="web", HostConfig=host)
    docker.ask("POST", f"/containers/{web}/start")
    ports = docker.ask("GET", f"/containers/{web}/json").json()["NetworkSettings"]["Ports"]
    url = f"http://127.0.0.1:{ports[f'{inside}/tcp'][0]['HostPort']}/"
    shown(f"docker run -d --name web -p 127.0.0.1::{inside} {image} sh -c '…; exec httpd -f -p {inside} -h /www'", web[:12])
    shown(f"curl {url}", fetched(url))

    say("\n4. A command in the running container, and its log.")
    shown("docker exec web ls /www", docker.exec(web, ["ls", "/www"]))
    shown("docker logs web", docker.logs(web))

    say("\n5. It is stopped and removed.")
    docker.ask("POST", f"/containers/{web}/stop", t=1)
    state = docker.ask("GET", f"/containers/{web}/json").json()["State"]
    shown("docker stop -t 1 web", f"web ({state['Status']}, exit code {state['ExitCode']})")
    docker.ask("DELETE", f"/containers/{web}")
    shown("docker rm web", "web")


def main(options: Sequence[str]) -> int:
    """The whole; its exit code."""
    folder = cache()
    say("kubedock: a Docker Engine API without a Docker Engine. This demonstration needs no cluster.\n")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        image, more = an_image(options, folder)
        given = ["--embedded-dir", str(folder / "node"), *more, *options]
        with serving(given) as server:
            say(f"A server listens on tcp://{server.address}; containers are run by {server.runtime}\n")
            demonstrate(Docker(server.address), image)
    except (KubedockError, Refused, OSError) as error:
        say(f"\nkubedock demonstration: {error}")
        return 1
    command = shlex.join(["kubedock", "server", "--embedded", *given])
    say("\nThe server has ended, and has removed all that it made but the images in its cache folder.")
    say("To go on by hand, start one, and point a Docker client to it:")
    shown(f".venv/bin/{command}")
    shown("export DOCKER_HOST=tcp://127.0.0.1:8999")
    shown(f"docker run --rm {image} echo hello")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
