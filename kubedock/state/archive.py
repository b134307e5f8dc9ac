"""Saved logs of runs whose pods are gone. Bounded per container and in all; what was cut off is said."""

import threading
import zlib
from typing import NamedTuple

PER_CONTAINER = 32 * 1024 * 1024
IN_ALL = 512 * 1024 * 1024


class Segment(NamedTuple):
    """One uninterrupted log: of the ``run``-th start, and there of the container's ``instance`` (kubelet restarts)."""

    run: int
    instance: int = 0


class _Packed(NamedTuple):
    """A compressed text and its length before."""

    length: int
    text: bytes

    @property
    def size(self) -> int:
        return len(self.text)


NOTHING = _Packed(0, b"")


class LogArchive:
    """Timestamped log texts by container and segment, compressed."""

    def __init__(self, *, per_container: int = PER_CONTAINER, in_all: int = IN_ALL) -> None:
        """Bounds in compressed bytes; the oldest segments go first."""
        self._lock = threading.Lock()
        self._texts: dict[str, dict[Segment, _Packed]] = {}
        self._per_container, self._in_all = per_container, in_all
        self._size = 0

    def save(self, container_id: str, segment: Segment, text: bytes, *, certain: bool = False) -> None:
        """Keep a segment's text. A log may be read twice while its pod goes: the longer text is the whole one and stays.

        One that is ``certain`` replaces what was read while it could have been another segment's.
        """
        packed = _Packed(len(text), zlib.compress(text, 1))
        with self._lock:
            kept = self._texts.setdefault(container_id, {})
            before = kept.get(segment, NOTHING)
            if before is not NOTHING and before.length > packed.length and not certain:
                return
            self._size += packed.size - before.size
            kept[segment] = packed
            while len(kept) > 1 and sum(each.size for each in kept.values()) > self._per_container:
                self._drop(container_id, min(kept))
            while self._size > self._in_all and len(self._texts) > 1:
                oldest = next(iter(self._texts))
                self._drop(oldest, min(self._texts[oldest]))

    def get(self, container_id: str, segment: Segment) -> bytes | None:
        """The text, or None where it was not saved."""
        packed = self._texts.get(container_id, {}).get(segment)
        return None if packed is None else zlib.decompress(packed.text)

    def segments(self, container_id: str) -> list[Segment]:
        """What is saved of a container, in order."""
        with self._lock:
            return sorted(self._texts.get(container_id, {}))

    def forget(self, container_id: str) -> None:
        """The container is gone."""
        with self._lock:
            for packed in self._texts.pop(container_id, {}).values():
                self._size -= packed.size

    def drop(self, container_id: str, segment: Segment) -> None:
        """Take a text back: its log goes on."""
        with self._lock:
            if segment in self._texts.get(container_id, {}):
                self._drop(container_id, segment)

    def _drop(self, container_id: str, segment: Segment) -> None:
        kept = self._texts[container_id]
        self._size -= kept.pop(segment).size
        if not kept:
            del self._texts[container_id]
