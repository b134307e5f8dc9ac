"""Images: what was pulled or tagged is known, by what its registry tells. The kubelet pulls and holds the images.

An image's id is its configuration's digest, as in Docker. One that is taken on trust gets an id that is derived from its
canonical reference, so it is the same whenever it is pulled, by any kubedock.
"""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from kubedock.domain import filters, ids, ryuk
from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.domain.event import Event
from kubedock.domain.filters import Filters
from kubedock.domain.image import Reference, parse, with_tag
from kubedock.domain.imageconfig import ImageConfig, RegistryImage
from kubedock.domain.objectfilters import image_matches, narrowed
from kubedock.domain.status import status
from kubedock.domain.view import Image
from kubedock.engine.core import Core
from kubedock.engine.lookup import Lookup, OnTrust
from kubedock.errors import Conflict, InvalidParameter, KubedockError, NoSuchImage, WrongPlatform
from kubedock.registry.credentials import ANONYMOUS, Credentials
from kubedock.registry.manifests import Platform

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

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lookup = Lookup(core)
        self._lock = threading.Lock()
        self._images: dict[str, Image] = {}
        self._refs: dict[str, str] = {}

    # --- pulling and naming ------------------------------------------------------------------------------------

    def pull(self, name: str, tag: str = "", *, platform: str = "", credentials: Credentials = ANONYMOUS) -> Iterator[Progress]:
        """Remember an image, and tell of it as a pull does. What its registry refuses is refused before the first step.

        The kubelet pulls when a container starts. An image that no registry can be asked about is taken on trust.
        """
        reference = with_tag(parse(name), tag) if tag else parse(name)
        platform = self._core.platform if platform.lower() in ANY_ARCHITECTURE else platform
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
        self._publish("pull", reference.familiar, reference.familiar_name)
        if told is not None and told.digest:
            yield Progress(f"Digest: {told.digest}")
        for warning in (found.why if isinstance(found, OnTrust) else "", _mismatch(reference.familiar, told, platform)):
            if warning:
                yield Progress(f"WARNING: {warning}")
        # The last one: some clients take it alone for the outcome.
        yield Progress(f"Status: {'Image is up to date' if known else 'Downloaded newer image'} for {reference.familiar}")

    def _known(self, reference: Reference, platform: str) -> RegistryImage | None:
        """What an earlier pull has found, for one that nobody can tell of now."""
        image = self._images.get(self._refs.get(reference.familiar, ""))
        found = None if image is None else image.found
        return None if _mismatch(reference.familiar, found, platform) else found

    def _remember(self, reference: Reference, image_id: str, platform: str, found: RegistryImage | None) -> bool:
        """Whether this reference named this image already."""
        ref = reference.familiar
        pinned = None if found is None or not found.digest else replace(reference, tag="", digest=found.digest)
        with self._lock:
            before = self._images.get(image_id)
            if self._refs.get(ref) == image_id and (pinned is None or self._refs.get(pinned.familiar) == image_id):
                return True
            self._images[image_id] = before or _image(image_id, platform, found, self._source(reference, pinned), self._core.now())
            for name in (reference,) if pinned is None else (reference, pinned):
                self._point(name, image_id)
            return False

    def _source(self, reference: Reference, pinned: Reference | None) -> str:
        """What nodes pull: the digest that was looked at, unless they may use only what they have, by whatever name."""
        return reference.familiar if pinned is None or self._core.defaults.pull_policy == "Never" else pinned.familiar

    def source(self, image: Image, ref: str) -> str:
        """The reference by which nodes pull an image for who asks by this one: several registries may have it."""
        if image.source in image.digests and not ids.is_prefix(ref.removeprefix("sha256:")):
            name = parse(ref).familiar_name
            return next((digest for digest in image.digests if parse(digest).familiar_name == name), image.source)
        return image.source

    def tag(self, ref: str, *, repository: str, tag: str = "") -> None:
        """Give an image one more name; a name that another image had moves."""
        image = self.require(ref)
        target = parse(repository)
        if target.digest:
            raise InvalidParameter("refusing to create a tag with a digest reference")
        if tag:
            target = with_tag(target, tag)
        with self._lock:
            self._images.setdefault(image.id, image)
            self._point(target, image.id)
        self._publish("tag", image.id, target.familiar)

    def _point(self, reference: Reference, image_id: str) -> None:
        """Let a reference name this image and no other."""
        ref = reference.familiar
        before = self._images.get(self._refs.get(ref, ""))
        if before is not None:
            self._images[before.id] = _without(before, ref)
        self._refs[ref] = image_id
        image, now = self._images[image_id], self._core.now()
        self._images[image_id] = (
            replace(image, digests=(*image.digests, ref))
            if reference.digest
            else replace(image, tags=(*image.tags, ref), tagged_at=now)
        )

    # --- looking -----------------------------------------------------------------------------------------------

    def require(self, ref: str) -> Image:
        """By reference, id, or unique beginning of an id; NoSuchImage, which makes clients pull."""
        bare = ref.removeprefix("sha256:")
        with self._lock:
            if ids.is_full(bare):
                if f"sha256:{bare}" in self._images:
                    return self._images[f"sha256:{bare}"]
                raise NoSuchImage(ref)
            shown = ref
            if not ref.startswith("sha256:"):
                shown = parse(ref).familiar
                if shown in self._refs:
                    return self._images[self._refs[shown]]
            fitting = [i for i in self._images.values() if ids.short(i.id) and i.id.removeprefix("sha256:").startswith(bare)]
        if not ids.is_prefix(bare) or not fitting:
            raise NoSuchImage(shown)
        if len(fitting) > 1:
            raise InvalidParameter(f"image {ref} is ambiguous: several ids begin like this")
        return fitting[0]

    def config(self, spec: ContainerSpec) -> ImageConfig | None:
        """The configuration of a container's image, None where it is not known. See ``of`` for errors."""
        found = None if spec.workload == "inside" else self.of(spec).found
        return None if found is None else found.config

    def of(self, spec: ContainerSpec) -> Image:
        """The image of a container to be. NoSuchImage; WrongPlatform for one that was pulled for another platform."""
        image = self.require(spec.image)
        mismatch = None if spec.platform in ANY_ARCHITECTURE else _mismatch(spec.image, image.found, spec.platform)
        if mismatch is not None:
            raise mismatch
        return image

    def inspect(self, ref: str) -> Image:
        """See ``require``."""
        return self.require(ref)

    def distribution(self, ref: str, credentials: Credentials = ANONYMOUS) -> RegistryImage:
        """What a registry has under a reference, asked now. NotFound, Unavailable; NotImplemented without an inspector."""
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
        with self._lock:
            left, names = self._images[image.id], [parse(ref).familiar]
            names += _orphans(_without(left, names[0]), parse(ref))
            for name in names:
                self._refs.pop(name, None)
                left = _without(left, name)
            self._images[image.id] = left
        done = [Removed("Untagged", name) for name in names]
        for _ in names:
            self._publish("untag", image.id, image.id)
        if left.tags or left.digests or any(self._running(record) for record in users):
            return done
        return done + self._delete(left)

    def prune(self, wanted: Filters) -> list[Removed]:
        """Remove images without a name, or with ``dangling=false`` all that no container uses."""
        filters.check(wanted, filters.IMAGE_PRUNE_KEYS)
        dangling_only = filters.flag(wanted, "dangling", default=True)
        used, now = self.users(), self._core.now()
        with self._lock:
            images = list(self._images.values())
        done: list[Removed] = []
        for image in images:
            unwanted = image.id not in used and not (dangling_only and (image.tags or image.digests))
            if (
                unwanted
                and filters.labels_match(image.config.labels, wanted)
                and filters.created_before(image.created_at, wanted, now)
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
        with self._lock:
            gone = self._images.pop(image.id, None)
            refs = [*gone.tags, *gone.digests] if gone is not None else []
            for ref in refs:
                self._refs.pop(ref, None)
        if gone is None:
            return []
        if image.id not in self.users():
            self._core.logins.forget(image.id)
        for _ in refs:
            self._publish("untag", image.id, image.id)
        self._publish("delete", image.id, image.id)
        return [*(Removed("Untagged", ref) for ref in refs), Removed("Deleted", image.id)]

    def _running(self, record: ContainerRecord) -> bool:
        return status(record, self._core.watcher.observed(record.short_id, record.run)).running

    def _publish(self, action: str, actor: str, name: str) -> None:
        self._core.events.publish(Event("image", action, actor, {"name": name}, self._core.now()))

    def list(self, wanted: Filters) -> list[Image]:
        """All images that match, newest first, with the names that match."""
        filters.check(wanted, filters.IMAGE_KEYS)
        with self._lock:
            images = list(self._images.values())
        bounds = {key: [self.require(ref).created_at for ref in wanted.get(key, ())] for key in ("before", "since")}
        now = self._core.now()
        found = [
            narrowed(image, wanted)
            for image in images
            if image_matches(image, wanted)
            and filters.created_before(image.created_at, wanted, now)
            and all(image.created_at < limit for limit in bounds["before"])
            and all(image.created_at > limit for limit in bounds["since"])
        ]
        return sorted(found, key=lambda image: image.created_at, reverse=True)


def _image(image_id: str, platform: str, found: RegistryImage | None, source: str, now: datetime) -> Image:
    if found is None:
        return Image(image_id, (), now, platform=platform, source=source)
    config = found.config
    shown = "/".join(part for part in (config.os, config.architecture, config.variant) if part)
    return Image(image_id, (), config.created or now, platform=shown or platform, size=found.size, source=source, found=found)


def _mismatch(ref: str, found: RegistryImage | None, wanted: str) -> WrongPlatform | None:
    """What is wrong with an image that is for another platform; one on trust is for any."""
    if found is None or Platform.parse(found.platform).fits(Platform.parse(wanted)):
        return None
    return WrongPlatform(ref, str(Platform.parse(wanted)), found.platform)


def _without(image: Image, ref: str) -> Image:
    return replace(
        image,
        tags=tuple(tag for tag in image.tags if tag != ref),
        digests=tuple(digest for digest in image.digests if digest != ref),
    )


def _orphans(left: Image, removed: Reference) -> list[str]:
    """The digests that go with the last tag of their repository, as in Docker."""
    if removed.digest or any(parse(tag).familiar_name == removed.familiar_name for tag in left.tags):
        return []
    return [digest for digest in left.digests if parse(digest).familiar_name == removed.familiar_name]


def _single_repository(image: Image) -> bool:
    """All names are of one repository, with one tag at most: removing one of them means the image."""
    names = {parse(ref).familiar_name for ref in (*image.tags, *image.digests)}
    return len(names) <= 1 and len(image.tags) <= 1
