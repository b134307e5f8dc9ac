"""Look-ups, over a registry in this process."""

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest

from kubedock.errors import KubedockError, NotFound, System, Unauthorized, Unavailable
from kubedock.parsing import Mirror
from kubedock.registry.client import RegistryClient
from kubedock.registry.credentials import Credentials
from kubedock.registry.errors import Closed, Refused
from kubedock.registry.inspector import Inspector, Places, Untrusted
from kubedock.registry.manifests import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, Platform
from tests.registry.looking import NGINX, SECONDS, Clock, look, refused
from tests.support.dripping import closed_port
from tests.support.registry import Asked, FakeRegistry, Reply, basic, no, query_of, wants_password, wants_token

# --- what is found -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", ["application/vnd.oci.image.manifest.v1+json", DOCKER_MANIFEST])
def test_a_plain_manifest(registry: FakeRegistry, inspector: Inspector, media_type: str) -> None:
    """Two requests, and the whole configuration."""
    digest, config = registry.image("me/nginx", "1", NGINX, media_type=media_type)

    found = look(inspector, f"{registry.host}/me/nginx:1")

    assert (found.digest, found.manifest, found.config_digest, found.size) == (digest, digest, config, 5)
    assert (found.config.entrypoint, found.config.command, found.config.ports) == (("/entry",), ("nginx",), ("80/tcp",))
    assert registry.lines == ["GET /v2/me/nginx/manifests/1", f"GET /v2/me/nginx/blobs/{config}"]


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index(registry: FakeRegistry, inspector: Inspector, media_type: str) -> None:
    """Its digest is the image's, the configuration is the platform's; three requests."""
    arm, arm_config = registry.image("x", "", {"Cmd": ["arm"]}, architecture="arm64")
    amd, amd_config = registry.image("x", "", {"Cmd": ["amd"]})
    index = registry.index("x", "1", {"linux/arm64/v8": arm, "linux/amd64": amd, "unknown/unknown": arm}, media_type)

    found = look(inspector, f"{registry.host}/x:1")
    assert registry.lines == ["GET /v2/x/manifests/1", f"GET /v2/x/manifests/{amd}", f"GET /v2/x/blobs/{amd_config}"]
    other = look(inspector, f"{registry.host}/x:1", Platform("linux", "arm64", ""))

    assert (found.digest, found.manifest, found.config_digest) == (index, amd, amd_config)
    assert (other.digest, other.manifest, other.config_digest) == (index, arm, arm_config)
    text = refused(inspector, f"{registry.host}/x:1", NotFound, platform=Platform("linux", "s390x", ""))
    assert text == "no matching manifest for linux/s390x in the manifest list entries"


def test_what_is_known_is_not_asked_again(registry: FakeRegistry) -> None:
    """Within a minute nothing, later one HEAD; a tag that has moved is fetched."""
    clock = Clock()
    inspector = Inspector(RegistryClient(), Places(), clock)
    digest, _ = registry.image("x", "1", NGINX)
    name = f"{registry.host}/x:1"

    first = look(inspector, name)
    registry.forget()
    assert look(inspector, name) is first
    assert registry.lines == []
    clock.now += 61
    assert look(inspector, name) is first
    assert registry.lines == ["HEAD /v2/x/manifests/1"]
    moved, config = registry.image("x", "1", {"Cmd": ["new"]})
    clock.now += 61
    registry.forget()
    assert look(inspector, name).digest == moved
    assert registry.lines == ["HEAD /v2/x/manifests/1", f"GET /v2/x/manifests/{moved}", f"GET /v2/x/blobs/{config}"]
    assert look(inspector, f"{registry.host}/x@{digest}") is first
    inspector.close()


# --- who asks ----------------------------------------------------------------------------------------------------------


def test_a_token_serves_for_all_requests(registry: FakeRegistry, inspector: Inspector) -> None:
    """Asked for once, with the scope and service of the challenge."""
    registry.behave.append(wants_token(registry, life=300))
    _, config = registry.image("x", "1", NGINX)

    look(inspector, f"{registry.host}/x:1")

    assert [line.partition("?")[0] for line in registry.lines] == [
        "GET /v2/x/manifests/1",
        "GET /token",
        "GET /v2/x/manifests/1",
        f"GET /v2/x/blobs/{config}",
    ]
    [token] = [asked for asked in registry.asked if asked.path.startswith("/token")]
    assert query_of(token) == {"service": ["the registry"], "scope": ["repository:x:pull"]}


@pytest.mark.parametrize("how", [wants_password, wants_token])
def test_credentials(registry: FakeRegistry, inspector: Inspector, how: Callable[..., object]) -> None:
    """The right ones see it; wrong ones and none get Docker's sentences, and nothing is remembered of them."""
    registry.image("x", "1", NGINX)
    if how is wants_password:
        registry.behave.append(wants_password("me", "secret"))
    else:
        registry.behave.append(wants_token(registry, user="me", password="secret"))
    name = f"{registry.host}/x:1"

    wrong = refused(inspector, name, System, sent=Credentials("me", "wrong"))
    assert look(inspector, name, sent=Credentials("me", "secret")).config.command == ("nginx",)
    with pytest.raises(System):
        look(Inspector(RegistryClient(), Places()), name)

    where = f"http://{registry.host}" + ("/token" if how is wants_token else "/v2/x/manifests/1")
    words = "incorrect username or password" if how is wants_token else "authentication required"
    assert wrong == f'Get "{where}": unauthorized: {words}'


def test_a_password_serves_for_all_repositories(registry: FakeRegistry, inspector: Inspector) -> None:
    """The second one's first request is not refused any more; nobody else's is."""
    registry.behave.append(wants_password("me", "secret"))
    for repository in ("x", "y"):
        _, config = registry.image(repository, "1", NGINX)
        look(inspector, f"{registry.host}/{repository}:1", sent=Credentials("me", "secret"))

    x = ["GET /v2/x/manifests/1", "GET /v2/x/manifests/1", f"GET /v2/x/blobs/{config}"]
    assert registry.lines == [*x, "GET /v2/y/manifests/1"]
    with pytest.raises(System):
        look(inspector, f"{registry.host}/y:1")


def test_no_credentials_where_some_are_needed(registry: FakeRegistry, inspector: Inspector) -> None:
    """Docker's words."""
    registry.behave.append(wants_password("me", "secret"))

    text = refused(inspector, f"{registry.host}/x:1", Closed)

    assert text == f'Get "https://{registry.host}/v2/": no basic auth credentials'


def test_an_identity_token_is_exchanged(registry: FakeRegistry, inspector: Inspector) -> None:
    """By a POST, as OAuth 2 has it."""
    registry.behave.append(wants_token(registry))
    registry.image("x", "1", NGINX)

    look(inspector, f"{registry.host}/x:1", sent=Credentials(identity_token="refresh"))

    [token] = [asked for asked in registry.asked if asked.path.startswith("/token")]
    assert token.method == "POST"
    assert token.body == (
        b"grant_type=refresh_token&refresh_token=refresh&client_id=kubedock&service=the+registry&scope=repository%3Ax%3Apull"
    )


def test_credentials_stay_where_they_belong(registry: FakeRegistry, inspector: Inspector) -> None:
    """A redirect to another host gets none, a mirror none of the registry that it stands for."""
    registry.behave.append(wants_password("me", "secret"))
    with FakeRegistry().serving() as store:
        _, config = registry.image("x", "1", NGINX)
        registry.behave.append(
            lambda asked: Reply(307, {"Location": f"http://{store.host}/blob?signature=1"}) if "/blobs/" in asked.path else None
        )
        content = registry._blobs[config]
        store.behave.append(lambda asked: Reply(body=content) if asked.path.startswith("/blob") else None)

        look(inspector, f"{registry.host}/x:1", sent=Credentials("me", "secret"))

        assert [asked.headers.get("Authorization") for asked in store.asked] == [None]
        mirrored = Inspector(RegistryClient(), Places([Mirror("", f"http://{store.host}")]))
        look(mirrored, f"{registry.host}/x:1", sent=Credentials("me", "secret"))
        assert {asked.headers.get("Authorization") for asked in store.asked} == {None}
        assert registry.asked[-1].headers["Authorization"] == basic("me", "secret")


def test_sources_are_asked_in_their_order(registry: FakeRegistry) -> None:
    """What the client sent comes first."""
    registry.behave.append(wants_password("me", "secret"))
    registry.image("x", "1", NGINX)
    sources = [lambda _: None, lambda _: Credentials("me", "secret"), lambda _: Credentials("me", "wrong")]

    assert look(Inspector(RegistryClient(), Places(sources=sources)), f"{registry.host}/x:1").size == 5


# --- mirrors -----------------------------------------------------------------------------------------------------------


def test_a_mirror_is_asked_first(registry: FakeRegistry) -> None:
    """Under the image's own path; what it lacks is asked of the registry itself, whose word is the last."""
    with FakeRegistry().serving() as origin:
        registry.image("x", "1", {"Cmd": ["mirror"]})
        origin.image("x", "1", {"Cmd": ["origin"]})
        origin.image("y", "1", {"Cmd": ["origin"]})
        inspector = Inspector(RegistryClient(), Places([Mirror("", f"http://{registry.host}")]))

        assert look(inspector, f"{origin.host}/x:1").config.command == ("mirror",)
        assert look(inspector, f"{origin.host}/y:1").config.command == ("origin",)
        assert refused(inspector, f"{origin.host}/z:1", NotFound) == (
            f"repository {origin.host}/z not found: name unknown: repository name not known"
        )


def test_a_mirrors_no_counts_where_the_registry_is_out_of_reach(registry: FakeRegistry) -> None:
    """In a closed network the mirror is all there is."""
    registry.image("library/alpine", "latest", {})
    inspector = Inspector(RegistryClient(), Places([Mirror("", f"http://{registry.host}")]))

    text = refused(inspector, f"{closed_port()}/library/alpine:nosuch", NotFound)

    assert text.endswith(":nosuch not found: manifest unknown: manifest unknown")


# --- refusals ----------------------------------------------------------------------------------------------------------


def challenge_of(registry: FakeRegistry) -> Reply:
    """What a registry says to one who is known but may not."""
    header = f'Bearer realm="http://{registry.host}/token",scope="repository:x:pull",error="insufficient_scope"'
    return Reply(401, {"WWW-Authenticate": header}, no(401, "UNAUTHORIZED", "authentication required").body)


@pytest.mark.parametrize(
    ("reply", "kind", "sentence"),
    [
        (
            no(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            NotFound,
            "manifest for {x}:1 not found: manifest unknown: manifest unknown",
        ),
        (Reply(404), NotFound, "manifest for {x}:1 not found: manifest unknown: manifest unknown"),
        (
            no(404, "NAME_UNKNOWN", "repository name not known"),
            NotFound,
            "repository {x} not found: name unknown: repository name not known",
        ),
        (
            no(403, "DENIED", "requested access to the resource is denied"),
            Closed,
            "pull access denied for {x}, repository does not exist or may require 'docker login': "
            "denied: requested access to the resource is denied",
        ),
        (Reply(500, body=b"<html>"), Unavailable, 'Get "http://{host}/v2/x/manifests/1": received unexpected HTTP status: 500'),
        (
            Reply(200, {"Content-Type": OCI_INDEX}, b"garbage"),
            Untrusted,
            "the registry {host} cannot be believed: its manifest is no JSON object",
        ),
        (
            Reply(200, {"Content-Type": OCI_INDEX}, b'{"manifests": [{"digest": "sha256:1"}]}'),
            Untrusted,
            "the registry {host} cannot be believed: it names a digest that is none: sha256:1",
        ),
        (
            Reply(200, {"Content-Type": OCI_INDEX}, b"[" * 100_000),
            Untrusted,
            "the registry {host} cannot be believed: its manifest is no JSON object",
        ),
        (
            Reply(200, {"Content-Length": str(5 << 30)}),
            Untrusted,
            "the registry {host} cannot be believed: it answers with 5368709120 bytes, where at most 4194304 make sense",
        ),
        (
            Reply(200, {}, b"", itertools.repeat(b"x" * 65536)),
            Untrusted,
            "the registry {host} cannot be believed: it answers with more than 4194304 bytes",
        ),
        (
            Reply(302, {"Location": "/v2/x/manifests/1"}),
            Untrusted,
            "the registry {host} cannot be believed: it redirects more than 5 times",
        ),
        (
            Reply(302, {"Location": "http://registry.example/x"}),
            Untrusted,
            "the registry {host} cannot be believed: it redirects to http://registry.example, which is not allowed",
        ),
        (
            Reply(302, {"Location": "file:///etc/passwd"}),
            Untrusted,
            "the registry {host} cannot be believed: it redirects to file://, which is not allowed",
        ),
        (Reply(206), Untrusted, "the registry {host} cannot be believed: it answers with the status 206"),
        (
            Reply(200, {}, b'{"schemaVersion": 1}'),
            Untrusted,
            "the registry {host} cannot be believed: its manifest has schema version 1, which is no longer supported",
        ),
    ],
)
def test_what_a_registry_says_no_by(
    registry: FakeRegistry, inspector: Inspector, reply: Reply, kind: type[KubedockError], sentence: str
) -> None:
    """Each ends in one sentence, and in no time."""
    registry.behave.append(lambda asked: reply if "/manifests/" in asked.path else None)

    text = refused(inspector, f"{registry.host}/x:1", kind)

    assert text == sentence.format(x=f"{registry.host}/x", host=registry.host)


def test_known_but_not_allowed(registry: FakeRegistry, inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registries do not tell whether the repository exists. Without a login, nodes may know better, but at Docker Hub."""
    registry.behave.append(lambda asked: challenge_of(registry) if "/v2/x" in asked.path else None)
    registry.behave.append(lambda asked: Reply(body=b'{"token": "t"}') if asked.path.startswith("/token") else None)
    name = f"{registry.host}/x:1"

    text = refused(inspector, name, NotFound, sent=Credentials("me", "secret"))
    assert refused(inspector, name, Closed) == text
    monkeypatch.setattr("kubedock.registry.inspector.HUB_HOST", registry.host)
    assert refused(inspector, name, NotFound) == text

    assert text == (
        f"pull access denied for {registry.host}/x, repository does not exist or may require 'docker login': "
        "denied: requested access to the resource is denied"
    )


def test_too_many_requests_are_tried_again(registry: FakeRegistry, inspector: Inspector) -> None:
    """When it says so, if that is soon."""
    registry.image("x", "1", NGINX)
    slow_down = no(429, "TOOMANYREQUESTS", "slow down").body
    once = iter([Reply(429, {"Retry-After": "0"})])
    registry.behave.append(lambda asked: next(once, None) if "/manifests/" in asked.path else None)

    assert look(inspector, f"{registry.host}/x:1").size == 5
    registry.behave.append(lambda asked: Reply(429, {"Retry-After": "0"}, slow_down) if "/manifests/" in asked.path else None)
    assert refused(inspector, f"{registry.host}/x:3", System) == "toomanyrequests: slow down"
    registry.behave.append(lambda asked: Reply(429, {"Retry-After": "3600"}) if "/manifests/" in asked.path else None)
    assert refused(inspector, f"{registry.host}/x:2", System) == "toomanyrequests: the registry is asked too often"


def test_a_lie_about_a_digest(registry: FakeRegistry, inspector: Inspector) -> None:
    """What has a digest is checked by it."""
    digest, config = registry.image("x", "1", NGINX)
    registry.behave.append(lambda asked: Reply(body=b"{}") if "/blobs/" in asked.path else None)
    lie = f"the registry {registry.host} cannot be believed: its configuration is not the one with the digest {config}"
    assert refused(inspector, f"{registry.host}/x:1", Untrusted) == lie

    registry.behave.append(lambda asked: Reply(body=b"{}") if "/manifests/" in asked.path else None)
    lie = f"the registry {registry.host} cannot be believed: its manifest is not the one with the digest {digest}"
    assert refused(inspector, f"{registry.host}/x@{digest}", Untrusted) == lie


@pytest.mark.parametrize("where", ["head", "body", "token"])
def test_a_registry_that_does_not_go_on(registry: FakeRegistry, inspector: Inspector, where: str) -> None:
    """The deadline holds for all that is waited for, a body that drips too."""
    release = threading.Event()

    def drip() -> Iterator[bytes]:
        while not release.wait(0.02):
            yield b" "

    def hang(asked: Asked) -> Reply | None:
        if where == "token":
            if asked.path.startswith("/token"):
                release.wait(10)
            return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{registry.host}/token"'})
        if "/manifests/" not in asked.path:
            return None
        if where == "head":
            release.wait(10)
        return Reply(200, {}, b"", drip())

    registry.behave.append(hang)
    text = refused(inspector, f"{registry.host}/x:1", Unavailable, seconds=0.3)
    release.set()

    path = "token" if where == "token" else "v2/x/manifests/1"
    assert text == f'Get "http://{registry.host}/{path}": context deadline exceeded'


def test_login(registry: FakeRegistry, inspector: Inspector) -> None:
    """Right, wrong; and wrong once it is changed."""
    registry.behave.append(wants_password("me", "secret"))

    inspector.login(registry.host, Credentials("me", "secret"), SECONDS)
    with pytest.raises(Unauthorized, match=r"unauthorized: authentication required$"):
        inspector.login(registry.host, Credentials("me", "wrong"), SECONDS)


@pytest.mark.parametrize(
    ("reply", "kind", "sentence"),
    [
        (Reply(404), System, "login attempt to http://{host}/v2/ failed with status: 404 Not Found"),
        (Reply(429, {"Retry-After": "60"}), Refused, "toomanyrequests: the registry is asked too often"),
        (no(403, "DENIED", "not you"), Unauthorized, "denied: not you"),
        (Reply(302, {"Location": "http://[bad"}), Untrusted, "the registry {host} cannot be believed: it redirects to what is no"),
    ],
)
def test_a_login_that_fails(
    registry: FakeRegistry, inspector: Inspector, reply: Reply, kind: type[KubedockError], sentence: str
) -> None:
    """Only a registry that does not take the login is an error of the login."""
    registry.behave.append(lambda _: reply)
    with pytest.raises(kind) as raised:
        inspector.login(registry.host, Credentials("me", "secret"), SECONDS)

    assert type(raised.value) is kind
    assert str(raised.value).startswith(sentence.format(host=registry.host))
