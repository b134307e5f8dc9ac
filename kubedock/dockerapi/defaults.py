"""What Docker shows of a container or an image where nothing was asked for."""

from typing import Any

from kubedock.dockerapi.rules import MASKED_PATHS, READONLY_PATHS
from kubedock.domain.container import ContainerSpec

Json = dict[str, Any]

SHM_SIZE = 64 * 1024 * 1024


def _host_defaults() -> Json:
    lists = """
    Binds VolumesFrom CapAdd CapDrop ExtraHosts GroupAdd Links SecurityOpt DeviceCgroupRules DeviceRequests Ulimits
    """
    texts = """
    ContainerIDFile VolumeDriver Cgroup PidMode UTSMode UsernsMode Isolation CgroupParent CpusetCpus CpusetMems
    """
    numbers = """
    OomScoreAdj CpuShares Memory NanoCpus BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime MemoryReservation
    MemorySwap PidsLimit CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth
    """
    empties = """
    Dns DnsOptions DnsSearch Devices
    BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps
    """
    flags = "AutoRemove Privileged PublishAllPorts ReadonlyRootfs OomKillDisable"
    return {
        **dict.fromkeys(lists.split()),
        **dict.fromkeys(texts.split(), ""),
        **dict.fromkeys(numbers.split(), 0),
        **dict.fromkeys(flags.split(), False),
        **{key: [] for key in empties.split()},
        "PortBindings": {},
        "ConsoleSize": [0, 0],
        "CgroupnsMode": "private",
        "IpcMode": "private",
        "ShmSize": SHM_SIZE,
        "Runtime": "runc",
        "MaskedPaths": sorted(MASKED_PATHS),
        "ReadonlyPaths": sorted(READONLY_PATHS),
    }


def host_config(spec: ContainerSpec) -> Json:
    """What was asked, merged with Docker's defaults; an empty text or number is a default."""
    asked = spec.asked.get("HostConfig") or {}
    shown = _host_defaults()
    shown |= {key: value for key, value in asked.items() if value or key not in shown}
    # What applies, not what was asked: docker-py shows no output for other log drivers.
    shown["LogConfig"] = {"Type": "json-file", "Config": {}}
    shown["RestartPolicy"] = {"Name": spec.restart.name, "MaximumRetryCount": spec.restart.maximum_retries}
    shown["NetworkMode"] = "bridge" if spec.network_mode in ("", "default") else spec.network_mode
    return shown


def image_config() -> Json:
    """The configuration of an image of which nothing is known: never null, clients look into it."""
    return {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "ExposedPorts": {},
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": [],
        "Cmd": None,
        "Image": "",
        "Volumes": {},
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": {},
    }
