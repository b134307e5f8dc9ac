"""What clients have sent with their pulls, for the nodes. In this process's memory alone, bounded, never logged."""

from kubedock.registry.credentials import ANONYMOUS, Credentials
from kubedock.registry.newest import Newest

IMAGES = 1024


class Logins:
    """Credentials by image and registry: the same image may come from several, and none gets another's password."""

    def __init__(self, images: int = IMAGES) -> None:
        """Of so many images, the newest."""
        self._kept = Newest[str, dict[str, Credentials]](images)

    def keep(self, image_id: str, registry: str, credentials: Credentials) -> None:
        """Remember with whose name an image was pulled from a registry."""
        self._kept.put(image_id, {**(self._kept.get(image_id) or {}), registry: credentials})

    def get(self, image_id: str, registry: str) -> Credentials:
        """ANONYMOUS where nobody has sent any."""
        return (self._kept.get(image_id) or {}).get(registry, ANONYMOUS)

    def forget(self, image_id: str) -> None:
        """The image is gone."""
        self._kept.forget(image_id)
