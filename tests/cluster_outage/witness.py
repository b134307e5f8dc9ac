"""Clients that look on while the cluster is away: one that asks for states, and ones that read logs and events."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from tests.support.kubedock_server import KubedockServer

EVERY = 0.1
ORDER = {"created": 0, "running": 1, "exited": 2}
NEVER = "0001-01-01T00:00:00Z"


class Answer(NamedTuple):
    """What was said of a container in an answer that came between two moments (seconds since 1970)."""

    asked: float
    told: float
    source: str
    state: str
    exit_code: int | None = None
    started_at: str = NEVER


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened, as the pod tells in the end. Whole seconds since 1970, None for what did not happen."""

    started: float | None = None
    finished: float | None = None
    exit_code: int | None = None


class Witness:
    """Polls ``ps -a``, and ``inspect`` of each container in it, in a thread of its own."""

    def __init__(self, server: KubedockServer) -> None:
        self._address = server.live.tcp
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness")  # noqa: TID251 - joined by exit
        self.answers: dict[str, list[Answer]] = {}
        self.troubles: list[str] = []
        self._gone: set[str] = set()
        self.slowest = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def _run(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        while not self._stopping.wait(EVERY):
            try:
                self._look(connection)
            except Exception as error:  # noqa: BLE001 - told by the test
                self.troubles.append(repr(error))
                connection.close()
        connection.close()

    def _look(self, connection: http.client.HTTPConnection) -> None:
        asked, found = self._ask(connection, "/containers/json?all=1")
        for each in found:
            assert each["Id"] not in self._gone, f"{each['Id']} was gone and is there again"
            self._note(each["Id"], Answer(asked, time.time(), "ps", each["State"]))
        for each in found:
            asked, shown = self._ask(connection, f"/containers/{each['Id']}/json")
            if shown is None:  # removed since it was listed, as `--rm` does: it must stay away
                self._gone.add(each["Id"])
                continue
            state = shown["State"]
            self._note(each["Id"], Answer(asked, time.time(), "inspect", state["Status"], state["ExitCode"], state["StartedAt"]))

    def _ask(self, connection: http.client.HTTPConnection, path: str) -> tuple[float, Any]:
        asked = time.time()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        self.slowest = max(self.slowest, time.time() - asked)
        if answer.status == 404:
            return asked, None
        if answer.status != 200:
            raise AssertionError(f"{path}: {answer.status} {body!r}")
        return asked, json.loads(body)

    def _note(self, container: str, answer: Answer) -> None:
        self.answers.setdefault(container, []).append(answer)


def contradictions(answers: Sequence[Answer], truth: Truth) -> list[str]:
    """Answers that no history with this truth allows, of a container that was started at most once."""
    wrong, rank = [], 0
    for answer in answers:
        if answer.state not in ORDER:
            wrong.append(f"a state of its own: {answer}")
            continue
        if ORDER[answer.state] < rank:
            wrong.append(f"back in time: {answer}")
        rank = max(rank, ORDER[answer.state])
        if answer.state != "created" and (truth.started is None or answer.told < truth.started):
            wrong.append(f"it had not started: {answer}")
        if answer.state == "exited" and (truth.finished is None or answer.told < truth.finished):
            wrong.append(f"it had not ended: {answer}")
        if answer.state == "exited" and answer.exit_code not in (None, truth.exit_code):
            wrong.append(f"another exit code: {answer}")
    starts = {answer.started_at for answer in answers if answer.started_at != NEVER}
    if len(starts) > 1:
        wrong.append(f"more than one start: {starts}")
    return wrong


def truth_of(pod: dict[str, Any]) -> Truth:
    """From the pod's status."""
    state = (pod["status"].get("containerStatuses") or [{"state": {}}])[0]["state"]
    if "terminated" in state:
        ended = state["terminated"]
        return Truth(_seconds(ended["startedAt"]), _seconds(ended["finishedAt"]), ended["exitCode"])
    return Truth(_seconds(state["running"]["startedAt"])) if "running" in state else Truth()


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


@dataclass(slots=True)
class Stream:
    """An answer that goes on, read as it comes."""

    data: bytearray = field(default_factory=bytearray)
    ended: threading.Event = field(default_factory=threading.Event)

    def lines(self) -> list[bytes]:
        """Complete ones."""
        return bytes(self.data).split(b"\n")[:-1]


@contextmanager
def reading(server: KubedockServer, method: str, path: str, *, framed: bool = False) -> Iterator[Stream]:
    """Read in a thread; ``framed`` takes Docker's frames off."""
    connection = http.client.HTTPConnection(*server.live.tcp, timeout=600)
    connection.request(method, path)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    stream = Stream()

    def body() -> None:
        with suppress(http.client.HTTPException, OSError):  # our own good-bye, or a server that broke it: no end
            while data := answer.read(8) if framed else answer.read1(65536):
                stream.data += answer.read(int.from_bytes(data[4:], "big")) if framed else data
            stream.ended.set()

    thread = threading.Thread(target=body, name="reader", daemon=True)  # noqa: TID251 - joined below
    thread.start()
    try:
        yield stream
    finally:
        if connection.sock is not None:
            connection.sock.shutdown(2)
        thread.join(10)
        connection.close()
