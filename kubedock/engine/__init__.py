"""The use cases: one module a group, one method a verb. Knows neither Flask nor Docker's JSON."""

from dataclasses import dataclass

from kubedock.engine.archives import Archives
from kubedock.engine.companions import Companions
from kubedock.engine.containers import Containers
from kubedock.engine.core import Core
from kubedock.engine.events import EventBus
from kubedock.engine.execs import Execs
from kubedock.engine.health import HealthChecks
from kubedock.engine.images import Images
from kubedock.engine.inside import Inside
from kubedock.engine.lifecycle import Lifecycle
from kubedock.engine.logs import Logs
from kubedock.engine.naming import Names
from kubedock.engine.networks import Networks
from kubedock.engine.reaping import Reaping
from kubedock.engine.system import System
from kubedock.engine.volumes import Volumes
from kubedock.engine.workloads import Workloads


@dataclass(frozen=True, slots=True)
class Engine:
    """The groups, wired."""

    core: Core
    containers: Containers
    logs: Logs
    execs: Execs
    images: Images
    networks: Networks
    volumes: Volumes
    events: EventBus
    system: System
    workloads: Workloads
    archives: Archives

    @classmethod
    def of(cls, core: Core) -> "Engine":
        """All groups over these parts."""
        names = Names(core)
        images, networks, volumes = Images(core), Networks(core, names), Volumes(core)
        lifecycle = Lifecycle(core, networks)
        lifecycle.followers.append(names)
        lifecycle.instance_followers.append(names)
        inside = Inside(core)
        workloads = Workloads(core, lifecycle, inside, Companions(core))
        containers = Containers(core, lifecycle, workloads, images, networks, volumes)
        inside.reaper = Reaping(core, containers, networks, volumes, images)
        system = System(core, images=images, networks=networks, volumes=volumes)
        logs, execs = Logs(core, lifecycle), Execs(core, lifecycle)
        HealthChecks(core, lifecycle, execs)
        archives = Archives(core, lifecycle)
        return cls(core, containers, logs, execs, images, networks, volumes, core.events, system, workloads, archives)
