"""Asks registries about images, where that is possible and wanted; what cannot be asked is taken on trust."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from kubedock.background.lookups import NoAnswer
from kubedock.domain.image import HUB, HUB_LEGACY, Reference
from kubedock.domain.imageconfig import RegistryImage
from kubedock.engine.core import Core
from kubedock.errors import Forbidden, InvalidParameter, NotImplemented, Unauthorized, Unavailable
from kubedock.registry.credentials import Credentials
from kubedock.registry.errors import UNAUTHORIZED, Closed, Denied, Refused
from kubedock.registry.inspector import Inspector
from kubedock.registry.manifests import Platform
from kubedock.registry.newest import Newest

logger = logging.getLogger(__name__)

MISSING = "exposed ports, entrypoint, environment and health check are not known"
OFF = "a registry cannot be asked: --no-inspector is set"
IN_TIME = 0.9
WARN_SECONDS, WARNED = 60.0, 1024


@dataclass(frozen=True, slots=True)
class OnTrust:
    """An image that nobody can tell of: ``why`` in a sentence, "" where nobody is to be asked."""

    why: str = ""


class Lookup:
    """One question to the registries each; of the answers nothing is remembered here."""

    def __init__(self, core: Core, clock: Callable[[], float] = time.monotonic) -> None:
        self._core, self._clock = core, clock
        self._warned = Newest[str, float](WARNED)

    def find(self, reference: Reference, platform: str, credentials: Credentials) -> RegistryImage | OnTrust:
        """What the node or a registry has; OnTrust where nobody can tell, which is logged once a minute for each registry.

        NotFound and System with Docker's sentences, as a pull has them.
        """
        own = self._core.own_images(reference)
        inspector = self._core.inspector
        if own is not None or inspector is None:
            return own or OnTrust()
        try:
            return self._ask(inspector, reference, platform, credentials)
        except (Unavailable, Closed) as error:
            why = f"image {reference.familiar} cannot be looked up ({error}): it is taken on trust: its {MISSING}"
            self._warn(reference.registry, why)
            return OnTrust(why)

    def _warn(self, registry: str, why: str) -> None:
        if (self._warned.get(registry) or 0.0) <= self._clock():
            self._warned.put(registry, self._clock() + WARN_SECONDS)
            logger.warning("%s", why)

    def require(self, reference: Reference, platform: str, credentials: Credentials) -> RegistryImage:
        """What a registry has, where trust is no answer. NotImplemented without an inspector.

        NotFound, Unavailable; Unauthorized for no login or a wrong one, Forbidden for one that may not see it.
        """
        if self._core.inspector is None:
            raise NotImplemented(OFF)
        try:
            return self._ask(self._core.inspector, reference, platform, credentials)
        except Closed as closed:
            raise Unauthorized(str(closed)) from closed
        except Denied as denied:
            raise Forbidden(str(denied)) from denied
        except Refused as refused:
            if refused.code != UNAUTHORIZED:
                raise
            raise Unauthorized(str(refused)) from refused

    def _ask(self, inspector: Inspector, reference: Reference, platform: str, credentials: Credentials) -> RegistryImage:
        """Within the time that a look-up has; a registry that does not keep to it is left alone for a while."""
        wanted, seconds = Platform.parse(platform), self._core.limits.inspect
        # It knows best what has gone wrong, and is asked to say so in time; only a name in DNS makes it late.
        in_time = seconds * IN_TIME
        question = (reference, platform, credentials)
        try:
            return self._core.lookups.ask(question, lambda: inspector.look(reference, wanted, in_time, credentials), seconds)
        except NoAnswer as error:
            inspector.note_silence(reference, str(error), seconds)
            raise

    def login(self, server: str, credentials: Credentials) -> None:
        """Check credentials at a registry (Docker Hub where none is named). Unauthorized, Unavailable."""
        inspector, seconds = self._core.inspector, self._core.limits.inspect
        if inspector is None:
            raise NotImplemented(OFF)
        if not credentials:
            raise InvalidParameter("a login needs a user name and a password")
        host = (server.partition("://")[2] or server).partition("/")[0] or HUB
        host = HUB if host == HUB_LEGACY else host
        self._core.lookups.ask(("login", host, credentials), lambda: inspector.login(host, credentials, seconds * IN_TIME), seconds)
