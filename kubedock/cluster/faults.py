"""What is wrong with an object, gathered so that one refusal names all of it. Pure."""

import re
from typing import Any

from kubedock.errors import InvalidParameter

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class Faults:
    """The faults of one object by field, in the API server's words."""

    def __init__(self, subject: str) -> None:
        """``subject`` is how the object is named: ``Pod "a"``."""
        self._subject = subject
        self._found: list[str] = []

    def add(self, field: str, text: str) -> None:
        """A fault."""
        self._found.append(f"{field}: {text}")

    def required(self, field: str, value: object) -> None:
        """A value must be there."""
        if not value:
            self.add(field, "Required value")

    def invalid(self, field: str, value: Any, why: str) -> None:
        """A value is not one of those that are allowed."""
        shown = f'"{value}"' if isinstance(value, str) else value
        self.add(field, f"Invalid value: {shown}: {why}")

    def label(self, field: str, value: str) -> None:
        """A value must be a DNS label."""
        if len(value) > 63 or not LABEL.fullmatch(value):
            self.invalid(field, value, "a lowercase RFC 1123 label is needed")

    def port(self, field: str, value: Any) -> None:
        """A value must be a port."""
        if not isinstance(value, int) or not 0 < value <= 65535:
            self.invalid(field, value, "must be between 1 and 65535, inclusive")

    def unique(self, field: str, value: Any, seen: set[Any]) -> None:
        """A value must not be among those that came before; it is from now on."""
        if value in seen:
            self.add(field, f'Duplicate value: "{value}"')
        seen.add(value)

    def refuse(self) -> None:
        """InvalidParameter if there are any."""
        if self._found:
            told = self._found[0] if len(self._found) == 1 else f"[{', '.join(self._found)}]"
            raise InvalidParameter(f"{self._subject} is invalid: {told}")
