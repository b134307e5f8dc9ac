"""The images that were pulled or tagged, and the names that point at them: in this process's memory, bounded."""

import threading
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from datetime import datetime

from kubedock.domain import ids
from kubedock.domain.image import Reference, parse
from kubedock.domain.view import Image
from kubedock.errors import Conflict, InvalidParameter, NoSuchImage

IMAGES, NAMES = 4096, 1024
"""So many images are kept, with more only as far as they are used, and so many tags and digests of each."""

ALGORITHM = "sha256"


class ImageStore:
    """Images by id and by name. Used from any thread; an Image is immutable, so that readers have whole ones."""

    def __init__(self, limit: int = IMAGES, names: int = NAMES) -> None:
        self._limit, self._names = limit, names
        self._lock = threading.Lock()
        self._images: dict[str, Image] = {}  # those that were asked for longest ago first
        self._refs: dict[str, str] = {}

    def all(self) -> list[Image]:
        """All, in no order."""
        with self._lock:
            return list(self._images.values())

    def named(self, reference: Reference) -> Image | None:
        """The image that a reference names."""
        with self._lock:
            return self._images.get(self._refs.get(reference.stored.familiar, ""))

    def find(self, ref: str) -> Image:
        """By reference, id, or unique beginning of an id; NoSuchImage, which makes clients pull, also for several."""
        with self._lock:
            image = self._find(ref)
            self._images[image.id] = self._images.pop(image.id)
            return image

    def _find(self, ref: str) -> Image:
        bare = ref.removeprefix(f"{ALGORITHM}:")
        if ids.is_full(bare):
            if f"{ALGORITHM}:{bare}" in self._images:
                return self._images[f"{ALGORITHM}:{bare}"]
            raise NoSuchImage(ref)
        shown = ref
        if bare == ref:
            reference = parse(ref)
            shown, known = reference.familiar, self._refs.get(reference.stored.familiar)
            if known is not None:
                return self._images[known]
        fitting = [i for i in self._images.values() if i.id.removeprefix(f"{ALGORITHM}:").startswith(bare)]
        if len(fitting) != 1 or not ids.is_prefix(bare):
            raise NoSuchImage(shown)
        return fitting[0]

    def put(self, image_id: str, make: Callable[[Image | None], Image], names: Iterable[Reference], now: datetime) -> Image:
        """Keep what ``make`` makes of the image that is kept, and let these names be its own, and no other's.

        Conflict for too many of them, InvalidParameter for one that could not be told from an id.
        """
        with self._lock:
            made = make(self._images.get(image_id))
            wanted = [name.stored for name in names]
            for name in wanted:
                check_name(name)
            more = {name.familiar for name in wanted if not name.digest}.difference(made.tags)
            if len(made.tags) + len(more) > self._names:
                raise Conflict(f"image {ids.short(image_id)} has {self._names} tags already: remove some of them")
            self._images.pop(image_id, None)
            self._images[image_id] = made
            for name in wanted:
                self._point(name, image_id, now)
            return self._images[image_id]

    def _point(self, reference: Reference, image_id: str, now: datetime) -> None:
        """Let a reference name this image and no other."""
        ref = reference.familiar
        before = self._images.get(self._refs.get(ref, ""))
        if before is not None and before.id != image_id:
            self._images[before.id] = without(before, ref)
        self._refs[ref] = image_id
        image = self._images[image_id]
        if reference.digest:
            digests = (ref, *(digest for digest in image.digests if digest != ref))
            for old in digests[self._names :]:
                self._refs.pop(old, None)
                image = without(image, old)
            self._images[image_id] = replace(image, digests=digests[: self._names])
        elif ref not in image.tags:
            self._images[image_id] = replace(image, tags=(*image.tags, ref), tagged_at=now)

    def untag(self, image: Image, refs: Iterable[str]) -> Image:
        """Take names away from an image; what is left of it."""
        with self._lock:
            left = self._images.get(image.id, image)
            for ref in refs:
                if self._refs.get(ref) == image.id:
                    del self._refs[ref]
                left = without(left, ref)
            if image.id in self._images:
                self._images[image.id] = left
            return left

    def remove(self, image_id: str) -> Image | None:
        """Forget an image with all its names; what it was, or None where it is gone already."""
        with self._lock:
            gone = self._images.pop(image_id, None)
            for ref in (*gone.tags, *gone.digests) if gone is not None else ():
                self._refs.pop(ref, None)
            return gone

    @property
    def crowded(self) -> bool:
        """There are more images than there should be."""
        return len(self._images) > self._limit

    def surplus(self, used: Container[str]) -> list[Image]:
        """Of too many images those that may go: of the ids that are not used, what was asked for longest ago."""
        with self._lock:
            excess = len(self._images) - self._limit
            unused = [image for image in list(self._images.values())[:-1] if image.id not in used]
            return unused[: max(excess, 0)]


def check_name(reference: Reference) -> None:
    """InvalidParameter for a name that could not be told from an id."""
    if reference.familiar_name == ALGORITHM:
        raise InvalidParameter("refusing to create an ambiguous tag using digest algorithm as name")


def without(image: Image, ref: str) -> Image:
    """The image without one of its names. How nodes get it stays known as long as it is."""
    sources = {name: source for name, source in image.sources.items() if name != ref}
    return replace(
        image,
        tags=tuple(tag for tag in image.tags if tag != ref),
        digests=tuple(digest for digest in image.digests if digest != ref),
        sources=sources or image.sources,
    )
