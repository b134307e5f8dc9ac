"""Create requests to specs."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubedock.dockerapi import decode, options
from kubedock.domain.container import ContainerSpec, Port, Resources, RestartPolicy, Security
from kubedock.domain.network import EndpointRequest
from kubedock.domain.volume import Mount
from kubedock.errors import AliasOnPredefined, InvalidParameter, KubedockError

# What `docker run alpine echo hi` of docker 28.2.2 sends.
PLAIN = json.loads("""
{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"Tty":false,
 "OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["echo","hi"],"Image":"alpine","Volumes":{},"WorkingDir":"",
 "Entrypoint":null,"OnBuild":null,"Labels":{},
 "HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"default","PortBindings":{},
  "RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":true,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[24,80],
  "CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,
  "IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,
  "ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":0,
  "NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],
  "BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,
  "CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,
  "MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,
  "IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},
 "NetworkingConfig":{"EndpointsConfig":{"default":{"IPAMConfig":null,"Links":null,"Aliases":null,"MacAddress":"",
  "DriverOpts":null,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"",
  "GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}
""")


NOTHING_EXPOSED = "PublishAllPorts publishes nothing: the request exposes no ports, and the image's own are not known"


def spec_of(config: dict | None = None, **host: object) -> ContainerSpec:
    """The spec of a request, without what is kept to be shown again."""
    made = decode.create({"Image": "alpine", **(config or {}), "HostConfig": host}, {})
    return replace(made.spec, asked={})


def test_what_the_docker_cli_sends_by_default_is_quiet():
    """A plain docker run has a plain spec, the bridge network and no warning."""
    made = decode.create(PLAIN, {"name": "web", "platform": ""})

    assert replace(made.spec, asked={}) == ContainerSpec(image="alpine", command=("echo", "hi"), auto_remove=True)
    assert {name: endpoint.aliases for name, endpoint in made.endpoints.items()} == {"bridge": ()}
    assert made.warnings == ()


def test_a_request_with_everything():
    """Every honoured field, whole."""
    made = decode.create(
        {
            "Image": "alpine:3",
            "Entrypoint": ["/bin/sh", "-c"],
            "Cmd": ["true"],
            "Env": ["A=1", "B", "C=x=y", "A=2"],
            "WorkingDir": "/srv//x/",
            "User": "1000:50",
            "Hostname": "db",
            "Labels": {"a": "b", "kubedock.workload": "deployment"},
            "Tty": True,
            "OpenStdin": True,
            "StdinOnce": True,
            "ExposedPorts": {"80/tcp": {}, "9000-9001/udp": {}},
            "Volumes": {"/cache": {}, "/data": {}},
            "StopSignal": "SIGQUIT",
            "StopTimeout": 3,
            "Unknown": 1,
            "HostConfig": {
                "Binds": ["data:/data:ro", "/var/run/docker.sock:/var/run/docker.sock"],
                "Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1024}}],
                "Tmpfs": {"/run": "size=64m"},
                "NetworkMode": "web",
                "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}, {}], "81/tcp": None},
                "RestartPolicy": {"Name": "always"},
                "CapAdd": ["cap_net_admin", "NET_ADMIN"],
                "CapDrop": ["all"],
                "Dns": ["1.1.1.1"],
                "DnsSearch": ["a.b"],
                "DnsOptions": ["ndots:1"],
                "ExtraHosts": ["Db:10.0.0.1", "six:[::1]", "gw:host-gateway"],
                "GroupAdd": ["5", "5", "6"],
                "PidMode": "host",
                "IpcMode": "host",
                "Privileged": True,
                "ReadonlyRootfs": True,
                "SecurityOpt": ["no-new-privileges:true", "seccomp=unconfined"],
                "ShmSize": 2**26,
                "Sysctls": {"a": "1"},
                "Memory": 2**29,
                "MemoryReservation": 2**28,
                "MemorySwap": 2**29,
                "CpuQuota": 50_000,
                "Unknown": 1,
            },
            "NetworkingConfig": {"EndpointsConfig": {"web": {"Aliases": ["db", "db", "store"]}, "back": None}},
        },
        {"platform": "linux/amd64"},
    )

    assert replace(made.spec, asked={}) == ContainerSpec(
        image="alpine:3",
        entrypoint=("/bin/sh", "-c"),
        command=("true",),
        env=(("A", "2"), ("B", None), ("C", "x=y")),
        working_dir="/srv/x",
        user=1000,
        group=50,
        hostname="db",
        labels={"a": "b", "kubedock.workload": "deployment"},
        tty=True,
        open_stdin=True,
        stdin_once=True,
        ports=(
            Port(80, "tcp", (("127.0.0.1", "8080"), ("", ""))),
            Port(81, "tcp", (("", ""),)),
            Port(9000, "udp"),
            Port(9001, "udp"),
        ),
        stop_signal="QUIT",
        stop_timeout=3,
        restart=RestartPolicy("always"),
        workload="deployment",
        network_mode="web",
        mounts=(
            Mount("volume", "/data", "data", read_only=True),
            Mount("tmpfs", "/t", size=1024),
            Mount("volume", "/cache", anonymous=True),
        ),
        tmpfs=(("/run", "size=64m"),),
        extra_hosts=(("db", "10.0.0.1"), ("six", "::1")),
        dns=("1.1.1.1",),
        dns_search=("a.b",),
        dns_options=("ndots:1",),
        resources=Resources(2**29, 2**28, 500_000_000, 2**26),
        security=Security(
            privileged=True,
            cap_add=("NET_ADMIN",),
            cap_drop=("ALL",),
            read_only_root=True,
            no_new_privileges=True,
            seccomp_unconfined=True,
            supplemental_groups=(5, 6),
            sysctls=(("a", "1"),),
        ),
        host_pid=True,
        host_ipc=True,
        platform="linux/amd64",
    )
    assert made.endpoints == {
        "web": EndpointRequest(("db", "store"), {"Aliases": ["db", "db", "store"]}),
        "back": EndpointRequest(),
    }
    assert "Unknown" not in made.spec.asked
    assert "Unknown" not in made.spec.asked["HostConfig"]


@pytest.mark.parametrize(
    ("config", "entrypoint", "command"),
    [
        ({}, None, None),
        ({"Cmd": []}, None, None),
        ({"Cmd": "echo hi"}, None, ("echo hi",)),
        ({"Entrypoint": ["a"]}, ("a",), None),
        ({"Entrypoint": "a", "Cmd": ["b"]}, ("a",), ("b",)),
        ({"Entrypoint": [""], "Cmd": ["b"]}, (), ("b",)),
        ({"Entrypoint": [], "Cmd": ["b"]}, (), ("b",)),
        ({"Entrypoint": "", "Cmd": ["b"]}, (), ("b",)),
        ({"Entrypoint": ["", "x"]}, ("", "x"), None),
    ],
)
def test_what_runs(config, entrypoint, command):
    """None is the image's, an empty entrypoint clears it."""
    spec = spec_of(config)

    assert (spec.entrypoint, spec.command) == (entrypoint, command)


@pytest.mark.parametrize(
    ("host", "resources"),
    [
        ({"NanoCpus": 1_500_000_000}, Resources(nano_cpus=1_500_000_000)),
        ({"CpuQuota": 25_000, "CpuPeriod": 50_000}, Resources(nano_cpus=500_000_000)),
        ({"CpuQuota": -1, "CpuPeriod": 50_000}, Resources()),
        ({"CpuPeriod": 50_000}, Resources()),
    ],
)
def test_processors(host, resources):
    """NanoCpus, or quota over period."""
    assert spec_of(**host).resources == resources


@pytest.mark.parametrize(
    ("policy", "label", "setting", "workload"),
    [
        ("no", "", "auto", "pod"),
        ("on-failure", "", "auto", "pod"),
        ("always", "", "auto", "deployment"),
        ("unless-stopped", "", "deployment", "deployment"),
        ("always", "deployment", "pod", "deployment"),
        ("no", "pod", "deployment", "pod"),
        ("no", "auto", "deployment", "pod"),
        (
            "no",
            "deployment",
            "auto",
            "label kubedock.workload deployment needs the restart policy always or unless-stopped:"
            ' a Deployment would run a container with the policy "no" again after its end',
        ),
        (
            "on-failure",
            "",
            "deployment",
            "workload deployment needs the restart policy always or unless-stopped:"
            ' a Deployment would run a container with the policy "on-failure" again after its end',
        ),
        (
            "always",
            "",
            "pod",
            'workload pod does not go with the restart policy "always": such a container runs in a Deployment',
        ),
        ("no", "job", "auto", 'label kubedock.workload "job" is not supported: use auto, pod or deployment'),
    ],
)
def test_the_workload(policy, label, setting, workload):
    """The restart policy decides, the label and the setting may insist."""
    body = {"Image": "a", "Labels": {"kubedock.workload": label}, "HostConfig": {"RestartPolicy": {"Name": policy}}}
    if workload in ("pod", "deployment"):
        assert decode.create(body, {}, workload=setting).spec.workload == workload
    else:
        with pytest.raises(InvalidParameter) as refusal:
            decode.create(body, {}, workload=setting)
        assert str(refusal.value) == workload


# What testcontainers-python 4.15 sends by way of docker-py.
RYUK = json.loads("""
{"Tty":false,"OpenStdin":false,"StdinOnce":false,"AttachStdin":false,"AttachStdout":false,"AttachStderr":false,
 "Image":"testcontainers/ryuk:0.8.1","Env":["RYUK_RECONNECTION_TIMEOUT=10s"],"Cmd":null,"NetworkDisabled":false,
 "ExposedPorts":{"8080/tcp":{}},"Volumes":{"/var/run/docker.sock":{}},
 "Labels":{"org.testcontainers.lang":"python","org.testcontainers":"true","org.testcontainers.version":"4.15.0"},
 "HostConfig":{"NetworkMode":"default","Privileged":true,"Binds":["/tmp/kubedock.sock:/var/run/docker.sock:rw"],
  "PortBindings":{"8080/tcp":[{"HostIp":"","HostPort":""}]},"AutoRemove":true},
 "NetworkingConfig":{}}
""")


def test_a_ryuk_is_done_inside():
    """Without a complaint: neither its socket nor its rights are needed. It has the label that its image has."""
    made = decode.create(RYUK, {})

    assert replace(made.spec, asked={}) == ContainerSpec(
        image="testcontainers/ryuk:0.8.1",
        env=(("RYUK_RECONNECTION_TIMEOUT", "10s"),),
        labels={**RYUK["Labels"], "org.testcontainers.ryuk": "true"},
        ports=(Port(8080, "tcp", (("", ""),)),),
        auto_remove=True,
        workload="inside",
        security=Security(privileged=True),
    )
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("config", "workload", "warnings"),
    [
        ({"Image": "testcontainers/ryuk"}, "inside", ()),
        ({"Image": "alpine", "Labels": {"org.testcontainers.ryuk": "true"}}, "inside", ()),
        ({"Image": "testcontainers/ryuk", "Labels": {"kubedock.workload": "auto"}}, "inside", ()),
        ({"Image": "testcontainers/ryuk", "Labels": {"kubedock.workload": "pod"}}, "pod", ()),
        (
            {"Image": "testcontainers/ryuk", "Cmd": ["sh"]},
            "inside",
            ("Entrypoint and Cmd are not applied: kubedock does Ryuk's work itself, its image is not run",),
        ),
    ],
)
@pytest.mark.parametrize("setting", ["auto", "pod"])
def test_what_is_done_inside(config, workload, warnings, setting):
    """By image or label, whatever the server runs other containers in; the label kubedock.workload asks for the image itself."""
    made = decode.create(config, {}, workload=setting)

    assert (made.spec.workload, made.warnings) == (workload, warnings)


def test_where_docker_sock_is_left_out_no_volume_is_mounted():
    """docker-py names the target of each bind in Volumes as well."""
    binds = ["/var/run/docker.sock:/var/run/docker.sock"]

    assert spec_of({"Volumes": {"/var/run/docker.sock": {}}}, Binds=binds).mounts == ()
    with pytest.raises(InvalidParameter, match=r"^Duplicate mount point: /var/run/docker\.sock$"):
        spec_of(Binds=[*binds, "data:/var/run/docker.sock"])


@pytest.mark.parametrize(
    ("mode", "endpoints", "joined"),
    [
        (None, None, ["bridge"]),
        ("", {}, ["bridge"]),
        ("bridge", None, ["bridge"]),
        ("host", None, ["host"]),
        ("none", {"none": None}, ["none"]),
        ("web", None, ["web"]),
        ("web", {"web": {}}, ["web"]),
        ("web", {"back": {}}, ["web", "back"]),
        ("default", {"web": {}}, ["web"]),
        ("default", {"default": {}}, ["bridge"]),
    ],
)
def test_networks(mode, endpoints, joined):
    """Those of EndpointsConfig and the one of NetworkMode."""
    body = {"Image": "a", "HostConfig": {"NetworkMode": mode}, "NetworkingConfig": {"EndpointsConfig": endpoints}}

    assert list(decode.create(body, {}).endpoints) == joined


@pytest.mark.parametrize(
    ("config", "host", "sentence"),
    [
        ({}, {"AutoRemove": True, "RestartPolicy": {"Name": "always"}}, "can't create 'AutoRemove' container with restart policy"),
        ({}, {"Memory": 2**24, "MemorySwap": 2**23}, "Minimum memoryswap limit should be larger than memory limit, see usage"),
        (
            {},
            {"Memory": 2**24, "MemoryReservation": 2**25},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        ({}, {"NanoCpus": 1, "CpuPeriod": 5000}, "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
        ({}, {"NanoCpus": 1, "CpuQuota": 5000}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        ({"Hostname": "a"}, {"UTSMode": "host"}, "conflicting options: hostname and the UTS mode"),
        (
            {},
            {"NetworkMode": "host", "Links": ["a"]},
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
        ),
        ({"Image": ""}, {}, "no command specified"),
        ({"Image": "", "Cmd": ["a"]}, {}, "invalid reference format"),
        ({}, {"Binds": ["a:/x"], "Tmpfs": {"/x": ""}}, "invalid volume specification: 'a:/x'"),
        ({}, {"Binds": ["aa:/x"], "Tmpfs": {"/x": ""}}, "Duplicate mount point: /x"),
    ],
)
def test_conflicts(config, host, sentence):
    """Docker's sentences for fields that do not go together."""
    with pytest.raises(InvalidParameter) as refusal:
        spec_of(config, **host)

    assert str(refusal.value).startswith(sentence) or "volume name is too short" in str(refusal.value)


def test_user_defined_networks_do_not_go_with_the_host():
    """Docker's sentence."""
    body = {"Image": "a", "HostConfig": {"NetworkMode": "host"}, "NetworkingConfig": {"EndpointsConfig": {"web": {}}}}

    with pytest.raises(InvalidParameter) as refusal:
        decode.create(body, {})

    assert str(refusal.value) == "conflicting options: cannot attach both user-defined and non-user-defined network-modes"


@pytest.mark.parametrize("body", [None, {}, {"HostConfig": {}}, {"Image": None}, {"Unknown": 1}])
def test_an_empty_request(body):
    """Docker's sentence."""
    with pytest.raises(InvalidParameter, match=r"^config cannot be empty in order to create a container$"):
        decode.create(body, {})


@pytest.mark.parametrize("body", [[], "x", 1, {"Image": "a", "HostConfig": []}, {"Image": "a", "NetworkingConfig": "x"}])
def test_a_request_of_another_type(body):
    """A sentence that names what is expected."""
    with pytest.raises(InvalidParameter, match=r"^invalid JSON: .*an object is expected$"):
        decode.create(body, {})


@pytest.mark.parametrize(
    ("platform", "sentence"),
    [
        ("windows", 'platform "windows" is not supported: pods run on linux'),
        ("windows/amd64", 'platform "windows/amd64" is not supported: pods run on linux'),
        ("a/b/c/d", '"a/b/c/d" is an invalid component of platform: an operating system, architecture and variant are expected'),
        ("/", '"/" is an invalid component of platform: an operating system, architecture and variant are expected'),
    ],
)
def test_platforms(platform, sentence):
    """Linux only."""
    with pytest.raises(InvalidParameter) as refusal:
        decode.create({"Image": "a"}, {"platform": platform})

    assert str(refusal.value) == sentence
    assert decode.create({"Image": "a"}, {"platform": "Linux/ARM64/v8"}).spec.platform == "linux/arm64/v8"


def test_warnings_that_need_two_fields():
    """Swap beyond memory, a host name on the node's network."""
    made = decode.create(
        {"Image": "a", "Hostname": "h", "HostConfig": {"NetworkMode": "host", "Memory": 2**24, "MemorySwap": 2**25}}, {}
    )

    assert made.warnings == (
        "MemorySwap is not applied: a pod has the swap that its node gives",
        "Hostname is not applied: a pod on its node's network has the node's name",
    )


@pytest.mark.parametrize(
    ("config", "host", "found", "warnings"),
    [
        ({"ExposedPorts": {"80": {}}}, {"PublishAllPorts": True}, (Port(80, "tcp", (("", ""),)),), ()),
        (
            {"ExposedPorts": {"80": {}, "81": {}}},
            {"PublishAllPorts": True, "PortBindings": {"80/tcp": [{"HostIp": "::0", "HostPort": "8080"}]}},
            (Port(80, "tcp", (("::", "8080"),)), Port(81, "tcp", (("", ""),))),
            (),
        ),
        (
            {"ExposedPorts": {"53/udp": {}, "53": {}}},
            {"PublishAllPorts": True},
            (Port(53, "tcp", (("", ""),)), Port(53, "udp", (("", ""),))),
            ("PublishAllPorts 53/udp is not applied: only TCP ports are published",),
        ),
        ({}, {"PublishAllPorts": True}, (), (NOTHING_EXPOSED,)),
        ({}, {"PublishAllPorts": True, "PortBindings": {"80/tcp": []}}, (Port(80, "tcp", (("", ""),)),), ()),
        (
            {},
            {"NetworkMode": "host", "PortBindings": {"80/tcp": None}},
            (Port(80, "tcp", (("", ""),)),),
            ("Published ports are discarded when using host network mode",),
        ),
        ({"ExposedPorts": {"80": {}}}, {"NetworkMode": "host"}, (Port(80),), ()),
    ],
)
def test_ports(config, host, found, warnings):
    """Bindings, and the exposed ports where all are to be published."""
    made = decode.create({"Image": "a", **config, "HostConfig": host}, {})

    assert (made.spec.ports, made.warnings) == (found, warnings)


@pytest.mark.parametrize(
    ("mode", "links", "dns"),
    [
        ("bridge", ("Links is applied in part: as things are at the start, without environment variables",), ()),
        ("web", (), ("Dns replaces the cluster's name server: the names of other containers do not resolve in this one",)),
    ],
)
def test_warnings_that_depend_on_the_network(mode, links, dns):
    """Links are the default network's, names the others'."""
    for option, value, said in (("Links", ["db"], links), ("Dns", ["192.0.2.53"], dns)):
        assert decode.create({"Image": "a", "HostConfig": {"NetworkMode": mode, option: value}}, {}).warnings == said


def test_an_endpoint_of_a_connect():
    """Aliases, links and warnings; null is nothing."""
    asked = {"Aliases": ["db", "db"], "Links": ["one:other"], "MacAddress": "02:42:00:00:00:01"}
    assert decode.endpoint(None) == (EndpointRequest(), ())
    assert decode.endpoint(asked) == (
        EndpointRequest(("db",), asked, (("one", "other"),)),
        ("MacAddress is not applied: the cluster's network chooses a pod's addresses",),
    )
    with pytest.raises(InvalidParameter, match=r"^invalid JSON: EndpointConfig\.Aliases: an array of strings is expected$"):
        decode.endpoint({"Aliases": "db"})


@pytest.mark.parametrize("name", ["bridge", "default", "host", "none"])
def test_aliases_are_for_networks_that_have_names(name):
    """moby: daemon/create.go."""
    body = {
        "Image": "a",
        "HostConfig": {"NetworkMode": name},
        "NetworkingConfig": {"EndpointsConfig": {name: {"Aliases": ["db"]}}},
    }
    with pytest.raises(InvalidParameter) as refusal:
        decode.create(body, {})

    assert str(refusal.value) == str(AliasOnPredefined(f"invalid config for network {name.replace('default', 'bridge')}: "))


@pytest.mark.parametrize(
    ("mode", "links", "places"),
    [
        ("", (("db", "data"),), {"bridge": ()}),
        ("bridge", (("db", "data"),), {"bridge": ()}),
        ("web", (), {"web": (("other", "o"), ("db", "data")), "more": ()}),
    ],
)
def test_links_belong_to_the_network_of_the_mode(mode, links, places):
    """HostConfig's; user-defined networks have their own."""
    networks = {"web": {"Links": ["other:o"]}, "more": {}} if mode == "web" else {}
    body = {
        "Image": "a",
        "HostConfig": {"NetworkMode": mode, "Links": ["/db:/me/data"]},
        "NetworkingConfig": {"EndpointsConfig": networks},
    }
    made = decode.create(body, {})

    assert (made.spec.links, {name: request.links for name, request in made.endpoints.items()}) == (links, places)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TEXTS = st.sampled_from(
    ["", "0", "80/tcp", "a:/b", "/a:/b:ro", "host", "container:x", "no-new-privileges", "x=y", "1000:1000", "\0", "db:::1"]
)
PLAUSIBLE = (
    TEXTS
    | st.lists(TEXTS, max_size=3)
    | st.dictionaries(
        TEXTS | st.sampled_from(["Name", "Type", "Test", "Target", "Source"]), st.none() | TEXTS | st.just({}), max_size=3
    )
    | st.lists(
        st.dictionaries(st.sampled_from(["Type", "Target", "Source", "TmpfsOptions"]), TEXTS | st.just("volume")), max_size=2
    )
)
KEYS = st.sampled_from(sorted(options.CONFIG_KEYS))
HOST_KEYS = st.sampled_from(sorted(options.HOST_KEYS))
BODIES = st.dictionaries(KEYS, VALUES | PLAUSIBLE, max_size=6).flatmap(
    lambda config: st.builds(
        lambda host, endpoints: {
            "Image": "alpine",
            **config,
            "HostConfig": host,
            "NetworkingConfig": {"EndpointsConfig": endpoints},
        },
        st.dictionaries(HOST_KEYS, VALUES | PLAUSIBLE, max_size=8) | VALUES,
        st.dictionaries(TEXTS, VALUES, max_size=2) | VALUES,
    )
)


@settings(max_examples=400)
@given(BODIES | VALUES)
def test_decoding_is_total(body):
    """Any JSON is a spec, or an error with a sentence."""
    try:
        made = decode.create(body, {})
    except KubedockError as refusal:
        sentence = str(refusal)
    else:
        sentence = made.spec.image

    assert sentence
