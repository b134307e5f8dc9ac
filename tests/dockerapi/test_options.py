"""The option table: complete against Docker's YAML, and every row's outcome by example."""

from dataclasses import replace

import pytest

from kubedock.dockerapi import decode, options
from kubedock.errors import InvalidParameter, NotImplemented
from tests.support.swagger import contract

QUIET = None


def documented() -> set[str]:
    """Every field of a create request, as Docker's YAML has it."""
    definitions = contract().definitions

    def fields(name: str) -> set[str]:
        found = set()
        for part in definitions[name].get("allOf", [definitions[name]]):
            found |= fields(part["$ref"].rpartition("/")[2]) if "$ref" in part else set(part.get("properties", {}))
        return found

    places = {
        "": "ContainerConfig",
        options.HOST: "HostConfig",
        options.MOUNT: "Mount",
        "NetworkingConfig.": "NetworkingConfig",
        options.ENDPOINT: "EndpointSettings",
    }
    return {prefix + field for prefix, name in places.items() for field in fields(name)}


def test_every_field_of_docker_has_a_row_and_every_row_a_field():
    """Nothing is dropped in silence."""
    paths = [row.path for row in options.table()]

    assert len(paths) == len(set(paths))
    assert set(paths) == documented()


def test_the_docs_show_every_row():
    """One line each, with its outcome and its reason."""
    lines = options.markdown().splitlines()

    assert len(lines) == 2 + len(options.table())
    assert "| `Hostname` | honoured | Its first label made valid for Kubernetes; a warning where that differs. |" in lines
    assert all(row.note for row in options.table() if row.outcome != "honoured")


VOLUME = {"Type": "volume", "Source": "data", "Target": "/data"}
VOLUMES = "Volumes are empty directories of the container's pod: nothing is shared, and nothing is left when it ends."
SOCKET = "docker.sock is not mounted: the container cannot reach kubedock through it"
LINKS = "Links is applied in part: as things are at the start, without environment variables"
ADDRESS = "the cluster's network chooses a pod's addresses"
KUBELET = "the kubelet has no such limit for a pod"
BLOCKS = "Kubernetes does not limit block devices"
DEVICES = "devices of a node come from Kubernetes' device plugins"
WINDOWS = "it exists on Windows only"
THROTTLE = [{"Path": "/dev/sda", "Rate": 1}]
NO_NAMES = 'User "{}" is not supported: names cannot be looked up in the image yet, give numbers as in "1000:1000"'
NO_BIND = "binds of host paths are not supported yet: the container runs on another machine, where {} would be empty"
JOIN = "a pod cannot join another one's {}"

# path, value, what is said of it: nothing, warnings, or an error.
EXAMPLES = [
    ("Hostname", "db", QUIET),
    ("Hostname", "My_Host.local", ['Hostname "My_Host.local" is no host name for Kubernetes: the container sees "my-host"']),
    ("Hostname", "___", ['Hostname "___" is no host name for Kubernetes: the container sees its pod\'s name']),
    ("Hostname", "x" * 65, InvalidParameter(f'hostname "{"x" * 65}" is too long (maximum 64 bytes)')),
    ("Domainname", "", QUIET),
    ("Domainname", "local", ["Domainname is not applied: a pod's domain is its cluster's"]),
    ("User", "1000", QUIET),
    ("User", "1000:1000", QUIET),
    ("User", "root", QUIET),
    ("User", "", QUIET),
    ("User", "postgres", NotImplemented(NO_NAMES.format("postgres"))),
    ("User", "1000:staff", NotImplemented(NO_NAMES.format("1000:staff"))),
    ("User", "2147483648", InvalidParameter("uids and gids must be in range 0-2147483647")),
    ("AttachStdin", True, QUIET),
    ("AttachStdout", True, QUIET),
    ("AttachStderr", False, QUIET),
    ("ExposedPorts", {"80/tcp": {}, "53/udp": None}, QUIET),
    ("ExposedPorts", {"http": {}}, InvalidParameter('invalid port specification: "http"')),
    ("Tty", True, QUIET),
    ("OpenStdin", True, QUIET),
    ("StdinOnce", True, QUIET),
    ("Env", ["A=1", "B", "C="], QUIET),
    ("Env", ["=x"], InvalidParameter("invalid environment variable: =x")),
    ("Cmd", ["sh"], QUIET),
    ("Cmd", "sh", QUIET),
    ("Healthcheck", {"Test": ["NONE"]}, QUIET),
    ("Healthcheck", {"Test": []}, QUIET),
    ("Healthcheck", {"Test": ["CMD", "true"], "Interval": 10**9}, QUIET),
    ("Healthcheck", {"Interval": 10**9}, ["Healthcheck is not applied without a Test: the image's own check is not known"]),
    ("Healthcheck", {"Interval": 5}, InvalidParameter("Interval in Healthcheck cannot be less than 1ms")),
    ("Healthcheck", {"Retries": -1}, InvalidParameter("Retries in Healthcheck cannot be negative")),
    ("ArgsEscaped", True, QUIET),
    ("Image", "quay.io/a/b:t", QUIET),
    ("Image", "sha256:" + "0" * 64, QUIET),
    ("Image", "A b", InvalidParameter("invalid reference format: repository name (library/A b) must be lowercase")),
    ("Image", "", InvalidParameter("no command specified")),
    ("Volumes", {"/data": {}}, [VOLUMES]),
    ("Volumes", {}, QUIET),
    ("Volumes", {"data": {}}, InvalidParameter("invalid mount path: 'data' mount path must be absolute")),
    ("Volumes", {"/": {}}, InvalidParameter("invalid specification: destination can't be '/'")),
    ("WorkingDir", "/srv", QUIET),
    ("WorkingDir", "srv", InvalidParameter("the working directory 'srv' is invalid, it needs to be an absolute path")),
    ("Entrypoint", ["/bin/sh", "-c"], QUIET),
    ("Entrypoint", "/bin/sh", QUIET),
    ("Entrypoint", [], ["Entrypoint [] is not applied without a Cmd: the image's command is not known"]),
    ("Entrypoint", [""], InvalidParameter("no command specified")),
    ("NetworkDisabled", True, ["NetworkDisabled is not applied: every pod is on the cluster's network"]),
    ("MacAddress", "02:42:ac:11:00:02", [f"MacAddress is not applied: {ADDRESS}"]),
    ("OnBuild", ["RUN x"], QUIET),
    ("Labels", {"a": "b", "c": None}, QUIET),
    ("StopSignal", "SIGINT", QUIET),
    ("StopSignal", "", QUIET),
    ("StopSignal", "SIGNOPE", InvalidParameter("invalid signal: SIGNOPE")),
    ("StopTimeout", 3, QUIET),
    ("Shell", ["/bin/bash"], QUIET),
    ("HostConfig.CpuShares", 512, ["CpuShares is not applied: Kubernetes derives shares from CPU requests"]),
    ("HostConfig.CpuShares", 0, QUIET),
    ("HostConfig.Memory", 64 * 2**20, QUIET),
    ("HostConfig.Memory", 6 * 2**20 - 1, InvalidParameter("Minimum memory limit allowed is 6MB")),
    ("HostConfig.Memory", -1, InvalidParameter("Minimum memory limit allowed is 6MB")),
    ("HostConfig.CgroupParent", "/x", ["CgroupParent is not applied: the kubelet places a pod's cgroup"]),
    ("HostConfig.BlkioWeight", 500, [f"BlkioWeight is not applied: {BLOCKS}"]),
    ("HostConfig.BlkioWeightDevice", [{"Path": "/dev/sda", "Weight": 1}], [f"BlkioWeightDevice is not applied: {BLOCKS}"]),
    ("HostConfig.BlkioDeviceReadBps", THROTTLE, [f"BlkioDeviceReadBps is not applied: {BLOCKS}"]),
    ("HostConfig.BlkioDeviceWriteBps", THROTTLE, [f"BlkioDeviceWriteBps is not applied: {BLOCKS}"]),
    ("HostConfig.BlkioDeviceReadIOps", THROTTLE, [f"BlkioDeviceReadIOps is not applied: {BLOCKS}"]),
    ("HostConfig.BlkioDeviceWriteIOps", THROTTLE, [f"BlkioDeviceWriteIOps is not applied: {BLOCKS}"]),
    ("HostConfig.CpuPeriod", 50_000, QUIET),
    (
        "HostConfig.CpuPeriod",
        10,
        InvalidParameter("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"),
    ),
    ("HostConfig.CpuQuota", 50_000, QUIET),
    ("HostConfig.CpuQuota", -1, QUIET),
    ("HostConfig.CpuQuota", 10, InvalidParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")),
    ("HostConfig.CpuRealtimePeriod", 1, [f"CpuRealtimePeriod is not applied: {KUBELET}"]),
    ("HostConfig.CpuRealtimeRuntime", 1, [f"CpuRealtimeRuntime is not applied: {KUBELET}"]),
    ("HostConfig.CpusetCpus", "0-1", ["CpusetCpus is not applied: the kubelet's CPU manager assigns processors"]),
    ("HostConfig.CpusetMems", "0", ["CpusetMems is not applied: the kubelet's memory manager assigns memory nodes"]),
    ("HostConfig.Devices", [{"PathOnHost": "/dev/kvm"}], NotImplemented(f"Devices is not supported: {DEVICES}")),
    ("HostConfig.Devices", [], QUIET),
    ("HostConfig.DeviceCgroupRules", ["c 1:1 r"], NotImplemented(f"DeviceCgroupRules is not supported: {DEVICES}")),
    ("HostConfig.DeviceRequests", [{"Count": -1}], NotImplemented(f"DeviceRequests is not supported: {DEVICES}")),
    ("HostConfig.KernelMemoryTCP", 1, [f"KernelMemoryTCP is not applied: {KUBELET}"]),
    ("HostConfig.MemoryReservation", 64 * 2**20, QUIET),
    ("HostConfig.MemoryReservation", 1, InvalidParameter("Minimum memory reservation allowed is 6MB")),
    ("HostConfig.MemorySwap", -1, ["MemorySwap is not applied: a pod has the swap that its node gives"]),
    ("HostConfig.MemorySwap", 0, QUIET),
    ("HostConfig.MemorySwap", 1, InvalidParameter("You should always set the Memory limit when using Memoryswap limit, see usage")),
    ("HostConfig.MemorySwappiness", -1, QUIET),
    ("HostConfig.MemorySwappiness", 60, ["MemorySwappiness is not applied: swap is the node's affair"]),
    ("HostConfig.NanoCpus", 500_000_000, QUIET),
    ("HostConfig.NanoCpus", -1, InvalidParameter("range of CPUs is from 0.01 to what a node of the cluster has")),
    ("HostConfig.OomKillDisable", False, QUIET),
    ("HostConfig.OomKillDisable", True, [f"OomKillDisable is not applied: {KUBELET}"]),
    ("HostConfig.Init", False, QUIET),
    ("HostConfig.Init", True, ["Init is not applied: the container's own process is PID 1 of its pod"]),
    ("HostConfig.PidsLimit", -1, QUIET),
    ("HostConfig.PidsLimit", 100, ["PidsLimit is not applied: the kubelet limits processes for a whole node"]),
    (
        "HostConfig.Ulimits",
        [{"Name": "nofile", "Soft": 1, "Hard": 1}],
        ["Ulimits is not applied: the container has the limits of its node's container runtime"],
    ),
    ("HostConfig.CpuCount", 1, [f"CpuCount is not applied: {WINDOWS}"]),
    ("HostConfig.CpuPercent", 1, [f"CpuPercent is not applied: {WINDOWS}"]),
    ("HostConfig.IOMaximumIOps", 1, [f"IOMaximumIOps is not applied: {WINDOWS}"]),
    ("HostConfig.IOMaximumBandwidth", 1, [f"IOMaximumBandwidth is not applied: {WINDOWS}"]),
    ("HostConfig.Binds", ["data:/data:ro"], [VOLUMES]),
    ("HostConfig.Binds", ["/data"], [VOLUMES]),
    ("HostConfig.Binds", ["/var/run/docker.sock:/var/run/docker.sock:rw"], [SOCKET]),
    ("HostConfig.Binds", ["//var/run/docker.sock:/x"], [SOCKET]),
    ("HostConfig.Binds", ["/tmp/own.sock:/var/run/docker.sock"], [SOCKET]),
    ("HostConfig.Binds", ["data:/data", "/run/docker.sock:/run/docker.sock"], [VOLUMES, SOCKET]),
    ("HostConfig.Binds", ["/etc:/etc"], NotImplemented(NO_BIND.format("/etc"))),
    ("HostConfig.Binds", ["data:/data:what"], InvalidParameter("invalid mode: what")),
    ("HostConfig.Binds", ["/foo:rw"], InvalidParameter("invalid volume specification: '/foo:rw'")),
    ("HostConfig.Binds", ["a:b:c:d"], InvalidParameter("invalid volume specification: 'a:b:c:d'")),
    ("HostConfig.Binds", [""], InvalidParameter("invalid volume specification: ''")),
    (
        "HostConfig.Binds",
        ["data:rel"],
        InvalidParameter(
            "invalid volume specification: 'data:rel': invalid mount config for type \"volume\":"
            " invalid mount path: 'rel' mount path must be absolute"
        ),
    ),
    ("HostConfig.Binds", ["data:/x", "more:/x/"], InvalidParameter("Duplicate mount point: /x")),
    ("HostConfig.ContainerIDFile", "/tmp/x", QUIET),
    ("HostConfig.LogConfig", {"Type": "", "Config": {}}, QUIET),
    ("HostConfig.LogConfig", {"Type": "json-file", "Config": None}, QUIET),
    (
        "HostConfig.LogConfig",
        {"Type": "syslog"},
        ["LogConfig syslog is not applied: the kubelet keeps the logs, as with json-file"],
    ),
    (
        "HostConfig.LogConfig",
        {"Type": "json-file", "Config": {"max-size": "1m"}},
        ["LogConfig's options are not applied: the kubelet rotates the logs"],
    ),
    ("HostConfig.NetworkMode", "host", QUIET),
    ("HostConfig.NetworkMode", "default", QUIET),
    ("HostConfig.NetworkMode", "none", ["NetworkMode none is not applied: every pod is on the cluster's network"]),
    ("HostConfig.NetworkMode", "web", QUIET),
    ("HostConfig.NetworkMode", "container:x", NotImplemented(f"NetworkMode container: is not supported: {JOIN.format('network')}")),
    (
        "HostConfig.NetworkMode",
        "container:",
        InvalidParameter("invalid network mode: invalid container format container:<name|id>"),
    ),
    ("HostConfig.PortBindings", {}, QUIET),
    ("HostConfig.PortBindings", {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000-8010"}, {}], "81": None}, QUIET),
    (
        "HostConfig.PortBindings",
        {"53/udp": None, "9/sctp": []},
        [f"PortBindings {key} is not applied: only TCP ports are published" for key in ("53/udp", "9/sctp")],
    ),
    ("HostConfig.PortBindings", {"80/tcp": [{"HostIp": "web"}]}, InvalidParameter("invalid IP address: web")),
    ("HostConfig.PortBindings", {"80/tcp": [{"HostPort": "x"}]}, InvalidParameter('invalid port specification: "x"')),
    ("HostConfig.RestartPolicy", {"Name": "always"}, QUIET),
    ("HostConfig.RestartPolicy", {"Name": "", "MaximumRetryCount": 0}, QUIET),
    (
        "HostConfig.RestartPolicy",
        {"Name": "on-failure", "MaximumRetryCount": -1},
        InvalidParameter("invalid restart policy: maximum retry count cannot be negative"),
    ),
    (
        "HostConfig.RestartPolicy",
        {"Name": "always", "MaximumRetryCount": 1},
        InvalidParameter("invalid restart policy: maximum retry count can only be used with 'on-failure'"),
    ),
    (
        "HostConfig.RestartPolicy",
        {"Name": "no", "MaximumRetryCount": -1},
        InvalidParameter("invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative"),
    ),
    (
        "HostConfig.RestartPolicy",
        {"Name": "maybe"},
        InvalidParameter(
            "invalid restart policy: unknown policy 'maybe'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        ),
    ),
    ("HostConfig.AutoRemove", True, QUIET),
    ("HostConfig.VolumeDriver", "local", QUIET),
    ("HostConfig.VolumeDriver", "nfs", ["VolumeDriver is not applied: volumes are the cluster's"]),
    (
        "HostConfig.VolumesFrom",
        ["x"],
        NotImplemented("VolumesFrom is not supported: pods share no volumes yet, the directories would be empty"),
    ),
    ("HostConfig.Mounts", [VOLUME], [VOLUMES]),
    ("HostConfig.Mounts", [{"Type": "tmpfs", "Target": "/t"}], QUIET),
    ("HostConfig.Mounts", [{"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/var/run/docker.sock"}], [SOCKET]),
    ("HostConfig.Mounts", [{"Type": "bind", "Source": "/etc", "Target": "/x"}], NotImplemented(NO_BIND.format("/etc"))),
    (
        "HostConfig.Mounts",
        [{"Type": "image", "Source": "x", "Target": "/x"}],
        NotImplemented("mounts of type image are not supported: a pod has no such thing"),
    ),
    (
        "HostConfig.Mounts",
        [{"Type": "x", "Target": "/x"}],
        InvalidParameter('invalid mount config for type "x": mount type unknown'),
    ),
    (
        "HostConfig.Mounts",
        [{"Type": "volume"}],
        InvalidParameter('invalid mount config for type "volume": field Target must not be empty'),
    ),
    (
        "HostConfig.Mounts",
        [{"Type": "bind", "Target": "/x"}],
        InvalidParameter('invalid mount config for type "bind": field Source must not be empty'),
    ),
    (
        "HostConfig.Mounts",
        [{"Type": "bind", "Source": "x", "Target": "/x"}],
        InvalidParameter("invalid mount config for type \"bind\": invalid mount path: 'x' mount path must be absolute"),
    ),
    (
        "HostConfig.Mounts",
        [{"Type": "tmpfs", "Source": "x", "Target": "/x"}],
        InvalidParameter('invalid mount config for type "tmpfs": field Source must not be specified'),
    ),
    (
        "HostConfig.Mounts",
        [{"Type": "tmpfs", "Target": "/x", "VolumeOptions": {}}],
        InvalidParameter('invalid mount config for type "tmpfs": field VolumeOptions must not be specified'),
    ),
    ("HostConfig.ConsoleSize", [24, 80], QUIET),
    ("HostConfig.Annotations", {"a": "b"}, ["Annotations is not applied: they are addressed to an OCI runtime"]),
    ("HostConfig.CapAdd", ["NET_ADMIN", "cap_sys_time"], QUIET),
    ("HostConfig.CapAdd", ["NOPE"], InvalidParameter('invalid CapAdd: unknown capability: "CAP_NOPE"')),
    ("HostConfig.CapDrop", ["ALL"], QUIET),
    ("HostConfig.CapDrop", ["NOPE"], InvalidParameter('invalid CapDrop: unknown capability: "CAP_NOPE"')),
    ("HostConfig.CgroupnsMode", "private", QUIET),
    ("HostConfig.CgroupnsMode", "host", ["CgroupnsMode host is not applied: a pod has its own cgroup namespace"]),
    ("HostConfig.CgroupnsMode", "x", InvalidParameter("invalid cgroup namespace mode: x")),
    ("HostConfig.Dns", ["1.1.1.1", "::1"], QUIET),
    ("HostConfig.Dns", ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"], ["Dns is applied in part: a pod has at most 3 name servers"]),
    ("HostConfig.Dns", ["x"], InvalidParameter("bad nameserver address: x")),
    ("HostConfig.DnsOptions", ["ndots:1"], QUIET),
    ("HostConfig.DnsSearch", ["example.com"], QUIET),
    ("HostConfig.ExtraHosts", ["db:10.0.0.1", "Db6:[::1]"], QUIET),
    (
        "HostConfig.ExtraHosts",
        ["h:host-gateway", "a_b:10.0.0.1"],
        ["ExtraHosts h:host-gateway, a_b:10.0.0.1 is not applied: Kubernetes takes DNS names and addresses only"],
    ),
    ("HostConfig.ExtraHosts", ["db"], InvalidParameter('bad format for add-host: "db"')),
    ("HostConfig.ExtraHosts", ["db:x"], InvalidParameter('invalid IP address in add-host: "x"')),
    ("HostConfig.GroupAdd", ["1000"], QUIET),
    (
        "HostConfig.GroupAdd",
        ["staff"],
        NotImplemented('GroupAdd "staff" is not supported: names cannot be looked up in the image yet, give numbers'),
    ),
    ("HostConfig.IpcMode", "host", QUIET),
    ("HostConfig.IpcMode", "shareable", QUIET),
    ("HostConfig.IpcMode", "none", ["IpcMode none is not applied: a pod has a private IPC namespace with /dev/shm"]),
    ("HostConfig.IpcMode", "container:x", NotImplemented(f"IpcMode container: is not supported: {JOIN.format('namespaces')}")),
    ("HostConfig.IpcMode", "x", InvalidParameter("invalid IPC mode: x")),
    ("HostConfig.Cgroup", "x", ["Cgroup is not applied: the kubelet places a pod's cgroup"]),
    ("HostConfig.Links", ["db:data", "db"], [LINKS]),
    ("HostConfig.Links", [""], InvalidParameter("empty string specified for links")),
    ("HostConfig.Links", ["a:b:c"], InvalidParameter("bad format for links: a:b:c")),
    ("HostConfig.OomScoreAdj", 100, ["OomScoreAdj is not applied: the kubelet sets it by the pod's quality of service"]),
    ("HostConfig.PidMode", "host", QUIET),
    ("HostConfig.PidMode", "container:x", NotImplemented(f"PidMode container: is not supported: {JOIN.format('namespaces')}")),
    ("HostConfig.PidMode", "x", InvalidParameter("invalid PID mode: x")),
    ("HostConfig.Privileged", True, QUIET),
    ("HostConfig.PublishAllPorts", True, QUIET),
    ("HostConfig.ReadonlyRootfs", True, QUIET),
    ("HostConfig.SecurityOpt", ["no-new-privileges", "seccomp=unconfined", "apparmor:unconfined"], QUIET),
    ("HostConfig.SecurityOpt", ["seccomp=builtin", "no-new-privileges=false"], QUIET),
    (
        "HostConfig.SecurityOpt",
        ["label=disable", "seccomp={}"],
        ["SecurityOpt label=disable, seccomp={} is not applied: the node's own profiles hold"],
    ),
    ("HostConfig.SecurityOpt", ["disable"], ["SecurityOpt disable is not applied: the node's own profiles hold"]),
    ("HostConfig.SecurityOpt", ["x"], InvalidParameter('invalid --security-opt 1: "x"')),
    ("HostConfig.SecurityOpt", ["x=y"], InvalidParameter('invalid --security-opt 2: "x=y"')),
    ("HostConfig.SecurityOpt", ["no-new-privileges=x"], InvalidParameter('invalid --security-opt 2: "no-new-privileges=x"')),
    ("HostConfig.StorageOpt", {"size": "1G"}, ["StorageOpt is not applied: the node's container runtime decides"]),
    ("HostConfig.Tmpfs", {"/run": "rw,size=64m", "/tmp": ""}, QUIET),
    (
        "HostConfig.Tmpfs",
        {"/run": "noexec,size=50%"},
        ["Tmpfs noexec, size=50% is not applied: a pod's memory volume has a size only"],
    ),
    ("HostConfig.Tmpfs", {"/run": "size=x"}, InvalidParameter("invalid size: 'x'")),
    ("HostConfig.Tmpfs", {"run": ""}, InvalidParameter("invalid mount path: 'run' mount path must be absolute")),
    ("HostConfig.UTSMode", "", QUIET),
    ("HostConfig.UTSMode", "host", ["UTSMode host is not applied: a pod has its own host name"]),
    ("HostConfig.UTSMode", "x", InvalidParameter("invalid UTS mode: x")),
    ("HostConfig.UsernsMode", "host", QUIET),
    ("HostConfig.UsernsMode", "x", InvalidParameter("invalid user namespace mode: x")),
    ("HostConfig.ShmSize", 2**26, QUIET),
    ("HostConfig.ShmSize", -1, InvalidParameter("SHM size can not be less than 0")),
    ("HostConfig.Sysctls", {"net.ipv4.ip_forward": "1"}, QUIET),
    ("HostConfig.Runtime", "runc", QUIET),
    ("HostConfig.Runtime", "kata", ["Runtime is not applied: the cluster chooses the container runtime"]),
    ("HostConfig.Isolation", "default", QUIET),
    ("HostConfig.Isolation", "hyperv", [f"Isolation is not applied: {WINDOWS}"]),
    ("HostConfig.MaskedPaths", ["/proc/kcore", "/proc/keys"], QUIET),
    ("HostConfig.MaskedPaths", [], ["MaskedPaths is not applied: the container runtime's own list holds"]),
    ("HostConfig.ReadonlyPaths", ["/proc/bus"], QUIET),
    ("HostConfig.ReadonlyPaths", ["/x"], ["ReadonlyPaths is not applied: the container runtime's own list holds"]),
    ("HostConfig.Mounts.*.Target", "/other", [VOLUMES]),
    ("HostConfig.Mounts.*.Source", "other", [VOLUMES]),
    (
        "HostConfig.Mounts.*.Source",
        "./x",
        InvalidParameter(
            '"./x" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed.'
            " If you intended to pass a host directory, use absolute path"
        ),
    ),
    ("HostConfig.Mounts.*.Type", "volume", [VOLUMES]),
    ("HostConfig.Mounts.*.Type", "tmpfs", QUIET),
    ("HostConfig.Mounts.*.Type", "npipe", NotImplemented("mounts of type npipe are not supported: a pod has no such thing")),
    ("HostConfig.Mounts.*.ReadOnly", True, [VOLUMES]),
    ("HostConfig.Mounts.*.Consistency", "cached", [VOLUMES]),
    ("HostConfig.Mounts.*.BindOptions", {"Propagation": "rprivate"}, [SOCKET]),
    ("HostConfig.Mounts.*.VolumeOptions", {"NoCopy": True, "Labels": {"a": "b"}, "DriverConfig": {"Name": "local"}}, [VOLUMES]),
    (
        "HostConfig.Mounts.*.VolumeOptions",
        {"DriverConfig": {"Name": "nfs"}},
        ["VolumeOptions.DriverConfig is not applied: volumes are the cluster's", VOLUMES],
    ),
    (
        "HostConfig.Mounts.*.VolumeOptions",
        {"Subpath": "x"},
        NotImplemented("VolumeOptions.Subpath is not supported: volumes are empty directories of the container's pod"),
    ),
    ("HostConfig.Mounts.*.TmpfsOptions", {"SizeBytes": 1024}, QUIET),
    (
        "HostConfig.Mounts.*.TmpfsOptions",
        {"Mode": 0o700, "Options": [["exec"]]},
        ["TmpfsOptions Mode and Options are not applied: a pod's memory volume has none"],
    ),
    (
        "HostConfig.Mounts.*.TmpfsOptions",
        {"Options": ["exec"]},
        InvalidParameter("invalid JSON: HostConfig.Mounts.TmpfsOptions.Options: an array of arrays of strings is expected"),
    ),
    (
        "HostConfig.Mounts.*.TmpfsOptions",
        {"SizeBytes": -1},
        InvalidParameter('invalid mount config for type "tmpfs": a tmpfs size must not be negative'),
    ),
    ("NetworkingConfig.EndpointsConfig", {"web": None, "db": {}}, QUIET),
    ("NetworkingConfig.EndpointsConfig.*.IPAMConfig", {}, QUIET),
    (
        "NetworkingConfig.EndpointsConfig.*.IPAMConfig",
        {"IPv4Address": "10.0.0.9", "LinkLocalIPs": ["169.254.1.1"]},
        [f"IPAMConfig 10.0.0.9, 169.254.1.1 is not applied: {ADDRESS}"],
    ),
    ("NetworkingConfig.EndpointsConfig.*.Links", ["db"], QUIET),
    ("NetworkingConfig.EndpointsConfig.*.Links", ["a:b:c"], InvalidParameter("bad format for links: a:b:c")),
    ("NetworkingConfig.EndpointsConfig.*.MacAddress", "02:42:ac:11:00:02", [f"MacAddress is not applied: {ADDRESS}"]),
    ("NetworkingConfig.EndpointsConfig.*.Aliases", ["db"], QUIET),
    (
        "NetworkingConfig.EndpointsConfig.*.DriverOpts",
        {"a": "b"},
        ["DriverOpts is not applied: the cluster's network has no drivers"],
    ),
    ("NetworkingConfig.EndpointsConfig.*.NetworkID", "0" * 64, QUIET),
    ("NetworkingConfig.EndpointsConfig.*.EndpointID", "0" * 64, QUIET),
    ("NetworkingConfig.EndpointsConfig.*.Gateway", "10.0.0.1", QUIET),
    ("NetworkingConfig.EndpointsConfig.*.IPAddress", "10.0.0.2", QUIET),
    ("NetworkingConfig.EndpointsConfig.*.IPPrefixLen", 16, QUIET),
    ("NetworkingConfig.EndpointsConfig.*.IPv6Gateway", "", QUIET),
    ("NetworkingConfig.EndpointsConfig.*.GlobalIPv6Address", "", QUIET),
    ("NetworkingConfig.EndpointsConfig.*.GlobalIPv6PrefixLen", 64, QUIET),
    ("NetworkingConfig.EndpointsConfig.*.DNSNames", ["db"], QUIET),
]


SOCKET_MOUNT = {"Type": "bind", "Source": "/run/docker.sock", "Target": "/run/docker.sock"}
TMPFS_MOUNT = {"Type": "tmpfs", "Target": "/t"}
MOUNT_OF = {"BindOptions": SOCKET_MOUNT, "TmpfsOptions": TMPFS_MOUNT, "Type": {"Target": "/data"}}
BESIDE = {"CpuPeriod": {"CpuQuota": 50_000}, "Shell": {"Healthcheck": {"Test": ["CMD-SHELL", "true"]}}}
CONFIG_BESIDE = {"PublishAllPorts": {"ExposedPorts": {"80/tcp": {}}}}
REQUIRED = ("Image", options.MOUNT + "Type", options.MOUNT + "Target")


def request(path: str, value: object) -> dict:
    """A create request that is plain but for one field."""
    where, _, key = path.rpartition(".")
    body = {"Image": "alpine", **CONFIG_BESIDE.get(key, {})}
    match where + "." if where else "":
        case "":
            body |= BESIDE.get(key, {}) | {key: value}
        case options.MOUNT:
            body["HostConfig"] = {"Mounts": [MOUNT_OF.get(key, VOLUME) | {key: value}]}
        case options.ENDPOINT:
            body |= {"HostConfig": {"NetworkMode": "web"}, "NetworkingConfig": {"EndpointsConfig": {"web": {key: value}}}}
        case _:
            body[where] = BESIDE.get(key, {}) | {key: value}
    return body


def effect(body: dict) -> tuple:
    """All that a request leads to, besides being shown again."""
    made = decode.create(body, {})
    return replace(made.spec, asked={}), {name: replace(endpoint, asked={}) for name, endpoint in made.endpoints.items()}


@pytest.mark.parametrize(("path", "value", "said"), EXAMPLES)
def test_what_is_said_of_a_field(path, value, said):
    """Nothing, warnings in order, or a refusal of that kind with that sentence."""
    if isinstance(said, Exception):
        with pytest.raises(type(said)) as refusal:
            decode.create(request(path, value), {})
        assert type(refusal.value) is type(said)
        assert str(refusal.value) == str(said)
    else:
        assert list(decode.create(request(path, value), {}).warnings) == (said or [])


@pytest.mark.parametrize("row", options.table(), ids=lambda row: row.path)
def test_every_row_has_an_example_of_its_outcome(row):
    """A refused row refuses, a warning warns; what is honoured changes the spec, what is accepted does not."""
    examples = [(value, said) for path, value, said in EXAMPLES if path == row.path]
    plain = effect(request(row.path, None)) if row.path not in REQUIRED else None
    changes = [effect(request(row.path, value)) != plain for value, said in examples if not isinstance(said, Exception)]

    assert examples
    match row.outcome:
        case "refused":
            assert any(isinstance(said, NotImplemented) for _, said in examples)
        case "warning":
            assert any(isinstance(said, list) for _, said in examples)
        case "honoured":
            assert any(changes)
        case "accepted":
            assert changes
            assert not any(changes)


WRONG = {
    "string": [1, True, [], {}],
    "integer": ["1", 1.5, True, []],
    "boolean": ["true", 1, []],
    "strings": ["x", [1], {}, [None]],
    "integers": ["x", ["1"]],
    "command": [1, [1], {}],
    "map": [[], {"a": 1}, "x"],
    "set": [[], {"a": 1}, "x"],
    "object": [[], "x", 1],
    "objects": [{}, [1], "x"],
    "ports": [[], {"80": [1]}, {"80": [{"HostPort": 80}]}, {"80": {}}],
    "endpoints": [[], {"a": 1}],
}


@pytest.mark.parametrize("row", options.table(), ids=lambda row: row.path)
def test_a_value_of_another_type_is_refused_with_the_fields_name(row):
    """Never a 500, and null is always as good as nothing."""
    for value in WRONG[row.kind]:
        with pytest.raises(InvalidParameter, match=rf"^invalid JSON: .*\b{row.key}: .* is expected$"):
            decode.create(request(row.path, value), {})

    if row.path not in REQUIRED:
        decode.create(request(row.path, None), {})
