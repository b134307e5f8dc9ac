"""Query parameters and bodies, read as Docker reads them.

``args`` is the query, a mapping of names to text (Flask's ``request.args`` is one). Everything here is total: any text
is a value or an InvalidParameter with a sentence.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from kubedock.domain import units
from kubedock.errors import InvalidParameter

Args = Mapping[str, str]
Filters = dict[str, tuple[str, ...]]
T = TypeVar("T")

_FALSE = frozenset(("", "0", "no", "false", "none"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_INT64 = range(-(2**63), 2**63)
_DEEPEST = 64


def boolean(args: Args, name: str, *, default: bool = False) -> bool:
    """False for an absent, empty, ``0``, ``no``, ``false`` or ``none`` parameter in any case; else true.

    ``default`` counts for an absent parameter only.
    """
    text = args.get(name)
    return default if text is None else text.strip().lower() not in _FALSE


def integer(args: Args, name: str) -> int | None:
    """A whole number; None where the parameter is absent or empty."""
    text = args.get(name, "")
    if text == "":
        return None
    try:
        return units.whole(text)
    except ValueError:
        raise InvalidParameter(f'invalid value "{text}" for {name}: invalid syntax') from None


def natural(args: Args, name: str, what: str) -> int:
    """A number of a terminal's size, 0 to 65535; InvalidParameter also where it is absent."""
    text = args.get(name, "")
    if not text.isascii() or not text.isdigit():
        raise InvalidParameter(f'invalid {what} "{text}": invalid syntax')
    if len(text) > 5 or int(text) > 65535:
        raise InvalidParameter(f'invalid {what} "{text}": value out of range')
    return int(text)


def text(args: Args, name: str) -> str | None:
    """A parameter's text; None where it is absent or empty."""
    return args.get(name) or None


def required(args: Args, name: str) -> str:
    """A parameter that must be there."""
    value = args.get(name)
    if not value:
        raise InvalidParameter(f'missing required parameter "{name}"')
    return value


def signal(args: Args, name: str = "signal") -> str | None:
    """A signal's name without SIG; None where the parameter is absent or empty."""
    value = args.get(name)
    return units.signal_name(value) if value else None


def timestamp(args: Args, name: str, now: datetime) -> datetime | None:
    """A moment (``since``, ``until``); None where it is absent, empty or 0."""
    return _moment(units.parse_timestamp, args, name, now)


def instant(args: Args, name: str, now: datetime) -> int | None:
    """The same in nanoseconds since 1970: clients ask for what follows a log line by the line's own time."""
    return _moment(units.parse_instant, args, name, now)


def _moment(parse: Callable[[str, datetime], T | None], args: Args, name: str, now: datetime) -> T | None:
    try:
        return parse(args.get(name, ""), now)
    except InvalidParameter as error:
        raise InvalidParameter(f'invalid value for "{name}": {error}') from None


def tail(args: Args, name: str = "tail") -> int | None:
    """How many lines; None for all of them, which is what ``all``, a negative number and anything else mean."""
    value = args.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def filters(args: Args, name: str = "filters") -> Filters:
    """Filters as JSON: ``{"label": {"a=b": true}}`` or ``{"label": ["a=b"]}``; none where absent or empty."""
    source = args.get(name, "")
    if source.strip() in ("", "null"):
        return {}
    try:
        parsed = _loads(source)
    except ValueError:
        raise InvalidParameter("invalid filter") from None
    if not isinstance(parsed, dict):
        raise InvalidParameter("invalid filter")
    return {key: _values(value) for key, value in parsed.items()}


def _values(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict) and all(isinstance(flag, bool) for flag in value.values()):
        return tuple(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(dict.fromkeys(value))
    if value is None:
        return ()
    raise InvalidParameter("invalid filter")


def body(raw: bytes) -> Any:
    """A request's JSON, with what JSON allows and nothing here can use taken out: lone surrogates become U+FFFD.

    An empty body is a refusal with Docker's sentence, so are trailing content, NaN and a nesting beyond reason.
    """
    if not raw.strip():
        raise InvalidParameter("invalid JSON: got EOF while reading request body")
    try:
        return _loads(raw.decode("utf-8", "replace").removeprefix("\ufeff"))
    except ValueError as error:
        raise InvalidParameter(f"invalid JSON: {error}") from None


def optional_body(raw: bytes) -> dict[str, Any]:
    """The same for a request whose body may be left out, or be null: then it is empty."""
    return mapping(body(raw)) if raw.strip() else {}


def mapping(value: Any) -> dict[str, Any]:
    """The object that a body has to be; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidParameter("invalid JSON: an object is expected")
    return value


def _loads(source: str) -> Any:
    try:
        return _clean(json.loads(source, parse_constant=_refuse, parse_int=_whole, parse_float=_real), 0)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _whole(digits: str) -> int:
    number = int(digits) if len(digits) < 21 else _INT64.stop
    if number not in _INT64:
        raise ValueError(f"number {digits[:24]} is out of range")
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"number {digits[:24]} is out of range")
    return number


def _clean(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_SURROGATE.sub("\ufffd", key): _clean(item, depth + 1) for key, item in value.items()}
    return value
