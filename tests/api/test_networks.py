"""Networks over the API."""

import pytest


@pytest.mark.operation("NetworkCreate")
@pytest.mark.operation("NetworkInspect")
@pytest.mark.operation("NetworkList")
def test_a_network_is_made_and_shown(docker):
    """Whole, with a subnet and an empty Containers."""
    body = {
        "Name": "mine",
        "CheckDuplicate": True,
        "Driver": "bridge",
        "IPAM": {"Config": None},
        "Labels": {"a": "b"},
        "Options": None,
    }
    made = docker.post("/networks/create", body, expect=201).json
    found = docker.get("/networks/mine").json

    assert made == {"Id": found["Id"], "Warning": ""}
    expected = {"Name": "mine", "Driver": "bridge", "Scope": "local", "Labels": {"a": "b"}, "Containers": {}, "Internal": False}
    assert {key: found[key] for key in expected} == expected
    assert found["IPAM"]["Config"] == [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]
    assert [network["Name"] for network in docker.get("/networks").json] == ["bridge", "host", "none", "mine"]
    assert [network["Name"] for network in docker.get("/networks", filters={"type": ["custom"]}).json] == ["mine"]


@pytest.mark.operation("NetworkCreate")
def test_what_a_network_cannot_have_is_a_warning(docker):
    """Shown as asked, and said."""
    made = docker.post("/networks/create", {"Name": "mine", "Internal": True, "EnableIPv6": True}, expect=201).json
    assert made["Warning"] == (
        "Internal is not applied: what a pod may reach is up to the cluster's network policies;"
        " EnableIPv6 is not applied: the cluster's network chooses a pod's addresses"
    )
    assert docker.get("/networks/mine").json["Internal"] is True


@pytest.mark.operation("NetworkCreate")
@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"Name": "bridge"}, 403, "operation is not permitted on predefined bridge network "),
        ({"Name": "taken"}, 409, "network with name taken already exists"),
        ({"Name": ""}, 400, "invalid name: name is empty"),
        ({"Name": "x", "Scope": "swarm"}, 403, "cannot create a swarm scoped network when swarm is not active"),
        ({"Name": "x", "IPAM": {"Config": [{"Subnet": "x"}]}}, 400, "invalid network config:\ninvalid subnet x"),
        ({"Name": "x", "IPAM": {"Config": [5]}}, 400, "invalid JSON: IPAM.Config: an array of objects is expected"),
        ({"Name": "x", "Internal": "yes"}, 400, "invalid JSON: Internal: true or false is expected"),
    ],
)
def test_what_makes_no_network_is_refused(docker, body, status, message):
    """With Docker's statuses and texts."""
    docker.post("/networks/create", {"Name": "taken"}, expect=201)
    assert docker.post("/networks/create", body, expect=status).message == message


@pytest.mark.operation("NetworkConnect")
@pytest.mark.operation("NetworkDisconnect")
@pytest.mark.operation("NetworkDelete")
def test_a_container_joins_and_leaves(docker, a_container):
    """Shown on both sides; the network goes when nobody runs on it."""
    network = docker.post("/networks/create", {"Name": "mine"}, expect=201).json["Id"]
    web = a_container("web")
    docker.post("/networks/mine/connect", {"Container": "web", "EndpointConfig": {"Aliases": ["db"]}})
    docker.post("/containers/web/start", expect=204)

    mine = docker.get("/containers/web/json").json["NetworkSettings"]["Networks"]["mine"]
    member = docker.get("/networks/mine").json["Containers"]
    assert member == {
        web: {
            "Name": "web",
            "EndpointID": mine["EndpointID"],
            "MacAddress": mine["MacAddress"],
            "IPv4Address": f"{mine['IPAddress']}/{mine['IPPrefixLen']}",
            "IPv6Address": "",
        }
    }
    assert (mine["NetworkID"], mine["Aliases"], mine["DNSNames"]) == (network, ["db"], ["web", "db", web[:12]])
    assert (mine["Gateway"], mine["MacAddress"][:6]) == ("127.0.0.1", "02:42:")
    assert "has active endpoints" in docker.delete("/networks/mine", expect=403).message
    docker.post(f"/networks/{network[:12]}/disconnect", {"Container": web, "Force": False})
    docker.delete("/networks/mine")
    assert docker.get("/networks/mine", expect=404).message == "network mine not found"
    assert docker.delete("/networks/bridge", expect=403).message == "bridge is a pre-defined network and cannot be removed"


@pytest.mark.operation("ContainerCreate")
def test_names_that_do_not_resolve_are_warnings(docker, a_container):
    """In the answer of create; start's has no place for them."""
    for name in ("one", "two"):
        docker.post("/networks/create", {"Name": name}, expect=201)
    places = {name: {"EndpointsConfig": {name: {"Aliases": ["db", "a_b"]}}} for name in ("one", "two")}
    a_container("first", start=True, HostConfig={"NetworkMode": "one"}, NetworkingConfig=places["one"])
    body = {"Image": "alpine", "HostConfig": {"NetworkMode": "two"}, "NetworkingConfig": places["two"]}
    rule = 'a Service\'s name begins with a letter and has letters, digits and "-", at most 63'

    assert docker.post("/containers/create?name=second", body, expect=201).json["Warnings"] == [
        f'Name "a_b" on network two does not resolve: {rule}',
        'Name "db" on network two resolves to the containers of network one',
    ]


@pytest.mark.operation("ContainerCreate")
@pytest.mark.operation("NetworkConnect")
def test_aliases_need_a_network_that_has_names(docker, a_container):
    """Docker's two sentences."""
    sentence = "invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks"
    body = {"Image": "alpine", "NetworkingConfig": {"EndpointsConfig": {"bridge": {"Aliases": ["db"]}}}}
    assert docker.post("/containers/create", body, expect=400).message == f"invalid config for network bridge: {sentence}"
    a_container("web", HostConfig={"NetworkMode": "none"})
    wanted = {"Container": "web", "EndpointConfig": {"Aliases": ["db"]}}
    assert docker.post("/networks/bridge/connect", wanted, expect=400).message == sentence


@pytest.mark.operation("NetworkInspect")
@pytest.mark.operation("ContainerList")
def test_published_ports_are_reached_at_the_gateway(docker, a_container):
    """Of the bridge, and of every container that runs, in the list as well: clients in a container look there."""
    docker.post("/networks/create", {"Name": "mine"}, expect=201)
    a_container("web", start=True, HostConfig={"NetworkMode": "mine"})
    a_container("plain", start=True)
    listed = {item["Names"][0]: item["NetworkSettings"]["Networks"] for item in docker.get("/containers/json").json}
    top = docker.get("/containers/plain/json").json["NetworkSettings"]

    assert docker.get("/networks/bridge").json["IPAM"]["Config"] == [{"Subnet": "172.17.0.0/16", "Gateway": "127.0.0.1"}]
    assert (listed["/web"]["mine"]["Gateway"], listed["/plain"]["bridge"]["Gateway"]) == ("127.0.0.1", "127.0.0.1")
    assert {key: top[key] for key in ("Gateway", "IPAddress", "MacAddress", "EndpointID", "IPPrefixLen")} == {
        key: top["Networks"]["bridge"][key] for key in ("Gateway", "IPAddress", "MacAddress", "EndpointID", "IPPrefixLen")
    }


@pytest.mark.operation("NetworkConnect")
@pytest.mark.operation("NetworkDisconnect")
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("connect", {"Container": "nobody"}, 404),
        ("connect", {}, 400),
        ("connect", {"Container": 5}, 400),
        ("connect", {"Container": "web", "EndpointConfig": {"Aliases": "x"}}, 400),
        ("disconnect", {"Container": "nobody"}, 404),
        ("disconnect", {"Container": "web"}, 500),
    ],
)
def test_what_cannot_join_or_leave_is_refused(docker, a_container, path, body, status):
    """With Docker's statuses."""
    docker.post("/networks/create", {"Name": "mine"}, expect=201)
    a_container("web")
    docker.post(f"/networks/mine/{path}", body, expect=status)
    docker.post(f"/networks/nothing/{path}", {"Container": "web"}, expect=404)


@pytest.mark.operation("NetworkPrune")
def test_prune_takes_what_is_not_used(docker):
    """By name."""
    docker.post("/networks/create", {"Name": "mine"}, expect=201)
    assert docker.post("/networks/prune", filters={"until": {"2000-01-01": True}}).json == {"NetworksDeleted": []}
    assert docker.post("/networks/prune").json == {"NetworksDeleted": ["mine"]}
