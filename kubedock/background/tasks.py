"""Work that a change calls for but nobody waits for: automatic removals, restarts by policy, saving logs."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)


class Tasks:
    """A few worker threads and a clock. Owned by the runtime: ``start``, ``stop``.

    A task that fails is logged with its traceback; it is nobody else's.
    """

    def __init__(self, workers: int = 16) -> None:
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, str, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._stopping = False
        self._clock: threading.Thread | None = None

    def start(self) -> None:
        """Begin; what was submitted before waits until now."""
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="task")
        self._clock = threading.Thread(target=self._run, name="task-clock", daemon=True)
        self._clock.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Drop what has not begun and let the rest end on its own."""
        with self._wake:
            self._stopping = True
            self._due.clear()
            self._wake.notify_all()
        if self._clock is not None:
            self._clock.join(timeout)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def stopping(self) -> bool:
        """True from ``stop`` on: a long task looks here."""
        return self._stopping

    def submit(self, what: str, job: Callable[[], None], *, after: float = 0.0) -> None:
        """Do a job soon, or ``after`` seconds. ``what`` names it in the log."""
        with self._wake:
            if not self._stopping:
                heapq.heappush(self._due, (time.monotonic() + after, next(self._numbers), what, job))
                self._wake.notify_all()

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._stopping:
                    return
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._wake.wait(wait)
                    continue
                _, _, what, job = heapq.heappop(self._due)
                assert self._pool is not None  # noqa: S101 - started before the clock
                self._pool.submit(_do, what, job)


def _do(what: str, job: Callable[[], None]) -> None:
    try:
        job()
    except Exception:
        logger.exception("%s failed", what)
