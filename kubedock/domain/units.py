"""Signals, sizes, durations and times, read as Docker reads them and written as its clients expect."""

import re
from datetime import UTC, datetime, timedelta

from kubedock.errors import InvalidParameter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
ZERO_TIME = "0001-01-01T00:00:00Z"
_BILLION = 1_000_000_000

_ORDER = """
HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ
VTALRM PROF WINCH IO PWR SYS
"""
_RTMIN, _RTMAX, _RT_MIDDLE = 34, 64, 49
_SIGNALS: dict[str, int] = {name: number for number, name in enumerate(_ORDER.split(), start=1)}
_SIGNALS |= {"RTMIN": _RTMIN, "RTMAX": _RTMAX}
_SIGNALS |= {f"RTMIN+{number - _RTMIN}": number for number in range(_RTMIN + 1, _RT_MIDDLE + 1)}
_SIGNALS |= {f"RTMAX-{_RTMAX - number}": number for number in range(_RT_MIDDLE + 1, _RTMAX)}
_BY_NUMBER = {number: name for name, number in _SIGNALS.items()}
_SIGNALS |= {"CLD": 17, "IOT": 6, "POLL": 29}

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_SIZE_FACTORS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DURATION = re.compile(r"[+-]?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = (2**63 - 1) / 1e9
_UNIX = re.compile(r"(-?[0-9]{1,30})(?:\.([0-9]{1,30}))?")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?)?)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def whole(text: str) -> int:
    """A decimal number with an optional sign; ValueError for anything else (``int`` takes more)."""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(text)
    return int(text)


def signal_number(text: str) -> int:
    """The number of a signal given as ``TERM``, ``SIGTERM``, ``sigterm``, ``15`` or ``RTMIN+3``."""
    try:
        number = whole(text)
    except ValueError:
        found = _SIGNALS.get(text.upper().removeprefix("SIG"))
        if found is None:
            raise InvalidParameter(f"invalid signal: {text}") from None
        return found
    if number == 0:
        raise InvalidParameter(f"invalid signal: {text}")
    if number not in _BY_NUMBER:
        raise InvalidParameter(f"the linux daemon does not support signal {number}")
    return number


def signal_name(text: str) -> str:
    """The name, without SIG, of a signal in any of its spellings; InvalidParameter for what is none."""
    return _BY_NUMBER[signal_number(text)]


def parse_memory(text: str) -> int:
    """Bytes of ``512m``, ``1.5g``, ``64KiB`` or ``1048576``: factors of 1024, as in Docker."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InvalidParameter(f"invalid size: '{text}'")
    return int(float(found[1]) * 1024 ** _SIZE_FACTORS[found[2].lower()])


def parse_duration(text: str) -> float:
    """Seconds of a Go duration: ``1h30m``, ``1.5s``, ``300ms``, ``-2s``, ``0``."""
    if _DURATION.fullmatch(text) is None:
        raise InvalidParameter(f'time: invalid duration "{text}"')
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    if seconds > _LONGEST:
        raise InvalidParameter(f'time: invalid duration "{text}"')
    return -seconds if text.startswith("-") else seconds


def go_duration(seconds: float) -> str:
    """A duration as Go writes it: ``1m30s``, ``1.5s``, ``50ms``."""
    left = round(seconds * 10**9)
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if 0 < left < size * 1000:
            return f"{_decimal(left, size)}{unit}"
    minutes, left = divmod(left, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h" * (hours > 0) + f"{minutes}m" * (hours + minutes > 0) + f"{_decimal(left, 10**9)}s"


def _decimal(number: int, size: int) -> str:
    whole, rest = divmod(number, size)
    return f"{whole}.{rest:0{len(str(size)) - 1}}".rstrip("0") if rest else str(whole)


def parse_timestamp(text: str, now: datetime) -> datetime | None:
    """As ``parse_instant``, cut to microseconds."""
    instant = parse_instant(text, now)
    return None if instant is None else EPOCH + timedelta(microseconds=instant // 1000)


def parse_instant(text: str, now: datetime) -> int | None:
    """The moment that ``since`` or ``until`` names, in nanoseconds since 1970; None for none (empty or 0).

    Seconds since 1970 with an optional fraction, RFC 3339 in whole or in part (UTC where no zone is given), or a Go
    duration, which counts back from now. What lies beyond the year 9999 is its last moment.
    """
    text = text.strip()
    if not text:
        return None
    unix = _UNIX.fullmatch(text)
    if unix is not None:
        return _from_unix(int(unix[1]), unix[2] or "")
    dated = _RFC3339.fullmatch(text)
    try:
        if dated is not None:
            return _from_parts(*dated.groups())
        return nanoseconds(_clamp(now, -parse_duration(text)))
    except (ValueError, OverflowError, InvalidParameter):
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"') from None


def _from_unix(seconds: int, fraction: str) -> int | None:
    if seconds == 0 and not fraction.strip("0"):
        return None
    if seconds >= 253402300800:
        return nanoseconds(LATEST)
    if seconds < -62135596800:
        return nanoseconds(EARLIEST)
    return seconds * _BILLION + int(fraction[:9].ljust(9, "0"))


def _from_parts(day: str, hour: str | None, minute: str | None, second: str | None, fraction: str | None, zone: str | None) -> int:
    offset = "+00:00" if zone is None or zone in "Zz" else zone
    clock = f"{hour or '00'}:{minute or '00'}:{second or '00'}"
    whole = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(UTC)
    return nanoseconds(whole) + int((fraction or "")[:9].ljust(9, "0"))


def _clamp(now: datetime, seconds: float) -> datetime:
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        return LATEST if seconds > 0 else EARLIEST


def rfc3339(moment: datetime | None) -> str:
    """RFC 3339 in UTC, without trailing zeros in the fraction, as Go writes a time; Docker's zero time for None."""
    if moment is None:
        return ZERO_TIME
    text = moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{text}{fraction}Z"


def nanoseconds(moment: datetime) -> int:
    """Nanoseconds since 1970, exactly (floats are not)."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def human_duration(seconds: float) -> str:
    """An age as ``docker ps`` words it: ``3 seconds``, ``About a minute``, ``2 hours``."""
    count, minutes, hours = int(seconds), int(seconds / 60), int(seconds / 3600 + 0.5)
    if count < 2:
        return "Less than a second" if count < 1 else "1 second"
    if minutes == 1:
        return "About a minute"
    if minutes >= 60 and hours == 1:
        return "About an hour"
    steps = (
        (count < 60, count, "seconds"),
        (minutes < 60, minutes, "minutes"),
        (hours < 48, hours, "hours"),
        (hours < 2 * 7 * 24, hours // 24, "days"),
        (hours < 2 * 30 * 24, hours // (7 * 24), "weeks"),
        (hours < 2 * 365 * 24, hours // (30 * 24), "months"),
        (True, int(seconds / 3600) // (365 * 24), "years"),
    )
    return next(f"{amount} {word}" for fits, amount, word in steps if fits)
