"""Views to Docker's JSON.

The shapes are those of API 1.47 with what all known clients read; older versions get theirs by ``versions``. Arrays and
objects may be null as in Docker, numbers, booleans and texts never are.
"""

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kubedock.dockerapi.defaults import host_config
from kubedock.dockerapi.health import health as health_json
from kubedock.domain import units
from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.domain.event import Event
from kubedock.domain.health import Health
from kubedock.domain.naming import peer_names
from kubedock.domain.network import Endpoint, Network
from kubedock.domain.status import Status
from kubedock.domain.view import ContainerView, NetworkView
from kubedock.domain.volume import Mount, Volume

Json = dict[str, Any]

DRIVER = "kubernetes"
LOCAL = "local"
VOLUME_ROOT = "/var/lib/docker/volumes"
DEFAULT_PREFIX = 16


# --- containers ----------------------------------------------------------------------------------------------------


def container_inspect(view: ContainerView) -> Json:
    """The reply of ``containers/X/json``."""
    record = view.record
    path, *arguments = _command_line(record.spec) or [""]
    return {
        "Id": record.id,
        "Created": units.rfc3339(record.created_at),
        "Path": path,
        "Args": arguments,
        "State": state(view.status) | ({"Health": health_json(view.health)} if view.health is not None else {}),
        "Image": record.image_id,
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": "",
        "Name": f"/{record.name}",
        "RestartCount": view.status.restart_count,
        "Driver": DRIVER,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(view.execs) or None,
        "HostConfig": host_config(record.spec),
        "GraphDriver": {"Name": DRIVER, "Data": {}},
        "Mounts": [_mount(mount) for mount in record.spec.mounts],
        "Config": _config(record),
        "NetworkSettings": _network_settings(view),
    }


def container_summary(view: ContainerView) -> Json:
    """One item of ``containers/json``."""
    record, spec = view.record, view.record.spec
    return {
        "Id": record.id,
        "Names": [f"/{record.name}"],
        "Image": spec.image,
        "ImageID": record.image_id,
        "Command": " ".join(f"'{word}'" if " " in word else word for word in _command_line(spec)),
        "Created": int(record.created_at.timestamp()),
        "Ports": _port_list(view),
        "Labels": dict(spec.labels),
        "State": view.status.state,
        "Status": status_text(view.status, view.now or record.created_at, view.health),
        "HostConfig": {"NetworkMode": host_config(spec)["NetworkMode"]},
        "NetworkSettings": {"Networks": _networks(view)},
        "Mounts": [_mount(mount) for mount in spec.mounts],
    }


def state(status: Status) -> Json:
    """Docker's State. The process's id is the node's secret, so Pid is 0."""
    return {
        "Status": status.state,
        "Running": status.running,
        "Paused": status.state == "paused",
        "Restarting": status.state == "restarting",
        "OOMKilled": status.oom_killed,
        "Dead": status.state == "dead",
        "Pid": 0,
        "ExitCode": status.exit_code,
        "Error": status.error,
        "StartedAt": units.rfc3339(status.started_at),
        "FinishedAt": units.rfc3339(status.finished_at),
    }


def status_text(status: Status, now: datetime, health: Health | None = None) -> str:
    """The words of ``docker ps``: ``Up 3 seconds (healthy)``, ``Exited (0) 2 minutes ago``."""
    match status.state:
        case "running":
            return f"Up {_age(status.started_at, now)}" + (f" ({health.words})" if health is not None else "")
        case "paused":
            return f"Up {_age(status.started_at, now)} (Paused)"
        case "restarting":
            return f"Restarting ({status.exit_code}) {_age(status.finished_at, now)} ago"
        case "removing":
            return "Removal In Progress"
        case "dead":
            return "Dead"
        case "created":
            return "Created"
    return f"Exited ({status.exit_code}) {_age(status.finished_at, now)} ago"


def _age(moment: datetime | None, now: datetime) -> str:
    return units.human_duration((now - moment).total_seconds() if moment is not None else 0)


def _command_line(spec: ContainerSpec) -> list[str]:
    """What is known of the command; the image's own is not."""
    return [*(spec.entrypoint or ()), *(spec.command or ())]


def _config(record: ContainerRecord) -> Json:
    spec, asked = record.spec, record.spec.asked
    shown: Json = {
        "Hostname": spec.hostname or record.short_id,
        "Domainname": spec.domainname,
        "User": asked.get("User", ""),
        "AttachStdin": asked.get("AttachStdin", False),
        "AttachStdout": asked.get("AttachStdout", False),
        "AttachStderr": asked.get("AttachStderr", False),
        "ExposedPorts": {port.key: {} for port in spec.ports},
        "Tty": spec.tty,
        "OpenStdin": spec.open_stdin,
        "StdinOnce": spec.stdin_once,
        "Env": [f"{name}={value}" for name, value in spec.env if value is not None],
        "Cmd": _words(spec.command),
        "Image": spec.image,
        "Volumes": asked.get("Volumes") or None,
        "WorkingDir": spec.working_dir,
        "Entrypoint": _words(spec.entrypoint),
        "OnBuild": asked.get("OnBuild"),
        "Labels": dict(spec.labels),
    }
    # As in Docker, these are there only where they were asked for.
    return shown | {key: asked[key] for key in ("Healthcheck", "StopSignal", "StopTimeout", "Shell", "MacAddress") if key in asked}


def _words(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)


def _mount(mount: Mount) -> Json:
    shown: Json = {
        "Type": mount.kind,
        "Source": "",
        "Destination": mount.target,
        "Mode": "",
        "RW": not mount.read_only,
        "Propagation": "",
    }
    if mount.kind == "volume":
        shown |= {"Name": mount.source, "Source": _mountpoint(mount.source), "Driver": LOCAL}
    return shown


def _network_settings(view: ContainerView) -> Json:
    networks = _networks(view)
    # The old fields at the top are those of the default network, as in Docker.
    bridge = networks.get("bridge") or {}
    texts = ("EndpointID", "Gateway", "GlobalIPv6Address", "IPAddress", "IPv6Gateway", "MacAddress")
    return {
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "Ports": _port_map(view),
        **{key: bridge.get(key, "") for key in texts},
        **{key: bridge.get(key, 0) for key in ("IPPrefixLen", "GlobalIPv6PrefixLen")},
        "Networks": networks,
    }


def _port_map(view: ContainerView) -> Json:
    """Inspect's ports: null where one is not published."""
    if not view.has_ports:
        return {}
    found: dict[str, list[Json] | None] = {port.key: None for port in view.record.spec.ports}
    for each in view.published:
        found[each.key] = [*(found.get(each.key) or ()), {"HostIp": each.host_ip, "HostPort": str(each.host_port)}]
    return found


def _port_list(view: ContainerView) -> list[Json]:
    """The list's ports, one item per address."""
    if not view.has_ports:
        return []
    shown = [
        {"IP": each.host_ip, "PrivatePort": each.number, "PublicPort": each.host_port, "Type": each.protocol}
        for each in view.published
    ]
    known = {each.key for each in view.published}
    return [
        *shown,
        *({"PrivatePort": port.number, "Type": port.protocol} for port in view.record.spec.ports if port.key not in known),
    ]


def _networks(view: ContainerView) -> Json:
    """The container's places by network name; the address is the pod's on all of them."""
    found: Json = {}
    for key, endpoint in view.record.endpoints.items():
        network = view.networks.get(endpoint.network_id)
        found[network.name if network is not None else key] = _endpoint(view, endpoint, network)
    return found


def _endpoint(view: ContainerView, endpoint: Endpoint, network: Network | None) -> Json:
    ip, alive = view.ip, view.status.running
    six = ":" in ip
    length = _prefix_length(_pool(network), ip)
    asked = endpoint.asked
    bridged = network is not None and network.driver == "bridge"
    # As in Docker, names are given at a start, and shown on.
    named = bridged and network is not None and not network.predefined and view.record.run > 0
    return {
        "IPAMConfig": asked.get("IPAMConfig"),
        "Links": asked.get("Links"),
        "Aliases": list(endpoint.aliases) or None,
        "MacAddress": _mac_address(ip),
        "DriverOpts": asked.get("DriverOpts"),
        "NetworkID": endpoint.network_id,
        "EndpointID": endpoint.endpoint_id if alive else "",
        "Gateway": view.gateway if alive and bridged else "",
        "IPAddress": "" if six else ip,
        "IPPrefixLen": 0 if six or not ip else length,
        "IPv6Gateway": "",
        "GlobalIPv6Address": ip if six else "",
        "GlobalIPv6PrefixLen": length if six else 0,
        "DNSNames": list(peer_names(view.record, endpoint)) if named else None,
    }


def _mac_address(ip: str) -> str:
    """As Docker derives it from an address: a locally administered one with its last four bytes. The pod's own is not told."""
    return "02:42:" + ipaddress.ip_address(ip).packed[-4:].hex(":") if ip else ""


def _pool(network: Network | None) -> Mapping[str, str]:
    pools = (network.ipam.get("Config") or ()) if network is not None else ()
    return next(iter(pools), {})


def _prefix_length(pool: Mapping[str, str], ip: str) -> int:
    """The length that clients read beside an address: the subnet's of the network, not the cluster's."""
    try:
        subnet = ipaddress.ip_network(pool.get("Subnet", ""), strict=False)
    except ValueError:
        return 64 if ":" in ip else DEFAULT_PREFIX
    return subnet.prefixlen if (subnet.version == 6) == (":" in ip) else 64 if ":" in ip else DEFAULT_PREFIX


# --- networks and volumes ------------------------------------------------------------------------------------------


def network(view: NetworkView) -> Json:
    """One network, as list and inspect show it."""
    shown = view.network
    return {
        "Name": shown.name,
        "Id": shown.id,
        "Created": units.rfc3339(shown.created_at),
        "Scope": LOCAL,
        "Driver": shown.driver,
        "EnableIPv4": True,
        "EnableIPv6": shown.enable_ipv6,
        "IPAM": {
            "Driver": shown.ipam.get("Driver") or "default",
            "Options": shown.ipam.get("Options"),
            "Config": list(shown.ipam.get("Config") or ()),
        },
        "Internal": shown.internal,
        "Attachable": shown.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {member.record.id: _member(member, shown) for member in view.members},
        "Options": dict(shown.options),
        "Labels": dict(shown.labels),
    }


def _member(member: ContainerView, network: Network) -> Json:
    ip = member.ip
    address = f"{ip}/{_prefix_length(_pool(network), ip)}" if ip else ""
    endpoint = member.record.endpoints.get(network.id)
    return {
        "Name": member.record.name,
        "EndpointID": endpoint.endpoint_id if endpoint is not None else "",
        "MacAddress": _mac_address(ip),
        "IPv4Address": "" if ":" in ip else address,
        "IPv6Address": address if ":" in ip else "",
    }


def volume(shown: Volume) -> Json:
    """One volume."""
    return {
        "Name": shown.name,
        "Driver": shown.driver,
        "Mountpoint": _mountpoint(shown.name),
        "CreatedAt": units.rfc3339(shown.created_at.replace(microsecond=0)),
        "Labels": dict(shown.labels),
        "Scope": LOCAL,
        "Options": dict(shown.options),
    }


def _mountpoint(name: str) -> str:
    return f"{VOLUME_ROOT}/{name}/_data"


# --- events --------------------------------------------------------------------------------------------------------


def event(shown: Event) -> Json:
    """One event, with the fields that clients before API 1.52 read beside."""
    nanoseconds = units.nanoseconds(shown.at)
    old: Json = {}
    if shown.kind in ("container", "image"):
        old = {"status": shown.action, "id": shown.actor}
    if shown.kind == "container":
        old["from"] = shown.attributes.get("image", "")
    return {
        **old,
        "Type": shown.kind,
        "Action": shown.action,
        "Actor": {"ID": shown.actor, "Attributes": dict(shown.attributes)},
        "scope": LOCAL,
        "time": nanoseconds // 10**9,
        "timeNano": nanoseconds,
    }


# --- small replies -------------------------------------------------------------------------------------------------


def created(container_id: str, warnings: tuple[str, ...]) -> Json:
    """The reply of ``containers/create``."""
    return {"Id": container_id, "Warnings": list(warnings)}


def waited(exit_code: int, error: str = "") -> Json:
    """The reply of ``containers/X/wait``."""
    return {"StatusCode": exit_code, **({"Error": {"Message": error}} if error else {})}
