"""The threads that requests are served in."""

import logging
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)


class Pool(ThreadPoolExecutor):
    """A pool that outlives a system without a thread to give: what was submitted waits for one of those there are.

    The standard library's raises in ``submit`` then, which ends gunicorn's accept loop and with it the server, and does the
    work all the same once a thread is free.
    """

    def __init__(self, most: int) -> None:
        """One thread is started now, so that there always is one to wait for."""
        super().__init__(max_workers=most)
        self._short_of_threads = False
        self.submit(_nothing)

    def _adjust_thread_count(self) -> None:
        # The one seam: the work is queued already, and no lock is held but the pool's own.
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            if not self._short_of_threads:
                logger.warning("requests wait for each other until threads can be started again: %s", error)
            self._short_of_threads = True
        else:
            self._short_of_threads = False


def _nothing() -> None:
    """To be submitted."""
