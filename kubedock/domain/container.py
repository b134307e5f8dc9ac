"""What a container is: what the client asked for, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from kubedock.domain.health import Healthcheck
from kubedock.domain.network import Endpoint
from kubedock.domain.volume import Mount

Workload = Literal["pod", "deployment", "inside"]
"""What runs a container: a Kubernetes object, or kubedock itself (``engine.inside``)."""
RestartName = Literal["no", "on-failure", "always", "unless-stopped"]


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Docker's restart policy; ``maximum_retries`` 0 means without end (on-failure only)."""

    name: RestartName = "no"
    maximum_retries: int = 0


@dataclass(frozen=True, slots=True)
class Port:
    """A container's port and what it is published to: ``published`` is what was asked (host ip, host port or range)."""

    number: int
    protocol: str = "tcp"
    published: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """Docker's spelling: ``8080/tcp``."""
        return f"{self.number}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Published:
    """A container's port and where it is listened on for it, as clients are shown it: an address and a number."""

    number: int
    protocol: str
    host_ip: str
    host_port: int

    @property
    def key(self) -> str:
        """Docker's spelling of the container's port."""
        return f"{self.number}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits. Memory in bytes, CPU in billionths of one; 0 is none."""

    memory: int = 0
    memory_reservation: int = 0
    nano_cpus: int = 0
    shm_size: int = 0


@dataclass(frozen=True, slots=True)
class Security:
    """Rights of the processes."""

    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    read_only_root: bool = False
    no_new_privileges: bool = False
    seccomp_unconfined: bool = False
    apparmor_unconfined: bool = False
    supplemental_groups: tuple[int, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What the client asked for, normalised. ``asked`` is the request's body, kept only to be shown again by inspect.

    ``entrypoint`` and ``command`` are None where the image decides; an empty ``entrypoint`` clears the image's.
    ``env`` keeps its order; a value of None would take the image's variable away (a name without a value).
    ``user`` and ``group`` are numbers or None for the image's. ``stop_signal`` is a name without SIG, or "".
    ``links`` are containers of the default network and the names for them.
    ``domain`` words only; durations in seconds.
    """

    image: str
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    env: tuple[tuple[str, str | None], ...] = ()
    working_dir: str = ""
    user: int | None = None
    group: int | None = None
    hostname: str = ""
    domainname: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    ports: tuple[Port, ...] = ()
    stop_signal: str = ""
    stop_timeout: int = 10
    restart: RestartPolicy = RestartPolicy()
    auto_remove: bool = False
    workload: Workload = "pod"
    network_mode: str = "default"
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[tuple[str, str], ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    resources: Resources = Resources()
    security: Security = Security()
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    runtime: str = ""
    platform: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    healthcheck: Healthcheck | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: a fact, written once. ``started`` is False for a start that failed."""

    exit_code: int
    finished_at: datetime | None = None
    error: str = ""
    oom_killed: bool = False
    started: bool = True


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """What is stored of a container. Frozen; changed by ``dataclasses.replace`` inside ``store.update``.

    ``image_source`` is the reference that the cluster pulls the image by; ``spec.image`` is what the client wrote.
    ``run`` counts the starts (0: never started); ``object_name`` is the pod's or the Deployment's name of that run,
    None while there is none. ``started_at`` belongs to the current run and is written once, when it is first seen to
    run. ``outcome`` is that of the run when it has ended. ``stopped`` says that the user ended it (unless-stopped and
    on-failure do not bring it back then). ``restarting`` says that the policy will start the next run. ``published``
    is what is listened on for the run; after its end it is only remembered, so that the next run gets the same numbers.
    ``with_files``: the current run has files that were put before its start, in a ConfigMap named as its object.
    ``with_login``: the run's image is pulled with a login of its own, in a Secret named as its object.
    """

    id: str
    name: str
    spec: ContainerSpec
    created_at: datetime
    image_id: str = ""
    image_source: str = ""
    run: int = 0
    object_name: str | None = None
    started_at: datetime | None = None
    outcome: Outcome | None = None
    restart_count: int = 0
    stopped: bool = False
    restarting: bool = False
    removing: bool = False
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    with_files: bool = False
    with_login: bool = False

    @property
    def short_id(self) -> str:
        """Docker's short form, and the value of the label ``kubedock.containerid``."""
        return self.id[:12]

    @property
    def alive(self) -> bool:
        """A run was begun and has not ended."""
        return self.run > 0 and self.outcome is None
