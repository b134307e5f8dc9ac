"""Looks images up, and remembers: a configuration for good, a tag's digest for a minute, a registry's silence as well.

A look-up has one deadline. Each of the places that are asked has its share of what is left when its turn comes.
"""

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
from kubedock.registry.connections import share
from kubedock.registry.credentials import ANONYMOUS, Credentials, Source
from kubedock.registry.endpoints import HUB_HOST, Endpoint, endpoints
from kubedock.registry.errors import DENIED, UNAUTHORIZED, WANTS_A_LOGIN, Closed, Refused, for_pull
from kubedock.registry.manifests import Descriptor, Malformed, Manifest, Platform
from kubedock.registry.newest import Newest
from kubedock.registry.silence import Silences

logger = logging.getLogger(__name__)

IMAGES_KEPT, IMAGES_BYTES, TAGS_KEPT = 1024, 16 << 20, 4096
"""Images are kept as far as the documents that they were read from make no more than so many bytes together."""
TAG_SECONDS = 60.0
INDEXES_DEEP = 2
"""An index may name an index; one more is not followed."""


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
        self._images = Newest[tuple[str, Platform], RegistryImage](IMAGES_KEPT, IMAGES_BYTES)
        self._tags = Newest[tuple[str, str, Credentials], _Tag](TAGS_KEPT)
        self._silences = Silences(clock)

    def look(self, reference: Reference, platform: Platform, seconds: float, sent: Credentials = ANONYMOUS) -> RegistryImage:
        """What the registry has under a reference, asked of the mirrors first.

        NotFound with Docker's sentence for what is not there or must not be seen, Unreachable where nobody can tell, Closed
        where one would need a login, Untrusted for nonsense, NoImage for what is something else. ``sent`` are the
        credentials that came with the request.
        """
        deadline = time.monotonic() + seconds
        errors: list[KubedockError] = []
        places = self.places.endpoints(reference)
        for index, endpoint in enumerate(places):
            # A helper or a Secret may take its time, which is nothing that a registry is to blame for.
            who = self._who(endpoint, reference, sent)
            speaking = [each for each in places[index + 1 :] if not self._silences.why(each.host)]
            try:
                with self._silences.asking(endpoint.host, reference.canonical):
                    return self._ask(endpoint, reference, platform, who, share(deadline, 1 + len(speaking)))
            except Refused as refused:
                error = for_pull(refused, reference.familiar_name, reference.familiar)
                errors.append(Closed(str(error)) if _wants_a_login(refused, endpoint, who) else error)
            except Malformed as malformed:
                errors.append(Untrusted(endpoint.host, malformed))
            except (Unavailable, NotFound) as other:
                errors.append(other)
            logger.debug("%s: %s", endpoint.host, errors[-1])
        # The last one that has answered knows best: a mirror's no counts where the registry itself cannot be reached.
        raise next((error for error in reversed(errors) if not isinstance(error, Unavailable)), errors[-1])

    def login(self, server: str, credentials: Credentials, seconds: float) -> None:
        """Check credentials at a registry. Unauthorized, Unreachable, Untrusted, System for what is no registry."""
        endpoint = endpoints(Reference(server, ""), (), self.places.insecure)[-1]
        try:
            with self._silences.asking(endpoint.host, "login"):
                self._client.check(endpoint, credentials, time.monotonic() + seconds)
        except Malformed as error:
            raise Untrusted(endpoint.host, error) from error
        except Refused as error:
            if error.code in (UNAUTHORIZED, DENIED):
                raise Unauthorized(str(error)) from error
            raise

    def note_silence(self, reference: Reference, why: str, seconds: float) -> None:
        """Somebody has waited so long in vain for this image: who is still being asked for it is left alone."""
        self._silences.given_up(reference.canonical, why, seconds)

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
        image = self._images.get((answer.digest, platform))
        if image is None:
            image, size = self._read(endpoint, answer, platform, who, deadline)
            self._images.put((answer.digest, platform), image, size)
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
        self, endpoint: Endpoint, answer: Answer, platform: Platform, who: Credentials, deadline: float
    ) -> tuple[RegistryImage, int]:
        """The image behind a manifest or an index, and how many bytes were read for it."""
        found, own, size = manifests.parse(answer.body, answer.media_type), answer, answer.size
        offered: list[str] = []
        chosen: Descriptor | None = None
        for _ in range(INDEXES_DEEP):
            if isinstance(found, Manifest):
                break
            offered += [str(each.platform) for each in found if each.platform is not None]
            chosen = manifests.choose(found, platform)
            if chosen is None:
                raise NotFound(f"no matching manifest for {platform} in the manifest list entries")
            own = self._client.manifest(endpoint, chosen.digest, who, deadline)
            size += own.size
            found = manifests.parse(own.body, own.media_type)
        if not isinstance(found, Manifest):
            raise Malformed("its index names an index that names an index")
        document = self._client.config(endpoint, found.config_digest, who, deadline)
        config = manifests.parse_config(document)
        told = None if chosen is None else chosen.platform
        shown = str(told or Platform(config.os or "linux", config.architecture, config.variant))
        image = RegistryImage(
            digest=answer.digest,
            media_type=answer.media_type.partition(";")[0],
            descriptor_size=answer.size,
            manifest=own.digest,
            config_digest=found.config_digest,
            config=config,
            layers=found.layers,
            platforms=tuple(offered) or (shown,),
            platform=shown,
        )
        return image, size + len(document)

    def _who(self, endpoint: Endpoint, reference: Reference, sent: Credentials) -> Credentials:
        """A mirror is asked with what is known of the mirror itself, and never with another registry's password."""
        if sent and not endpoint.mirror:
            return sent
        whose = Reference(endpoint.host, reference.repository) if endpoint.mirror else reference
        return next((found for source in self.places.sources if (found := source(whose))), ANONYMOUS)


def _wants_a_login(refused: Refused, endpoint: Endpoint, who: Credentials) -> bool:
    """Nobody has one here for it, and nothing else can be said: nodes may have one.

    Docker Hub says the same of what does not exist, which is the likelier by far, and is believed.
    """
    return refused.code in WANTS_A_LOGIN and not who and endpoint.host != HUB_HOST
