"""What is remembered for a while, in bounded memory."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Newest(Generic[K, V]):
    """The newest ``limit`` values by key. Used from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """None for what is not there."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep a value; the oldest goes where there are too many."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._limit:
                self._values.popitem(last=False)

    def forget(self, key: K) -> None:
        """Keep it no longer; what is not there does not matter."""
        with self._lock:
            self._values.pop(key, None)
