"""The part of a runtime that is about images, for those that keep them in a folder (see ``images``)."""

from collections.abc import Sequence

from kubedock.embedded.runtime import Credentials, Image
from kubedock.embedded.runtimes.images import Images


class ImageSide:
    """The methods of a Runtime that its images answer."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def pull(self, ref: str, *, timeout: float, credentials: Sequence[Credentials] = ()) -> Image:
        """See Runtime."""
        return self._images.pull(ref, timeout=timeout, credentials=credentials)

    def own(self, ref: str, *, timeout: float) -> Image | None:
        """See Runtime."""
        return self._images.own(ref, timeout=timeout)

    def image(self, ref: str) -> Image | None:
        """See Runtime."""
        return self._images.get(ref)

    def images(self) -> Sequence[Image]:
        """See Runtime."""
        return self._images.list()
