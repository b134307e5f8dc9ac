"""Containers of a network find each other by their names, in the cluster's own DNS."""

import json
import re
import secrets
from collections.abc import Callable, Iterator

import pytest

from kubedock.kube.rights import RIGHTS
from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import KubedockServer, ServerWith, kubedock_server, pods
from tests.support.realcluster import RealCluster
from tests.support.waiting import eventually

NGINX = "nginx"
RULE = 'a Service\'s name begins with a letter and has letters, digits and "-", at most 63'


@pytest.fixture
def network(docker: DockerCli) -> Iterator[Callable[[], str]]:
    """Make networks with random names; they are removed at the end, after their containers."""
    made: list[str] = []

    def make() -> str:
        made.append(f"net-{secrets.token_hex(4)}")
        docker.ok("network", "create", made[-1])
        return made[-1]

    yield make
    docker.clean()
    docker("network", "rm", *made)


def run(docker: DockerCli, name: str, *options: str, image: str = ALPINE, command: tuple[str, ...] = ("sleep", "1000")) -> str:
    """A container that goes on; its address."""
    docker.ok("run", "-d", "--name", name, *options, image, *command)
    return docker.inspect(name, "range .NetworkSettings.Networks}}{{.IPAddress}}{{end")


def asked(docker: DockerCli, asker: str, name: str) -> set[str]:
    """The addresses that the cluster's DNS gives a container for a name."""
    found = docker("exec", asker, "nslookup", "-type=a", name).out
    return set(re.findall(r"^Address:\s+([\d.]+)$", found, re.MULTILINE))


def reached(docker: DockerCli, asker: str, name: str) -> str:
    """The address that a program in a container reaches by a name."""
    return docker.ok("exec", asker, "ping", "-c", "1", name).partition("(")[2].partition(")")[0]


def held(server: KubedockServer, names: set[str], wanted: set[str]) -> None:
    """Of these names, those that are wanted are held by the server's Services."""
    server.objects.show(lambda: names & server.objects.names("services", f"kubedock.id={server.instance}"), wanted)


@pytest.mark.subset
def test_a_container_is_found_by_all_its_names(docker: DockerCli, network: Callable[[], str]) -> None:
    """At once after its start: name, alias in any case, short id, host name; and by itself."""
    front, web, client = network(), docker.name("web"), docker.name()
    alias, host = f"www-{secrets.token_hex(4)}", f"host-{secrets.token_hex(4)}"
    run(docker, web, "--network", front, "--network-alias", alias, "--hostname", host, image=NGINX, command=())
    run(docker, client, "--network", front)
    short = docker.inspect(web, ".Id")[:12]

    for name in (web, alias, alias.upper(), short, host):
        assert "nginx" in docker.ok("exec", client, "wget", "-qO-", f"http://{name}"), name
    address = reached(docker, client, alias)
    assert (docker.ok("exec", web, "hostname"), reached(docker, web, host)) == (host, address)
    names = json.loads(docker.ok("inspect", "-f", "{{json .NetworkSettings.Networks}}", web))[front]["DNSNames"]
    assert names == [web, alias, short, host]


@pytest.mark.subset
def test_two_containers_share_an_alias(docker: DockerCli, network: Callable[[], str]) -> None:
    """Both answer; when one has stopped, the other does."""
    front, one, two = network(), docker.name("one"), docker.name("two")
    alias = f"www-{secrets.token_hex(4)}"
    addresses = {run(docker, name, "--network", front, "--network-alias", alias) for name in (one, two)}

    assert len(addresses) == 2
    assert asked(docker, one, alias) == addresses


@pytest.mark.subset
def test_a_running_container_joins_and_leaves(docker: DockerCli, network: Callable[[], str], server: KubedockServer) -> None:
    """It is found when connect has answered, and its names are gone when disconnect has."""
    front, web, client, alias = network(), docker.name("web"), docker.name(), f"late-{secrets.token_hex(4)}"
    run(docker, client, "--network", front)
    address = run(docker, web)
    docker.ok("network", "connect", "--alias", alias, front, web)

    assert asked(docker, client, alias) == {address}
    members = json.loads(docker.ok("network", "inspect", "-f", "{{json .Containers}}", front))
    assert {member["Name"]: member["IPv4Address"].partition("/")[0] for member in members.values()}[web] == address
    held(server, {alias, web}, {alias, web})

    docker.ok("network", "disconnect", front, web)
    held(server, {alias, web}, set())


@pytest.mark.subset
def test_names_go_with_the_stop_and_come_back(docker: DockerCli, network: Callable[[], str], server: KubedockServer) -> None:
    """With the answer of each; the network can be removed when nobody runs on it."""
    front, web, alias = network(), docker.name("web"), f"www-{secrets.token_hex(4)}"
    run(docker, web, "--network", front, "--network-alias", alias)
    mine = {web, alias, docker.inspect(web, ".Id")[:12]}
    held(server, mine, mine)
    assert "has active endpoints" in docker("network", "rm", front).err

    docker.ok("stop", "-t", "0", web)
    held(server, mine, set())
    assert docker.ok("network", "inspect", "-f", "{{json .Containers}}", front) == "{}"

    docker.ok("start", web)
    held(server, mine, mine)
    docker.ok("rm", "-f", web)
    held(server, mine, set())
    docker.ok("network", "rm", front)


def test_a_deployments_next_pod_has_the_names(
    docker: DockerCli, network: Callable[[], str], real_cluster: RealCluster, server: KubedockServer
) -> None:
    """Also those that it was given while it ran, which its template does not know."""
    front, web, alias = network(), docker.name("web"), f"late-{secrets.token_hex(4)}"
    run(docker, web, "--restart", "always", "--network", front)
    docker.ok("network", "disconnect", front, web)
    docker.ok("network", "connect", "--alias", alias, front, web)
    selector = f"kubedock.id={server.instance},kubedock.containerid={docker.inspect(web, '.Id')[:12]}"
    [before] = pods(real_cluster, selector)

    real_cluster.kubectl("delete", "pod", before["metadata"]["name"], "--grace-period=0", "--force")

    def names() -> set[str]:
        found = [pod["metadata"]["labels"] for pod in pods(real_cluster, selector)]
        return {value for labels in found for key, value in labels.items() if key.startswith("kubedock.name/")}

    eventually(lambda: alias in names(), what="the new pod's labels")


def test_a_name_of_another_network_is_a_warning(docker: DockerCli, network: Callable[[], str]) -> None:
    """It says whose it is, and is this network's when the other has no more need of it."""
    front, back, one, two, client = network(), network(), docker.name("one"), docker.name("two"), docker.name()
    alias = f"db-{secrets.token_hex(4)}"
    run(docker, one, "--network", front, "--network-alias", alias)
    said = docker("run", "-d", "--name", two, "--network", back, "--network-alias", alias, ALPINE, "sleep", "1000").err
    assert said == f'WARNING: Name "{alias}" on network {back} resolves to the containers of network {front}\n'

    docker.ok("rm", "-f", one)
    run(docker, client, "--network", back)
    assert asked(docker, client, alias) == {docker.inspect(two, "range .NetworkSettings.Networks}}{{.IPAddress}}{{end")}


def test_names_that_cannot_be(docker: DockerCli, network: Callable[[], str], real_cluster: RealCluster) -> None:
    """What a Service cannot be called, and somebody else's Service."""
    front, name, foreign = network(), docker.name("a_b"), f"foreign-{secrets.token_hex(4)}"
    real_cluster.kubectl("create", "service", "clusterip", foreign, "--tcp=80")
    places = ("--network", front, "--network-alias", foreign, "--network-alias", "a.b")
    said = docker("run", "-d", "--name", name, *places, ALPINE, "sleep", "1000").err

    assert said.splitlines() == [
        f'WARNING: Name "{name}" on network {front} does not resolve: {RULE}',
        f'WARNING: Name "a.b" on network {front} does not resolve: {RULE}',
        f'WARNING: Name "{foreign}" on network {front} resolves to the Service of that name in the cluster\'s namespace,'
        " which is not kubedock's",
    ]


@pytest.mark.subset
def test_links(docker: DockerCli) -> None:
    """On the default network, through /etc/hosts."""
    db, web = docker.name("db"), docker.name()
    address = run(docker, db)
    run(docker, web, "--link", f"{db}:database")

    assert [reached(docker, web, name) for name in ("database", db, docker.inspect(db, ".Config.Hostname"))] == [address] * 3


@pytest.mark.subset
def test_network_facts(docker: DockerCli, network: Callable[[], str], server: KubedockServer) -> None:
    """The pod's address, a MAC address made of it, and as gateway the address of published ports."""
    front, web = network(), docker.name("web")
    run(docker, web, "--network", front)
    place = json.loads(docker.ok("inspect", "-f", "{{json .NetworkSettings.Networks}}", web))[front]
    bridge = json.loads(docker.ok("network", "inspect", "bridge"))[0]["IPAM"]["Config"]
    octets = [int(part) for part in place["IPAddress"].split(".")]

    assert reached(docker, web, web) == place["IPAddress"]
    assert place["MacAddress"] == "02:42:" + ":".join(f"{octet:02x}" for octet in octets)
    assert (place["Gateway"], place["IPPrefixLen"]) == ("127.0.0.1", 16)
    assert bridge == [{"Subnet": "172.17.0.0/16", "Gateway": "127.0.0.1"}]
    assert place["NetworkID"] == docker.ok("network", "inspect", "-f", "{{.Id}}", front)


def test_without_the_right_to_services(real_cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """All works but the names, which is said at the start of the server and at each create."""
    rules = [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)}
        for right in RIGHTS
        if right.resource != "services"
    ]
    folder = tmp_path_factory.mktemp("nameless")
    kubeconfig = real_cluster.service_account(rules, "nameless")
    with kubedock_server(real_cluster, folder, kubeconfig=kubeconfig) as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)
        cli.ok("network", "create", "front")
        done = cli("run", "--rm", "--network", "front", ALPINE, "echo", "hi")

        assert (done.code, done.out) == (0, "hi\n")
        assert "WARNING: Names on networks do not resolve: services is forbidden" in done.err
        assert "kubedock does without names of containers on user-defined networks" in server.live.log


def test_the_servers_end_takes_its_services(server_with: ServerWith) -> None:
    """With its pods."""
    with server_with() as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)
        cli.ok("network", "create", "front")
        run(cli, cli.name("web"), "--network", "front")
        mine = f"kubedock.id={server.instance}"
        server.objects.show(lambda: len(server.objects("services", mine)), 2)
    assert [server.objects.read(kinds, mine) for kinds in ("services", "pods")] == [[], []]
