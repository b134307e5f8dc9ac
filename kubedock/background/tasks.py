"""Work that a change calls for but nobody waits for: automatic removals, restarts by policy, saving logs."""

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)

WORKERS = 32
AGAIN_SECONDS = 0.5
"""So long after a thread could not be started it is tried again, for as long as there is work for it."""


class Tasks:
    """A clock and as many worker threads as there is work for, up to ``workers``. Owned by the runtime: ``start``, ``stop``.

    A task that fails is logged with its traceback; it is nobody else's. The threads are daemons: a task that hangs on a
    dead cluster must not hold the process at its end. Where the system has no thread to give, work waits for those there
    are, or until there is one.
    """

    def __init__(self, workers: int = WORKERS) -> None:
        self._limit = workers
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, str, Callable[[], None]]] = []
        self._ready: deque[tuple[str, Callable[[], None]]] = deque()
        self._numbers = itertools.count(1)
        self._idle = 0
        self._short = False
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._clock = threading.Thread(target=self._run, name="task-clock", daemon=True)

    def start(self) -> None:
        """Begin; what was submitted before waits until now."""
        self._clock.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Drop what has not begun, and wait for the rest for at most ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self._wake:
            self._stopping = True
            self._due.clear()
            self._ready.clear()
            self._wake.notify_all()
            threads = [self._clock, *self._threads]
        for thread in threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

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
        """The clock: hand over what is due."""
        with self._wake:
            while not self._stopping:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    _, _, what, job = heapq.heappop(self._due)
                    self._ready.append((what, job))
                    self._hire()
                elif self._short:
                    self._wake.wait(AGAIN_SECONDS if left is None else min(left, AGAIN_SECONDS))
                    self._hire()
                else:
                    self._wake.wait(left)

    def _hire(self) -> None:
        """One thread more, where there is more work than threads without any."""
        if self._idle >= len(self._ready) or len(self._threads) >= self._limit:
            self._short = False
            self._wake.notify_all()
            return
        thread = threading.Thread(target=self._work, name=f"task-{len(self._threads) + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # a limit of the system, which others may be at, too
            if not self._short:
                logger.warning("%s has to wait: %s", self._ready[0][0], error)
            self._short = True
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        while True:
            with self._wake:
                self._idle += 1
                self._wake.wait_for(lambda: self._stopping or self._ready)
                self._idle -= 1
                if self._stopping:
                    return
                what, job = self._ready.popleft()
            try:
                job()
            except Exception:
                logger.exception("%s failed", what)
