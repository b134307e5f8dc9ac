"""What is remembered for a while, in bounded memory."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Newest(Generic[K, V]):
    """The newest ``limit`` values by key, as far as their sizes make no more than ``total``. Used from any thread."""

    def __init__(self, limit: int, total: int = 0) -> None:
        self._limit, self._total = limit, total
        self._lock = Lock()
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._sum = 0

    def get(self, key: K) -> V | None:
        """None for what is not there."""
        found = self._values.get(key)
        return None if found is None else found[0]

    def put(self, key: K, value: V, size: int = 0) -> None:
        """Keep a value; the oldest go where there are too many, or too much."""
        with self._lock:
            self._drop(key)
            self._values[key] = (value, size)
            self._sum += size
            while len(self._values) > self._limit or self._sum > self._total:
                self._drop(next(iter(self._values)))

    def forget(self, key: K) -> None:
        """Keep it no longer; what is not there does not matter."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: K) -> None:
        _, size = self._values.pop(key, (None, 0))
        self._sum -= size
