"""Objects that a run's pod needs beside it: posted before it, named as it, deleted with it.

The pod would be refused, or wait for the kubelet's next try, where they came later.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace

from kubedock.cluster import Json, Kind
from kubedock.domain.container import ContainerRecord
from kubedock.domain.image import HUB, parse
from kubedock.domain.kept import NOTHING, Kept
from kubedock.engine.core import Core
from kubedock.errors import Forbidden, KubedockError, NotFound
from kubedock.kube.files import config_map
from kubedock.kube.pullsecrets import pull_secret
from kubedock.registry.credentials import HUB_KEY, Credentials

logger = logging.getLogger(__name__)

NO_RIGHT = "nodes pull the image without the login that was sent with its pull: the right to create secrets is missing"
UNUSABLE = (
    "nodes pull the image without the login that was sent with its pull: it is a token, which they cannot use"
    " (a Secret that --image-pull-secrets names can help)"
)


class Companions:
    """A ConfigMap with the files that were put into the container before its start, and a Secret with the login that a
    client has sent with the pull of its image.

    The record of a run says which it has, so that they are deleted whatever becomes of its start.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._posted: set[Kind] = set()

    @property
    def posted(self) -> frozenset[Kind]:
        """The kinds of which there may be some to clean up."""
        return frozenset(self._posted)

    def warnings(self, record: ContainerRecord) -> Iterator[str]:
        """What a new container will have to do without. One request where it needs a Secret, else none."""
        login = self._login(record)
        if login and not login.password:
            yield UNUSABLE
        elif login:
            try:
                allowed = self._core.cluster.allowed("create", "", "secrets")
            except KubedockError as error:
                logger.warning("container %s: whether it can have a pull secret is not known: %s", record.short_id, error)
                return
            if not allowed:
                yield NO_RIGHT

    def begun(self, record: ContainerRecord) -> ContainerRecord:
        """The record of a run that is about to be posted, with what it needs noted."""
        return replace(
            record,
            with_files=bool(self._core.files.get(record.id).files),
            with_login=bool(self._login(record).password),
        )

    def post(self, record: ContainerRecord) -> ContainerRecord:
        """Create all that the run needs; the record with what it got: without the right to Secrets it has no login."""
        if record.with_files:
            defaults = self._core.defaults
            self._create("ConfigMap", config_map(record, self.files(record), defaults.instance, defaults.labels))
        if record.with_login:
            try:
                self._create("Secret", self._secret(record))
            except Forbidden as error:
                logger.warning("container %s: %s: %s", record.short_id, NO_RIGHT, error)
                self._core.containers.update(record.id, _without_login)
                return _without_login(record)
        return record

    def files(self, record: ContainerRecord) -> Kept:
        """What its pod mounts."""
        return self._core.files.get(record.id) if record.with_files else NOTHING

    def delete(self, record: ContainerRecord) -> None:
        """Take them away; what is gone already is fine, and a Secret that must not be deleted is logged."""
        if record.object_name is None:
            return
        if record.with_files:
            self._delete("ConfigMap", record.object_name)
        if record.with_login:
            try:
                self._delete("Secret", record.object_name)
            except Forbidden as error:
                logger.warning("container %s: its pull secret cannot be deleted: %s", record.short_id, error)

    def _create(self, kind: Kind, manifest: Json) -> None:
        self._posted.add(kind)
        self._core.cluster.create(kind, manifest)

    def _delete(self, kind: Kind, name: str) -> None:
        try:
            self._core.cluster.delete(kind, name)
        except NotFound:
            logger.debug("the %s %s is gone already", kind, name)

    def _secret(self, record: ContainerRecord) -> Json:
        login, registry = self._login(record), _registry(record)
        server = HUB_KEY if registry == HUB else registry
        return pull_secret(record, server, login.username, login.password, self._core.defaults)

    def _login(self, record: ContainerRecord) -> Credentials:
        return self._core.logins.get(record.image_id, _registry(record))


def _registry(record: ContainerRecord) -> str:
    """Whom nodes ask for the container's image; "" where none does."""
    return parse(record.image_source).registry if record.image_source and record.spec.workload != "inside" else ""


def _without_login(record: ContainerRecord) -> ContainerRecord:
    return replace(record, with_login=False)
