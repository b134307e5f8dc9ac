"""Docker's create request to a ``ContainerSpec``.

``create`` obeys the option table first (types, refusals, warnings), then reads what is honoured. Any JSON is a spec or an
error with a sentence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kubedock.dockerapi import health, options, query, rules, volumes
from kubedock.dockerapi.inherit import inherited
from kubedock.dockerapi.kinds import expect
from kubedock.domain import ports, ryuk, units
from kubedock.domain.container import ContainerSpec, Port, Resources, RestartName, RestartPolicy, Security, Workload
from kubedock.domain.network import EndpointRequest
from kubedock.errors import AliasOnPredefined, InvalidParameter

Json = Mapping[str, Any]

WORKLOAD_LABEL = "kubedock.workload"
DEFAULT_STOP_TIMEOUT = 10
DEFAULT_CPU_PERIOD = 100_000
MOST = 2**63 - 1
# A day's worth of patience and more; Kubernetes counts seconds in 64 bits, clocks do not.
LONGEST_STOP_TIMEOUT = 2**31 - 1

NO_COMMAND_KNOWN = "Entrypoint [] is not applied without a Cmd: the image's command is not known"
NO_PORTS_KNOWN = "PublishAllPorts publishes nothing: the request exposes no ports, and the image's own are not known"
NO_PORTS = "PublishAllPorts publishes nothing: neither the request nor the image exposes a port"
ON_TRUST = (NO_COMMAND_KNOWN, NO_PORTS_KNOWN, health.UNKNOWN_IMAGE)
"""Warnings that do not hold where the image's configuration is known."""

_ORDINARY = ("", "default", "bridge")
_UNNAMED = (*_ORDINARY, "host", "none")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was asked for, on which networks (by the name or id that the client wrote), and what it has to be told."""

    spec: ContainerSpec
    endpoints: Mapping[str, EndpointRequest]
    warnings: tuple[str, ...] = ()


def create(
    body: Any, args: query.Args, *, workload: Literal["auto", "pod", "deployment"] = "auto", image: Json | None = None
) -> Decoded:
    """Read the body of ``containers/create``; ``args`` is its query (``platform``).

    ``workload`` is the server's setting; the label ``kubedock.workload`` goes before it. ``image`` is the Config of the
    image, None where it is not known.
    """
    request = query.mapping(body)
    config = {key: value for key, value in request.items() if key in options.CONFIG_KEYS and value is not None}
    if not config:
        raise InvalidParameter("config cannot be empty in order to create a container")
    host = _section(request, "HostConfig", options.HOST_KEYS)
    networking = _section(request, "NetworkingConfig", frozenset(("EndpointsConfig",)))
    warnings = options.check(config, host, networking)
    warnings += _together(config, host)
    spec = _spec(config, host, _platform(args), workload, networking, image or {})
    if image is not None:
        warnings = (*_warnings_with_image(spec, host, warnings), *_not_taken_away(spec, image))
    if spec.workload == "inside":
        warnings = _warnings_inside(spec, warnings)
    return Decoded(spec, _endpoints(host, networking), tuple(dict.fromkeys(warnings)))


def endpoint(settings: Any) -> tuple[EndpointRequest, tuple[str, ...]]:
    """The EndpointConfig of ``networks/X/connect``, and its warnings."""
    asked = query.mapping(settings)
    warnings = options.check_endpoint(asked)
    return _endpoint(asked), warnings


def _section(request: Json, key: str, known: frozenset[str]) -> dict[str, Any]:
    section = request.get(key)
    if section is None:
        return {}
    expect("object", section, key)
    return {name: value for name, value in section.items() if name in known and value is not None}


def _spec(own: Json, host: Json, platform: str, workload: str, networking: Json, image: Json) -> ContainerSpec:
    """``own`` is what the request says itself. The image's user stays the image's: it may be a name."""
    config = inherited(own, image)
    user, group = rules.user_ids(own.get("User", ""))
    entrypoint, command = _command(config)
    restart = _restart(host)
    labels = _texts(config.get("Labels", {}))
    runs = _workload(config.get("Image", ""), labels, workload, restart)
    network_mode = host.get("NetworkMode") or "default"
    return ContainerSpec(
        image=config.get("Image", ""),
        entrypoint=entrypoint,
        command=command,
        env=_environment(config.get("Env", [])),
        working_dir=volumes.clean(config["WorkingDir"]) if config.get("WorkingDir") else "",
        user=user,
        group=group,
        hostname=config.get("Hostname", ""),
        domainname=config.get("Domainname", ""),
        labels={ryuk.LABEL: "true", **labels} if runs == "inside" else labels,
        tty=config.get("Tty", False),
        open_stdin=config.get("OpenStdin", False),
        stdin_once=config.get("StdinOnce", False),
        ports=_ports(config, host),
        stop_signal=units.signal_name(config["StopSignal"]) if config.get("StopSignal") else "",
        stop_timeout=min(config.get("StopTimeout", DEFAULT_STOP_TIMEOUT), LONGEST_STOP_TIMEOUT),
        restart=restart,
        auto_remove=host.get("AutoRemove", False),
        workload=runs,
        network_mode=network_mode,
        mounts=volumes.mounts_of(own, host, image),
        tmpfs=tuple((volumes.clean(path), text or "") for path, text in host.get("Tmpfs", {}).items()),
        extra_hosts=tuple(pair for text in host.get("ExtraHosts", ()) if (pair := rules.extra_host(text)) is not None),
        dns=tuple(host.get("Dns", ())[: rules.NAMESERVERS]),
        dns_search=tuple(host.get("DnsSearch", ())),
        dns_options=tuple(host.get("DnsOptions", ())),
        resources=_resources(host),
        security=_security(host),
        host_network=network_mode == "host",
        host_pid=host.get("PidMode") == "host",
        host_ipc=host.get("IpcMode") == "host",
        platform=platform,
        asked={**config, "HostConfig": host, "NetworkingConfig": networking},
        links=tuple(map(rules.link, host.get("Links", ()))) if network_mode in _ORDINARY else (),
        healthcheck=health.check(config.get("Healthcheck"), config.get("Shell")),
    )


def _command(config: Json) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Entrypoint and Cmd by Docker's rules: None where the image decides, () for an entrypoint that is cleared."""
    entrypoint, command = _words(config.get("Entrypoint")), _words(config.get("Cmd")) or None
    if entrypoint == ("",):
        if command is None:
            raise InvalidParameter("no command specified")
        entrypoint = ()
    return entrypoint, command


def _words(value: str | list[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, str) else tuple(value)


def _environment(entries: list[str]) -> tuple[tuple[str, str | None], ...]:
    """Names and values in order, the last one of a name counts."""
    pairs: dict[str, str | None] = {}
    for entry in entries:
        name, separator, value = entry.partition("=")
        pairs[name] = value if separator else None
    return tuple(pairs.items())


def _texts(values: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value or "" for key, value in values.items()}


def _ports(config: Json, host: Json) -> tuple[Port, ...]:
    exposed = [port for key in config.get("ExposedPorts", ()) for port in ports.parse(key)]
    bound: Mapping[str, list[dict[str, str | None]] | None] = host.get("PortBindings", {})
    found = ports.merge(
        Port(port.number, port.protocol, tuple(map(rules.port_binding, bindings or [{}])))
        for key, bindings in bound.items()
        for port in ports.parse(key)
    )
    if host.get("PublishAllPorts"):
        asked = {port.key for port in found}
        found += tuple(Port(port.number, port.protocol, (("", ""),)) for port in ports.merge(exposed) if port.key not in asked)
    return ports.merge((*exposed, *found))


def _restart(host: Json) -> RestartPolicy:
    policy = host.get("RestartPolicy", {})
    name: RestartName = policy.get("Name") or "no"
    return RestartPolicy(name, (policy.get("MaximumRetryCount") or 0) if name == "on-failure" else 0)


def _workload(image: str, labels: Mapping[str, str], setting: str, restart: RestartPolicy) -> Workload:
    controlled = restart.name in ("always", "unless-stopped")
    label = labels.get(WORKLOAD_LABEL, "")
    if label in ("", "auto") and ryuk.is_ryuk(image, labels):
        return "inside"
    choice, source = (label, f"label {WORKLOAD_LABEL}") if label else (setting, "workload")
    if choice not in ("auto", "pod", "deployment"):
        raise InvalidParameter(f'{source} "{choice}" is not supported: use auto, pod or deployment')
    if choice == "deployment" and not controlled:
        raise InvalidParameter(
            f"{source} deployment needs the restart policy always or unless-stopped: a Deployment would run"
            f' a container with the policy "{restart.name}" again after its end'
        )
    if choice == "pod" and controlled:
        raise InvalidParameter(
            f'{source} pod does not go with the restart policy "{restart.name}": such a container runs in a Deployment'
        )
    return "deployment" if controlled else "pod"


def _resources(host: Json) -> Resources:
    quota, period = host.get("CpuQuota", 0), host.get("CpuPeriod", 0) or DEFAULT_CPU_PERIOD
    return Resources(
        memory=max(host.get("Memory", 0), 0),
        memory_reservation=max(host.get("MemoryReservation", 0), 0),
        nano_cpus=host.get("NanoCpus", 0) or min(max(quota, 0) * 10**9 // period, MOST),
        shm_size=host.get("ShmSize", 0),
    )


def _security(host: Json) -> Security:
    asked = dict(map(rules.security_option, host.get("SecurityOpt", ())))
    return Security(
        privileged=host.get("Privileged", False),
        cap_add=_capabilities(host.get("CapAdd", ())),
        cap_drop=_capabilities(host.get("CapDrop", ())),
        read_only_root=host.get("ReadonlyRootfs", False),
        no_new_privileges=asked.get("no-new-privileges", False),
        seccomp_unconfined=asked.get("seccomp", False),
        apparmor_unconfined=asked.get("apparmor", False),
        supplemental_groups=tuple(dict.fromkeys(map(rules.group_id, host.get("GroupAdd", ())))),
        sysctls=tuple(_texts(host.get("Sysctls", {})).items()),
    )


def _capabilities(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(rules.capability, values)))


def _platform(args: query.Args) -> str:
    text = (args.get("platform") or "").lower()
    system, *rest = text.split("/")
    if text and (len(rest) > 2 or not all(part.isascii() and part.isalnum() for part in (system, *rest))):
        raise InvalidParameter(
            f'"{text}" is an invalid component of platform: an operating system, architecture and variant are expected'
        )
    if system == "windows" or (rest and system != "linux"):
        raise InvalidParameter(f'platform "{text}" is not supported: pods run on linux')
    return text


def _together(config: Json, host: Json) -> tuple[str, ...]:
    """What fields say only together: Docker's conflicts, and warnings."""
    policy = (host.get("RestartPolicy", {}).get("Name") or "no") != "no"
    memory, swap, reservation = host.get("Memory", 0), host.get("MemorySwap", 0), host.get("MemoryReservation", 0)
    nano_cpus = host.get("NanoCpus", 0) > 0
    mode = host.get("NetworkMode", "")
    conflicts = (
        (policy and host.get("AutoRemove"), "can't create 'AutoRemove' container with restart policy"),
        (memory > 0 and 0 < swap < memory, "Minimum memoryswap limit should be larger than memory limit, see usage"),
        (memory == 0 and swap > 0, "You should always set the Memory limit when using Memoryswap limit, see usage"),
        (memory > 0 and reservation > memory, "Minimum memory limit can not be less than memory reservation limit, see usage"),
        (nano_cpus and host.get("CpuPeriod", 0) > 0, "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
        (nano_cpus and host.get("CpuQuota", 0) > 0, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        (host.get("UTSMode") == "host" and config.get("Hostname"), "conflicting options: hostname and the UTS mode"),
        (
            mode == "host" and host.get("Links"),
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
        ),
        (not config.get("Image"), "no command specified" if not config.get("Cmd") else "invalid reference format"),
    )
    for applies, sentence in conflicts:
        if applies:
            raise InvalidParameter(sentence)
    return tuple(_warnings_together(config, host))


def _warnings_together(config: Json, host: Json) -> list[str]:
    found = []
    swap = host.get("MemorySwap", 0)
    if swap not in (0, host.get("Memory", 0)):
        found.append("MemorySwap is not applied: a pod has the swap that its node gives")
    if config.get("Entrypoint") == [] and not config.get("Cmd"):
        found.append(NO_COMMAND_KNOWN)
    if config.get("Hostname") and host.get("NetworkMode") == "host":
        found.append("Hostname is not applied: a pod on its node's network has the node's name")
    if host.get("Links") and (host.get("NetworkMode") or "") in _ORDINARY:
        found.append("Links is applied in part: as things are at the start, without environment variables")
    if host.get("Dns") and (host.get("NetworkMode") or "") not in _UNNAMED:
        found.append("Dns replaces the cluster's name server: the names of other containers do not resolve in this one")
    publishes_all = host.get("PublishAllPorts", False)
    if host.get("NetworkMode") == "host" and (host.get("PortBindings") or publishes_all):
        found.append("Published ports are discarded when using host network mode")
    elif publishes_all and not config.get("ExposedPorts") and not host.get("PortBindings"):
        found.append(NO_PORTS_KNOWN)
    elif publishes_all:
        found += filter(None, (rules.not_published("PublishAllPorts", key) for key in config.get("ExposedPorts", ())))
    return found


def _warnings_with_image(spec: ContainerSpec, host: Json, warnings: tuple[str, ...]) -> tuple[str, ...]:
    """What is said of a request whose image is known."""
    if not (spec.entrypoint or spec.command):
        raise InvalidParameter("no command specified")
    found = [warning for warning in warnings if warning not in ON_TRUST]
    if host.get("PublishAllPorts") and not spec.ports and not spec.host_network:
        found.append(NO_PORTS)
    return tuple(found)


def _not_taken_away(spec: ContainerSpec, image: Json) -> Iterable[str]:
    """Variables without a value: Docker would take the image's away."""
    known = {entry.partition("=")[0] for entry in image.get("Env") or ()}
    for name, value in spec.env:
        if value is None and name in known:
            yield f"Env {name} is not applied: the image sets this variable, and a pod cannot take it away"


def _warnings_inside(spec: ContainerSpec, warnings: tuple[str, ...]) -> tuple[str, ...]:
    """kubedock needs no socket to reach itself, and no volumes; what runs cannot be chosen."""
    found = [warning for warning in warnings if warning not in (volumes.SOCKET_LEFT_OUT, volumes.VOLUMES)]
    if spec.entrypoint or spec.command:
        found.append("Entrypoint and Cmd are not applied: kubedock does Ryuk's work itself, its image is not run")
    return tuple(found)


def _endpoints(host: Json, networking: Json) -> dict[str, EndpointRequest]:
    """The networks that a container joins: those of EndpointsConfig, and the one of NetworkMode."""
    mode = host.get("NetworkMode") or "default"
    settings = {
        "bridge" if name in _ORDINARY else name: asked or {} for name, asked in networking.get("EndpointsConfig", {}).items()
    }
    if mode in ("host", "none") and set(settings) - {mode}:
        raise InvalidParameter("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
    if mode not in _UNNAMED or not settings:
        settings = {"bridge" if mode in _ORDINARY else mode: {}} | settings
    for name, asked in settings.items():
        if name in _UNNAMED and asked.get("Aliases"):
            raise AliasOnPredefined(f"invalid config for network {name}: ")
    links = host.get("Links", ()) if mode not in _ORDINARY else ()
    return {name: _endpoint(asked, links if name == mode else ()) for name, asked in settings.items()}


def _endpoint(asked: Json, more_links: Iterable[str] = ()) -> EndpointRequest:
    links = tuple(map(rules.link, (*(asked.get("Links") or ()), *more_links)))
    return EndpointRequest(tuple(dict.fromkeys(asked.get("Aliases") or ())), dict(asked), links)
