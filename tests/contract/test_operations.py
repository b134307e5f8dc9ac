"""Docker's contract against what is registered: nothing forgotten, nothing invented."""

import re
from pathlib import Path

import pytest
import yaml

from kubedock.api.groups import compatibility, markdown
from tests.support.shared import ENGINE_API, ROOT, shared

METHODS = ("get", "head", "post", "put", "delete")
_PARAMETER = re.compile(r"\{\w+\}")


@pytest.fixture(scope="module")
def contract():
    """(method, path without parameters' names) by operation id."""
    spec = yaml.load(shared(ENGINE_API).read_text(), yaml.CSafeLoader)
    return {
        operation["operationId"]: (method.upper(), _PARAMETER.sub("{}", path))
        for path, operations in spec["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }


def test_every_operation_of_docker_is_answered(contract):
    """Registered plus declined is the whole contract, by the same method and path."""
    ours = {row.operation_id: (row.method, _PARAMETER.sub("{}", row.path)) for row in compatibility()}
    assert ours == contract
    assert len(ours) == 107


def test_an_operation_is_registered_once():
    """By id, and by method and path."""
    rows = compatibility()
    assert len({row.operation_id for row in rows}) == len(rows)
    assert len({(row.method, row.path) for row in rows}) == len(rows)


def test_what_is_not_supported_says_so():
    """A sentence for each, and the table has a line for each."""
    rows = compatibility()
    assert [row.operation_id for row in rows if row.outcome != "yes" and not row.note] == []
    table = markdown().splitlines()
    assert len(table) == 2 + len(rows)
    assert table[2].startswith("| ")


def test_every_operation_that_is_supported_has_a_test():
    """Its id stands on a marker in tests/api."""
    marked = set()
    for path in Path(ROOT / "tests").rglob("test_*.py"):
        marked |= set(re.findall(r'mark\.operation\("(\w+)"', path.read_text()))
    assert sorted({row.operation_id for row in compatibility() if row.outcome != "no"} - marked) == []
