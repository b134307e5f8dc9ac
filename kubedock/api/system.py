"""The engine itself: ping, version, info, disk usage, and the plugins that there are not."""

from typing import Any

from flask import Response, request

from kubedock import __version__
from kubedock.api.context import API_VERSION, MIN_API_VERSION, engine
from kubedock.api.operation import Group
from kubedock.api.replies import reply
from kubedock.dockerapi import encode, images
from kubedock.domain import units
from kubedock.domain.image import HUB
from kubedock.engine.containers import ListQuery
from kubedock.engine.system import Info
from kubedock.errors import InvalidParameter

group = Group("system")

ENGINE_VERSION = "27.5.1"
"""The Docker Engine that speaks this API; clients compare it with what they need."""

UNKNOWN = "unknown"
"""For what only a program written in Go has."""

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_TYPES = {"container": "Containers", "image": "Images", "volume": "Volumes", "build-cache": "BuildCache"}


def _pinged(text: str) -> Response:
    response = Response(text, content_type="text/plain; charset=utf-8")
    response.headers["Builder-Version"] = "1"
    response.headers["Swarm"] = "inactive"
    response.headers["Cache-Control"] = "no-cache, no-store, must-revalidate"
    response.headers["Pragma"] = "no-cache"
    return response


@group.operation("SystemPing", "GET /_ping")
def ping() -> Response:
    """The server is there."""
    return _pinged("OK")


@group.operation("SystemPingHead", "HEAD /_ping")
def ping_head() -> Response:
    """The server is there, in few bytes."""
    return _pinged("")


@group.operation("SystemVersion", "GET /version")
def version() -> Response:
    """Versions of kubedock, of the API and of the cluster."""
    found = engine().system.version()
    details = {
        "ApiVersion": API_VERSION,
        "MinAPIVersion": MIN_API_VERSION,
        "Os": found.platform,
        "Arch": found.architecture,
        "KernelVersion": found.kernel,
        "GitCommit": UNKNOWN,
        "GoVersion": UNKNOWN,
        "BuildTime": UNKNOWN,
        "Experimental": "false",
    }
    components = [{"Name": "Engine", "Version": ENGINE_VERSION, "Details": details}]
    components.append({"Name": "kubedock", "Version": found.kubedock, "Details": {}})
    if found.cluster:
        components.append({"Name": "Kubernetes", "Version": found.cluster, "Details": {}})
    return reply(
        {
            **details,
            "Platform": {"Name": f"kubedock {found.kubedock}"},
            "Version": ENGINE_VERSION,
            "Experimental": False,
            "Components": components,
        }
    )


@group.operation("SystemInfo", "GET /info", note="CPUs and memory of the nodes where they may be listed")
def info() -> Response:
    """The cluster as an engine."""
    return reply(_info(engine().system.info()))


def _info(found: Info) -> dict[str, Any]:
    size = found.capacity
    return {
        "ID": found.id,
        "Name": f"kubedock-{found.namespace}",
        "ServerVersion": ENGINE_VERSION,
        "OperatingSystem": f"Kubernetes {found.cluster_version}".strip(),
        "OSType": "linux",
        "OSVersion": size.operating_system,
        "Architecture": _MACHINES.get(size.architecture, size.architecture),
        "KernelVersion": size.kernel,
        "NCPU": size.cpus,
        "MemTotal": size.memory,
        "Containers": found.running + found.paused + found.stopped,
        "ContainersRunning": found.running,
        "ContainersPaused": found.paused,
        "ContainersStopped": found.stopped,
        "Images": found.images,
        "Driver": "kubernetes",
        "DriverStatus": [["Namespace", found.namespace], ["Nodes", str(size.nodes or "unknown")], ["kubedock", __version__]],
        "DockerRootDir": "/var/lib/docker",
        "Labels": [],
        "Warnings": list(found.warnings),
        "SystemTime": units.rfc3339(found.now),
        "RegistryConfig": _registries(found),
        **_CONSTANT,
    }


def _registries(found: Info) -> dict[str, Any]:
    """Docker's engine has mirrors of Docker Hub alone; a prefix of ours stands before the URL."""
    hub = {"Name": HUB, "Mirrors": list(found.mirrors), "Secure": True, "Official": True}
    lax = {host: {"Name": host, "Mirrors": [], "Secure": False, "Official": False} for host in found.insecure}
    return {"IndexConfigs": {HUB: hub, **lax}, "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"], "Mirrors": list(found.mirrors)}


_CONSTANT: dict[str, Any] = {
    "MemoryLimit": True,
    "SwapLimit": False,
    "CpuCfsPeriod": False,
    "CpuCfsQuota": False,
    "CPUShares": False,
    "CPUSet": False,
    "PidsLimit": False,
    "OomKillDisable": False,
    "IPv4Forwarding": True,
    "Debug": False,
    "NFd": 0,
    "NGoroutines": 0,
    "NEventsListener": 0,
    "LoggingDriver": "json-file",
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "IndexServerAddress": "https://index.docker.io/v1/",
    "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Authorization": [], "Log": ["json-file"]},
    "Swarm": {
        "NodeID": "",
        "NodeAddr": "",
        "LocalNodeState": "inactive",
        "ControlAvailable": False,
        "Error": "",
        "RemoteManagers": None,
    },
    "Runtimes": {"kubernetes": {"path": "kubernetes"}},
    "DefaultRuntime": "kubernetes",
    "SecurityOptions": [],
    "ExperimentalBuild": False,
    "LiveRestoreEnabled": False,
    "Isolation": "",
    "InitBinary": "",
    "HttpProxy": "",
    "HttpsProxy": "",
    "NoProxy": "",
    "GenericResources": [],
    "DefaultAddressPools": [],
    "CDISpecDirs": [],
}


@group.operation("SystemDataUsage", "GET /system/df", outcome="partly", note="sizes are 0: the nodes know them")
def disk_usage() -> Response:
    """Things and their users."""
    wanted = request.args.getlist("type") or list(_TYPES)
    for kind in wanted:
        if kind not in _TYPES:
            raise InvalidParameter(f"unknown object type: {kind}")
    found = engine().system.disk_usage()
    shown_images = [images.summary(image, found.image_users.get(image.id, 0)) for image in found.images]
    volumes = [
        {**encode.volume(volume), "UsageData": {"Size": -1, "RefCount": found.volume_users.get(volume.name, 0)}}
        for volume in found.volumes
    ]
    containers = engine().containers.list(ListQuery(all=True))
    everything: dict[str, Any] = {
        "Containers": [encode.container_summary(view) for view in containers],
        "Images": shown_images,
        "Volumes": volumes,
        "BuildCache": [],
    }
    chosen = {_TYPES[kind] for kind in wanted}
    shown = {key: value for key, value in everything.items() if key in chosen}
    return reply({"LayersSize": 0, **shown} if "Images" in shown else shown)


@group.operation("BuildPrune", "POST /build/prune", note="nothing is built here, so there is no cache")
def prune_build_cache() -> Response:
    """Nothing: ``docker system prune`` asks for it."""
    return reply({"CachesDeleted": [], "SpaceReclaimed": 0})


@group.operation("PluginList", "GET /plugins", note="there are none")
def plugins() -> Response:
    """None."""
    return reply([])
