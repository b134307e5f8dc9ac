"""Ryuk, the reaper of the Testcontainers libraries: which containers are one, what is said on its port and in its log. Pure.

A client connects and sends filters, one a line, written as a URL's query: ``label=a=b&label=c``. Each line is answered
``ACK``, one that makes no sense as well; an empty one is not. A while after the last connection has ended, everything
that matches one of the lines is removed, and Ryuk ends. All this is as Ryuk 0.14 does it.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from kubedock.domain import image as references
from kubedock.domain import units
from kubedock.errors import InvalidParameter

LABEL = "org.testcontainers.ryuk"
"""The label that the image has; what carries it as ``true`` is never reaped."""
NAME = "ryuk"
"""The last part of the image's repository, in whatever registry."""

ACK = b"ACK\n"
LONGEST_LINE = 64 * 1024
SHORTEST_INTERVAL = 0.1
"""Seconds between two looks for new things, whatever is asked for."""

Filters = tuple[tuple[str, tuple[str, ...]], ...]
"""Keys and their values, both sorted and each once: the same filters in another order are the same."""

_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def is_ryuk(image: str, labels: Mapping[str, str]) -> bool:
    """A container of this image, or with these labels, is a Ryuk."""
    if labels.get(LABEL) == "true":
        return True
    try:
        return references.parse(image).repository.rpartition("/")[2] == NAME
    except InvalidParameter:  # an id
        return False


# --- how it is told what to do ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settings:
    """What its environment says. Time-outs in seconds: for the first connection, for the next one after the last has
    ended, and for the connections and new things that there are when it is to end.

    What was made after ``retry_offset`` seconds from the look (negative: before it) is new, and looked at again in
    ``changes_retry_interval`` seconds.
    """

    connection_timeout: float = 60.0
    reconnection_timeout: float = 10.0
    shutdown_timeout: float = 600.0
    remove_retries: int = 10
    retry_offset: float = -1.0
    changes_retry_interval: float = 1.0
    port: int = 8080


def settings(env: Mapping[str, str | None]) -> Settings:
    """The settings in a container's environment; InvalidParameter for a value that makes none."""

    def read(name: str) -> str:
        return env.get(f"RYUK_{name}") or ""

    def seconds(name: str, default: float, *, least: float = 0.0) -> float:
        text = read(name)
        return max(least, units.parse_duration(text)) if text else default

    def number(name: str, default: int) -> int:
        text = read(name)
        try:
            return units.whole(text) if text else default
        except ValueError:
            raise InvalidParameter(f'RYUK_{name}: invalid number "{text}"') from None

    usual = Settings()
    return Settings(
        connection_timeout=seconds("CONNECTION_TIMEOUT", usual.connection_timeout),
        reconnection_timeout=seconds("RECONNECTION_TIMEOUT", usual.reconnection_timeout),
        shutdown_timeout=seconds("SHUTDOWN_TIMEOUT", usual.shutdown_timeout),
        remove_retries=number("REMOVE_RETRIES", usual.remove_retries),
        retry_offset=seconds("RETRY_OFFSET", usual.retry_offset, least=-math.inf),
        changes_retry_interval=seconds("CHANGES_RETRY_INTERVAL", usual.changes_retry_interval, least=SHORTEST_INTERVAL),
        port=number("PORT", usual.port),
    )


# --- what clients send -----------------------------------------------------------------------------------------------


class Lines:
    """Bytes in, lines out, without their ends. Buffers at most one line; InvalidParameter for a longer one."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that these bytes complete."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            yield self._take(end, end + 1)
        if len(self._buffer) > LONGEST_LINE:
            raise InvalidParameter("bufio.Scanner: token too long")

    def end(self) -> Iterator[str]:
        """A last line that nothing ended."""
        if self._buffer:
            yield self._take(len(self._buffer), len(self._buffer))

    def _take(self, length: int, taken: int) -> str:
        if length > LONGEST_LINE:
            raise InvalidParameter("bufio.Scanner: token too long")
        line = bytes(self._buffer[:length]).removesuffix(b"\r")
        del self._buffer[:taken]
        return line.decode("utf-8", "replace")


def filters(line: str) -> Filters:
    """The filters of a line; InvalidParameter, as Go words it, for what is no query."""
    found: dict[str, set[str]] = {}
    for pair in line.split("&"):
        if ";" in pair:
            raise InvalidParameter("invalid semicolon separator in query")
        bad = _BAD_ESCAPE.search(pair)
        if bad is not None:
            raise InvalidParameter(f'invalid URL escape "{bad[0]}"')
        if pair:
            key, _, value = pair.partition("=")
            found.setdefault(unquote_plus(key), set()).add(unquote_plus(value))
    if not found:  # no condition at all would mean everything
        raise InvalidParameter("no filter in query")
    return tuple((key, tuple(sorted(values))) for key, values in sorted(found.items()))


# --- what it logs ----------------------------------------------------------------------------------------------------


def log_line(at: datetime, level: str, message: str, about: Mapping[str, object]) -> str:
    """A line as Go's slog writes it: ``time=… level=INFO msg="client connected" address=127.0.0.1:4711 clients=1``."""
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return fields({"time": moment, "level": level, "msg": message, **about})


def fields(about: Mapping[str, object]) -> str:
    """``key=value`` of each, quoted where that is needed."""
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in about.items())


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return '"' + "".join(_ESCAPES.get(char) or (char if char.isprintable() else ascii(char)[1:-1]) for char in text) + '"'
