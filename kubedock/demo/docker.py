"""As much of a Docker client as the demonstration needs, over plain HTTP."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests

Json = dict[str, Any]

VERSION = "v1.41"
SECONDS = 120
HEADER = 8
STREAMS = {1: "stdout", 2: "stderr"}


class Refused(Exception):
    """The server's sentence."""


class Docker:
    """Speaks to one server."""

    def __init__(self, address: str) -> None:
        """``address`` is host and port."""
        self._base = f"http://{address}/{VERSION}"
        self._session = requests.Session()
        self._session.trust_env = False

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str | int) -> requests.Response:
        """One request. Refused, with the server's message."""
        answer = self._session.request(method, f"{self._base}{path}", json=body, params=query, timeout=SECONDS)
        if answer.status_code >= requests.codes.bad_request:
            raise Refused(str(answer.json().get("message", answer.text)))
        return answer

    def create(self, image: str, command: Sequence[str], **options: Any) -> str:
        """A container's id."""
        name = options.pop("name", "")
        made = self.ask("POST", "/containers/create", {"Image": image, "Cmd": list(command), **options}, name=name)
        return str(made.json()["Id"])

    def run(self, image: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a container to its end, and remove it: its exit code and all that it wrote."""
        container = self.create(image, command)
        try:
            self.ask("POST", f"/containers/{container}/start")
            code = int(self.ask("POST", f"/containers/{container}/wait").json()["StatusCode"])
            return code, self.logs(container)
        finally:
            self.ask("DELETE", f"/containers/{container}", force="true")

    def logs(self, container: str) -> str:
        """What it has written so far."""
        answer = self.ask("GET", f"/containers/{container}/logs", stdout="true", stderr="true")
        return "".join(text for _, text in frames(answer.content))

    def exec(self, container: str, command: Sequence[str]) -> str:
        """What a command in a container writes."""
        wanted = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        made = self.ask("POST", f"/containers/{container}/exec", wanted).json()["Id"]
        answer = self.ask("POST", f"/exec/{made}/start", {"Detach": False, "Tty": False})
        return "".join(text for _, text in frames(answer.content))

    def info(self) -> Json:
        """What the server says of itself."""
        told: Json = json.loads(self.ask("GET", "/info").content)
        return told


def frames(data: bytes) -> Iterator[tuple[str, str]]:
    """Docker's frames: (stream, text)."""
    while len(data) >= HEADER:
        stream, size = STREAMS.get(data[0], "stdout"), int.from_bytes(data[4:HEADER], "big")
        yield stream, data[HEADER : HEADER + size].decode(errors="replace")
        data = data[HEADER + size :]
