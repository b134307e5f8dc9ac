"""Which registries do not answer. One that was asked in vain is left alone for a minute."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from kubedock.registry.errors import Unreachable
from kubedock.registry.newest import Newest

HOSTS = 4096
SILENCE_SECONDS = 60.0


class Silences:
    """By host. Used from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent = Newest[str, tuple[float, str]](HOSTS)
        self._lock = Lock()
        self._open: dict[object, tuple[str, str, float]] = {}

    def why(self, host: str) -> str:
        """Why it is left alone now; "" where it is not."""
        found = self._silent.get(host)
        return found[1] if found is not None and found[0] > self._clock() else ""

    @contextmanager
    def asking(self, host: str, what: str) -> Iterator[None]:
        """While a host is asked for something: whether it answers is remembered. Unreachable for one that is left alone."""
        why = self.why(host)
        if why:
            raise Unreachable(why)
        question = object()
        with self._lock:
            self._open[question] = (host, what, self._clock())
        try:
            yield
        except Unreachable as error:
            self._remember(host, str(error))
            raise
        finally:
            with self._lock:
                del self._open[question]

    def given_up(self, what: str, why: str, seconds: float) -> None:
        """Somebody has waited so long in vain for this.

        To blame is the host that is being asked for it, and has been for most of that time. Those whose turn has not come
        are not, nor those that have answered.
        """
        since = self._clock() - seconds / 2
        with self._lock:
            hosts = {host for host, asked, start in self._open.values() if asked == what and start <= since}
        for host in hosts:
            self._remember(host, why)

    def _remember(self, host: str, why: str) -> None:
        if not self.why(host):
            self._silent.put(host, (self._clock() + SILENCE_SECONDS, why))
