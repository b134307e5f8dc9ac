"""The JSON types that fields of Docker's API have, and the sentence for a value of another one."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from kubedock.errors import InvalidParameter

Kind = Literal[
    "string", "integer", "boolean", "strings", "integers", "command", "map", "set", "object", "objects", "ports", "endpoints"
]


def _string(value: Any) -> bool:
    return isinstance(value, str)


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _nullable_object(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _map_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _binding(value: Any) -> bool:
    return isinstance(value, dict) and all(value.get(key) is None or _string(value[key]) for key in ("HostIp", "HostPort"))


_strings = _list_of(_string)
_bindings = _list_of(_binding)

_KINDS: dict[Kind, tuple[Callable[[Any], bool], str]] = {
    "string": (_string, "a string"),
    "integer": (_integer, "an integer"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    "strings": (_strings, "an array of strings"),
    "integers": (_list_of(_integer), "an array of integers"),
    "command": (lambda value: _string(value) or _strings(value), "an array of strings, or a string"),
    "map": (_map_of(lambda value: value is None or _string(value)), "an object of strings"),
    "set": (_map_of(_nullable_object), "an object of empty objects"),
    "object": (_object, "an object"),
    "objects": (_list_of(_object), "an array of objects"),
    "ports": (_map_of(lambda value: value is None or _bindings(value)), "an object of arrays of HostIp and HostPort, both strings"),
    "endpoints": (_map_of(_nullable_object), "an object of endpoint settings"),
}


def expect(kind: Kind, value: Any, path: str) -> None:
    """InvalidParameter, naming the field, unless the value is of this kind."""
    fits, words = _KINDS[kind]
    if not fits(value):
        raise InvalidParameter(f"invalid JSON: {path}: {words} is expected")


def optional(kind: Kind, values: Mapping[str, Any], key: str, path: str) -> Any:
    """The value of a key, checked; None where it is absent or null."""
    value = values.get(key)
    if value is not None:
        expect(kind, value, path + key)
    return value
