"""The composition root: builds everything, starts and stops the threads."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Literal, NamedTuple

from kubedock import __version__
from kubedock.background.drain import Drain
from kubedock.background.health import Prober
from kubedock.background.listeners import Listeners, own_addresses
from kubedock.background.logfeed import LogFeeds
from kubedock.background.lookups import Lookups
from kubedock.background.reach import gateway
from kubedock.background.tasks import Tasks
from kubedock.background.watcher import Watcher
from kubedock.cluster import Cluster, Kind
from kubedock.domain.container import ContainerRecord
from kubedock.domain.image import Reference
from kubedock.domain.imageconfig import Layer, RegistryImage
from kubedock.domain.network import Network
from kubedock.domain.volume import Volume
from kubedock.engine import Engine
from kubedock.engine.core import Core, Limits, OwnImages, PortMode
from kubedock.engine.events import EventBus
from kubedock.engine.lookup import MISSING
from kubedock.engine.networks import NetworkNameTaken
from kubedock.engine.pullsecrets import PullSecrets
from kubedock.engine.serviceaccount import AccountSecrets
from kubedock.engine.system import LOGS_ROTATE
from kubedock.errors import (
    Conflict,
    InvalidParameter,
    KubedockError,
    NameTaken,
    NoSuchContainer,
    NoSuchNetwork,
    NoSuchVolume,
    Unavailable,
    no_cluster,
)
from kubedock.kube import labels
from kubedock.kube.gateway import KubeGateway
from kubedock.kube.manifest import PodDefaults
from kubedock.kube.nodes import platform
from kubedock.kube.preflight import check
from kubedock.parsing import Address
from kubedock.registry.client import RegistryClient
from kubedock.registry.credentials import AuthFile, Source
from kubedock.registry.inspector import Inspector, Places
from kubedock.registry.manifests import config_of
from kubedock.settings import Settings, auth_files
from kubedock.state.archive import LogArchive
from kubedock.state.sessions import Bell, Sessions
from kubedock.state.store import MemoryStore

logger = logging.getLogger(__name__)

LOOPBACK, EVERYWHERE = ("127.0.0.1", "::1"), ("0.0.0.0", "::")  # noqa: S104 - for a server that serves all addresses


def new_id() -> str:
    """A new id as Docker makes them: 64 hex digits. The first is a letter, so that a Service can hold a short id as a name."""
    return secrets.choice("abcdef") + secrets.token_hex(32)[1:]


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """What the engine is told: made from Settings, or by a test."""

    defaults: PodDefaults
    limits: Limits = field(default_factory=Limits)
    workload: Literal["auto", "pod", "deployment"] = "auto"
    publish_on: tuple[str, ...] = LOOPBACK
    port_mode: PortMode = "auto"
    cluster_url: str = ""
    warnings: tuple[str, ...] = ()
    inspector: Inspector | None = None
    platform: str = "linux/amd64"
    own_images: OwnImages = lambda _: None
    account_secrets: Callable[[], Sequence[str]] = tuple


class Runtime:
    """Everything that runs behind the API. ``start`` it in the worker, ``stop`` it once."""

    def __init__(self, cluster: Cluster, options: Options, *, clock: Callable[[], datetime] = now) -> None:
        """Build all parts over a cluster; nothing runs yet."""
        self.cluster, self._instance = cluster, options.defaults.instance
        self._watcher = Watcher(cluster, self._instance)
        self._feeds, self._tasks, self._drain = LogFeeds(), Tasks(), Drain()
        self._listeners, self._prober = Listeners(), Prober(self._tasks)
        listening = own_addresses(options.publish_on)
        core = Core(
            cluster=cluster,
            containers=MemoryStore[ContainerRecord](
                "container", missing=NoSuchContainer, taken=lambda name, holder: NameTaken(name, holder=holder)
            ),
            networks=MemoryStore[Network]("network", missing=NoSuchNetwork, taken=lambda name, _: NetworkNameTaken(name)),
            volumes=MemoryStore[Volume](
                "volume", missing=NoSuchVolume, taken=lambda name, _: Conflict(f"a volume named {name} exists already")
            ),
            watcher=self._watcher,
            feeds=self._feeds,
            archive=LogArchive(),
            sessions=Sessions(),
            bell=Bell(),
            events=EventBus(clock),
            tasks=self._tasks,
            drain=self._drain,
            prober=self._prober,
            listeners=self._listeners,
            lookups=Lookups(),
            defaults=options.defaults,
            limits=options.limits,
            workload=options.workload,
            now=clock,
            new_id=new_id,
            publish_on=listening,
            port_mode=options.port_mode,
            gateway=gateway(listening, options.cluster_url),
            warnings=options.warnings,
            inspector=options.inspector,
            platform=options.platform,
            own_images=options.own_images,
            account_secrets=options.account_secrets,
        )
        self.engine = Engine.of(core)

    @classmethod
    def start(cls, settings: Settings) -> "Runtime":
        """Connect, check what kubedock needs, and run. KubedockError with one sentence when it cannot."""
        with ExitStack() as undo:
            found = _embedded(settings) if settings.embedded else _connected(settings)
            undo.callback(found.cluster.close)
            options = options_of(settings, found.url)
            account = AccountSecrets(found.cluster, options.defaults)
            options = replace(
                options,
                warnings=found.warnings,
                inspector=_inspector(settings, found.cluster, account) if settings.inspector else None,
                platform=platform(found.cluster, settings.node_selector),
                own_images=found.own_images,
                account_secrets=account,
            )
            if not settings.inspector:
                logger.warning("--no-inspector: images are taken on trust: their %s", MISSING)
            runtime = cls(found.cluster, options)
            runtime.run()
            undo.pop_all()
        logger.info("containers run %s, as instance %s", found.where, runtime._instance)
        return runtime

    def run(self) -> None:
        """Start the threads; returns when the cluster's first picture is there."""
        self._tasks.start()
        self._drain.start()
        self._listeners.start()
        self._prober.start()
        self._watcher.start()

    def stop(self, timeout: float) -> None:
        """End all threads and delete all that carries this instance's label, within about ``timeout`` seconds.

        A step that raises keeps no other from being taken; what they raise is raised at the end, in a group.
        """
        deadline, errors = time.monotonic() + timeout, list[Exception]()
        for step in self._steps_to_the_end(deadline, min(1.0, timeout)):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
        if errors:
            raise ExceptionGroup("the stop is not complete", errors)

    def _steps_to_the_end(self, deadline: float, each: float) -> Iterator[Callable[[], None]]:
        """``each`` is for how many seconds the threads of a part are waited for; 0 leaves the cluster as it is."""
        for part in (self._listeners, self._prober, self._tasks, self._feeds, self._drain):
            yield partial(part.stop, each)
        if each > 0:
            yield partial(self._clean_up_in_time, deadline)
        yield partial(self._watcher.stop, 1.0)
        yield self.cluster.close
        if self.engine.core.inspector is not None:
            yield self.engine.core.inspector.close

    def _clean_up_in_time(self, deadline: float) -> None:
        cleaner = threading.Thread(target=self._clean_up, args=(deadline,), name="clean-up", daemon=True)  # noqa: TID251 - joined below, bounded
        try:
            cleaner.start()
        except RuntimeError as error:  # a limit of the system: late is better than never
            logger.warning("the clean-up may take longer: %s", error)
            self._clean_up(deadline)
            return
        cleaner.join(max(0.0, deadline - time.monotonic()))
        if cleaner.is_alive():
            logger.warning("the clean-up did not end in time: objects with %s may be left", labels.selector(self._instance))

    def _clean_up(self, deadline: float) -> None:
        """Deployments first, or their controllers would bring pods back; then all pods at once, then what belongs to them."""
        used = any(record.spec.workload == "deployment" for record in self.engine.core.containers.list())
        kinds: tuple[tuple[Kind, bool], ...] = (
            ("Deployment", used),
            ("Pod", True),
            ("Service", self.engine.networks.names.used),
            *((kind, True) for kind in sorted(self.engine.workloads.companions.posted)),
        )
        try:
            self.engine.workloads.let_deployments_go()
        except KubedockError as error:
            logger.warning("clean-up: %s", error)
        for kind in (kind for kind, there_may_be in kinds if there_may_be):
            while True:
                try:
                    self.cluster.delete_collection(kind, selector=labels.selector(self._instance), grace=0)
                    break
                except Unavailable as error:
                    if time.monotonic() + 0.2 >= deadline:
                        logger.warning("clean-up: %s", error)
                        return
                    threading.Event().wait(0.2)
                except KubedockError as error:
                    logger.warning("clean-up: %s", error)
                    break


class Found(NamedTuple):
    """A cluster that can be used, how to say where it is, its URL if it has one, what its users should know, its own images."""

    cluster: Cluster
    where: str
    url: str = ""
    warnings: tuple[str, ...] = ()
    own_images: OwnImages = lambda _: None


def _connected(settings: Settings) -> Found:
    """The cluster of the kubeconfig, checked."""
    try:
        cluster = KubeGateway.connect(
            kubeconfig=settings.kubeconfig or None, context=settings.context or None, namespace=settings.namespace or None
        )
        warnings = check(cluster, cluster.namespace)
    except InvalidParameter as error:
        raise InvalidParameter(no_cluster(str(error))) from error
    except Unavailable as error:
        raise Unavailable(no_cluster(str(error))) from error
    for warning in warnings:
        logger.warning("%s", warning)
    return Found(cluster, f"in namespace {cluster.namespace}", cluster.host, (LOGS_ROTATE,))


def _embedded(settings: Settings) -> Found:
    """This machine as a cluster."""
    from kubedock.embedded.opening import open_cluster  # noqa: PLC0415 - costs 0.2 s, for nothing on a real cluster

    cluster = open_cluster(settings, labels.MARK)

    def own_images(reference: Reference) -> RegistryImage | None:
        found = cluster.own_image(reference.canonical, timeout=settings.pull_timeout)
        if found is None:
            return None
        config = config_of({"os": "linux", "architecture": found.architecture, "config": found.config})
        layers = (Layer("", found.size),)
        return RegistryImage("", "", 0, "", found.id, config, layers, platform=f"linux/{found.architecture}")

    return Found(cluster, f"on this machine by {cluster.runtime}", warnings=cluster.warnings, own_images=own_images)


def options_of(settings: Settings, cluster_url: str = "") -> Options:
    """What the settings say about the engine, with a new instance's name; ``cluster_url`` is the API server's."""
    return Options(
        defaults=PodDefaults(
            instance=secrets.token_hex(6),
            name_prefix=settings.pod_name_prefix,
            image_pull_secrets=settings.image_pull_secrets,
            service_account=settings.service_account,
            pull_policy=settings.pull_policy,
            request_cpu=settings.request_cpu.request,
            limit_cpu=settings.request_cpu.limit,
            request_memory=settings.request_memory.request,
            limit_memory=settings.request_memory.limit,
            node_selector=settings.node_selector,
            run_as_user=settings.runas_user,
            pod_security=settings.pod_security,
            template=settings.pod_template or None,
            annotations=settings.annotation,
            labels=settings.label,
            active_deadline_seconds=settings.active_deadline_seconds,
        ),
        limits=Limits(
            start=settings.timeout,
            pull=settings.pull_timeout,
            schedule=settings.schedule_timeout,
            inspect=settings.inspector_timeout,
        ),
        workload=settings.workload,
        publish_on=publish_on(settings.listen_addr),
        port_mode=settings.port_mode,
        cluster_url=cluster_url,
    )


def publish_on(address: Address | None) -> tuple[str, ...]:
    """Where ports are published by a server that serves on this address: on loopback, and where else it serves."""
    if address is None:
        return LOOPBACK
    return EVERYWHERE if address.everywhere else (*LOOPBACK, address.host)


def _inspector(settings: Settings, cluster: Cluster, account: AccountSecrets) -> Inspector:
    pull_secrets = PullSecrets(cluster, settings.image_pull_secrets, account)
    sources: list[Source] = [*(AuthFile(path) for path in auth_files()), pull_secrets]
    places = Places(settings.registry_mirror, settings.insecure_registry, sources, last_word=settings.embedded)
    return Inspector(RegistryClient(settings.insecure_registry, f"kubedock/{__version__}"), places)
