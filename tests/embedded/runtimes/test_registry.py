"""References, mirrors, and what the tools' errors mean. Pure."""

import pytest

from kubedock.domain.status import Failure
from kubedock.embedded.runtime import Credentials, PullError
from kubedock.embedded.runtimes import registry
from kubedock.kube import failures
from kubedock.parsing import Mirror

ALL, HUB = Mirror("", "http://all:5000"), Mirror("docker.io", "https://hub.example/proxy")


@pytest.mark.parametrize(
    ("reference", "mirrors", "expected"),
    [
        ("alpine", [], ("docker.io/library/alpine", ":latest", False)),
        ("alpine", [ALL], ("all:5000/library/alpine", ":latest", True)),
        ("alpine:3", [ALL, HUB], ("hub.example/proxy/library/alpine", ":3", False)),
        ("quay.io/a/b@sha256:" + "1" * 64, [HUB, ALL], ("all:5000/a/b", "@sha256:" + "1" * 64, True)),
        ("docker.iox/a", [HUB], ("docker.iox/a", ":latest", False)),
        ("localhost:5000/a", [HUB], ("localhost:5000/a", ":latest", True)),
        ("lax.example/a", [HUB], ("lax.example/a", ":latest", True)),
        ("alpine", [HUB, Mirror("docker.io", "https://second.example")], ("hub.example/proxy/library/alpine", ":latest", False)),
        ("alpine", [Mirror("", "https://lax.example")], ("lax.example/library/alpine", ":latest", True)),
    ],
)
def test_where_a_reference_leads(reference: str, mirrors: list[Mirror], expected: tuple[str, str, bool]) -> None:
    """The longest prefix has the word, the first of equals."""
    source = registry.source(registry.reference(reference), mirrors, {"lax.example"})

    assert (source.name, source.suffix, source.plain) == expected


def test_credentials_are_those_of_the_host_that_is_asked() -> None:
    """A mirror gets none of the registry that it stands for, and the other way round."""
    wanted = registry.reference("registry.example/a")
    mirrored = registry.source(wanted, [Mirror("", "http://mirror.example")])
    itself = registry.source(wanted, [])
    known = [Credentials("other.example", "me", "y"), Credentials("registry.example", "me", "x")]
    of_mirror = Credentials("mirror.example", "m", "z")

    assert registry.auths(mirrored, known) == {}
    assert registry.auths(mirrored, [*known, of_mirror]) == {"mirror.example": of_mirror}
    assert registry.auths(itself, [of_mirror, *known]) == {"registry.example": known[1]}
    assert registry.auths(registry.source(wanted, [Mirror("", "http://registry.example")]), known) == {"registry.example": known[1]}


def test_what_is_no_reference_has_the_kubelets_sentence() -> None:
    """And its reason; it is parsed above."""
    with pytest.raises(PullError) as failed:
        registry.reference("Bad")

    assert failed.value.reason == "InvalidImageName"
    assert failures.image_failure("Bad", failed.value.reason, str(failed.value)) == Failure(
        "image", "invalid reference format: repository name (library/Bad) must be lowercase"
    )


@pytest.mark.parametrize(
    ("said", "code", "permanent", "missing"),
    [
        ('msg="Error reading manifest 1 in h/x: manifest unknown: manifest unknown"', "NotFound", True, True),
        ('msg="reading manifest: name unknown"', "NotFound", True, True),
        ('msg="Error: requested access to the resource is denied"', "Unknown", True, True),
        ('msg="unauthorized: authentication required"', "Unknown", True, True),
        ('msg="pinging h: Get \\"http://h/v2/\\": dial tcp 1.2.3.4:1: connect: connection refused"', "Unavailable", False, False),
        ('msg="Get: dial tcp: lookup h on 1.1.1.1:53: no such host, access denied"', "Unavailable", False, False),
        ("", "Unavailable", False, False),
    ],
)
def test_errors_read_as_the_kubelets(said: str, code: str, permanent: bool, missing: bool) -> None:
    """What the kubelet would say, and what is made of it above."""
    error = registry.pull_error(registry.reference("x/y:1"), said)

    failure = failures.image_failure("x/y:1", error.reason, str(error), attempts=1)
    assert str(error).startswith(f'rpc error: code = {code} desc = failed to pull and unpack image "docker.io/x/y:1": ')
    assert (failure.permanent, failure.missing) == (permanent, missing)
