"""Random sequences of requests against a model of Docker's states; each answer and each state is compared."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
import requests

from tests.support.clients import ALPINE, HANDLES_TERM
from tests.support.kubedock_server import KubedockServer
from tests.support.waiting import eventually

STEPS = 12
VERBS = ("create", "start", "start", "start", "stop", "stop", "kill", "kill USR1", "wait", "restart", "rm", "rm -f")


@dataclass(slots=True)
class Model:
    """Docker's own rules. ``state`` is absent, created, running or exited; ``runs`` counts the starts."""

    state: str = "absent"
    code: int = 0
    runs: int = 0

    def expect(self, verb: str) -> int:
        """The status of the answer; the model's state is the one after it."""
        if verb == "create":
            if self.state != "absent":
                return 409
            self.state, self.code, self.runs = "created", 0, 0
            return 201
        if self.state == "absent":
            return 404
        return getattr(self, "_" + verb.split(" ", maxsplit=1)[0])(verb)

    def _start(self, _verb: str) -> int:
        if self.state == "running":
            return 304
        self._run()
        return 204

    def _run(self) -> None:
        self.state, self.code, self.runs = "running", 0, self.runs + 1

    def _stop(self, _verb: str) -> int:
        if self.state != "running":
            return 304
        self.state, self.code = "exited", 7
        return 204

    def _kill(self, verb: str) -> int:
        if self.state != "running":
            return 409
        if verb == "kill":
            self.state, self.code = "exited", 137
        return 204

    def _restart(self, _verb: str) -> int:
        self._run()
        return 204

    def _wait(self, _verb: str) -> int:
        return 200

    def _rm(self, verb: str) -> int:
        if self.state == "running" and verb == "rm":
            return 409
        self.state = "absent"
        return 204


@dataclass(frozen=True, slots=True)
class Subject:
    """A container's name on a server, and the requests."""

    base: str
    name: str = field(default_factory=lambda: f"seq-{secrets.token_hex(4)}")

    def ask(self, verb: str) -> requests.Response:
        """One request."""
        path, method = f"{self.base}/containers/{self.name}", "POST"
        params: dict[str, Any] = {}
        body: dict[str, Any] | None = None
        match verb:
            case "create":
                path, params = f"{self.base}/containers/create", {"name": self.name}
                body = {"Image": ALPINE, "Cmd": ["sh", "-c", f"trap 'echo usr' USR1; {HANDLES_TERM}"]}
            case "rm" | "rm -f":
                method, params = "DELETE", {"force": "1"} if verb == "rm -f" else {}
            case "stop" | "restart":
                path, params = f"{path}/{verb}", {"t": "10"}
            case "kill USR1":
                path, params = f"{path}/kill", {"signal": "USR1"}
            case _:
                path = f"{path}/{verb}"
        return requests.request(method, path, params=params, json=body, timeout=40)

    def state(self) -> dict[str, Any] | None:
        """What inspect says; None for a container that is not there."""
        found = requests.get(f"{self.base}/containers/{self.name}/json", timeout=20)
        return found.json()["State"] if found.status_code == 200 else None

    def ready(self, runs: int) -> None:
        """Wait until the program handles signals: it has said so in each of its runs."""

        def said() -> bool:
            answer = requests.get(f"{self.base}/containers/{self.name}/logs", params={"stdout": "1"}, timeout=20)
            return answer.content.count(b"up\n") == runs

        eventually(said, seconds=20, what=f"the program's line of run {runs}")


@pytest.fixture
def subject(server: KubedockServer) -> Iterator[Subject]:
    """Removed at the end."""
    made = Subject(server.tcp.replace("tcp://", "http://"))
    yield made
    made.ask("rm -f")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.prove) for seed in range(5, 50))])
def test_a_random_sequence(subject: Subject, seed: int) -> None:
    """Statuses, states and exit codes are those of the model after each step."""
    random, model, done = Random(seed), Model(), []
    for _ in range(STEPS):
        verb = "create" if model.state == "absent" and random.random() < 0.7 else random.choice(VERBS)
        if verb == "wait" and model.state == "running":
            continue  # it would wait for ever
        wanted = model.expect(verb)
        answer = subject.ask(verb)
        done.append((verb, answer.status_code, answer.text if answer.status_code >= 400 else ""))
        assert answer.status_code == wanted, (wanted, done)
        if verb == "wait" and wanted == 200:
            assert answer.json()["StatusCode"] == model.code, done
        seen = subject.state()
        assert (seen["Status"] if seen else "absent") == model.state, (seen, done)
        if seen:
            assert (seen["Running"], seen["ExitCode"]) == (model.state == "running", model.code), (seen, done)
        if model.state == "running":
            subject.ready(model.runs)
