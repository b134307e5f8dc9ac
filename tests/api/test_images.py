"""Images over the API."""

import base64
import json

import pytest

from kubedock.app import create_app
from kubedock.domain.image import parse
from kubedock.engine.images import Images
from kubedock.errors import Conflict
from kubedock.parsing import mirrors
from kubedock.registry.client import RegistryClient
from kubedock.registry.inspector import Inspector, Places
from kubedock.state.images import ImageStore
from tests.support.docker import DockerClient
from tests.support.registry import FakeRegistry, wants_password
from tests.support.running import running
from tests.support.swagger import contract_if_present

ALPINE = parse("alpine").image_id


@pytest.mark.operation("ImageCreate")
@pytest.mark.parametrize(
    ("query", "name", "tag"),
    [
        ("fromImage=redis&tag=7", "redis:7", "7"),
        ("fromImage=docker.io%2Flibrary%2Fredis&tag=latest", "redis:latest", "latest"),
        ("fromImage=quay.io/me/app:1", "quay.io/me/app:1", "1"),
        ("fromImage=redis&tag=&platform=linux/amd64&authconfig=", "redis:latest", "latest"),
    ],
)
def test_a_pull_is_a_stream_with_a_closing_status(docker, query, name, tag):
    """A fixed Content-Length would break docker-py, a missing status docker-java."""
    answer = docker.post(f"/images/create?{query}", headers={"X-Registry-Auth": "e30="})

    assert (answer.headers["Content-Type"], "Content-Length" in answer.headers) == ("application/json", False)
    assert answer.lines == [
        {"status": f"Pulling from {parse(name).repository}", "id": tag},
        {"status": f"Status: Downloaded newer image for {name}"},
    ]
    assert docker.get(f"/images/{name}/json").json["RepoTags"] == [name]
    assert docker.post(f"/images/create?{query}").lines[-1] == {"status": f"Status: Image is up to date for {name}"}


@pytest.mark.operation("ImageCreate")
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("fromImage=Upper", 400),
        ("fromImage=a&tag=%20", 400),
        ("", 400),
        ("fromSrc=-&repo=x", 501),
        ("fromImage=a&platform=%25", 400),
    ],
)
def test_a_bad_pull_is_refused_with_a_status(docker, query, status):
    """Before the stream begins."""
    docker.post(f"/images/create?{query}", expect=status)


@pytest.mark.operation("ImageInspect")
@pytest.mark.operation("ImageHistory")
@pytest.mark.operation("ImageList")
def test_an_image_is_shown_whole(docker):
    """testcontainers-go dereferences Config without looking."""
    found = docker.get("/images/alpine/json").json
    assert (found["Id"], found["RepoTags"], found["Os"]) == (ALPINE, ["alpine:latest"], "linux")
    assert isinstance(found["Config"], dict)
    assert found["RootFS"]["Type"] == "layers"
    assert docker.get(f"/images/{ALPINE[7:19]}/json").json == found
    [row] = docker.get("/images/json").json
    assert (row["Id"], row["RepoTags"], row["Containers"]) == (ALPINE, ["alpine:latest"], 0)
    assert docker.get("/images/json", filters={"reference": {"busy*": True}}).json == []
    assert [layer["Tags"] for layer in docker.get("/images/alpine/history").json] == [["alpine:latest"]]
    assert docker.get("/images/nothing/json", expect=404).message == "No such image: nothing:latest"
    assert docker.get("/images/nothing/history", expect=404).message == "No such image: nothing:latest"


@pytest.mark.operation("ImageTag")
def test_a_tag_may_hold_slashes(docker):
    """Raw or as %2F."""
    docker.post("/images/docker.io/library/alpine/tag?repo=quay.io/me/app&tag=1", expect=201)
    docker.post("/images/quay.io%2Fme%2Fapp:1/tag?repo=mine", expect=201)
    assert docker.get("/images/mine/json").json["RepoTags"] == ["alpine:latest", "quay.io/me/app:1", "mine:latest"]
    docker.post("/images/nothing/tag?repo=x", expect=404)
    docker.post("/images/alpine/tag", expect=400)
    docker.post("/images/alpine/tag?repo=x&tag=%20", expect=400)


@pytest.mark.operation("ImageDelete")
def test_a_removal_tells_what_it_did(docker, a_container):
    """A list, 409 for what is used."""
    web = a_container("web")
    assert "must force" in docker.delete("/images/alpine", expect=409).message
    docker.delete(f"/containers/{web}")
    assert docker.delete("/images/alpine", expect=200).json == [{"Untagged": "alpine:latest"}, {"Deleted": ALPINE}]
    docker.delete("/images/alpine", expect=404)


@pytest.mark.operation("ImagePrune")
def test_prune_takes_all_unused_when_asked(docker):
    """dangling=false."""
    assert docker.post("/images/prune").json == {"ImagesDeleted": [], "SpaceReclaimed": 0}
    gone = docker.post("/images/prune", filters={"dangling": {"false": True}}).json
    assert gone == {"ImagesDeleted": [{"Untagged": "alpine:latest"}, {"Deleted": ALPINE}], "SpaceReclaimed": 0}


@pytest.fixture
def registry():
    """One that serves one image."""
    with FakeRegistry().serving() as serving:
        serving.image("me/app", "1", {"Cmd": ["run"], "ExposedPorts": {"80/tcp": {}}})
        serving.behave.append(wants_password("me", "secret"))
        yield serving


@pytest.fixture
def inspecting(registry):
    """A Docker client of an engine that asks registries."""
    with running(inspector=Inspector(RegistryClient(), Places())) as runtime:
        yield DockerClient(create_app(runtime.engine), contract=contract_if_present())


def auth(**entry):
    """The header."""
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(entry).encode()).decode()}


@pytest.mark.operation("ImageCreate")
@pytest.mark.operation("ImageInspect")
@pytest.mark.operation("DistributionInspect")
def test_a_registry_is_asked_with_the_clients_credentials(inspecting, registry):
    """The header of the request; a wrong one is refused with a status, without one the image is taken on trust."""
    name = f"{registry.host}/me/app"
    wrong = inspecting.post(f"/images/create?fromImage={name}&tag=1", headers=auth(username="me", password="no"), expect=500)
    assert wrong.message == f'Get "http://{registry.host}/v2/me/app/manifests/1": unauthorized: authentication required'
    nobody = inspecting.post(f"/images/create?fromImage={name}&tag=1", headers={"X-Registry-Auth": "e30="}).lines
    assert [line["status"].partition(" ")[0] for line in nobody] == ["Pulling", "WARNING:", "Status:"]
    unseen = inspecting.get(f"/distribution/{name}:1/json", headers={"X-Registry-Auth": "e30="}, expect=401)
    assert unseen.message == f'Get "https://{registry.host}/v2/": no basic auth credentials'

    me = auth(username="me", password="secret")
    lines = inspecting.post(f"/images/create?fromImage={name}&tag=1", headers=me).lines
    assert [line["status"].partition(":")[0] for line in lines] == ["Pulling from me/app", "Digest", "Status"]
    assert inspecting.get(f"/images/{name}:1/json").json["Config"]["Cmd"] == ["run"]
    missing = inspecting.post(f"/images/create?fromImage={name}&tag=2", headers=me, expect=404)
    assert missing.message == f"manifest for {name}:2 not found: manifest unknown: manifest unknown"
    found = inspecting.get(f"/distribution/{name}:1/json", headers=me).json
    assert found["Platforms"] == [{"os": "linux", "architecture": "amd64"}]


@pytest.mark.operation("ImageCreate")
def test_the_login_may_be_among_many(inspecting, registry):
    """``X-Registry-Config`` has one for each registry; the header for this image alone goes before it."""
    many = json.dumps({registry.host: {"username": "me", "password": "secret"}})
    headers = {"X-Registry-Config": base64.urlsafe_b64encode(many.encode()).decode()}
    pull = f"/images/create?fromImage={registry.host}/me/app&tag=1"

    inspecting.post(pull, headers={**headers, **auth(username="me", password="no")}, expect=500)
    assert inspecting.post(pull, headers={**headers, "X-Registry-Auth": "e30="}).lines[-1]["status"].startswith("Status: ")


@pytest.mark.operation("ImageCreate")
def test_what_goes_wrong_after_the_head_is_a_line(inspecting, registry, monkeypatch):
    """The status is gone by then: clients look for ``error``."""

    def breaks(*_):
        raise Conflict("the disk is full")

    monkeypatch.setattr(Images, "_remember", breaks)
    lines = inspecting.post(
        f"/images/create?fromImage={registry.host}/me/app&tag=1", headers=auth(username="me", password="secret")
    ).lines

    assert lines == [
        {"status": "Pulling from me/app", "id": "1"},
        {"errorDetail": {"message": "the disk is full"}, "error": "the disk is full"},
    ]


@pytest.mark.operation("ContainerCreate")
def test_a_container_of_another_platform_is_refused(inspecting, registry):
    """404: clients pull then. The text is what docker-py looks for."""
    name = f"{registry.host}/me/app:1"
    inspecting.post(f"/images/create?fromImage={name}", headers=auth(username="me", password="secret"))
    refused = inspecting.post("/containers/create?platform=linux/arm64", {"Image": name}, expect=404)

    assert "was found but does not match the specified platform: wanted linux/arm64, actual: linux/amd64" in refused.message


@pytest.mark.operation("ContainerCreate")
def test_a_tag_that_moves_while_a_container_is_made(inspecting, registry, monkeypatch):
    """Its configuration and its image are of one look: no mixture of two."""
    name, asked = f"{registry.host}/me/app:1", []
    inspecting.post(f"/images/create?fromImage={name}", headers=auth(username="me", password="secret"))
    find = ImageStore.find
    monkeypatch.setattr(ImageStore, "find", lambda store, ref: asked.append(ref) or find(store, ref))

    inspecting.post("/containers/create", {"Image": name}, expect=201)

    assert asked == [name]


@pytest.mark.operation("ContainerCreate")
@pytest.mark.operation("ImageInspect")
@pytest.mark.operation("ImageDelete")
def test_an_image_by_tag_and_digest(inspecting, registry):
    """As ``docker run x:1@sha256:…`` and compose have it: the client pulls by the digest, and asks by both."""
    name, headers = f"{registry.host}/me/app", auth(username="me", password="secret")
    inspecting.post(f"/images/create?fromImage={name}&tag=1", headers=headers)
    digest = inspecting.get(f"/images/{name}:1/json").json["RepoDigests"][0].partition("@")[2]
    inspecting.delete(f"/images/{name}:1", expect=200)
    both = f"{name}:1@{digest}"

    assert inspecting.post("/containers/create", {"Image": both}, expect=404).message == f"No such image: {both}"
    inspecting.post(f"/images/create?fromImage={name}&tag={digest}", headers=headers)
    inspecting.post("/containers/create?name=app", {"Image": both}, expect=201)
    shown = inspecting.get("/containers/app/json").json
    image = inspecting.get(f"/images/{both}/json").json
    assert (shown["Config"]["Image"], shown["Image"]) == (both, image["Id"])
    assert (image["RepoTags"], image["RepoDigests"]) == ([], [f"{name}@{digest}"])
    inspecting.delete("/containers/app", expect=204)
    assert inspecting.delete(f"/images/{both}", expect=200).json == [{"Untagged": both}, {"Deleted": image["Id"]}]


@pytest.mark.operation("SystemAuth")
def test_a_login_is_checked(inspecting, docker, registry):
    """401 for a wrong password, 501 where no registry is asked."""
    body = {"username": "me", "password": "secret", "serveraddress": registry.host}
    assert inspecting.post("/auth", body).json == {"Status": "Login Succeeded", "IdentityToken": ""}
    inspecting.post("/auth", {**body, "password": "wrong"}, expect=401)
    inspecting.post("/auth", {"serveraddress": 1}, expect=400)
    assert docker.post("/auth", body, expect=501).message == "a registry cannot be asked: --no-inspector is set"


@pytest.mark.operation("SystemInfo")
def test_info_names_mirrors_and_what_is_insecure(docker):
    """As the docker command shows them."""
    places = Places(mirrors(["http://m:5000", "quay.io=https://mirror.example"]), ["lax.example"])
    with running(inspector=Inspector(RegistryClient(), places)) as runtime:
        found = DockerClient(create_app(runtime.engine), contract=contract_if_present()).get("/info").json["RegistryConfig"]

    assert found["Mirrors"] == found["IndexConfigs"]["docker.io"]["Mirrors"] == ["http://m:5000", "quay.io=https://mirror.example"]
    assert found["IndexConfigs"]["lax.example"]["Secure"] is False
    assert docker.get("/info").json["RegistryConfig"]["Mirrors"] == []


@pytest.mark.operation("ContainerCreate")
@pytest.mark.operation("ContainerInspect")
def test_a_container_has_what_its_image_says(inspecting, registry):
    """Shown, and run: the pod's image is the one that was looked at. A look-up happens with the pull alone."""
    name = f"{registry.host}/me/app:1"
    assert inspecting.post("/containers/create", {"Image": name}, expect=404).message == f"No such image: {name}"
    inspecting.post(f"/images/create?fromImage={name}", headers=auth(username="me", password="secret"))
    registry.forget()

    made = inspecting.post("/containers/create?name=app", {"Image": name, "HostConfig": {"PublishAllPorts": True}}, expect=201)
    inspecting.post("/containers/app/start", expect=204)
    found = inspecting.get("/containers/app/json").json

    assert made.json["Warnings"] == []
    assert (found["Path"], found["Config"]["Cmd"], found["Config"]["Image"]) == ("run", ["run"], name)
    assert found["Image"] == inspecting.get(f"/images/{name}/json").json["Id"]
    assert [len(bindings) for bindings in found["NetworkSettings"]["Ports"].values()] == [2]
    assert registry.lines == []
