"""Questions that may hang, asked by threads that nobody has to wait for.

A look-up in a registry begins with one of a name in DNS, which has no time limit of its own: so the asker waits for
a bounded time, and the thread ends when it can.
"""

import itertools
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from kubedock.errors import Unavailable

LIMIT = 64
"""So many questions are open at most; one more fails at once."""

T = TypeVar("T")


class NoAnswer(Unavailable):
    """Nobody has answered in time."""


class _Question:
    """Asked once, for all who want to know the same at the same time."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.result: Any
        self.error: BaseException | None = None


class Lookups:
    """Owns the threads ``lookup-N``, which are daemons: one that hangs must not hold the process at its end."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._open: dict[Hashable, _Question] = {}
        self._numbers = itertools.count(1)

    def ask(self, key: Hashable, question: Callable[[], T], seconds: float) -> T:
        """The answer; NoAnswer where there is none in time, Unavailable where too many are open or no thread can be had.

        Who asks the same while it is open waits for the same answer.
        """
        with self._lock:
            found = self._open.get(key)
            if found is None:
                if len(self._open) >= self._limit:
                    raise Unavailable(f"{self._limit} look-ups are waiting for an answer already")
                found = _Question()
                name = f"lookup-{next(self._numbers)}"
                try:
                    threading.Thread(target=self._run, args=(key, found, question), name=name, daemon=True).start()
                except RuntimeError as error:  # a limit of the system
                    raise Unavailable(f"a look-up cannot begin: {error}") from error
                self._open[key] = found
        if not found.answered.wait(seconds):
            raise NoAnswer(f"no answer within {seconds:g} s")
        if found.error is not None:
            raise found.error
        return cast("T", found.result)

    def _run(self, key: Hashable, asked: _Question, question: Callable[[], Any]) -> None:
        try:
            asked.result = question()
        except Exception as error:  # noqa: BLE001 - raised again in every thread that asked
            asked.error = error
        finally:
            with self._lock:
                del self._open[key]
            asked.answered.set()
