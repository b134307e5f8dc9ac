"""Views to Docker's JSON: whole values, and Docker's own schemas."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.dockerapi import decode, encode, images, versions
from kubedock.domain.container import ContainerRecord, ContainerSpec, Outcome, Published
from kubedock.domain.event import Event
from kubedock.domain.health import Health
from kubedock.domain.network import Endpoint, Network
from kubedock.domain.status import Observed, Status
from kubedock.domain.view import ContainerView, Image, NetworkView
from kubedock.domain.volume import Volume
from tests.support.swagger import contract

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ID = "0123456789abcdef" * 4
BRIDGE = Network("b" * 64, "bridge", "bridge", NOW, ipam={"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]})
WEB = Network("c" * 64, "web", "bridge", NOW, labels={"a": "b"}, ipam={"Driver": "default", "Config": [{"Subnet": "fd00::/64"}]})
IMAGE = Image("sha256:" + "d" * 64, ("alpine:latest",), NOW)
STARTED = NOW - timedelta(seconds=3)
RUNNING = Status("running", started_at=STARTED)
EXITED = Status("exited", exit_code=3, error="why", started_at=STARTED, finished_at=NOW, restart_count=2)

BODY = {
    "Image": "alpine",
    "Entrypoint": ["/bin/sh", "-c"],
    "Cmd": ["echo hi"],
    "Env": ["A=1", "B"],
    "User": "1000",
    "Labels": {"a": "b"},
    "ExposedPorts": {"80/tcp": {}},
    "StopTimeout": 3,
    "HostConfig": {
        "Binds": ["data:/data:ro"],
        "Memory": 2**29,
        "NetworkMode": "web",
        "LogConfig": {"Type": "syslog"},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    },
}


def view(status: Status = RUNNING, body: dict | None = None, ip: str = "10.1.2.3", **changes: object) -> ContainerView:
    """A container on two networks."""
    spec = decode.create(BODY if body is None else body, {}).spec
    endpoints = {
        network.id: Endpoint(network.id, network.name[0] * 64, ("db",) if network is WEB else ()) for network in (BRIDGE, WEB)
    }
    record = ContainerRecord(ID, "db", spec, NOW - timedelta(minutes=2), IMAGE.id, run=1, endpoints=endpoints)
    observed = Observed("pod", "uid", ip=ip) if ip else None
    networks = {BRIDGE.id: BRIDGE, WEB.id: WEB}
    return ContainerView(replace(record, **changes), observed, status, networks, NOW + timedelta(minutes=2), gateway="127.0.0.1")


def endpoint(**changes: object) -> dict:
    """An endpoint of a running container on the bridge."""
    return {
        "IPAMConfig": None,
        "Links": None,
        "Aliases": None,
        "MacAddress": "02:42:0a:01:02:03",
        "DriverOpts": None,
        "NetworkID": BRIDGE.id,
        "EndpointID": "b" * 64,
        "Gateway": "127.0.0.1",
        "IPAddress": "10.1.2.3",
        "IPPrefixLen": 16,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    } | changes


def test_a_running_container():
    """Everything but HostConfig, which has a test of its own."""
    shown = encode.container_inspect(view())
    host = shown.pop("HostConfig")

    assert host["Binds"] == ["data:/data:ro"]
    assert shown == {
        "Id": ID,
        "Created": "2026-01-02T03:02:05.678Z",
        "Path": "/bin/sh",
        "Args": ["-c", "echo hi"],
        "State": {
            "Status": "running",
            "Running": True,
            "Paused": False,
            "Restarting": False,
            "OOMKilled": False,
            "Dead": False,
            "Pid": 0,
            "ExitCode": 0,
            "Error": "",
            "StartedAt": "2026-01-02T03:04:02.678Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
        },
        "Image": IMAGE.id,
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": "",
        "Name": "/db",
        "RestartCount": 0,
        "Driver": "kubernetes",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "GraphDriver": {"Name": "kubernetes", "Data": {}},
        "Mounts": [
            {
                "Type": "volume",
                "Name": "data",
                "Source": "/var/lib/docker/volumes/data/_data",
                "Destination": "/data",
                "Driver": "local",
                "Mode": "",
                "RW": False,
                "Propagation": "",
            }
        ],
        "Config": {
            "Hostname": ID[:12],
            "Domainname": "",
            "User": "1000",
            "AttachStdin": False,
            "AttachStdout": False,
            "AttachStderr": False,
            "ExposedPorts": {"80/tcp": {}},
            "Tty": False,
            "OpenStdin": False,
            "StdinOnce": False,
            "Env": ["A=1"],
            "Cmd": ["echo hi"],
            "Image": "alpine",
            "Volumes": None,
            "WorkingDir": "",
            "Entrypoint": ["/bin/sh", "-c"],
            "OnBuild": None,
            "Labels": {"a": "b"},
            "StopTimeout": 3,
        },
        "NetworkSettings": {
            "Bridge": "",
            "SandboxID": "",
            "SandboxKey": "",
            "HairpinMode": False,
            "LinkLocalIPv6Address": "",
            "LinkLocalIPv6PrefixLen": 0,
            "SecondaryIPAddresses": None,
            "SecondaryIPv6Addresses": None,
            "Ports": {"80/tcp": None},
            "EndpointID": "b" * 64,
            "Gateway": "127.0.0.1",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "IPAddress": "10.1.2.3",
            "IPPrefixLen": 16,
            "IPv6Gateway": "",
            "MacAddress": "02:42:0a:01:02:03",
            "Networks": {
                "bridge": endpoint(),
                "web": endpoint(Aliases=["db"], NetworkID=WEB.id, EndpointID="w" * 64, DNSNames=["db", ID[:12]]),
            },
        },
    }


def test_an_ended_container():
    """No address, no ports, the end and its reason; its networks are still there."""
    shown = encode.container_inspect(view(EXITED))

    assert shown["State"] | {} == {
        "Status": "exited",
        "Running": False,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 0,
        "ExitCode": 3,
        "Error": "why",
        "StartedAt": "2026-01-02T03:04:02.678Z",
        "FinishedAt": "2026-01-02T03:04:05.678Z",
    }
    assert shown["RestartCount"] == 2
    assert shown["NetworkSettings"]["Ports"] == {}
    assert shown["NetworkSettings"]["Networks"]["bridge"] == endpoint(
        EndpointID="", Gateway="", IPAddress="", IPPrefixLen=0, MacAddress=""
    )


def test_an_address_of_the_newer_kind():
    """An IPv6 pod has no IPv4 address."""
    networks = encode.container_inspect(view(ip="fd00::5"))["NetworkSettings"]["Networks"]

    assert networks["web"] == endpoint(
        Aliases=["db"],
        NetworkID=WEB.id,
        EndpointID="w" * 64,
        MacAddress="02:42:00:00:00:05",
        IPAddress="",
        IPPrefixLen=0,
        GlobalIPv6Address="fd00::5",
        GlobalIPv6PrefixLen=64,
        DNSNames=["db", ID[:12]],
    )


@pytest.mark.parametrize(
    ("run", "status", "names"),
    [
        (0, Status("created"), None),
        (1, RUNNING, ["db", "api", ID[:12], "host.example"]),
        (1, EXITED, ["db", "api", ID[:12], "host.example"]),
    ],
)
def test_names_on_networks(run, status, names):
    """From the first start on, as in Docker: name, aliases, short id, host name; none on networks that have no names."""
    places = {network.id: Endpoint(network.id, "e" * 64, ("db", "api") if network is WEB else ()) for network in (BRIDGE, WEB)}
    networks = encode.container_inspect(view(status, {"Image": "a", "Hostname": "host.example"}, run=run, endpoints=places))[
        "NetworkSettings"
    ]["Networks"]

    assert {name: place["DNSNames"] for name, place in networks.items()} == {"bridge": None, "web": names}
    assert networks["web"]["Aliases"] == ["db", "api"]


def test_the_gateway_needs_no_address_of_the_container():
    """testcontainers-python reads it from the list, maybe before the pod's status has come; the node's network has none."""
    host = Network("h" * 64, "host", "host", NOW)
    waiting = view(ip="")
    on_host = replace(waiting, networks={BRIDGE.id: host, WEB.id: WEB})
    gateways = [
        {name: place["Gateway"] for name, place in encode.container_summary(each)["NetworkSettings"]["Networks"].items()}
        for each in (waiting, on_host, view(EXITED))
    ]

    assert gateways == [{"bridge": "127.0.0.1", "web": "127.0.0.1"}, {"host": "", "web": "127.0.0.1"}, {"bridge": "", "web": ""}]


def test_host_config():
    """What was asked, over Docker's defaults; the log driver is what docker-py needs to read."""
    shown = encode.container_inspect(view())["HostConfig"]
    plain = encode.container_inspect(view(body={"Image": "alpine"}))["HostConfig"]
    changed = {key: value for key, value in shown.items() if value != plain[key]}

    assert changed == {
        "Binds": ["data:/data:ro"],
        "Memory": 2**29,
        "NetworkMode": "web",
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    }
    assert (plain["NetworkMode"], plain["LogConfig"], plain["ShmSize"]) == ("bridge", {"Type": "json-file", "Config": {}}, 2**26)
    assert plain["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}


def test_a_container_of_which_the_image_decides_everything():
    """Nothing is known of the command until registries can be asked."""
    shown = encode.container_inspect(view(body={"Image": "alpine"}))

    assert (shown["Path"], shown["Args"], shown["Config"]["Cmd"], shown["Config"]["Entrypoint"]) == ("", [], None, None)


def test_a_memory_mount():
    """It has no name and no place on the node."""
    body = {"Image": "a", "HostConfig": {"Mounts": [{"Type": "tmpfs", "Target": "/t"}]}}

    assert encode.container_inspect(view(body=body))["Mounts"] == [
        {"Type": "tmpfs", "Source": "", "Destination": "/t", "Mode": "", "RW": True, "Propagation": ""}
    ]


def test_an_item_of_the_list():
    """Whole; networks carry their ids, volumes their names."""
    assert encode.container_summary(view()) == {
        "Id": ID,
        "Names": ["/db"],
        "Image": "alpine",
        "ImageID": IMAGE.id,
        "Command": "/bin/sh -c 'echo hi'",
        "Created": 1767322925,
        "Ports": [{"PrivatePort": 80, "Type": "tcp"}],
        "Labels": {"a": "b"},
        "State": "running",
        "Status": "Up 2 minutes",
        "HostConfig": {"NetworkMode": "web"},
        "NetworkSettings": {"Networks": encode.container_inspect(view())["NetworkSettings"]["Networks"]},
        "Mounts": encode.container_inspect(view())["Mounts"],
    }
    assert encode.container_summary(view(EXITED))["Ports"] == []


def test_published_ports():
    """In inspect by port, in the list one by one; only while they are listened on."""
    published = tuple(Published(80, "tcp", host, 32768) for host in ("0.0.0.0", "::"))
    body = {**BODY, "ExposedPorts": {"80/tcp": {}, "53/udp": {}}}
    shown = view(body=body, published=published)

    assert encode.container_inspect(shown)["NetworkSettings"]["Ports"] == {
        "53/udp": None,
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}, {"HostIp": "::", "HostPort": "32768"}],
    }
    assert encode.container_summary(shown)["Ports"] == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 32768, "Type": "tcp"},
        {"IP": "::", "PrivatePort": 80, "PublicPort": 32768, "Type": "tcp"},
        {"PrivatePort": 53, "Type": "udp"},
    ]
    for gone in (view(EXITED, body, published=published), view(body=body, published=published, outcome=Outcome(0))):
        assert gone.published == ()
    between_two_runs = view(replace(RUNNING, state="restarting"), body, published=published, outcome=Outcome(1), restarting=True)
    assert encode.container_inspect(between_two_runs)["NetworkSettings"]["Ports"] == {}


@pytest.mark.parametrize(
    ("health", "words"),
    [(Health(), " (health: starting)"), (Health("healthy"), " (healthy)"), (Health("unhealthy", 3), " (unhealthy)")],
)
def test_health(health, words):
    """Beside the age while it runs, and in inspect also later."""
    shown = replace(view(), health=health)
    ended = replace(view(EXITED), health=health)

    assert encode.container_summary(shown)["Status"] == "Up 2 minutes" + words
    assert encode.container_inspect(shown)["State"]["Health"] == {
        "Status": health.status,
        "FailingStreak": health.failing_streak,
        "Log": [],
    }
    assert encode.container_summary(ended)["Status"] == "Exited (3) 2 minutes ago"
    assert encode.container_inspect(ended)["State"]["Health"]["Status"] == health.status


@pytest.mark.parametrize(
    ("status", "seconds", "words"),
    [
        (RUNNING, 0, "Up 3 seconds"),
        (replace(RUNNING, state="paused"), 0, "Up 3 seconds (Paused)"),
        (EXITED, 120, "Exited (3) 2 minutes ago"),
        (replace(EXITED, state="restarting", exit_code=1), 5, "Restarting (1) 5 seconds ago"),
        (Status("created"), 0, "Created"),
        (Status("removing"), 0, "Removal In Progress"),
        (Status("dead"), 0, "Dead"),
        (Status("exited"), 0, "Exited (0) Less than a second ago"),
    ],
)
def test_the_words_of_docker_ps(status, seconds, words):
    """As moby's State.String()."""
    assert encode.status_text(status, NOW + timedelta(seconds=seconds)) == words


def test_a_network():
    """Whole, with a member."""
    assert encode.network(NetworkView(WEB, (view(ip="fd00::5"),))) == {
        "Name": "web",
        "Id": WEB.id,
        "Created": "2026-01-02T03:04:05.678Z",
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": [{"Subnet": "fd00::/64"}]},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            ID: {
                "Name": "db",
                "EndpointID": "w" * 64,
                "MacAddress": "02:42:00:00:00:05",
                "IPv4Address": "",
                "IPv6Address": "fd00::5/64",
            },
        },
        "Options": {},
        "Labels": {"a": "b"},
    }
    assert encode.network(NetworkView(BRIDGE, (view(),)))["Containers"][ID]["IPv4Address"] == "10.1.2.3/16"


def test_a_volume():
    """Whole."""
    assert encode.volume(Volume("data", NOW, labels={"a": "b"})) == {
        "Name": "data",
        "Driver": "local",
        "Mountpoint": "/var/lib/docker/volumes/data/_data",
        "CreatedAt": "2026-01-02T03:04:05Z",
        "Labels": {"a": "b"},
        "Scope": "local",
        "Options": {},
    }


@pytest.mark.parametrize(
    ("event", "old"),
    [
        (Event("container", "die", ID, {"image": "alpine", "exitCode": "3"}, NOW), {"status": "die", "id": ID, "from": "alpine"}),
        (Event("image", "pull", "alpine:latest", {"name": "alpine"}, NOW), {"status": "pull", "id": "alpine:latest"}),
        (Event("network", "create", WEB.id, {"name": "web"}, NOW), {}),
    ],
)
def test_an_event(event, old):
    """With what older clients read, where Docker has it."""
    assert encode.event(event) == {
        **old,
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.actor, "Attributes": dict(event.attributes)},
        "scope": "local",
        "time": 1767323045,
        "timeNano": 1767323045678000000,
    }


def test_small_replies():
    """Create and wait."""
    assert encode.created(ID, ("a",)) == {"Id": ID, "Warnings": ["a"]}
    assert encode.waited(3) == {"StatusCode": 3}
    assert encode.waited(3, "why") == {"StatusCode": 3, "Error": {"Message": "why"}}


def test_older_versions():
    """What a client of an older API reads beside."""
    inspect, image = encode.container_inspect(view()), images.inspect(IMAGE)
    networks = versions.downgrade("container", inspect, (1, 44))["NetworkSettings"]["Networks"]
    named = encode.container_inspect(view(body={"Image": "a", "Hostname": "me"}))
    with_host_name = versions.downgrade("container", named, (1, 44))["NetworkSettings"]["Networks"]["web"]["Aliases"]

    assert versions.downgrade("container", inspect, (1, 47)) == inspect
    assert with_host_name == ["db", ID[:12], "me"]
    assert {name: entry["Aliases"] for name, entry in networks.items()} == {"bridge": None, "web": ["db", ID[:12]]}
    assert versions.downgrade("image", image, (1, 45)) == image
    assert versions.downgrade("image", image, (1, 43)) == {
        **image,
        "Container": "",
        "ContainerConfig": image["Config"],
        "VirtualSize": 0,
    }
    assert "VirtualSize" not in versions.downgrade("image-summary", images.summary(IMAGE), (1, 44))


def test_versions_compare_as_numbers():
    """1.9 is older than 1.24; what is no version is a ValueError."""
    assert versions.parse("1.9") < versions.parse("1.24") < versions.parse("1.47")
    for text in ("", "1", "1.x", "1.2.3", "v1.2", "1.99999999999", "1.\u0664"):
        with pytest.raises(ValueError, match=re.escape(text) or "^$"):
            versions.parse(text)


def test_replies_fit_dockers_schemas():
    """Every reply against Docker's YAML."""
    docker = contract()
    for status in (RUNNING, EXITED, Status("created"), replace(EXITED, state="restarting")):
        for body in (BODY, {"Image": "alpine"}):
            docker.reply("GET", "/containers/x/json", 200, encode.container_inspect(view(status, body)))
            docker.named("ContainerSummary", encode.container_summary(view(status, body)))
    docker.named("Network", encode.network(NetworkView(WEB, (view(),))))
    docker.named("Volume", encode.volume(Volume("data", NOW)))
    docker.named("ImageSummary", images.summary(IMAGE))
    docker.named("ImageInspect", images.inspect(IMAGE))
    docker.named("ImageHistoryResponseItem", images.history(IMAGE)[0])
    docker.named("EventMessage", encode.event(Event("container", "die", ID, {}, NOW)))
    docker.named("ContainerCreateResponse", encode.created(ID, ()))
    docker.named("ContainerWaitResponse", encode.waited(3, "why"))


@given(
    st.sampled_from(["created", "running", "paused", "restarting", "removing", "exited", "dead"]),
    st.booleans(),
    st.text(max_size=9),
)
def test_rendering_is_total(state, started, hostname):
    """Any state of any container can be shown, without an address and without its networks, too."""
    status = Status(state, started_at=NOW if started else None)
    spec = ContainerSpec(image="alpine", hostname=hostname)
    record = ContainerRecord(ID, "db", spec, NOW, endpoints={"x": Endpoint("gone", "e")})
    shown = ContainerView(record, None, status)

    assert encode.container_inspect(shown)["State"]["Status"] == state
    assert list(encode.container_summary(shown)["NetworkSettings"]["Networks"]) == ["x"]
