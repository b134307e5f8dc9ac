"""Networks: Docker's rules and texts."""

from dataclasses import replace

import pytest

from kubedock.domain.container import ContainerSpec
from kubedock.domain.event import Event
from kubedock.domain.network import Endpoint, EndpointRequest, Network, NetworkRequest
from kubedock.domain.status import Observed
from kubedock.engine.naming import Names
from kubedock.engine.networks import NetworkNameTaken, Networks
from kubedock.errors import (
    Conflict,
    Forbidden,
    InvalidParameter,
    NoSuchContainer,
    NoSuchNetwork,
    NotFound,
    NotImplemented,
    System,
)
from kubedock.state.store import MemoryStore
from kubedock.streams.cancel import Cancel
from tests.support.running import T0, put_container, refused, still


@pytest.fixture
def engine():
    """An engine without threads."""
    return still()


def asked(name: str, **more) -> NetworkRequest:
    """A request."""
    return NetworkRequest(name, **more)


def subnet(*texts: str) -> dict:
    """IPAM with these subnets."""
    return {"Config": [{"Subnet": text} for text in texts]}


def test_every_engine_has_three_networks(engine):
    """bridge with a subnet, and as gateway the address of published ports; testcontainers-go looks for it."""
    found = [(n.name, n.driver, n.ipam["Config"], n.predefined) for n in engine.networks.builtin()]
    assert found == [
        ("bridge", "bridge", [{"Subnet": "172.17.0.0/16", "Gateway": "127.0.0.1"}], True),
        ("host", "host", [], True),
        ("none", "null", [], True),
    ]


def test_networks_get_subnets_of_their_own(engine):
    """Docker's pools in Docker's order, without end in practice."""
    made = [engine.networks.create(asked(f"n{number}")).ipam["Config"] for number in range(40)]

    assert made[0] == [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]
    assert made[14] == [{"Subnet": "192.168.0.0/20", "Gateway": "192.168.0.1"}]
    assert made[30] == [{"Subnet": "10.128.0.0/24", "Gateway": "10.128.0.1"}]
    assert len({config[0]["Subnet"] for config in made}) == 40


def test_no_subnet_holds_the_address_of_the_server():
    """testcontainers-python looks for it in the subnets: a client that finds it takes itself for a container on that network."""
    store = MemoryStore[Network]("network", missing=NoSuchNetwork, taken=lambda name, _: NetworkNameTaken(name))
    core = replace(still().core, networks=store, gateway="172.19.3.4")
    networks = Networks(core, Names(core))
    made = [networks.create(asked(f"n{number}")).ipam["Config"][0]["Subnet"] for number in range(2)]

    assert made == ["172.18.0.0/16", "172.20.0.0/16"]
    assert networks.resolve("bridge").ipam["Config"] == [{"Subnet": "172.17.0.0/16", "Gateway": "172.19.3.4"}]


def test_a_subnet_that_is_asked_for_is_taken_as_written(engine):
    """And the next one avoids it."""
    first = engine.networks.create(asked("a", ipam=subnet("172.18.0.0/24")))
    second = engine.networks.create(asked("b"))

    assert first.ipam == {"Driver": "default", "Options": None, "Config": [{"Gateway": "172.18.0.1", "Subnet": "172.18.0.0/24"}]}
    assert second.ipam["Config"][0]["Subnet"] == "172.19.0.0/16"


@pytest.mark.parametrize(
    ("request_", "error", "text"),
    [
        (asked("taken"), Conflict, "network with name taken already exists"),
        (asked("bridge"), Forbidden, "operation is not permitted on predefined bridge network "),
        (asked(""), InvalidParameter, "invalid name: name is empty"),
        (asked("x", driver="host"), Forbidden, 'only one instance of "host" network is allowed'),
        (
            asked("x", driver="macvlan"),
            NotImplemented,
            "the network driver macvlan needs a host's interfaces, which a pod does not have; use bridge",
        ),
        (asked("x", driver="weave"), NotFound, "could not find plugin weave in v1 plugin registry: plugin not found"),
        (
            asked("x", driver="overlay"),
            Forbidden,
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and'
            " try again.",
        ),
        (asked("x", ipam=subnet("nonsense")), InvalidParameter, "invalid network config:\ninvalid subnet nonsense"),
        (
            asked("x", ipam=subnet("10.0.0.5/24")),
            InvalidParameter,
            "invalid network config:\ninvalid subnet 10.0.0.5/24: it should be 10.0.0.0/24",
        ),
        (
            asked("x", ipam=subnet("172.17.5.0/24")),
            Forbidden,
            "invalid pool request: Pool overlaps with other one on this address space",
        ),
    ],
)
def test_what_makes_no_network_is_refused(engine, request_, error, text):
    """moby: daemon/network.go, daemon/libnetwork."""
    engine.networks.create(asked("taken"))
    with refused(error, text):
        engine.networks.create(request_)


def test_a_network_is_found_by_name_id_and_prefix(engine):
    """In Docker's order."""
    made = engine.networks.create(asked("mine"))
    assert [engine.networks.resolve(ref) for ref in ("mine", made.id, made.id[:12])] == [made] * 3
    with refused(NoSuchNetwork, "network nothing not found"):
        engine.networks.resolve("nothing")


def test_a_network_with_running_containers_is_not_removed(engine):
    """Stopped ones do not hold it, as in Docker; compose reads Containers."""
    made = engine.networks.create(asked("mine"))
    place = {made.id: Endpoint(made.id, "e" * 64)}
    put_container(engine, "idle", endpoints=place)
    web = put_container(engine, "web", running=True, endpoints=place)

    assert [member.record.name for member in engine.networks.inspect("mine").members] == ["web"]
    with refused(Forbidden, 'error while removing network: network mine has active endpoints (name:"web" id:"eeeeeeeeeeee")'):
        engine.networks.remove("mine")
    engine.core.containers.remove(web.id)
    engine.networks.remove(made.id[:12])
    with pytest.raises(NoSuchNetwork):
        engine.networks.inspect("mine")


def test_the_built_in_ones_stay(engine):
    """403, whether asked by rm or by prune."""
    with refused(Forbidden, "host is a pre-defined network and cannot be removed"):
        engine.networks.remove("host")
    assert engine.networks.prune({}) == []
    assert len(engine.networks.list({})) == 3


def test_prune_takes_what_no_running_container_is_on(engine):
    """With labels and until."""
    engine.networks.create(asked("free"))
    engine.networks.create(asked("marked", labels={"keep": ""}))
    used = engine.networks.create(asked("used"))
    put_container(engine, "web", running=True, endpoints={used.id: Endpoint(used.id, "e" * 64)})

    assert engine.networks.prune({"label!": ("keep",)}) == ["free"]
    assert engine.networks.prune({}) == ["marked"]


@pytest.mark.parametrize("running", [False, True])
def test_a_container_can_be_put_on_a_network_and_taken_off(engine, running):
    """Before the start, too (testcontainers-node does it); events only while it runs."""
    made = engine.networks.create(asked("mine"))
    web = put_container(engine, "web", running=running)
    engine.networks.connect("mine", "web", EndpointRequest(("db",), {"Aliases": ["db"]}))
    [place] = engine.core.containers.find("web").endpoints.values()
    engine.networks.disconnect(made.id, "/web", force=False)

    assert (place.network_id, place.aliases, place.asked) == (made.id, ("db",), {"Aliases": ["db"]})
    assert engine.core.containers.find("web").endpoints == {}
    told = [event for event in engine.events.subscribe(since=T0, until=T0, cancel=Cancel()) if event.action != "create"]
    about = {"container": web.id, "name": "mine", "type": "bridge"}
    assert told == ([Event("network", action, made.id, about, T0) for action in ("connect", "disconnect")] if running else [])


@pytest.mark.parametrize(
    ("network", "container", "request_", "error", "text"),
    [
        ("nothing", "web", EndpointRequest(), NoSuchNetwork, "network nothing not found"),
        ("mine", "nobody", EndpointRequest(), NoSuchContainer, "No such container: nobody"),
        ("mine", "member", EndpointRequest(), Forbidden, "endpoint with name member already exists in network mine"),
        (
            "bridge",
            "web",
            EndpointRequest(("db",)),
            InvalidParameter,
            "invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks",
        ),
        (
            "host",
            "web",
            EndpointRequest(),
            InvalidParameter,
            "cannot connect container to host network - container must be created in host network mode",
        ),
        (
            "mine",
            "hosted",
            EndpointRequest(),
            InvalidParameter,
            "container sharing network namespace with another container or host cannot be connected to any other network",
        ),
        (
            "none",
            "member",
            EndpointRequest(),
            InvalidParameter,
            "container cannot be connected to multiple networks with one of the networks in private (none) mode",
        ),
    ],
)
def test_what_cannot_be_connected_is_refused(engine, network, container, request_, error, text):
    """moby: daemon/container_operations.go."""
    made = engine.networks.create(asked("mine"))
    put_container(engine, "web")
    put_container(engine, "member", running=True, endpoints={made.id: Endpoint(made.id, "e" * 64)})
    put_container(engine, "hosted", spec=ContainerSpec("alpine", network_mode="host", host_network=True))

    with refused(error, text):
        engine.networks.connect(network, container, request_)


def test_connecting_again_before_the_start_changes_nothing(engine):
    """Docker is silent about it."""
    engine.networks.create(asked("mine"))
    put_container(engine, "web")
    engine.networks.connect("mine", "web", EndpointRequest(("a",)))
    engine.networks.connect("mine", "web", EndpointRequest(("b",)))
    assert [place.aliases for place in engine.core.containers.find("web").endpoints.values()] == [("a",)]


def test_only_what_is_connected_is_disconnected(engine):
    """With Docker's texts, which differ by an article; it has no kind of error for that, forced or not."""
    web = put_container(engine, "web")
    up = put_container(engine, "up", running=True)
    engine.core.watcher.put(up.short_id, 1, Observed("up-pod", "uid", phase="Running", started=True, running=True))
    for force in (False, True):
        with refused(System, f"container {web.id} is not connected to the network bridge"):
            engine.networks.disconnect("bridge", "web", force=force)
        with refused(System, f"container {up.id} is not connected to network bridge"):
            engine.networks.disconnect("bridge", "up", force=force)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"type": ("custom",)}, ["mine"]),
        ({"type": ("builtin",)}, ["bridge", "host", "none"]),
        ({"name": ("mi",)}, ["mine"]),
        ({"label": ("a=b",)}, ["mine"]),
        ({"driver": ("null",)}, ["none"]),
        ({"scope": ("swarm",)}, []),
        ({"id": ("zz",)}, []),
    ],
)
def test_lists_are_filtered(engine, filters, names):
    """Docker's keys."""
    engine.networks.create(asked("mine", labels={"a": "b"}))
    assert [view.network.name for view in engine.networks.list(filters)] == names
