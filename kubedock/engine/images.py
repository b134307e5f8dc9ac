"""Images: what was pulled or tagged is known, by what its registry tells. The kubelet pulls and holds the images.

An image's id is its configuration's digest, as in Docker. One that is taken on trust gets an id that is derived from its
canonical reference, so it is the same whenever it is pulled, by any kubedock.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from kubedock.domain import filters, ids, ryuk, units
from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.domain.event import Event
from kubedock.domain.filters import Filters
from kubedock.domain.image import Reference, parse, with_tag
from kubedock.domain.imageconfig import RegistryImage
from kubedock.domain.objectfilters import image_matches, narrowed
from kubedock.domain.status import status
from kubedock.domain.view import Image
from kubedock.engine.core import Core
from kubedock.engine.lookup import Lookup, OnTrust
from kubedock.errors import Conflict, InvalidParameter, KubedockError, WrongPlatform
from kubedock.registry.credentials import ANONYMOUS, Credentials
from kubedock.registry.manifests import Platform
from kubedock.state.images import ImageStore, check_name, without

logger = logging.getLogger(__name__)

ANY_ARCHITECTURE = ("", "linux")
"""Platforms that leave the architecture to the nodes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a pull, as people read it; ``id`` names the layer or the tag that it is about."""

    status: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Removed:
    """One thing that a removal did: a reference that was taken away, or an image that is gone."""

    kind: str
    what: str


class ImageInUse(Conflict):
    """A reference that a container still uses."""

    def __init__(self, reference: str, container: ContainerRecord, image: Image) -> None:
        super().__init__(
            f'conflict: unable to remove repository reference "{reference}" (must force)'
            f" - container {container.short_id} is using its referenced image {ids.short(image.id)}"
        )


class CannotDeleteImage(Conflict):
    """An image that is still needed; ``hard`` says that force would not help."""

    def __init__(self, image: Image, reason: str, *, hard: bool) -> None:
        super().__init__(
            f"conflict: unable to delete {ids.short(image.id)} ({'cannot be forced' if hard else 'must be forced'}) - {reason}"
        )


class Images:
    """The use cases of images."""

    def __init__(self, core: Core, store: ImageStore | None = None) -> None:
        self._core = core
        self._lookup = Lookup(core)
        self._store = store or ImageStore()

    # --- pulling and naming ------------------------------------------------------------------------------------

    def pull(self, name: str, tag: str = "", *, platform: str = "", credentials: Credentials = ANONYMOUS) -> Iterator[Progress]:
        """Remember an image, and tell of it as a pull does. What its registry refuses is refused before the first step.

        The kubelet pulls when a container starts. An image that no registry can be asked about is taken on trust.
        """
        reference = with_tag(parse(name), tag) if tag else parse(name)
        check_name(reference)
        platform = self._platform(platform)
        return self._pull(reference, platform, self._find(reference, platform, credentials), credentials)

    def _find(self, reference: Reference, platform: str, credentials: Credentials) -> RegistryImage | OnTrust:
        """What is known of an image. Ryuk's work is done here: its image is never run, and need not exist."""
        needed = not ryuk.is_ryuk(reference.name, {})
        try:
            found = self._lookup.find(reference, platform, credentials)
        except KubedockError as error:
            if needed:
                raise
            logger.debug("the image %s is not needed: %s", reference.familiar, error)
            return OnTrust()
        return found if needed or isinstance(found, RegistryImage) else OnTrust()

    def _pull(
        self, reference: Reference, platform: str, found: RegistryImage | OnTrust, credentials: Credentials
    ) -> Iterator[Progress]:
        yield Progress(f"Pulling from {reference.repository}", reference.digest or reference.effective_tag)
        told = found if isinstance(found, RegistryImage) else self._known(reference, platform)
        image_id = reference.image_id if told is None else told.config_digest
        if credentials:
            self._core.logins.keep(image_id, reference.registry, credentials)
        known = self._remember(reference, image_id, platform, told)
        self._publish("pull", reference.familiar, reference.familiar_name, self._store.named(reference))
        if told is not None and told.digest:
            yield Progress(f"Digest: {told.digest}")
        for warning in (found.why if isinstance(found, OnTrust) else "", _mismatch(reference.familiar, told, platform)):
            if warning:
                yield Progress(f"WARNING: {warning}")
        # The last one: some clients take it alone for the outcome.
        yield Progress(f"Status: {'Image is up to date' if known else 'Downloaded newer image'} for {reference.familiar}")

    def _known(self, reference: Reference, platform: str) -> RegistryImage | None:
        """What an earlier pull has found, for one that nobody can tell of now."""
        image = self._store.named(reference)
        found = None if image is None else image.found
        return None if _mismatch(reference.familiar, found, platform) else found

    def _remember(self, reference: Reference, image_id: str, platform: str, found: RegistryImage | None) -> bool:
        """Whether this reference named this image already."""
        before = self._store.named(reference)
        pinned = None if found is None or not found.digest else replace(reference, tag="", digest=found.digest)
        names = [reference] if pinned is None else [reference, pinned]
        sources = dict.fromkeys((name.stored.familiar for name in names), self._source(reference, found))
        self._store.put(image_id, lambda known: _pulled(known, image_id, platform, found, sources), names, self._core.now())
        self._make_room()
        return before is not None and before.id == image_id

    def _source(self, reference: Reference, found: RegistryImage | None) -> str:
        """What nodes pull: the digest that was looked at, unless they may use only what they have, by whatever name.

        Of an image for another platform than theirs it is its own manifest: they would choose another one of the index.
        """
        if found is None or not found.digest or self._core.defaults.pull_policy == "Never":
            return reference.stored.familiar
        theirs = _mismatch(reference.familiar, found, self._core.platform) is None
        return replace(reference, tag="", digest=found.digest if theirs else found.manifest).familiar

    def _make_room(self) -> None:
        """Forget what no container uses where too many images are known: a client that asks for one pulls it again."""
        if self._store.crowded:
            for image in self._store.surplus(self.users()):
                logger.info("image %s is forgotten: no container uses it, and too many are known", image.id)
                self._delete(image)

    def tag(self, ref: str, *, repository: str, tag: str = "") -> None:
        """Give an image one more name; a name that another image had moves."""
        target = parse(repository)
        if target.digest:
            raise InvalidParameter("refusing to create a tag with a digest reference")
        if tag:
            target = with_tag(target, tag)
        check_name(target)
        image, now = self.require(ref), self._core.now()
        image = self._store.put(image.id, lambda known: replace(known or image, tagged_at=now), [target], now)
        self._publish("tag", image.id, target.familiar, image)

    # --- looking -----------------------------------------------------------------------------------------------

    def require(self, ref: str) -> Image:
        """By reference, id, or unique beginning of an id; NoSuchImage, which makes clients pull."""
        return self._store.find(ref)

    def of(self, spec: ContainerSpec) -> Image:
        """The image of a container to be. NoSuchImage; WrongPlatform for one that was pulled for another platform."""
        image = self.require(spec.image)
        mismatch = _mismatch(spec.image, image.found, self._platform(spec.platform)) if spec.platform else None
        if mismatch is not None:
            raise mismatch
        return image

    def warnings(self, spec: ContainerSpec, image: Image) -> Iterator[str]:
        """What a new container's user should know of its image."""
        host = self._core.platform
        if not spec.platform and image.found is not None and _mismatch(spec.image, image.found, host) is not None:
            yield (
                f"The requested image's platform ({image.found.platform}) does not match the detected host platform ({host})"
                " and no specific platform was requested"
            )

    def _platform(self, asked: str) -> str:
        return self._core.platform if asked.lower() in ANY_ARCHITECTURE else asked

    def inspect(self, ref: str) -> Image:
        """See ``require``."""
        return self.require(ref)

    def distribution(self, ref: str, credentials: Credentials = ANONYMOUS) -> RegistryImage:
        """What a registry has under a reference, asked now; see ``Lookup.require`` for errors."""
        return self._lookup.require(parse(ref), self._core.platform, credentials)

    def login(self, server: str, credentials: Credentials) -> None:
        """Check credentials at a registry. Unauthorized, Unavailable; NotImplemented without an inspector."""
        self._lookup.login(server, credentials)

    def users(self) -> dict[str, int]:
        """How many containers are made from an image, by its id."""
        count: dict[str, int] = {}
        for record in self._core.containers.list():
            count[record.image_id] = count.get(record.image_id, 0) + 1
        return count

    # --- removing ----------------------------------------------------------------------------------------------

    def remove(self, ref: str, *, force: bool) -> list[Removed]:
        """Take a name away, and the image with its last one; by Docker's rules for images that containers use."""
        image = self.require(ref)
        by_id = image.id.removeprefix("sha256:").startswith(ref.removeprefix("sha256:"))
        users = [record for record in self._core.containers.list() if record.image_id == image.id]
        if by_id:
            self._check_deletable(image, users, force=force, tags=not _single_repository(image))
            return self._delete(image)
        if users and not force and _single_repository(image):
            raise ImageInUse(ref, users[0], image)
        named = parse(ref)
        orphans = _orphans(without(image, named.stored.familiar), named)
        left = self._store.untag(image, [named.stored.familiar, *orphans])
        done = [Removed("Untagged", name) for name in (named.familiar, *orphans)]
        for _ in done:
            self._publish("untag", image.id, image.id, image)
        if left.tags or left.digests or any(self._running(record) for record in users):
            return done
        return done + self._delete(left)

    def prune(self, wanted: Filters) -> list[Removed]:
        """Remove images without a name, or with ``dangling=false`` all that no container uses."""
        filters.check(wanted, filters.IMAGE_PRUNE_KEYS)
        dangling_only = filters.flag(wanted, "dangling", default=True)
        used, now = self.users(), self._core.now()
        done: list[Removed] = []
        for image in self._store.all():
            unwanted = image.id not in used and not (dangling_only and image.tags)
            if (
                unwanted
                and filters.labels_match(image.config.labels, wanted)
                and filters.created_before(image.created_at or units.LATEST, wanted, now)
            ):
                done += self._delete(image)
        self._core.events.publish(Event("image", "prune", "", {"reclaimed": "0"}, now))
        return done

    def _check_deletable(self, image: Image, users: list[ContainerRecord], *, force: bool, tags: bool) -> None:
        running = next((record for record in users if self._running(record)), None)
        if running is not None:
            raise CannotDeleteImage(image, f"image is being used by running container {running.short_id}", hard=True)
        if tags and not force:
            raise CannotDeleteImage(image, "image is referenced in multiple repositories", hard=False)
        if users and not force:
            raise CannotDeleteImage(image, f"image is being used by stopped container {users[0].short_id}", hard=False)

    def _delete(self, image: Image) -> list[Removed]:
        gone = self._store.remove(image.id)
        if gone is None:
            return []
        if image.id not in self.users():
            self._core.logins.forget(image.id)
        refs = (*gone.tags, *gone.digests)
        for _ in refs:
            self._publish("untag", image.id, image.id, gone)
        self._publish("delete", image.id, image.id)
        return [*(Removed("Untagged", ref) for ref in refs), Removed("Deleted", image.id)]

    def _running(self, record: ContainerRecord) -> bool:
        return status(record, self._core.watcher.observed(record.short_id, record.run)).running

    def _publish(self, action: str, actor: str, name: str, image: Image | None = None) -> None:
        """Of an image that is there its labels are told as well."""
        labels = {} if image is None else image.config.labels
        self._core.events.publish(Event("image", action, actor, {**labels, "name": name}, self._core.now()))

    def _bounds(self, wanted: Filters) -> tuple[list[datetime], list[datetime]]:
        """What an image has to be older and newer than: moments, or the images that are named."""
        images = {key: [self.require(ref).created_at for ref in wanted.get(key, ())] for key in ("before", "since")}
        until = [units.parse_timestamp(text, self._core.now()) for text in wanted.get("until", ())]
        older, newer = [*images["before"], *until], images["since"]
        return [moment for moment in older if moment is not None], [moment for moment in newer if moment is not None]

    def list(self, wanted: Filters) -> list[Image]:
        """All images that match, newest first, with the names that match."""
        filters.check(wanted, filters.IMAGE_KEYS)
        before, since = self._bounds(wanted)
        found = [
            narrowed(image, wanted)
            for image in self._store.all()
            if image_matches(image, wanted)
            and all(image.created_at is not None and image.created_at < limit for limit in before)
            and all(image.created_at is not None and image.created_at > limit for limit in since)
        ]
        return sorted(found, key=lambda image: image.created_at or units.EARLIEST, reverse=True)


def _pulled(known: Image | None, image_id: str, platform: str, found: RegistryImage | None, sources: Mapping[str, str]) -> Image:
    """An image after a pull: what was found now is the news, also of one that is known. The last source is last."""
    kept = {} if known is None else {name: source for name, source in known.sources.items() if name not in sources}
    image = replace(known or Image(image_id, platform=platform), sources={**kept, **sources})
    if found is None:
        return image
    config = found.config
    shown = "/".join(part for part in (config.os, config.architecture, config.variant) if part)
    return replace(image, created_at=config.created, platform=shown or platform, size=found.size, found=found)


def _mismatch(ref: str, found: RegistryImage | None, wanted: str) -> WrongPlatform | None:
    """What is wrong with an image that is for another platform; one on trust is for any."""
    if found is None or Platform.parse(found.platform).fits(Platform.parse(wanted)):
        return None
    return WrongPlatform(ref, str(Platform.parse(wanted)), found.platform)


def _orphans(left: Image, removed: Reference) -> list[str]:
    """The digests that go with the last tag of their repository, as in Docker."""
    if removed.digest or any(parse(tag).familiar_name == removed.familiar_name for tag in left.tags):
        return []
    return [digest for digest in left.digests if parse(digest).familiar_name == removed.familiar_name]


def _single_repository(image: Image) -> bool:
    """All names are of one repository, with one tag at most: removing one of them means the image."""
    names = {parse(ref).familiar_name for ref in (*image.tags, *image.digests)}
    return len(names) <= 1 and len(image.tags) <= 1
