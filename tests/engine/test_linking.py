"""Links: other containers in ``/etc/hosts``."""

import pytest

from kubedock.cluster import Json
from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerSpec
from kubedock.domain.network import EndpointRequest, NetworkRequest
from kubedock.engine import Engine
from kubedock.errors import InvalidParameter
from tests.support.running import make, refused, run
from tests.support.waiting import eventually, in_thread

SLEEP = ("sleep", "1000")


def hosts(cluster: FakeCluster, engine: Engine, name: str) -> list[Json]:
    """The host aliases of a container's pod."""
    found: list[Json] = cluster.get("Pod", engine.core.containers.find(name).object_name or "")["spec"].get("hostAliases", [])
    return found


def ip(engine: Engine, name: str) -> str:
    """A container's address."""
    return eventually(lambda: engine.containers.inspect(name).ip)


def test_a_link_on_the_default_network(engine: Engine, cluster: FakeCluster) -> None:
    """Its own name for the other one, the other's host name and its name; what Kubernetes does not take is left out."""
    db = run(engine, "my_db", *SLEEP)
    run(engine, "web", *SLEEP, links=(("my_db", "data"),), extra_hosts=(("other", "192.0.2.7"),))

    assert hosts(cluster, engine, "web") == [
        {"ip": "192.0.2.7", "hostnames": ["other"]},
        {"ip": ip(engine, "my_db"), "hostnames": ["data", db[:12]]},
    ]


def test_a_link_follows_a_new_name(engine: Engine, cluster: FakeCluster) -> None:
    """The container is linked, not its name."""
    run(engine, "db", *SLEEP)
    make(engine, "web", *SLEEP, links=(("db", "data"),))
    engine.containers.rename("db", to="other")
    engine.containers.start("web")

    assert hosts(cluster, engine, "web")[0]["hostnames"][::2] == ["data", "other"]


def test_a_link_needs_a_container_that_runs(engine: Engine) -> None:
    """moby: daemon/links.go, daemon/container_operations_unix.go."""
    with refused(InvalidParameter, "could not get container for nobody: No such container: nobody"):
        make(engine, "web", *SLEEP, links=(("nobody", "data"),))
    make(engine, "db", *SLEEP)
    make(engine, "web", *SLEEP, links=(("db", "data"),))
    with refused(InvalidParameter, "Cannot link to a non running container: /db AS /web/data"):
        engine.containers.start("web")


def test_links_on_a_network_that_has_names(engine: Engine, cluster: FakeCluster, caplog: pytest.LogCaptureFixture) -> None:
    """Its names follow their containers, so they are left to it; who does not run there is not found, as in Docker."""
    engine.networks.create(NetworkRequest("front"))
    engine.containers.create(
        ContainerSpec("alpine", command=SLEEP, network_mode="front"), name="db", endpoints={"front": EndpointRequest(("data",))}
    )
    engine.containers.start("db")
    run(engine, "elsewhere", *SLEEP)
    links = (("db", "data"), ("db", "mine"), ("elsewhere", "e"), ("nobody", "n"))
    wanted = ContainerSpec("alpine", command=SLEEP, network_mode="front")
    engine.containers.create(wanted, name="web", endpoints={"front": EndpointRequest(links=links)})
    engine.containers.start("web")

    assert hosts(cluster, engine, "web") == [
        {"ip": ip(engine, "db"), "hostnames": ["mine", engine.core.containers.find("db").short_id, "db"]}
    ]
    said = [record.getMessage().partition(": ")[2] for record in caplog.records if record.name == "kubedock.engine.linking"]
    assert said == [f"link {link} is not applied: it does not run there" for link in ("elsewhere:e", "nobody:n")]


def test_a_link_whose_address_is_not_known_is_said(engine: Engine, cluster: FakeCluster, caplog: pytest.LogCaptureFixture) -> None:
    """After the time that an address may take."""
    make(engine, "db", *SLEEP)
    cluster.kubelet.hold()
    started = in_thread(lambda: engine.containers.start("db"))
    cluster.kubelet.start(eventually(cluster.kubelet.pods)[0])
    started()
    make(engine, "web", *SLEEP, links=(("db", "data"),))
    started = in_thread(lambda: engine.containers.start("web"))
    cluster.kubelet.run(eventually(lambda: cluster.kubelet.pods()[1:])[0])
    started()

    assert hosts(cluster, engine, "web") == []
    assert "link data is not applied: the address is not known" in caplog.text
