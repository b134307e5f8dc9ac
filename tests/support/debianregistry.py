"""Debian's docker-registry: the real program, with or without a password, and images copied into it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from kubedock.registry.manifests import ACCEPTED
from tests.support.realcluster import absent
from tests.support.waiting import eventually

PROGRAM = "docker-registry"
USER, PASSWORD = "me", "Tr0ub4dor&3"
HTPASSWD = "me:$2b$04$k6VkQl6xdfBjap7YBub1..IF5t0wYv/.Cr3jy9wedJlFo8qkmAV2K"
"""What ``htpasswd -nbB -C 4`` makes of them."""

_LISTENING = re.compile(r'msg="listening on \S+:(\d+)"')
_REQUEST = re.compile(r'"((?:GET|HEAD|PUT|POST) /v2/\S*) HTTP/[\d.]+" (\d+) .* "([^"]*)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DebianRegistry:
    """One that serves. ``host`` is its address and port."""

    host: str
    log: Path
    login: tuple[str, str] | None
    process: subprocess.Popen[bytes]

    def requests(self, agent: str = "kubedock/") -> list[str]:
        """What was asked by clients of this name: ``GET /v2/… 200``."""
        found = _REQUEST.findall(self.log.read_text())
        return [f"{request} {status}" for request, status, name in found if name.startswith(agent)]

    def copy(self, source: str, repository: str, tag: str, *, to: str = "") -> None:
        """An image from a registry that wants no password, whole, under its own name or another."""
        with requests.Session() as session:
            session.trust_env = False
            copy = _Copy(session, f"http://{source}/v2/{repository}", f"http://{self.host}/v2/{to or repository}", self.login)
            copy.manifest(tag)

    def stop(self) -> None:
        """It is down from now on."""
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def debian_registry(folder: Path, address: str = "127.0.0.1", *, private: bool = False) -> Iterator[DebianRegistry]:
    """Serve at a free port of an address of this machine."""
    program = shutil.which(PROGRAM)
    if program is None:
        absent(f"{PROGRAM} is not on this machine")
    config: dict[str, Any] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": f"{address}:0"},
        "log": {"level": "info"},
    }
    if private:
        (folder / "htpasswd").write_text(f"{HTPASSWD}\n")
        config["auth"] = {"htpasswd": {"realm": "private", "path": str(folder / "htpasswd")}}
    (folder / "registry.yml").write_text(yaml.safe_dump(config))
    log = folder / "registry.log"
    with log.open("wb") as output:
        process = subprocess.Popen([str(program), "serve", str(folder / "registry.yml")], stdout=output, stderr=output)
    try:
        port = eventually(lambda: _LISTENING.search(log.read_text()), what="the registry")[1]
        yield DebianRegistry(f"{address}:{port}", log, (USER, PASSWORD) if private else None, process)
    finally:
        process.kill()
        process.wait()


class _Copy:
    """One repository's content, from one URL to another, as a push would bring it."""

    def __init__(self, session: requests.Session, source: str, target: str, login: tuple[str, str] | None) -> None:
        self._session, self._source, self._target, self._login = session, source, target, login

    def manifest(self, name: str) -> None:
        """By tag or digest, after all that it names."""
        found = self._get(f"manifests/{name}")
        whole = json.loads(found.content)
        for each in whole.get("manifests", ()):
            self.manifest(each["digest"])
        for each in (whole["config"], *whole["layers"]) if "config" in whole else ():
            self._blob(each["digest"])
        self._put(f"{self._target}/manifests/{name}", found.content, found.headers["Content-Type"])

    def _blob(self, digest: str) -> None:
        begun = self._session.post(f"{self._target}/blobs/uploads/", auth=self._login, timeout=10)
        begun.raise_for_status()
        place = begun.headers["Location"]
        joint = "&" if "?" in place else "?"
        self._put(f"{place}{joint}digest={digest}", self._get(f"blobs/{digest}").content, "application/octet-stream")

    def _get(self, path: str) -> requests.Response:
        found = self._session.get(f"{self._source}/{path}", headers={"Accept": ", ".join(ACCEPTED)}, timeout=10)
        found.raise_for_status()
        return found

    def _put(self, url: str, content: bytes, media_type: str) -> None:
        put = self._session.put(url, data=content, headers={"Content-Type": media_type}, auth=self._login, timeout=10)
        put.raise_for_status()
