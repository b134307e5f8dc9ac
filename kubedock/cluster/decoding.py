"""JSON -> an object with values of the right types, as an API server reads it. Pure.

``null`` is a field that is not there; in a list or a map it is the empty value. The texts are the API server's: they name
the field without the places in lists, and its type in Go.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from kubedock.cluster.fields import FIELDS, LIST, MAP, cannot_be
from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.objects import copied
from kubedock.cluster.protocol import Json, Kind
from kubedock.parsing import quantity

_GO: Mapping[str, str] = MappingProxyType({"Bytes": "[]uint8", "IntOrString": "int32", "UID": "types.UID"})
"""Types that texts show otherwise. Words in lower case are Go's own, all others belong to the package ``v1``."""
_BITS: Mapping[str, int] = MappingProxyType({"int32": 31, "int64": 63, "IntOrString": 31})
NO_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NO_BASE64 = "illegal base64 data at input byte 0"


class _Wrong(Exception):
    """Its text is the API server's; it never leaves this module."""


class _Place(NamedTuple):
    """Where a value stands: the type that has the field, and the way to it."""

    owner: str = ""
    path: str = ""

    def inside(self, owner: str, name: str) -> "_Place":
        return _Place(owner, f"{self.path}.{name}" if self.path else name)

    def wrong(self, type_: str, shown: str) -> _Wrong:
        return _Wrong(f"json: cannot unmarshal {shown} into Go struct field {self.owner}.{self.path} of type {_go(type_)}")


def decoded(kind: Kind, item: Mapping[str, Any]) -> Json:
    """A copy without nulls: InvalidParameter for a value of a wrong type, and for an object of another kind.

    Of kinds whose fields are not known here nothing is looked into.
    """
    resource = RESOURCES[kind]
    given, version = item.get("kind") or kind, item.get("apiVersion") or resource.api_version
    if (given, version) != (kind, resource.api_version):
        raise cannot_be(kind, "it is of another kind", given=str(given), version=str(version).rpartition("/")[2])
    try:
        result: Json = _value(kind if kind in FIELDS else "", item, _Place())
    except _Wrong as wrong:
        raise cannot_be(kind, str(wrong)) from None
    return result


def _value(type_: str, value: Any, place: _Place) -> Any:
    if type_.startswith(LIST):
        return _list(type_, value, place)
    if type_.startswith(MAP):
        return _map(type_, value, place)
    if type_ in FIELDS:
        return _struct(type_, value, place)
    if type_ in _SCALARS:
        return _SCALARS[type_](type_, value, place)
    return _string(type_, value, place) if type_ else copied(value)


def _list(type_: str, value: Any, place: _Place) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise place.wrong(type_, _shown(value))
    inner = type_.removeprefix(LIST)
    return [_empty(inner) if each is None else _value(inner, each, place) for each in value]


def _map(type_: str, value: Any, place: _Place) -> Json:
    if not isinstance(value, Mapping):
        raise place.wrong(type_, _shown(value))
    inner = type_.removeprefix(MAP)
    return {key: _empty(inner) if each is None else _value(inner, each, place) for key, each in value.items()}


def _struct(type_: str, value: Any, place: _Place) -> Json:
    if not isinstance(value, Mapping):
        raise place.wrong(type_, _shown(value))
    fields = FIELDS[type_]
    return {name: _value(fields.get(name, ""), each, place.inside(type_, name)) for name, each in value.items() if each is not None}


def _string(type_: str, value: Any, place: _Place) -> str:
    if not isinstance(value, str):
        raise place.wrong(type_, _shown(value))
    return value


def _bool(type_: str, value: Any, place: _Place) -> bool:
    if not isinstance(value, bool):
        raise place.wrong(type_, _shown(value))
    return value


def _integer(type_: str, value: Any, place: _Place) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.wrong(type_, _shown(value))
    if isinstance(value, float) or not -(1 << _BITS[type_]) <= value < 1 << _BITS[type_]:
        raise place.wrong(type_, f"number {value}")
    return value


def _integer_or_string(type_: str, value: Any, place: _Place) -> int | str:
    return value if isinstance(value, str) else _integer(type_, value, place)


def _bytes(type_: str, value: Any, place: _Place) -> str:
    text = _string(type_, value, place).replace("\r", "").replace("\n", "")
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _Wrong(NO_BASE64) from None
    return text


def _quantity(_: str, value: Any, __: _Place) -> str:
    """As text; numbers are quantities, too."""
    text = "" if isinstance(value, bool) or not isinstance(value, str | int | float) else str(value)
    try:
        quantity(text[1:] if text[:1] in ("+", "-") else text)
    except ValueError:
        raise _Wrong(NO_QUANTITY) from None
    return text.removeprefix("+")


_SCALARS: Mapping[str, Callable[[str, Any, _Place], Any]] = MappingProxyType(
    {
        "string": _string,
        "bool": _bool,
        "int32": _integer,
        "int64": _integer,
        "IntOrString": _integer_or_string,
        "Bytes": _bytes,
        "Quantity": _quantity,
    }
)


def _empty(type_: str) -> Any:
    """What ``null`` stands for where something has to be."""
    if type_.startswith(LIST):
        return []
    if type_.startswith(MAP) or type_ in FIELDS:
        return {}
    return {"bool": False, "int32": 0, "int64": 0, "IntOrString": 0, "Quantity": "0"}.get(type_, "")


def _shown(value: Any) -> str:
    """What JSON calls the type of a value."""
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list | tuple):
        return "array"
    return "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def _go(type_: str) -> str:
    for head in (LIST, MAP):
        if type_.startswith(head):
            return head + _go(type_.removeprefix(head))
    return _GO.get(type_) or (f"v1.{type_}" if type_[0].isupper() else type_)
