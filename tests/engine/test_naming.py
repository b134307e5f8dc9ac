"""Names on networks, over the in-memory cluster: who finds whom, and what is said where somebody does not."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from kubedock.cluster import Json, Kind
from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerSpec, RestartPolicy
from kubedock.domain.network import EndpointRequest, Network, NetworkRequest
from kubedock.engine import Engine, naming
from kubedock.errors import Conflict, NotFound, NotModified, Unavailable
from kubedock.kube.manifest import PodDefaults
from kubedock.kube.services import service
from tests.support.running import QUICK, T0, engine_with_alpine, refused
from tests.support.waiting import eventually, in_thread

RULE = 'a Service\'s name begins with a letter and has letters, digits and "-", at most 63'


@pytest.fixture
def front(engine: Engine) -> Network:
    """A user-defined network."""
    return engine.networks.create(NetworkRequest("front"))


@pytest.fixture
def back(engine: Engine) -> Network:
    """Another one."""
    return engine.networks.create(NetworkRequest("back"))


def create(engine: Engine, name: str, network: str = "front", *aliases: str, **spec: object) -> tuple[str, ...]:
    """A container on a network, with the command ``sleep``; what its client was told."""
    wanted = ContainerSpec("alpine", command=("sleep", "1000"), network_mode=network, **spec)  # type: ignore[arg-type]
    return engine.containers.create(wanted, name=name, endpoints={network: EndpointRequest(aliases)}).warnings


def run(engine: Engine, name: str, network: str = "front", *aliases: str, **spec: object) -> str:
    """The same, started; its address."""
    create(engine, name, network, *aliases, **spec)
    engine.containers.start(name)
    return address(engine, name)


def address(engine: Engine, name: str) -> str:
    """A container's address, when it is known."""
    return eventually(lambda: engine.containers.inspect(name).ip)


def services(cluster: FakeCluster) -> list[str]:
    """The names of all Services, sorted."""
    return sorted(item["metadata"]["name"] for item in cluster.list("Service").items)


def short(engine: Engine, name: str) -> str:
    """A container's short id."""
    return engine.core.containers.find(name).short_id


def requests(cluster: FakeCluster) -> list[tuple[str, str, str]]:
    """Those about Services so far."""
    return [request for request in cluster.requests if request[1] == "Service"]


# --- who finds whom --------------------------------------------------------------------------------------------------


def test_a_container_is_found_by_all_its_names(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """Name, aliases, short id and host name, in small letters, as soon as the start is answered."""
    ip = run(engine, "web", "front", "www", "API", hostname="host-1")

    assert services(cluster) == sorted(["web", "www", "api", "host-1", short(engine, "web")])
    assert {name: cluster.resolve(name) for name in services(cluster)} == {name: [ip] for name in services(cluster)}


def test_the_default_network_has_no_names(engine: Engine, cluster: FakeCluster) -> None:
    """And costs no request."""
    run(engine, "web", "bridge")
    engine.containers.remove("web", force=True, volumes=False)

    assert requests(cluster) == []


def test_a_life_in_a_network_costs_one_request_and_two_for_each_name(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """One look at the create, then a Service is written and deleted, once."""
    run(engine, "web")
    identity = short(engine, "web")
    engine.containers.remove("web", force=True, volumes=False)

    assert requests(cluster) == [
        ("list", "Service", ""),
        ("create", "Service", "web"),
        ("create", "Service", identity),
        ("deletecollection", "Service", "kubedock.id=test,kubedock.name=web"),
        ("deletecollection", "Service", f"kubedock.id=test,kubedock.name={identity}"),
    ]


def test_containers_of_one_network_share_a_name(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """Both addresses, then the other's, then none."""
    one, two = run(engine, "one", "front", "www"), run(engine, "two", "front", "www")
    assert sorted(cluster.resolve("www")) == sorted([one, two])

    engine.containers.stop("one", signal=None, timeout=0)
    assert (cluster.resolve("www"), "one" in services(cluster)) == ([two], False)

    engine.containers.kill("two", signal=None)
    assert services(cluster) == []


@pytest.mark.parametrize("end", ["stop", "kill", "remove", "exit", "delete"])
def test_names_go_with_the_end(engine: Engine, cluster: FakeCluster, front: Network, end: str) -> None:
    """Before the answer where somebody has asked for it, else at once."""
    run(engine, "web")
    match end:
        case "stop":
            engine.containers.stop("web", signal=None, timeout=0)
        case "kill":
            engine.containers.kill("web", signal=None)
        case "remove":
            engine.containers.remove("web", force=True, volumes=False)
        case "exit":
            cluster.kubelet.finish(cluster.kubelet.pods()[0], 3)
        case "delete":
            cluster.delete("Pod", cluster.kubelet.pods()[0], grace=0)

    if end in ("exit", "delete"):
        eventually(lambda: services(cluster) == [])
    assert services(cluster) == []


def test_an_end_is_heeded_before_the_record_tells_of_it(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """So it is heard of; a later run of the container has its names again."""
    run(engine, "web")
    engine.networks.names.ended(engine.core.containers.find("web"))
    eventually(lambda: services(cluster) == [])

    engine.containers.restart("web", signal=None, timeout=0)

    assert cluster.resolve("web") == [address(engine, "web")]


def test_names_come_back_with_the_next_start(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """At the new address: by start, restart, and restarts by policy."""
    before = run(engine, "web", "front", "www")
    engine.containers.stop("web", signal=None, timeout=0)
    engine.containers.start("web")
    assert cluster.resolve("www") == [address(engine, "web")] != [before]

    engine.containers.restart("web", signal=None, timeout=0)
    assert cluster.resolve("www") == [address(engine, "web")]

    run(engine, "again", "front", restart=RestartPolicy("on-failure"))
    first = cluster.resolve("again")
    cluster.kubelet.finish(cluster.kubelet.pods()[-1], 1)
    assert eventually(lambda: (now := cluster.resolve("again")) != first and now)


def test_a_failed_start_leaves_no_name(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """They are written before it is known to fail."""
    engine.containers.create(
        ContainerSpec("alpine", command=("nosuch",), network_mode="front"), name="bad", endpoints={"front": EndpointRequest()}
    )
    with pytest.raises(Exception, match="executable file not found"):
        engine.containers.start("bad")

    eventually(lambda: services(cluster) == [])


def test_a_start_is_answered_when_the_address_is_known(cluster: FakeCluster) -> None:
    """The status brings it, up to a second after the process runs: who asked earlier would be told that there is no such name."""
    with engine_with_alpine(cluster, limits=replace(QUICK, address=20.0)) as engine:
        engine.networks.create(NetworkRequest("front"))
        create(engine, "web")
        cluster.kubelet.hold()
        answered = []
        started = in_thread(lambda: answered.append(engine.containers.start("web")))
        pod = eventually(cluster.kubelet.pods)[0]
        cluster.kubelet.start(pod)
        record = eventually(lambda: (now := engine.core.containers.find("web")).started_at and now)
        assert (answered, cluster.resolve("web")) == ([], [])

        cluster.kubelet.sync(pod)
        started()

        assert cluster.resolve("web") == cluster.resolve(record.short_id) != []


def test_the_address_is_not_waited_for_without_end(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """Nor for a container that has ended."""
    create(engine, "web")
    cluster.kubelet.hold()
    started = in_thread(lambda: engine.containers.start("web"))
    cluster.kubelet.start(eventually(cluster.kubelet.pods)[0])
    started()

    assert (cluster.resolve("web"), services(cluster)) == ([], sorted(["web", short(engine, "web")]))


# --- changes while it runs -------------------------------------------------------------------------------------------


def test_a_running_container_joins_and_leaves(engine: Engine, cluster: FakeCluster, front: Network, back: Network) -> None:
    """Its pod gets the label, and loses it."""
    ip = run(engine, "web", "bridge")
    other = run(engine, "other", "front", "www")
    engine.networks.connect("front", "web", EndpointRequest(("www",)))
    assert (sorted(cluster.resolve("www")), cluster.resolve("web")) == (sorted([ip, other]), [ip])

    engine.networks.disconnect("front", "web", force=False)

    assert (cluster.resolve("www"), "web" in services(cluster)) == ([other], False)
    assert not any(key.startswith("kubedock.name/") for key in labels(cluster, ip))


def labels(cluster: FakeCluster, ip: str) -> Json:
    """The labels of the pod with this address."""
    pod = next(item for item in cluster.list("Pod").items if item["status"].get("podIP") == ip)
    found: Json = pod["metadata"]["labels"]
    return found


def test_a_change_that_the_cluster_refuses_is_none(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """The answer says why, and the records are as before."""
    run(engine, "web", "bridge")
    run(engine, "one")
    cluster.refuse("Pod", "patch", Unavailable("the cluster cannot be reached"))

    with refused(Unavailable, "the cluster cannot be reached"):
        engine.networks.connect("front", "web", EndpointRequest())
    with refused(Unavailable, "the cluster cannot be reached"):
        engine.networks.disconnect("front", "one", force=False)
    with refused(Unavailable, "the cluster cannot be reached"):
        engine.containers.rename("one", to="two")

    found = {record.name: record.endpoints.keys() for record in engine.core.containers.list()}
    assert found == {"web": {engine.networks.resolve("bridge").id}, "one": {front.id}}


def test_a_new_name_is_found_and_the_old_one_is_not(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """As after Docker's rename."""
    ip = run(engine, "old")
    engine.containers.rename("old", to="new")

    assert (cluster.resolve("new"), cluster.resolve("old"), "old" in services(cluster)) == ([ip], [], False)


def test_a_connect_while_the_pod_is_being_posted_counts(cluster: FakeCluster) -> None:
    """Between the beginning of a start and its answer."""
    with engine_with_alpine(cluster, limits=replace(QUICK, address=20.0)) as engine:
        engine.networks.create(NetworkRequest("front"))
        create(engine, "web", "bridge")
        cluster.kubelet.hold()
        started = in_thread(lambda: engine.containers.start("web"))
        pod = eventually(cluster.kubelet.pods)[0]
        connected = in_thread(lambda: engine.networks.connect("front", "web", EndpointRequest(("www",))))
        eventually(lambda: "www" in services(cluster))
        cluster.kubelet.release()
        connected()
        started()

        assert cluster.resolve("www") == [cluster.get("Pod", pod)["status"]["podIP"]]


def test_a_deployments_next_pod_keeps_what_was_changed(engine: Engine, cluster: FakeCluster, front: Network, back: Network) -> None:
    """Its template is that of the start, and changing it would end the pod."""
    run(engine, "web", restart=RestartPolicy("always"))
    engine.networks.connect("back", "web", EndpointRequest(("www",)))
    engine.networks.disconnect("front", "web", force=False)
    before = cluster.resolve("www")

    cluster.delete("Pod", cluster.kubelet.pods()[0], grace=0)

    assert eventually(lambda: (now := cluster.resolve("www")) != before and now) == [address(engine, "web")]
    pod = labels(cluster, address(engine, "web"))
    held = sorted(value for key, value in pod.items() if key.startswith("kubedock.name/"))
    assert held == sorted(["web", "www", short(engine, "web")])


# --- names that are somebody else's ----------------------------------------------------------------------------------


def test_the_first_network_has_the_name_and_the_next_gets_it(
    engine: Engine, cluster: FakeCluster, front: Network, back: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """Said at the create, and in the log at the start."""
    first = run(engine, "one", "front", "db")
    warning = 'Name "db" on network back resolves to the containers of network front'
    assert create(engine, "two", "back", "db") == (warning,)
    with caplog.at_level(logging.WARNING, "kubedock.engine.naming"):
        engine.containers.start("two")
    second = address(engine, "two")
    assert [record.getMessage() for record in caplog.records] == [f"container {short(engine, 'two')}: {warning}"]
    assert (cluster.resolve("db"), cluster.resolve("two")) == ([first], [second])

    engine.containers.stop("one", signal=None, timeout=0)

    assert cluster.resolve("db") == [second]


def test_a_container_on_two_networks_is_found_on_both(
    engine: Engine, cluster: FakeCluster, front: Network, back: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """By one Service, without a warning; also when it leaves the first."""
    wanted = ContainerSpec("alpine", command=("sleep", "1000"), network_mode="front")
    places = {"front": EndpointRequest(("db",)), "back": EndpointRequest(("db",))}
    assert engine.containers.create(wanted, name="one", endpoints=places).warnings == ()
    with caplog.at_level(logging.WARNING, "kubedock.engine.naming"):
        engine.containers.start("one")
    assert (cluster.resolve("db"), caplog.records) == ([address(engine, "one")], [])

    engine.networks.disconnect("front", "one", force=False)

    assert cluster.resolve("db") == [address(engine, "one")]


def test_somebody_elses_service_is_left_alone(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """And said; also when it takes the place of one of ours."""
    foreign = {"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]}}
    cluster.create("Service", foreign)
    whose = "resolves to the Service of that name in the cluster's namespace, which is not kubedock's"
    assert create(engine, "one", "front", "db") == (f'Name "db" on network front {whose}',)
    engine.containers.start("one")
    engine.containers.remove("one", force=True, volumes=False)
    assert services(cluster) == ["db"]

    cluster.delete("Service", "db")
    run(engine, "two", "front", "db")
    cluster.delete("Service", "db")
    cluster.create("Service", foreign)
    engine.containers.remove("two", force=True, volumes=False)
    assert services(cluster) == ["db"]


def test_another_kubedock_keeps_its_name(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """As long as there is a pod behind it."""
    with engine_with_alpine(cluster, defaults=PodDefaults("other")) as other:
        other.networks.create(NetworkRequest("back"))
        run(other, "db", "back")
        whose = 'Name "db" on network front resolves to containers of another kubedock (kubedock.id=other)'
        assert create(engine, "db") == (whose,)
        engine.containers.start("db")
        assert cluster.resolve("db") == [address(other, "db")]
    assert services(cluster) == [short(engine, "db")]


def test_what_a_killed_kubedock_left_over_is_in_nobodys_way(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """Its Service stands there without a pod."""
    cluster.create("Service", service("db", Network("9" * 64, "gone", "bridge", T0), PodDefaults("dead")))
    assert create(engine, "db") == ()
    engine.containers.start("db")

    assert cluster.resolve("db") == [address(engine, "db")]


def test_names_that_no_service_can_have(
    engine: Engine, cluster: FakeCluster, front: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """Are warnings, each for itself; the others resolve."""
    warnings = tuple(f'Name "{name}" on network front does not resolve: {RULE}' for name in ("my_db", "a.b", "1x"))
    assert create(engine, "my_db", "front", "a.b", "db", "1x") == warnings
    with caplog.at_level(logging.WARNING, "kubedock.engine.naming"):
        engine.containers.start("my_db")

    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == list(warnings)
    assert services(cluster) == sorted(["db", short(engine, "my_db")])


def test_names_that_were_not_given_resolve(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """Random ones: a container without a name has no warning."""
    wanted = ContainerSpec("alpine", command=("sleep", "1000"), network_mode="front")
    made = engine.containers.create(wanted, name=None, endpoints={"front": EndpointRequest()})
    engine.containers.start(made.id)

    assert made.warnings == ()
    assert services(cluster) == sorted([engine.core.containers.find(made.id).name, made.id[:12]])


# --- rights and outages ----------------------------------------------------------------------------------------------


def test_without_the_right_there_are_no_names(cluster: FakeCluster, caplog: pytest.LogCaptureFixture) -> None:
    """Said at each create, and once in the log; all else works."""
    for verb in ("create", "list", "get", "deletecollection"):
        cluster.deny(verb, "services")
    with engine_with_alpine(cluster) as engine:
        engine.networks.create(NetworkRequest("front"))
        denied = 'services "" is forbidden: User "fake" cannot list resource "services" in API group "" in the namespace "test"'
        assert create(engine, "one") == (f"Names on networks do not resolve: {denied}",)
        engine.containers.start("one")
        run(engine, "two")
        assert engine.containers.inspect("two").status.running
        engine.containers.remove("one", force=True, volumes=False)
    said = [record for record in caplog.records if record.name == "kubedock.engine.naming"]
    assert 0 < len(said) <= 4


def test_what_cannot_be_written_in_an_outage_is_written_later(
    engine: Engine, cluster: FakeCluster, front: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container runs meanwhile; and what cannot be deleted is deleted later."""
    monkeypatch.setattr(naming, "RETRY_SECONDS", 0.02)
    down = Unavailable("the cluster cannot be reached")
    cluster.refuse("Service", "list", down)
    assert create(engine, "web") == ("Names on networks may resolve to somebody else: the cluster cannot be reached",)
    cluster.refuse("Service", "create", down)
    engine.containers.start("web")
    assert engine.containers.inspect("web").status.running
    cluster.refuse("Service", "create", None)
    assert eventually(lambda: cluster.resolve("web")) == [address(engine, "web")]

    cluster.refuse("Service", "deletecollection", down)
    engine.containers.remove("web", force=True, volumes=False)
    cluster.refuse("Service", "deletecollection", None)
    cluster.refuse("Service", "list", None)
    eventually(lambda: services(cluster) == [])


def test_a_service_whose_answer_was_lost_is_ours(engine: Engine, cluster: FakeCluster, front: Network) -> None:
    """It says so itself."""
    create(engine, "web")
    cluster.create("Service", service("web", front, PodDefaults("test")))
    engine.containers.start("web")
    assert cluster.resolve("web") == [address(engine, "web")]

    engine.containers.remove("web", force=True, volumes=False)
    assert services(cluster) == []


class FickleCluster(FakeCluster):
    """A Service of that name is there whenever one is made, and gone when it is looked at."""

    times = 0

    def create(self, kind: Kind, manifest: Mapping[str, Any]) -> Json:
        """Deny so many times."""
        if kind == "Service" and self.times > 0:
            self.times -= 1
            raise Conflict("services already exists")
        return super().create(kind, manifest)


@pytest.mark.parametrize("times", [1, 5])
def test_a_name_that_is_just_being_freed_is_had_later(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next try, or some time after."""
    monkeypatch.setattr(naming, "RETRY_SECONDS", 0.02)
    cluster = FickleCluster()
    with engine_with_alpine(cluster) as engine:
        engine.networks.create(NetworkRequest("front"))
        create(engine, "web")
        cluster.times = times
        engine.containers.start("web")
        if times > 3:
            eventually(lambda: cluster.resolve("web"))

        assert cluster.resolve("web") == [address(engine, "web")]


def test_the_servers_end_takes_its_services_alone(cluster: FakeCluster) -> None:
    """Those of a network still held; somebody else's stay."""
    cluster.create("Service", {"metadata": {"name": "db"}, "spec": {"clusterIP": "None"}})
    with engine_with_alpine(cluster) as engine:
        engine.networks.create(NetworkRequest("front"))
        run(engine, "web")
        assert services(cluster) == sorted(["db", "web", short(engine, "web")])
    assert services(cluster) == ["db"]


def test_a_container_whose_network_is_gone_does_not_start(engine: Engine, front: Network) -> None:
    """moby: daemon/container_operations.go."""
    create(engine, "web")
    engine.networks.remove("front")

    with refused(NotFound, f"failed to set up container networking: network {front.id} not found"):
        engine.containers.start("web")
    assert engine.containers.inspect("web").status.exit_code == 128
    with pytest.raises(NotModified):
        engine.containers.stop("web", signal=None, timeout=0)
