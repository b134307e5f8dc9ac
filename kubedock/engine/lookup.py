"""Asks registries about images, where that is possible and wanted; what cannot be asked is taken on trust."""

import logging

from kubedock.background.lookups import NoAnswer
from kubedock.domain.image import HUB, HUB_LEGACY, Reference
from kubedock.domain.imageconfig import RegistryImage
from kubedock.engine.core import Core
from kubedock.errors import InvalidParameter, NotImplemented, Unavailable
from kubedock.registry.credentials import Credentials
from kubedock.registry.manifests import Platform

logger = logging.getLogger(__name__)

ON_TRUST = "it is taken on trust: its exposed ports, entrypoint, environment and health check are not known"
OFF = "a registry cannot be asked: --no-inspector is set"


class Lookup:
    """One question to the registries each; nothing is remembered here."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def find(self, reference: Reference, platform: str, credentials: Credentials) -> RegistryImage | None:
        """What its registry has; None where nobody can tell, which is logged once a minute for each registry.

        NotFound and System with Docker's sentences, as a pull has them.
        """
        inspector, seconds = self._core.inspector, self._core.limits.inspect
        if inspector is None:
            return None
        silent = inspector.silent(reference)
        key = (reference, platform, credentials)
        try:
            wanted = Platform.parse(platform)
            return self._core.lookups.ask(key, lambda: inspector.look(reference, wanted, seconds, credentials), seconds)
        except Unavailable as error:
            if isinstance(error, NoAnswer):
                inspector.note_silence(reference, str(error))
            if not silent:
                logger.warning("image %s cannot be looked up (%s): %s", reference.familiar, error, ON_TRUST)
            return None

    def require(self, reference: Reference, platform: str, credentials: Credentials) -> RegistryImage:
        """The same where trust is no answer. NotImplemented without an inspector."""
        inspector, seconds = self._core.inspector, self._core.limits.inspect
        if inspector is None:
            raise NotImplemented(OFF)
        wanted, key = Platform.parse(platform), (reference, platform, credentials)
        return self._core.lookups.ask(key, lambda: inspector.look(reference, wanted, seconds, credentials), seconds)

    def login(self, server: str, credentials: Credentials) -> None:
        """Check credentials at a registry (Docker Hub where none is named). Unauthorized, Unavailable."""
        inspector, seconds = self._core.inspector, self._core.limits.inspect
        if inspector is None:
            raise NotImplemented(OFF)
        if not credentials:
            raise InvalidParameter("a login needs a user name and a password")
        host = (server.partition("://")[2] or server).partition("/")[0] or HUB
        host = HUB if host == HUB_LEGACY else host
        self._core.lookups.ask(("login", host, credentials), lambda: inspector.login(host, credentials, seconds), seconds)
