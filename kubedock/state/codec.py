"""Records as JSON text and back, with a schema number: what the cluster will keep of them.

The shape is that of the dataclasses themselves, walked by their type hints, so a new field needs no second place. A
field that a text lacks gets its default; one that it has too many is left out, so that an older kubedock can read what
a newer one wrote while the schema number is the same.
"""

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar

from kubedock.errors import System

SCHEMA = 1
T = TypeVar("T")


def dump(record: Any) -> str:
    """A record's JSON text."""
    return json.dumps({"schema": SCHEMA, "record": _plain(record)}, separators=(",", ":"), sort_keys=True)


def load(kind: type[T], text: str) -> T:
    """The record of such a text. System when it cannot be read or has another schema."""
    try:
        whole = json.loads(text)
        if whole["schema"] != SCHEMA:
            raise System(f"a stored record has schema {whole['schema']}, this kubedock reads {SCHEMA}")
        record = _typed(kind, whole["record"])
    except (ValueError, TypeError, KeyError) as error:
        raise System(f"a stored record cannot be read: {error}") from error
    return typing.cast("T", record)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _typed(kind: Any, value: Any) -> Any:
    if value is None or kind is Any:
        return value
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = {field.name for field in fields(kind)}
        return typing.cast("Any", kind)(**{name: _typed(hints[name], item) for name, item in value.items() if name in known})
    if kind is datetime:
        return datetime.fromisoformat(value)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _typed(next(argument for argument in arguments if argument is not type(None)), value)
    if origin is tuple:
        of = (arguments[0],) * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_typed(argument, item) for argument, item in zip(of, value, strict=True))
    if origin is not None and isinstance(value, dict):
        return {key: _typed(arguments[1], item) for key, item in value.items()}
    return value
