"""Random sequences of at most eight requests by a state machine: one observable behaviour on the cluster and on this machine.

The model is Docker's own rules; what is observed after each step (status of the answer, state, exit code) is the
model's, so that all places give the same.
"""

import secrets
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.cluster.test_sequences import Model, Subject
from tests.support.kubedock_server import KubedockServer

STEPS = 8
COUNTS = {"quick": (10, 4), "prove": (200, 40)}
"""Sequences on this machine, and on the cluster."""


def machine(base: str) -> type[RuleBasedStateMachine]:
    """The machine for one server."""

    class Container(RuleBasedStateMachine):
        """One container, created and removed as it comes."""

        def __init__(self) -> None:
            super().__init__()
            self.subject, self.model = Subject(base), Model()

        def teardown(self) -> None:
            """Whatever became of it."""
            self.subject.ask("rm -f")

        @rule(verb=st.sampled_from(("create", "start", "stop", "kill", "kill USR1", "restart", "rm", "rm -f")))
        def request(self, verb: str) -> None:
            """A request, its answer, and the state after it."""
            if self.model.state == "absent" and verb != "rm":
                verb = "create"
            wanted = self.model.expect(verb)
            assert self.subject.ask(verb).status_code == wanted, verb
            self.observe()

        @rule(code=st.integers(0, 255))
        def execute(self, code: int) -> None:
            """An exec's exit code, or its refusal where nothing runs."""
            made = self.post(f"containers/{self.subject.name}/exec", {"Cmd": ["sh", "-c", f"exit {code}"], "AttachStdout": True})
            if self.model.state != "running":
                assert made.status_code == (404 if self.model.state == "absent" else 409)
                return
            exec_id = made.json()["Id"]
            assert self.post(f"exec/{exec_id}/start", {"Detach": False, "Tty": False}).status_code == 200
            found = requests.get(f"{base}/exec/{exec_id}/json", timeout=20).json()
            assert (found["Running"], found["ExitCode"]) == (False, code)
            self.observe()

        @rule()
        def inspect(self) -> None:
            """A look changes nothing."""
            self.observe()

        def post(self, path: str, body: dict[str, Any]) -> requests.Response:
            """A request with a body."""
            return requests.post(f"{base}/{path}", json=body, timeout=40)

        def observe(self) -> None:
            """What inspect says is what the model says."""
            seen = self.subject.state()
            assert (seen["Status"] if seen else "absent") == self.model.state
            if seen:
                assert (seen["Running"], seen["ExitCode"]) == (self.model.state == "running", self.model.code)
            if self.model.state == "running":
                self.subject.ready(self.model.runs)

    return Container


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("counts", ["quick", pytest.param("prove", marks=pytest.mark.prove)])
def test_sequences_of_a_state_machine(server: KubedockServer, counts: str) -> None:
    """The seed is printed: a failure can be repeated by it."""
    here, there = COUNTS[counts]
    number = 20261127 if counts == "quick" else secrets.randbelow(1 << 32)
    print(f"seed {number}")
    options = settings(
        max_examples=here if server.place.embedded else there,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=False,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(machine(server.tcp.replace("tcp://", "http://"))), settings=options)
