"""Looks images up, and remembers: a configuration for good, a tag's digest for a minute, a registry's silence as well."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubedock.domain.image import Reference
from kubedock.domain.imageconfig import RegistryImage
from kubedock.errors import KubedockError, NotFound, Unauthorized, Unavailable
from kubedock.parsing import Mirror
from kubedock.registry import manifests
from kubedock.registry.client import Answer, RegistryClient
from kubedock.registry.credentials import ANONYMOUS, Credentials, Source
from kubedock.registry.endpoints import HUB_HOST, Endpoint, endpoints
from kubedock.registry.errors import WANTS_A_LOGIN, Closed, Refused, Unreachable, for_pull
from kubedock.registry.manifests import Malformed, Manifest, Platform
from kubedock.registry.newest import Newest

logger = logging.getLogger(__name__)

IMAGES_KEPT, TAGS_KEPT = 1024, 4096
TAG_SECONDS = SILENCE_SECONDS = 60.0


class Untrusted(Malformed):
    """A registry that answers, but nothing that makes sense."""

    def __init__(self, host: str, error: Malformed) -> None:
        super().__init__(f"the registry {host} cannot be believed: {error}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where registries are asked besides themselves, and how carefully; see the settings of these names.

    ``last_word``: what the mirror of an image lacks does not exist, since its nodes ask nobody else.
    """

    mirrors: Sequence[Mirror] = ()
    insecure: Sequence[str] = ()
    sources: Sequence[Source] = ()
    last_word: bool = False

    def endpoints(self, reference: Reference) -> list[Endpoint]:
        """Where to ask for an image, in order."""
        return endpoints(reference, self.mirrors, self.insecure, last_word=self.last_word)


@dataclass(frozen=True, slots=True)
class _Tag:
    digest: str
    until: float


class Inspector:
    """One for the process, used from any thread. ``clock`` is for what is remembered; deadlines are of monotonic time."""

    def __init__(self, client: RegistryClient, places: Places, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self.places, self._clock = client, places, clock
        self._images = Newest[tuple[str, Platform], RegistryImage](IMAGES_KEPT)
        self._tags = Newest[tuple[str, str, Credentials], _Tag](TAGS_KEPT)
        self._silent = Newest[str, tuple[float, str]](TAGS_KEPT)
        self._answered = Newest[str, float](TAGS_KEPT)

    def look(self, reference: Reference, platform: Platform, seconds: float, sent: Credentials = ANONYMOUS) -> RegistryImage:
        """What the registry has under a reference, asked of the mirrors first.

        NotFound with Docker's sentence for what is not there or must not be seen, Unreachable where nobody can tell, Closed
        where one would need a login, Untrusted for nonsense. ``sent`` are the credentials that came with the request.
        """
        deadline = time.monotonic() + seconds
        errors: list[KubedockError] = []
        for endpoint in self.places.endpoints(reference):
            who = self._who(endpoint, reference, sent)
            try:
                self._heed_silence(endpoint)
                return self._ask(endpoint, reference, platform, who, deadline)
            except Refused as refused:
                error = for_pull(refused, reference.familiar_name, reference.familiar)
                errors.append(Closed(str(error)) if _wants_a_login(refused, endpoint, who) else error)
            except Malformed as malformed:
                errors.append(Untrusted(endpoint.host, malformed))
            except Unreachable as silent:
                errors.append(silent)
                self._remember_silence(endpoint, str(silent))
            except (Unavailable, NotFound) as other:
                errors.append(other)
            if not isinstance(errors[-1], Unreachable):
                self._answered.put(endpoint.host, self._clock())
            logger.debug("%s: %s", endpoint.host, errors[-1])
        # The last one that has answered knows best: a mirror's no counts where the registry itself cannot be reached.
        raise next((error for error in reversed(errors) if not isinstance(error, Unavailable)), errors[-1])

    def login(self, server: str, credentials: Credentials, seconds: float) -> None:
        """Check credentials at a registry. Unauthorized, Unreachable, Malformed."""
        reference = Reference(server, "login")
        endpoint = endpoints(reference, (), self.places.insecure)[-1]
        try:
            self._client.check(endpoint, credentials, time.monotonic() + seconds)
        except Refused as error:
            raise Unauthorized(str(error)) from error

    def note_silence(self, reference: Reference, why: str, seconds: float) -> None:
        """Somebody has waited so long in vain for this image: those that have not answered meanwhile are left alone."""
        for endpoint in self.places.endpoints(reference):
            if (self._answered.get(endpoint.host) or 0.0) < self._clock() - seconds:
                self._remember_silence(endpoint, why)

    def close(self) -> None:
        """Let connections go."""
        self._client.close()

    # --- one registry --------------------------------------------------------------------------------------------

    def _ask(
        self, endpoint: Endpoint, reference: Reference, platform: Platform, who: Credentials, deadline: float
    ) -> RegistryImage:
        digest = self._known(endpoint, reference, who, deadline)
        image = self._images.get((digest, platform)) if digest else None
        if image is not None:
            return image
        answer = self._client.manifest(endpoint, digest or reference.digest or reference.effective_tag, who, deadline)
        self._remember(endpoint, reference, who, answer.digest)
        image = self._images.get((answer.digest, platform)) or self._read(endpoint, reference, answer, platform, who, deadline)
        self._images.put((answer.digest, platform), image)
        return image

    def _known(self, endpoint: Endpoint, reference: Reference, who: Credentials, deadline: float) -> str:
        """What a reference that these credentials have seen names now; "" where its manifest has to be fetched to know."""
        known = self._tags.get((endpoint.host, reference.canonical, who))
        if known is None:
            return ""
        if reference.digest or known.until > self._clock():
            return known.digest
        digest = self._client.head(endpoint, reference.effective_tag, who, deadline).digest
        if digest:
            self._remember(endpoint, reference, who, digest)
        return digest

    def _remember(self, endpoint: Endpoint, reference: Reference, who: Credentials, digest: str) -> None:
        self._tags.put((endpoint.host, reference.canonical, who), _Tag(digest, self._clock() + TAG_SECONDS))

    def _read(
        self, endpoint: Endpoint, reference: Reference, answer: Answer, platform: Platform, who: Credentials, deadline: float
    ) -> RegistryImage:
        found, own = manifests.parse(answer.body, answer.media_type), answer
        platforms: tuple[str, ...] = ()
        shown = ""
        if not isinstance(found, Manifest):
            platforms = tuple(str(each.platform) for each in found)
            chosen = manifests.choose(found, platform)
            if chosen is None:
                raise NotFound(f"no matching manifest for {platform} in the manifest list entries")
            shown = str(chosen.platform)
            own = self._client.manifest(endpoint, chosen.digest, who, deadline)
            found = manifests.parse(own.body, own.media_type)
            if not isinstance(found, Manifest):
                raise Malformed("its index names an index")
        config = manifests.parse_config(self._client.config(endpoint, found.config_digest, who, deadline))
        shown = shown or str(Platform(config.os or "linux", config.architecture, config.variant))
        return RegistryImage(
            digest=answer.digest,
            media_type=answer.media_type.partition(";")[0],
            descriptor_size=answer.size,
            manifest=own.digest,
            config_digest=found.config_digest,
            config=config,
            layers=found.layers,
            platforms=platforms or (shown,),
            platform=shown,
        )

    def _who(self, endpoint: Endpoint, reference: Reference, sent: Credentials) -> Credentials:
        """A mirror is asked with what is known of the mirror itself, and never with another registry's password."""
        if sent and not endpoint.mirror:
            return sent
        whose = Reference(endpoint.host, reference.repository) if endpoint.mirror else reference
        return next((found for source in self.places.sources if (found := source(whose))), ANONYMOUS)

    # --- silence -------------------------------------------------------------------------------------------------

    def _silence(self, endpoint: Endpoint) -> str:
        found = self._silent.get(endpoint.host)
        return found[1] if found is not None and found[0] > self._clock() else ""

    def _heed_silence(self, endpoint: Endpoint) -> None:
        why = self._silence(endpoint)
        if why:
            raise Unreachable(why)

    def _remember_silence(self, endpoint: Endpoint, why: str) -> None:
        if not self._silence(endpoint):
            self._silent.put(endpoint.host, (self._clock() + SILENCE_SECONDS, why))


def _wants_a_login(refused: Refused, endpoint: Endpoint, who: Credentials) -> bool:
    """Nobody has one here for it, and nothing else can be said: nodes may have one.

    Docker Hub says the same of what does not exist, which is the likelier by far, and is believed.
    """
    return refused.code in WANTS_A_LOGIN and not who and endpoint.host != HUB_HOST
