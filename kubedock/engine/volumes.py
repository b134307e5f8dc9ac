"""Volumes: records. A container that mounts one gets an emptyDir; the record is what clients list and remove."""

import re
from collections.abc import Mapping

from kubedock.domain import filters, ids
from kubedock.domain.event import Event
from kubedock.domain.filters import Filters
from kubedock.domain.objectfilters import volume_matches
from kubedock.domain.volume import Volume
from kubedock.engine.core import Core
from kubedock.errors import Conflict, InvalidParameter, NoSuchVolume, NotFound, NotImplemented

LOCAL = "local"
ANONYMOUS_LABEL = "com.docker.volume.anonymous"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_LOCAL_OPTIONS = ("type", "o", "device", "size")


class VolumeInUse(Conflict):
    """A container, running or not, mounts it."""

    def __init__(self, name: str, users: list[str]) -> None:
        super().__init__(f"remove {name}: volume is in use - [{', '.join(users)}]")


class Volumes:
    """The use cases of volumes."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(
        self, name: str, *, driver: str = "", labels: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None
    ) -> Volume:
        """Make a volume, or give the one that is already there; an empty name makes an anonymous one."""
        driver = driver or LOCAL
        if name:
            _check_name(name)
        _check_driver(name, driver, options or {})
        return self._add(name, dict(labels or {}), dict(options or {}))

    def ensure(self, name: str, *, anonymous: bool = False) -> Volume:
        """The volume of this name, made when it is absent, as a container's creation does it."""
        found = self._core.volumes.get(name) if name else None
        if found is not None:
            return found
        if name:
            _check_name(name)
        return self._add(name, {}, {}, anonymous=anonymous)

    def inspect(self, name: str) -> Volume:
        """By its whole name; NoSuchVolume."""
        found = self._core.volumes.get(name)
        if found is None:
            raise NoSuchVolume(name)
        return found

    def remove(self, name: str, *, force: bool) -> None:
        """Remove a volume that no container mounts. With ``force`` an absent one is no error."""
        if self._core.volumes.get(name) is None:
            if force:
                return
            raise NoSuchVolume(name)
        users = self.users().get(name)
        if users:
            raise VolumeInUse(name, users)
        self._discard(name)

    def prune(self, wanted: Filters) -> list[str]:
        """Remove what no container mounts, anonymous ones only unless ``all`` says otherwise; the names of what is gone."""
        filters.check(wanted, filters.VOLUME_PRUNE_KEYS)
        everything = filters.flag(wanted, "all", default=False)
        used = self.users()
        gone = [
            volume.name
            for volume in self._core.volumes.list()
            if volume.name not in used
            and (everything or volume.anonymous)
            and filters.labels_match(volume.labels, wanted)
            and self._discard(volume.name)
        ]
        self._core.events.publish(Event("volume", "prune", "", {"reclaimed": "0"}, self._core.now()))
        return gone

    def users(self) -> dict[str, list[str]]:
        """Which containers mount a volume: their ids, by its name."""
        users: dict[str, list[str]] = {}
        for record in self._core.containers.list():
            for mount in record.spec.mounts:
                if mount.kind == "volume":
                    users.setdefault(mount.source, []).append(record.id)
        return users

    def _add(self, name: str, labels: dict[str, str], options: dict[str, str], *, anonymous: bool = False) -> Volume:
        if not name:
            name, anonymous = self._core.new_id(), True
        if anonymous:
            labels = {**labels, ANONYMOUS_LABEL: ""}
        volume = Volume(name, self._core.now(), LOCAL, labels, options, anonymous)
        try:
            self._core.volumes.add(volume)
        except Conflict:
            return self.inspect(name)
        self._publish("create", name)
        return volume

    def _discard(self, name: str) -> bool:
        gone = self._core.volumes.remove(name) is not None
        if gone:
            self._publish("destroy", name)
        return gone

    def _publish(self, action: str, name: str) -> None:
        self._core.events.publish(Event("volume", action, name, {"driver": LOCAL}, self._core.now()))

    def list(self, wanted: Filters) -> list[Volume]:
        """All volumes that match."""
        filters.check(wanted, filters.VOLUME_KEYS)
        used = self.users()
        return [v for v in self._core.volumes.list() if volume_matches(v, wanted, used=v.name in used)]


def _check_name(name: str) -> None:
    if len(name) == 1 and _NAME.fullmatch(name):
        raise InvalidParameter(f"create {name}: volume name is too short, names should be at least two alphanumeric characters")
    if _NAME.fullmatch(name) is None:
        raise InvalidParameter(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are'
            " allowed. If you intended to pass a host directory, use absolute path"
        )
    if len(name) > 255 and not ids.is_full(name):
        raise InvalidParameter(f"create {name}: the name of a volume must not be longer than 255 characters")


def _check_driver(name: str, driver: str, options: Mapping[str, str]) -> None:
    if driver != LOCAL:
        raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')
    for option in options:
        if option not in _LOCAL_OPTIONS:
            raise InvalidParameter(f'create {name}: invalid option: "{option}"')
    if options:
        raise NotImplemented(
            f"create {name}: the option {next(iter(options))!r} is not supported: a volume is an empty folder of a container's pod,"
            " it cannot be mounted from a device or a server"
        )
