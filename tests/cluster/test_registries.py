"""Debian's registry beside the cluster: what is asked of it, logins, what nodes get of them, and its end."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubedock.kube.rights import RIGHTS
from tests.support.clients import DockerCli
from tests.support.debianregistry import PASSWORD, USER, DebianRegistry, debian_registry
from tests.support.kubedock_server import KubedockServer, Place, embedded_server, kubedock_server, least_rights, pods
from tests.support.realcluster import MIRROR, REGISTRY, RealCluster, absent
from tests.support.waiting import eventually

HUB_ALONE = f"docker.io={MIRROR}"
"""A mirror of all registries would say that it does not have our own one's images, and be believed."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A registry that nodes may pull from, and a server in a namespace of its own that asks nobody else."""

    registry: DebianRegistry
    server: KubedockServer
    docker: DockerCli
    real: RealCluster | None = None
    """The cluster, whose Secrets can be looked at; None on this machine."""

    def image(self, source: str = "library/alpine", tag: str = "latest") -> str:
        """An image in the registry, under a name of its own: no node has it, nor kubedock."""
        repository = f"team/{self.docker.name('app')}"
        self.registry.copy(REGISTRY, source, tag, to=repository)
        return f"{self.registry.host}/{repository}:{tag}"

    def login(self, password: str = PASSWORD) -> None:
        """By the docker command, which keeps it for what follows."""
        done = self.docker("login", "-u", USER, "--password-stdin", self.registry.host, stdin=password)
        assert (done.code, done.out) == (0, "Login Succeeded\n"), done

    def put_pull_secret(self, name: str) -> None:
        """The registry's login, as an administrator puts it into the namespace."""
        assert self.real is not None
        login = (f"--docker-server={self.registry.host}", f"--docker-username={USER}", f"--docker-password={PASSWORD}")
        self.real.kubectl("create", "secret", "docker-registry", name, *login)

    def check_secrets(self, *containers: str) -> None:
        """Each of these has a Secret of its own, which its pod names; there are no others."""
        if self.real is None:
            return
        found = self.real.kubectl("get", "secrets", "-l", "kubedock=true", "-o", "name").split()
        named = [secret["name"] for pod in pods(self.real) for secret in pod["spec"].get("imagePullSecrets", ())]
        assert [f"secret/{name}" for name in sorted(named)] == sorted(found)
        assert len(found) == len(containers)


@pytest.fixture
def private() -> bool:
    """The registry wants a password."""
    return True


@pytest.fixture
def options() -> tuple[str, ...]:
    """More options of the server."""
    return ()


@pytest.fixture
def stage(request: pytest.FixtureRequest, place: Place, tmp_path: Path, private: bool, options: tuple[str, ...]) -> Iterator[Stage]:
    """All in place."""
    if place.embedded:
        with (
            debian_registry(tmp_path, private=private) as registry,
            embedded_server(tmp_path, "--registry-mirror", HUB_ALONE, *options, place=place) as server,
        ):
            yield Stage(registry, server, server.cli())
        return
    real: RealCluster = request.getfixturevalue("own_namespace")
    kubeconfig = least_rights(real) if place.least else None
    with debian_registry(tmp_path, real.machine, private=private) as registry, real.trusting(registry.host):
        lax = ("--registry-mirror", HUB_ALONE, "--insecure-registry", registry.host)
        with kubedock_server(real, tmp_path, *lax, *options, place=place, kubeconfig=kubeconfig) as server:
            yield Stage(registry, server, server.cli(), real)


@pytest.mark.parametrize("private", [False], ids=["open"])
def test_what_a_registry_is_asked(stage: Stage) -> None:
    """A first look costs three requests at most, a container of a known image none, and no layer is ever fetched."""
    docker, image = stage.docker, stage.image()
    docker.ok("run", "--rm", image, "true")
    first = stage.registry.requests()
    docker.ok("run", "--rm", image, "true")
    docker.ok("pull", image)
    docker.ok("run", "--rm", image, "true")
    plain = stage.image("kubedocktest/metadata", "1")
    docker.ok("pull", plain)

    repository = image.partition("/")[2].rpartition(":")[0]
    assert [line.partition("/sha256:")[0] for line in first] == [
        f"GET /v2/{repository}/manifests/latest 200",
        f"GET /v2/{repository}/manifests",
        f"GET /v2/{repository}/blobs",
    ]
    assert len(stage.registry.requests()) == 3 + 2


@pytest.mark.subset
def test_a_private_image(stage: Stage) -> None:
    """Docker's errors without the password; with it the nodes pull as well, by a Secret that goes with the container.

    Who has none takes the image on trust: nodes might have one. Here they have not, which the start tells.
    """
    docker, image = stage.docker, stage.image()
    wrong = docker("login", "-u", USER, "--password-stdin", stage.registry.host, stdin="wrong")
    assert (wrong.code, "unauthorized: authentication required" in wrong.err) == (1, True), wrong
    assert "no basic auth credentials): it is taken on trust" in docker.ok("pull", image)
    nobody = docker("run", "--rm", image, "true")
    assert nobody.code == 125
    assert f"pull access denied for {image.rpartition(':')[0]}, repository does not exist or may require" in nobody.err

    stage.login()
    docker.ok("pull", image)
    one, other = docker.name("one"), docker.name("other")
    docker.ok("run", "-d", "--name", one, image, "sleep", "1000")
    docker.ok("run", "-d", "--name", other, "--restart", "always", image, "sleep", "1000")
    stage.check_secrets(one, other)
    assert docker.ok("exec", one, "echo", "hi") == "hi"
    docker.ok("restart", "-t", "0", one)
    assert docker.inspect(one, ".State.Running") == "true"
    stage.check_secrets(one, other)

    docker.ok("rm", "-f", one, other)
    stage.check_secrets()
    assert PASSWORD not in stage.server.live.log


@pytest.mark.cluster_only
def test_the_end_of_the_server_takes_the_logins_along(stage: Stage) -> None:
    """As everything else."""
    stage.login()
    image = stage.image()
    stage.docker.ok("run", "-d", image, "sleep", "1000")
    stage.check_secrets("it")
    stage.server.live.signal(15)
    stage.server.live.wait(20)

    stage.check_secrets()


def test_without_the_right_to_secrets(own_namespace: RealCluster, place: Place, tmp_path: Path) -> None:
    """A warning says what is missing; then the nodes are refused, which the start tells in Docker's words."""
    with (
        debian_registry(tmp_path, own_namespace.machine, private=True) as registry,
        own_namespace.trusting(registry.host),
        kubedock_server(
            own_namespace, tmp_path, "--insecure-registry", registry.host, place=place, kubeconfig=_no_secrets(own_namespace)
        ) as server,
    ):
        stage = Stage(registry, server, server.cli(), own_namespace)
        stage.login()
        name, image = stage.docker.name(), stage.image()
        stage.docker.ok("pull", image)
        created = stage.docker("create", "--name", name, image, "true")
        began = time.monotonic()
        started = stage.docker("start", name)

        assert "the right to create secrets is missing" in created.err
        assert started.code == 1
        assert f"pull access denied for {image.rpartition(':')[0]}, repository does not exist or may require" in started.err
        assert time.monotonic() - began < 20


def _no_secrets(real: RealCluster) -> Path:
    """kubedock's Role without the rights to Secrets."""
    rules = [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)}
        for right in RIGHTS
        if right.resource != "secrets"
    ]
    return real.service_account(rules, "no-secrets")


@pytest.mark.subset
@pytest.mark.cluster_only
@pytest.mark.parametrize("options", [("--image-pull-secrets", "regcred")], ids=["pull secret"])
def test_the_namespaces_pull_secret(stage: Stage) -> None:
    """Nobody logs in: kubedock looks up, and the nodes pull, with the Secret that the settings name."""
    image = stage.image()
    stage.put_pull_secret("regcred")

    assert stage.docker.ok("run", "--rm", image, "echo", "hi") == "hi"
    assert json.loads(stage.docker.ok("image", "inspect", image))[0]["Config"]["Cmd"] == ["/bin/sh"]
    stage.check_secrets()


@pytest.mark.subset
@pytest.mark.cluster_only
def test_the_service_accounts_pull_secret(stage: Stage) -> None:
    """The same with the Secret of the pods' account, also in a pod that has a client's login: Kubernetes gives it to others."""
    image = stage.image()
    assert stage.real is not None
    stage.put_pull_secret("regcred")
    stage.real.kubectl("patch", "serviceaccount", "default", "-p", '{"imagePullSecrets": [{"name": "regcred"}]}')

    assert stage.docker.ok("run", "--rm", image, "echo", "hi") == "hi"
    assert json.loads(stage.docker.ok("image", "inspect", image))[0]["Config"]["Cmd"] == ["/bin/sh"]
    stage.check_secrets()
    stage.login()
    stage.docker.ok("pull", image)
    stage.docker.ok("run", "-d", "--name", stage.docker.name("both"), image, "sleep", "1000")
    [pod] = pods(stage.real)
    assert [secret["name"] for secret in pod["spec"]["imagePullSecrets"]] == [pod["metadata"]["name"], "regcred"]


def test_the_file_that_skopeo_writes(own_namespace: RealCluster, tmp_path: Path) -> None:
    """kubedock's own login, for look-ups; it is read anew for each."""
    authfile, lax = tmp_path / "auth.json", ("--registry-mirror", HUB_ALONE)
    environ = {"REGISTRY_AUTH_FILE": str(authfile)}
    with (
        debian_registry(tmp_path, private=True) as registry,
        kubedock_server(own_namespace, tmp_path, *lax, environ=environ) as server,
    ):
        stage = Stage(registry, server, server.cli())
        image = stage.image()
        assert "on trust" in stage.docker.ok("pull", image)
        _skopeo("login", "--tls-verify=false", "--authfile", str(authfile), "-u", USER, "-p", PASSWORD, registry.host)

        assert "\nDigest: sha256:" in stage.docker.ok("pull", image)


def _skopeo(*words: str) -> None:
    try:
        done = subprocess.run(("skopeo", *words), capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        absent("skopeo is not on this machine")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("private", [False], ids=["open"])
def test_what_it_does_not_have(stage: Stage) -> None:
    """A tag, a repository, a manifest by its digest: Docker's errors."""
    image = stage.image()
    name, nothing = image.rpartition(":")[0], f"{stage.registry.host}/no/such"
    digest = f"sha256:{'0' * 64}"
    unknown = "not found: manifest unknown: manifest unknown"

    for asked in (f"{name}:nosuch", f"{nothing}:latest", f"{name}@{digest}"):
        done = stage.docker("pull", asked)

        assert (done.code, f"Error response from daemon: manifest for {asked} {unknown}" in done.err) == (1, True), done


@pytest.mark.parametrize("private", [False], ids=["open"])
@pytest.mark.parametrize("options", [("--inspector-timeout", "2s")], ids=["2 s"])
def test_a_registry_that_is_down(stage: Stage) -> None:
    """What was looked at goes on; what was not is taken on trust, with one warning, and at once."""
    docker, known, unknown = stage.docker, stage.image(), stage.image()
    docker.ok("run", "--rm", known, "true")
    stage.registry.stop()

    assert docker.ok("run", "--rm", known, "echo", "hi") == "hi"
    for image in (unknown, f"{unknown}-2"):
        began = time.monotonic()
        docker.ok("pull", "-q", image)
        assert time.monotonic() - began < 3
    assert json.loads(docker.ok("image", "inspect", unknown))[0]["RepoDigests"] == []
    log = eventually(lambda: stage.server.live.log if "on trust" in stage.server.live.log else "", what="the warning")
    assert log.count("on trust") == 1
    assert docker("login", "-u", USER, "--password-stdin", stage.registry.host, stdin="x").code == 1
