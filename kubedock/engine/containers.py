"""Containers: create, look, rename, remove. What starts and ends them has modules of its own."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from random import Random
from typing import NamedTuple

from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.domain.containerfilters import container_matcher
from kubedock.domain.filters import Filters, prune_matches
from kubedock.domain.names import container_name, random_name
from kubedock.domain.network import Endpoint, EndpointRequest, Network
from kubedock.domain.status import status
from kubedock.domain.view import ContainerView, Image
from kubedock.domain.volume import Mount
from kubedock.engine.addresses import wait_for_address
from kubedock.engine.core import Core
from kubedock.engine.images import Images
from kubedock.engine.lifecycle import Lifecycle
from kubedock.engine.linking import resolved
from kubedock.engine.networks import Networks
from kubedock.engine.publishing import Publishing
from kubedock.engine.starting import Starting
from kubedock.engine.stopping import Stopping
from kubedock.engine.volumes import Volumes
from kubedock.engine.waiting import Waiting, begin_waiting
from kubedock.engine.workloads import LONGEST_RETRY, RETRY_SECONDS, Workloads
from kubedock.errors import (
    CannotRemoveRunning,
    Conflict,
    InvalidParameter,
    KubedockError,
    NameTaken,
    NoSuchContainer,
    NotFound,
    RemovalInProgress,
)
from kubedock.streams.cancel import Cancel

logger = logging.getLogger(__name__)

NAME_TRIES = 6


class Created(NamedTuple):
    """A new container's id, and what could not be honoured."""

    id: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which containers to list: running ones, or ``all``; the newest ``limit`` (0: no limit)."""

    all: bool = False
    limit: int = 0
    filters: Filters = field(default_factory=dict)


class Containers:
    """The use cases on containers."""

    def __init__(
        self, core: Core, lifecycle: Lifecycle, workloads: Workloads, images: Images, networks: Networks, volumes: Volumes
    ) -> None:
        self._core, self._lifecycle, self._workloads = core, lifecycle, workloads
        self._images, self._networks, self._volumes = images, networks, volumes
        self._names = networks.names
        publishing = Publishing(core)
        lifecycle.followers.append(publishing)
        starting = Starting(core, lifecycle, workloads, publishing, self._names)
        stopping = Stopping(core, lifecycle, workloads, starting, self._names)
        self.start = starting.start
        self.stop, self.kill, self.restart = stopping.stop, stopping.kill, stopping.restart
        lifecycle.restart = starting.restart_by_policy
        lifecycle.remove = self._remove_after_end
        lifecycle.save_instance = workloads.save_instance

    # --- create ----------------------------------------------------------------------------------------------------

    def create(
        self,
        spec: ContainerSpec,
        *,
        name: str | None,
        endpoints: Mapping[str, EndpointRequest],
        warnings: tuple[str, ...] = (),
        image: Image | None = None,
    ) -> Created:
        """A new container, not started. NameTaken, NoSuchImage, NoSuchNetwork; InvalidParameter for what makes no sense.

        ``image`` is what the specification was made with; it is looked up where it is None.
        """
        if name is not None:
            name = container_name(name)
        spec = resolved(self._core, self._with_workload(spec))
        image = image or self._images.of(spec)
        container_id = self._core.new_id()
        places = self._places(spec, endpoints)
        spec = replace(spec, mounts=tuple(map(self._with_volume, spec.mounts)))
        record = ContainerRecord(
            id=container_id,
            name=name or "",
            spec=spec,
            created_at=self._core.now(),
            image_id=image.id,
            image_source=image.source(spec.image),
            endpoints=places,
        )
        record = self._add(record)
        self._lifecycle.publish(record, "create")
        told = (self._images.warnings(spec, image), self._names.warnings(record), self._workloads.companions.warnings(record))
        return Created(record.id, (*warnings, *chain.from_iterable(told)))

    def _with_workload(self, spec: ContainerSpec) -> ContainerSpec:
        if spec.workload == "inside":
            return spec
        comes_back = spec.restart.name in ("always", "unless-stopped")
        wanted = "deployment" if spec.workload == "deployment" else self._core.workload
        if wanted == "deployment" and not comes_back:
            raise InvalidParameter(
                f"a Deployment can run only containers with the restart policy always or unless-stopped, not {spec.restart.name}"
            )
        return replace(spec, workload="deployment" if wanted == "deployment" or (wanted == "auto" and comes_back) else "pod")

    def _with_volume(self, mount: Mount) -> Mount:
        if mount.kind != "volume":
            return mount
        volume = self._volumes.ensure(mount.source, anonymous=mount.anonymous)
        return replace(mount, source=volume.name)

    def _add(self, record: ContainerRecord) -> ContainerRecord:
        if record.name:
            self._core.containers.add(record)
            return record
        for attempt in range(NAME_TRIES):
            words = random_name(Random(self._core.new_id()))  # noqa: S311 - not a secret
            named = replace(record, name=f"{words}{attempt or ''}")
            try:
                self._core.containers.add(named)
            except NameTaken:
                continue
            return named
        named = replace(record, name=record.short_id)
        self._core.containers.add(named)
        return named

    def _places(self, spec: ContainerSpec, endpoints: Mapping[str, EndpointRequest]) -> dict[str, Endpoint]:
        mode = "bridge" if spec.network_mode in ("", "default") else spec.network_mode
        requests: dict[str, EndpointRequest] = {}
        for ref, request in {mode: EndpointRequest(), **endpoints}.items():
            network = self._networks.resolve("bridge" if ref == "default" else ref)
            if network.id not in requests or request.aliases or request.asked:
                requests[network.id] = request
        return {
            network_id: Endpoint(network_id, self._core.new_id(), request.aliases, request.asked, request.links)
            for network_id, request in requests.items()
        }

    # --- look ------------------------------------------------------------------------------------------------------

    def inspect(self, ref: str) -> ContainerView:
        """A container as it is now. One that has just begun to run gets a moment for its address to be known."""
        record = self._core.containers.find(ref)
        view = self._view(record)
        has_address = record.spec.workload != "inside"
        if has_address and view.status.state == "running" and not view.ip and record.started_at is not None:
            # The time of its start may be whole seconds, and is that much too early then.
            left = self._core.limits.address + 1.0 - (self._core.now() - record.started_at).total_seconds()
            if left > 0:
                wait_for_address(self._core, record, min(left, self._core.limits.address))
                view = self._view(self._core.containers.find(record.id))
        return view

    def views(self) -> list[ContainerView]:
        """All of them, for other groups' questions (who uses this image, who is on this network)."""
        return [self._view(record) for record in self._core.containers.list()]

    def _view(self, record: ContainerRecord) -> ContainerView:
        observed = self._core.watcher.observed(record.short_id, record.run)
        networks: dict[str, Network] = {}
        for network_id in record.endpoints:
            network = self._core.networks.get(network_id)
            if network is not None:
                networks[network_id] = network
        execs = tuple(self._core.sessions.execs.unfinished(record.id))
        return ContainerView(
            record,
            observed,
            status(record, observed),
            networks,
            self._core.now(),
            execs,
            health=self._core.sessions.healths.of(record),
            gateway=self._core.gateway,
        )

    # --- change ----------------------------------------------------------------------------------------------------

    def rename(self, ref: str, *, to: str) -> None:
        """Give it another name; its pod keeps its own."""
        record = self._core.containers.find(ref)
        if not to:
            raise InvalidParameter("Neither old nor new names may be empty")
        name = container_name(to)
        if name == record.name:
            raise InvalidParameter("Renaming a container with the same name as its current name")
        change = self._core.containers.update(record.id, lambda r: replace(r, name=name))
        if change is None:
            raise NoSuchContainer(ref)
        try:
            self._names.changed(change.before, change.after)
        except KubedockError:
            self._core.containers.update(record.id, lambda r: replace(r, name=record.name))
            raise
        self._lifecycle.publish(change.after, "rename", oldName=f"/{record.name}")

    def resize(self, ref: str, *, height: int, width: int) -> None:
        """Accepted: no terminal is attached yet."""
        record = self._core.containers.find(ref)
        self._lifecycle.publish(record, "resize", height=str(height), width=str(width))

    def wait(self, ref: str, *, condition: str, cancel: Cancel) -> Waiting:
        """Wait for its end; see ``engine.waiting``."""
        return begin_waiting(self._core, self._lifecycle, ref, condition=condition, cancel=cancel)

    def remove(self, ref: str, *, force: bool, volumes: bool) -> None:
        """Remove it, a running one only by ``force``; with its anonymous volumes where asked."""
        record = self._core.containers.find(ref)
        view = self._view(record)
        if view.status.running and not force:
            raise CannotRemoveRunning(record.name, view.status.state)
        self._remove(record.id, volumes=volumes)

    def _remove(self, container_id: str, *, volumes: bool) -> None:
        def claimed(record: ContainerRecord) -> ContainerRecord:
            if record.removing:
                raise RemovalInProgress(record.id)
            return replace(record, removing=True, stopped=True)

        change = self._core.containers.update(container_id, claimed)
        if change is None:
            raise NoSuchContainer(container_id)
        record = change.after
        try:
            with self._core.sessions.exclusive(record.id):
                record = self._core.containers.get(record.id) or record
                if record.alive and record.started_at is not None:
                    self._lifecycle.publish(record, "kill", signal="9")
                # Who reads the log goes on to its end, as with Docker's open file: docker-py removes before it has read.
                keep_log = self._core.sessions.is_read(record.id)
                if record.alive:
                    self._workloads.end_hard(record, keep_log=keep_log)
                else:
                    self._workloads.put_away(record, keep_log=keep_log)
            self._names.release(record)
        except Exception:
            self._core.containers.update(record.id, lambda r: replace(r, removing=False))
            self._lifecycle.tell(record.id)
            raise
        gone = self._core.containers.remove(record.id)
        self._core.watcher.forget(record.short_id)
        if gone is not None:
            self._lifecycle.gone(gone)
        self._core.sessions.forget(record.id)
        self._core.files.forget(record.id)
        self._core.sessions.once_unread(record.id, lambda: self._core.archive.forget(record.id))
        if volumes:
            self._release(record)

    def _release(self, record: ContainerRecord) -> None:
        """The container's anonymous volumes go with it unless another one uses them."""
        for mount in record.spec.mounts:
            if mount.kind == "volume" and mount.anonymous:
                with suppress(NotFound, Conflict):
                    self._volumes.remove(mount.source, force=True)

    def _remove_after_end(self, container_id: str, run: int) -> None:
        """``--rm``: when its output has been read (a pod's log goes with the pod), or some time after, it goes."""
        record = self._core.containers.get(container_id)
        if record is None or record.outcome is None or not record.outcome.started:
            self._remove_now(container_id, run)
            return
        what = f"automatic removal of {container_id[:12]}"

        def submit(after: float = 0.0) -> None:
            self._core.tasks.submit(what, lambda: self._remove_now(container_id, run), after=after)

        self._core.sessions.once_unread(container_id, submit)
        submit(after=self._core.limits.drain)

    def _remove_now(self, container_id: str, run: int, pause: float = RETRY_SECONDS) -> None:
        """Also when the cluster cannot be reached: tried until it is gone, ``docker run --rm`` waits for that."""
        record = self._core.containers.get(container_id)
        if record is None or record.run != run or record.alive:
            return  # it was removed, or started again meanwhile
        try:
            self._remove(container_id, volumes=True)
        except (NotFound, Conflict):
            return  # somebody else removes it
        except KubedockError as error:
            logger.warning("container %s could not be removed: %s; again in %.0f s", container_id[:12], error, pause)
            what, longer = f"automatic removal of {container_id[:12]}", min(pause * 2, LONGEST_RETRY)
            self._core.tasks.submit(what, lambda: self._remove_now(container_id, run, longer), after=pause)

    def prune(self, filters: Filters) -> list[str]:
        """Remove all that do not run and match; their ids."""
        now, removed = self._core.now(), []
        prune_matches({}, now, filters, now)  # what makes no sense is refused also where there is nothing to remove
        for view in self.views():
            record = view.record
            if view.status.running or record.alive or not prune_matches(record.spec.labels, record.created_at, filters, now):
                continue
            try:
                self._remove(record.id, volumes=False)
            except (NotFound, Conflict):
                continue
            removed.append(record.id)
        return removed

    def list(self, query: ListQuery) -> list[ContainerView]:
        """Newest first."""
        views = sorted(self.views(), key=lambda view: view.record.created_at, reverse=True)
        matches = container_matcher(query.filters, views)
        everything = query.all or query.limit > 0 or not {"status", "exited"}.isdisjoint(query.filters)
        shown = [view for view in views if (everything or view.status.running) and matches(view)]
        return shown[: query.limit] if query.limit > 0 else shown
