"""Image pulls beside the pods that wait for them: one for each reference, whoever and how many ask."""

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from kubedock.cluster import Json
from kubedock.domain.image import HUB, HUB_LEGACY
from kubedock.embedded.runtime import Credentials, Image, PullError, Runtime
from kubedock.embedded.volumes import contents

logger = logging.getLogger(__name__)

AT_ONCE = 4
TIMEOUT = 3600.0
"""Seconds. The engine's own limit is shorter: it deletes the pod then."""


class Pulled(NamedTuple):
    """The outcome of a pull: the image or why there is none, and the seconds that it took, with the wait for its turn."""

    image: Image | None
    error: PullError | None
    seconds: float
    waited: float


Tell = Callable[[Pulled], None]


class Pulls:
    """Pulls of a runtime, each in a thread ``pull-N`` while it lasts."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, tuple[Credentials, ...]], list[Tell]] = {}
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._threads: set[threading.Thread] = set()
        self._stopping = False
        self._count = 0

    def pull(self, reference: str, credentials: Sequence[Credentials], tell: Tell) -> None:
        """Fetch an image; ``tell`` is called with the outcome, in the pull's thread, or at once where none can be had."""
        key = (reference, tuple(credentials))
        with self._lock:
            if self._stopping:
                return
            if key in self._waiting:
                self._waiting[key].append(tell)
                return
            self._count += 1
            thread = threading.Thread(target=self._run, args=(key,), name=f"pull-{self._count}", daemon=True)
            failure = _started(thread)
            if failure is None:
                self._waiting[key] = [tell]
                self._threads.add(thread)
        if failure is not None:
            tell(Pulled(None, PullError(f'failed to pull image "{reference}": {failure}'), 0.0, 0.0))

    def _run(self, key: tuple[str, tuple[Credentials, ...]]) -> None:
        asked = time.monotonic()
        with self._slots:
            outcome = self._pull(key, asked)
        with self._lock:
            told = [] if self._stopping else self._waiting[key]
            del self._waiting[key]
            self._threads.discard(threading.current_thread())
        for tell in told:
            tell(outcome)

    def _pull(self, key: tuple[str, tuple[Credentials, ...]], asked: float) -> Pulled:
        began = time.monotonic()
        image, failure = None, None
        try:
            if not self._stopping:
                image = self._runtime.pull(key[0], timeout=TIMEOUT, credentials=key[1])
        except PullError as error:
            failure = error
        except Exception as error:
            logger.exception("image %s", key[0])
            failure = PullError(f'failed to pull and unpack image "{key[0]}": {error}')
        return Pulled(image, failure, time.monotonic() - began, time.monotonic() - asked)

    def stop(self, timeout: float) -> None:
        """No pull tells anybody any more; wait for those that are under way."""
        with self._lock:
            self._stopping = True
            threads = list(self._threads)
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _started(thread: threading.Thread) -> RuntimeError | None:
    """Start it; what is in the way, such as a limit of the system."""
    try:
        thread.start()
    except RuntimeError as error:
        return error
    return None


def credentials_of(secrets: Iterable[Json]) -> tuple[Credentials, ...]:
    """What the pods' imagePullSecrets hold; those that make no sense are left out, as a kubelet does."""
    found = []
    for secret in secrets:
        for key in (".dockerconfigjson", ".dockercfg"):
            try:
                told = json.loads(contents(secret).get(key, b"{}"))
                servers = told.get("auths", {}) if key == ".dockerconfigjson" else told
                found += [_login(server, login) for server, login in servers.items()]
            except (ValueError, AttributeError, TypeError) as error:
                logger.warning("secret %s: no credentials: %s", secret["metadata"]["name"], error)
    return tuple(found)


def _login(server: str, login: Json) -> Credentials:
    user, password = str(login.get("username") or ""), str(login.get("password") or "")
    if login.get("auth"):
        user, _, password = base64.b64decode(login["auth"]).decode().partition(":")
    host = server.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return Credentials(HUB if host == HUB_LEGACY else host, user, password)
