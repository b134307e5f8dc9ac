"""Requests that Docker's contract allows, made by schemathesis: every reply is one that the contract has."""

import copy
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
import yaml
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings

from kubedock.api.groups import compatibility
from kubedock.app import create_app
from tests.support.running import running
from tests.support.shared import ENGINE_API
from tests.support.swagger import Contract

STREAMS = {"ContainerLogs", "ContainerAttach", "ContainerWait", "SystemEvents"}
"""They go on for as long as their client listens."""
ASKED = sorted({row.operation_id for row in compatibility() if row.outcome in ("yes", "partly")} - STREAMS)
DOCUMENT = yaml.safe_load(ENGINE_API.read_text()) if ENGINE_API.exists() else None

pytestmark = pytest.mark.skipif(DOCUMENT is None, reason=f"{ENGINE_API.name} is not on this machine")


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    """One server for all requests; what they make stays."""
    with running() as runtime:
        for _ in runtime.engine.images.pull("alpine"):
            pass
        yield create_app(runtime.engine)


@pytest.mark.parametrize("operation_id", ASKED)
def test_every_reply_is_in_the_contract(app: Flask, operation_id: str) -> None:
    """Success or a refusal with a sentence, never an error of the server's own."""
    schema = schemathesis.openapi.from_dict(copy.deepcopy(DOCUMENT))  # it changes what it is given
    operation = schema.find_operation_by_id(operation_id)
    contract, client = Contract(DOCUMENT), app.test_client()

    @settings(
        max_examples=8,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def ask(case: Any) -> None:
        query = urlencode({name: value for name, value in (case.query or {}).items() if value is not None}, doseq=True)
        body = case.body if isinstance(case.body, dict | list) else None
        with client.open(f"/v1.47{case.formatted_path}?{query}", method=case.method, json=body) as answer:
            assert answer.status_code < 500 or answer.status_code in (501, 503), answer.data
            contract.check(case.method, case.formatted_path, answer.status_code, answer.content_type or "", answer.data)

    ask()
