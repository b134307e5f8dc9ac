"""Where records are kept: unique ids and names, look-up as Docker does it, compare-and-swap.

A record is frozen; readers get it as it is and need no lock. There is no I/O under the lock.
"""

import threading
from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from kubedock.errors import AmbiguousReference, Conflict, NotFound


class Record(Protocol):
    """What every record has. A container's, network's or volume's."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


R = TypeVar("R", bound=Record)


class Change(NamedTuple, Generic[R]):
    """An update that was made: the record before and after. ``before is after`` when nothing changed."""

    before: R
    after: R


class Store(Protocol[R]):
    """Records of one kind: ``MemoryStore`` here, one over the cluster's ConfigMaps later; same contract tests."""

    def add(self, record: R) -> None:
        """Keep a new record; Conflict when its id or name is taken."""

    def get(self, record_id: str) -> R | None:
        """The record with exactly this id."""

    def find(self, ref: str) -> R:
        """By full id, exact name (with or without a leading slash), then unique prefix of an id.

        NotFound, or AmbiguousReference for a prefix of several.
        """

    def update(self, record_id: str, change: Callable[[R], R]) -> Change[R] | None:
        """Replace a record by ``change(record)``; None when it is gone.

        ``change`` is pure and may be called again; what it raises leaves the record as it was. Conflict when it gives
        the record a name that another one has.
        """

    def remove(self, record_id: str) -> R | None:
        """Take a record away and return it; None when it was gone. The name is free at once."""

    def list(self) -> list[R]:
        """All records, oldest first."""


class MemoryStore(Generic[R]):
    """A Store in this process's memory."""

    def __init__(self, kind: str, *, missing: Callable[[str], NotFound], taken: Callable[[str, str], Conflict]) -> None:
        """``missing(ref)`` and ``taken(name, holder's id)`` make the kind's own sentences."""
        self._kind, self._missing, self._taken = kind, missing, taken
        self._lock = threading.Lock()
        self._records: dict[str, R] = {}
        self._names: dict[str, str] = {}

    def add(self, record: R) -> None:
        """See Store."""
        with self._lock:
            holder = self._names.get(record.name)
            if holder is not None or record.id in self._records:
                raise self._taken(record.name, holder or record.id)
            self._records[record.id] = record
            self._names[record.name] = record.id

    def get(self, record_id: str) -> R | None:
        """See Store."""
        return self._records.get(record_id)

    def find(self, ref: str) -> R:
        """See Store."""
        name = ref.removeprefix("/")
        with self._lock:
            record = self._records.get(ref) or self._records.get(self._names.get(name, ""))
            if record is not None:
                return record
            fitting = [found for key, found in self._records.items() if key.startswith(ref)] if ref else []
        if len(fitting) > 1:
            raise AmbiguousReference(self._kind, ref)
        if not fitting:
            raise self._missing(ref)
        return fitting[0]

    def update(self, record_id: str, change: Callable[[R], R]) -> Change[R] | None:
        """See Store."""
        with self._lock:
            before = self._records.get(record_id)
            if before is None:
                return None
            after = change(before)
            if after.name != before.name:
                holder = self._names.get(after.name)
                if holder is not None:
                    raise self._taken(after.name, holder)
                del self._names[before.name]
                self._names[after.name] = record_id
            self._records[record_id] = after
            return Change(before, after)

    def remove(self, record_id: str) -> R | None:
        """See Store."""
        with self._lock:
            record = self._records.pop(record_id, None)
            if record is not None:
                del self._names[record.name]
            return record

    def list(self) -> list[R]:
        """See Store."""
        with self._lock:
            return list(self._records.values())
