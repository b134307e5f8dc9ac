"""One decorated function an operation: its URL rule, its row in the documents and its demand for a test.

``Group`` is a Flask blueprint for one group of Docker's operations. ``group.operation("ContainerStop",
"POST /containers/<ref>/stop")`` registers the view under Docker's operation id, and remembers a ``Row`` that the
compatibility table and the contract tests read; no engine is needed for that.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from flask import Blueprint
from werkzeug.routing import BaseConverter, Rule

Outcome = Literal["yes", "partly", "no"]
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Row:
    """One operation of the compatibility table. ``path`` is written as Docker does it: ``/containers/{id}/stop``."""

    method: str
    path: str
    operation_id: str
    outcome: Outcome
    note: str = ""


class Group(Blueprint):
    """One group of operations."""

    def __init__(self, name: str) -> None:
        super().__init__(name, __name__)
        self.rows: list[Row] = []

    def operation(self, operation_id: str, rule: str, *, note: str = "", outcome: Outcome = "yes") -> Callable[[View], View]:
        """Register a view: ``rule`` is the method and the path, with ``<ref>`` or ``<name>`` where Docker has a parameter.

        A view answers exactly its method: HEAD and OPTIONS are not made up, so a HEAD never runs a GET's body.
        """
        method, path = rule.split(" ")
        self.rows.append(Row(method, _PARAMETER.sub(r"{\1}", path), operation_id, outcome, note))

        def register(view: View) -> View:
            self.add_url_rule(path, operation_id, view, methods=[method], provide_automatic_options=False)
            return view

        return register


class ExactRule(Rule):
    """A rule for the methods that were asked for and no other (werkzeug adds HEAD to GET)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        asked = {method.upper() for method in kwargs.get("methods") or ()}
        super().__init__(*args, **kwargs)
        if asked and self.methods is not None:
            self.methods &= asked


class RefConverter(BaseConverter):
    """A name or id, which may hold slashes: an image (``quay.io/a/b:t``), or a container by ``/name``."""

    regex = r".+?"
    part_isolating = False
    weight = 200
