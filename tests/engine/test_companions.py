"""The login that came with a pull, on its way to the nodes."""

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubedock.cluster import Json
from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerSpec, RestartPolicy
from kubedock.engine import Engine
from kubedock.engine.companions import NO_RIGHT, UNUSABLE
from kubedock.engine.serviceaccount import AccountSecrets
from kubedock.errors import Forbidden, System, Unavailable
from kubedock.kube.manifest import PodDefaults
from kubedock.registry.credentials import ANONYMOUS, Credentials
from tests.support.running import engine_with_alpine, run, running
from tests.support.waiting import eventually

ME = Credentials("me", "Tr0ub4dor")
PRIVATE = "registry.example/team/app:1"


@pytest.fixture
def engine(cluster: FakeCluster) -> Iterator[Engine]:
    """It has pulled alpine, and the private image with its login; the settings name a pull secret."""
    with engine_with_alpine(cluster, defaults=PodDefaults("test", image_pull_secrets=("theirs",))) as engine:
        pull(engine, ME)
        yield engine


def pull(engine: Engine, login: Credentials, image: str = PRIVATE) -> None:
    """To the end."""
    for _ in engine.images.pull(image, credentials=login):
        pass


def create(engine: Engine, name: str, restart: str = "no", image: str = PRIVATE) -> tuple[str, ...]:
    """A container of the private image; what its client is told."""
    workload = "pod" if restart == "no" else "deployment"
    spec = ContainerSpec(image, command=("sleep", "1000"), restart=RestartPolicy(restart), workload=workload)  # type: ignore[arg-type]
    return engine.containers.create(spec, name=name, endpoints={}).warnings


def names(cluster: FakeCluster, kind: str) -> list[str]:
    """Of the objects of a kind."""
    return sorted(item["metadata"]["name"] for item in cluster.list(kind).items)  # type: ignore[arg-type]


def asked(cluster: FakeCluster, kind: str) -> list[str]:
    """The verbs of the requests on a kind, without this module's own."""
    return [verb for verb, of, _ in cluster.requests if of == kind and verb not in ("list", "get")]


def pull_secrets(template: Json) -> list[str]:
    """Of a pod, by name."""
    return [entry["name"] for entry in template["spec"].get("imagePullSecrets", [])]


def test_the_login_is_there_before_the_pod_and_goes_with_it(engine: Engine, cluster: FakeCluster) -> None:
    """A Secret of the pod's name, beside the settings' own; without a login there is no request for one."""
    assert create(engine, "app") == ()
    engine.containers.start("app")
    [secret], [pod] = cluster.list("Secret").items, cluster.list("Pod").items
    config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))

    assert config == {"auths": {"registry.example": {"username": "me", "password": "Tr0ub4dor", "auth": "bWU6VHIwdWI0ZG9y"}}}
    assert secret["metadata"]["labels"] == pod["metadata"]["labels"]
    assert pull_secrets(pod) == [pod["metadata"]["name"], "theirs"]
    assert secret["metadata"]["name"] == pod["metadata"]["name"]
    posted = [kind for verb, kind, _ in cluster.requests if verb == "create" and kind in ("Secret", "Pod")]
    assert posted == ["Secret", "Pod"]

    engine.containers.remove("app", force=True, volumes=False)
    assert names(cluster, "Secret") == []
    cluster.requests.clear()
    run(engine, "plain", "sleep", "1000")
    engine.containers.remove("plain", force=True, volumes=False)
    assert asked(cluster, "Secret") == []
    assert asked(cluster, "SelfSubjectAccessReview") == []


@pytest.mark.parametrize(
    ("image", "settings", "wanted"),
    [
        (PRIVATE, (), ["own", "account", "theirs"]),
        (PRIVATE, ("theirs", "more"), ["own", "theirs", "more", "account"]),
        ("alpine", ("more",), ["more", "account", "theirs"]),
        ("alpine", (), []),
    ],
)
def test_the_accounts_pull_secrets_stay(cluster: FakeCluster, image: str, settings: tuple[str, ...], wanted: list[str]) -> None:
    """Kubernetes gives them only to a pod that names none: one with a login of its own would lose the others."""
    cluster.create(
        "ServiceAccount", {"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "account"}, {"name": "theirs"}]}
    )
    defaults = PodDefaults("test", image_pull_secrets=settings)
    with engine_with_alpine(cluster, defaults=defaults, account_secrets=AccountSecrets(cluster, defaults)) as engine:
        pull(engine, ME)
        create(engine, "app", image=image)
        engine.containers.start("app")
        [pod] = cluster.list("Pod").items

    assert [name.replace(pod["metadata"]["name"], "own") for name in pull_secrets(pod)] == wanted


def test_each_run_has_its_own(engine: Engine, cluster: FakeCluster) -> None:
    """The next run's is posted anew, the last one's is gone."""
    create(engine, "app")
    engine.containers.start("app")
    [first] = names(cluster, "Secret")
    engine.containers.restart("app", signal=None, timeout=0)

    assert names(cluster, "Secret") == [f"{first}-r2"] == names(cluster, "Pod")


def test_a_deployments_pods_have_it(engine: Engine, cluster: FakeCluster) -> None:
    """As long as it is there."""
    create(engine, "app", "always")
    engine.containers.start("app")
    [deployment] = cluster.list("Deployment").items

    assert pull_secrets(deployment["spec"]["template"]) == [deployment["metadata"]["name"], "theirs"]
    assert names(cluster, "Secret") == names(cluster, "Deployment")
    engine.containers.remove("app", force=True, volumes=False)
    assert names(cluster, "Secret") == []


@contextmanager
def without_the_right(cluster: FakeCluster) -> Iterator[None]:
    """To make Secrets."""
    cluster.refuse("Secret", "create", Forbidden("secrets is forbidden"))
    yield
    cluster.refuse("Secret", "create", None)


def test_without_the_right_the_client_is_warned(engine: Engine, cluster: FakeCluster, caplog: pytest.LogCaptureFixture) -> None:
    """The node may have the image, or another login: it is tried."""
    with without_the_right(cluster):
        assert create(engine, "app") == (NO_RIGHT,)
        with caplog.at_level(logging.WARNING):
            engine.containers.start("app")
        engine.containers.remove("app", force=True, volumes=False)

    assert [record.message.partition(": ")[2] for record in caplog.records] == [f"{NO_RIGHT}: secrets is forbidden"]
    assert asked(cluster, "Secret") == ["create"]


def test_without_the_right_the_pod_names_no_secret_of_its_own(engine: Engine, cluster: FakeCluster) -> None:
    """The settings' stays."""
    with without_the_right(cluster):
        create(engine, "app")
        engine.containers.start("app")

    assert [pull_secrets(pod) for pod in cluster.list("Pod").items] == [["theirs"]]


def test_a_secret_that_cannot_be_deleted_does_not_hold_a_removal_up(
    engine: Engine, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged."""
    create(engine, "app")
    engine.containers.start("app")
    cluster.deny("delete", "secrets")
    with caplog.at_level(logging.WARNING):
        engine.containers.remove("app", force=True, volumes=False)

    assert names(cluster, "Pod") == []
    assert "its pull secret cannot be deleted: secrets " in caplog.text


def test_a_right_that_cannot_be_asked_for_is_no_warning(engine: Engine, cluster: FakeCluster) -> None:
    """An outage is another thing."""
    cluster.refuse("SelfSubjectAccessReview", "create", Unavailable("the cluster is away"))

    assert create(engine, "app") == ()


@pytest.mark.parametrize("token", [Credentials(identity_token="t"), Credentials(registry_token="t")])
def test_a_token_is_of_no_use_to_a_node(engine: Engine, cluster: FakeCluster, token: Credentials) -> None:
    """The kubelet knows users with passwords alone."""
    pull(engine, token, "registry.example/other:1")

    assert create(engine, "app", image="registry.example/other:1") == (UNUSABLE,)
    engine.containers.start("app")
    assert names(cluster, "Secret") == []


def test_docker_hub_has_its_own_name(engine: Engine, cluster: FakeCluster) -> None:
    """Its images name no registry."""
    pull(engine, ME, "me/app")
    create(engine, "app", image="me/app")
    engine.containers.start("app")
    [secret] = cluster.list("Secret").items

    assert list(json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]) == ["https://index.docker.io/v1/"]


def test_a_start_that_is_refused_leaves_none(engine: Engine, cluster: FakeCluster) -> None:
    """By a quota, for instance."""
    create(engine, "app")
    cluster.refuse("Pod", "create", System("exceeded quota"))
    with pytest.raises(System):
        engine.containers.start("app")

    eventually(lambda: names(cluster, "Secret") == [], what="no secret")


def test_an_image_takes_its_login_along(engine: Engine) -> None:
    """Unless a container needs it for its next start."""
    [image] = engine.images.list({"reference": (PRIVATE,)})
    create(engine, "app")
    engine.images.remove(PRIVATE, force=True)
    assert engine.core.logins.get(image.id, "registry.example") == ME
    pull(engine, ME)
    engine.containers.remove("app", force=False, volumes=False)
    engine.images.remove(PRIVATE, force=False)

    assert engine.core.logins.get(image.id, "registry.example") == ANONYMOUS


def test_the_end_of_the_server_leaves_none(caplog: pytest.LogCaptureFixture) -> None:
    """Nor has the password been written anywhere, however much is logged."""
    cluster = FakeCluster()
    with caplog.at_level(logging.DEBUG), running(cluster) as runtime:
        pull(runtime.engine, ME)
        create(runtime.engine, "app")
        runtime.engine.containers.start("app")
        shown = repr(runtime.engine.core)

    assert names(cluster, "Secret") == []
    assert asked(cluster, "Secret") == ["create", "deletecollection"]
    assert "Tr0ub4dor" not in caplog.text + shown
