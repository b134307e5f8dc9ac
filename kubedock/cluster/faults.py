"""What is wrong with an object, gathered so that one refusal names all of it. Pure."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

from kubedock.errors import InvalidParameter

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def is_address(value: str, versions: Sequence[int] = (4, 6)) -> bool:
    """It is an IP address of one of these versions."""
    try:
        return ipaddress.ip_address(value).version in versions
    except ValueError:
        return False


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

    def within(self, field: str, value: int | None, most: int, least: int = 0) -> None:
        """A number, where there is one, must lie between two others."""
        if value is not None and not least <= value <= most:
            self.invalid(field, value, f"must be between {least} and {most}, inclusive")

    def supported(self, field: str, value: Any, known: Sequence[str]) -> None:
        """A word, where there is one, must be among those that are known."""
        if value is not None and value not in known:
            shown = ", ".join(f'"{word}"' for word in known)
            self.add(field, f'Unsupported value: "{value}": supported values: {shown}')

    def address(self, field: str, value: str) -> None:
        """A value must be an IP address."""
        if not is_address(value):
            self.invalid(field, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")

    def relative(self, field: str, value: str) -> None:
        """A path must lead to nothing outside of where it begins."""
        if value.startswith("/"):
            self.invalid(field, value, "must be a relative path")
        if ".." in value.split("/"):
            self.invalid(field, value, "must not contain '..'")

    def label(self, field: str, value: str) -> None:
        """A value must be a DNS label."""
        if len(value) > 63 or not LABEL.fullmatch(value):
            self.invalid(field, value, "a lowercase RFC 1123 label is needed")

    def subdomain(self, field: str, value: str) -> None:
        """A value must be a DNS subdomain: labels with dots between them."""
        if len(value) > 253 or not NAME.fullmatch(value):
            self.invalid(field, value, "a lowercase RFC 1123 subdomain is needed")

    def port(self, field: str, value: int | None) -> None:
        """A value must be there, and be a port."""
        self.within(field, value or 0, 65535, 1)

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
