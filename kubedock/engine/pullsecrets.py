"""The logins in the namespace's image pull secrets, for look-ups: those of the settings, then of the pods' account."""

import logging
from collections.abc import Callable, Iterator, Sequence

from kubedock.cluster import Cluster
from kubedock.domain.image import Reference
from kubedock.errors import KubedockError
from kubedock.kube.pullsecrets import logins
from kubedock.registry.credentials import Credentials, from_auths

logger = logging.getLogger(__name__)


class PullSecrets:
    """See registry.credentials.Source. They are read for each look-up that comes so far: a Secret may change."""

    def __init__(self, cluster: Cluster, names: Sequence[str], account: Callable[[], Sequence[str]] = tuple) -> None:
        """``account`` tells the names of those that pods get anyway; it is asked where none of the others fits."""
        self._cluster, self._names, self._account = cluster, names, account
        self._complaints: dict[str, str] = {}

    def __call__(self, reference: Reference) -> Credentials | None:
        """The first that fits. A Secret that cannot be read is none, which is logged once."""
        found = (from_auths(self._read(name), reference) for name in self._all())
        return next((login for login in found if login), None)

    def _all(self) -> Iterator[str]:
        yield from self._names
        yield from (name for name in self._account() if name not in self._names)

    def _read(self, name: str) -> dict[str, object]:
        try:
            return dict(logins(self._cluster.get("Secret", name)))
        except KubedockError as error:
            if self._complaints.get(name) != str(error):
                self._complaints[name] = str(error)
                logger.warning("the pull secret %s cannot be read: images are looked up without it: %s", name, error)
            return {}
