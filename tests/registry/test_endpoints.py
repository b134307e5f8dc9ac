"""Where a registry is asked."""

import pytest

from kubedock import parsing
from kubedock.domain.image import parse
from kubedock.parsing import Mirror
from kubedock.registry.endpoints import Endpoint, endpoints, is_lax, plain_http_allowed


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("http://127.0.0.1:5000", Mirror("", "http://127.0.0.1:5000")),
        ("https://mirror.example/path/", Mirror("", "https://mirror.example/path")),
        ("quay.io=https://mirror.example", Mirror("quay.io", "https://mirror.example")),
        ("docker.io/library/=http://[::1]:5000", Mirror("docker.io/library", "http://[::1]:5000")),
        ("mirror.example", Mirror("", "https://mirror.example")),
        ("quay.io=mirror.example/hub", Mirror("quay.io", "https://mirror.example/hub")),
        ("registry.example:5000=http://m/a=b", Mirror("registry.example:5000", "http://m/a=b")),
    ],
)
def test_mirrors(text: str, mirror: Mirror):
    """With and without a prefix; TLS where nothing else is said."""
    assert parsing.mirrors([text]) == (mirror,)
    assert parsing.mirrors([str(mirror)]) == (mirror,)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://m",
        "http://",
        "=http://m",
        "a=",
        "/=m",
        "http://m?x=1",
        "http://m#x",
        "http://me:secret@m",
        "a b",
        "m:x",
        "?=http://m",
    ],
)
def test_what_is_no_mirror(text: str):
    """Credentials neither: they come with the request."""
    with pytest.raises(ValueError, match=r"is no mirror \(write \[PREFIX=\]URL, such as http://127.0.0.1:5000\)$"):
        parsing.mirrors([text])


def test_a_mirrors_own_names():
    """Whole parts of a name are compared; a path goes before the repository."""
    mirror = Mirror("quay.io/a", "https://m:5000/hub/")

    assert [mirror.serves(name) for name in ("quay.io/a", "quay.io/a/b", "quay.io/ab", "docker.io/a")] == [True, True, False, False]
    assert (mirror.host, mirror.plain, mirror.repository("a/b")) == ("m:5000", False, "hub/a/b")


HUB = Endpoint("registry-1.docker.io", "library/alpine", ("https://registry-1.docker.io",))


def lax(host: str) -> Endpoint:
    """One that may speak without TLS."""
    return Endpoint(host, "x", (f"https://{host}", f"http://{host}"))


def test_a_registry_that_is_its_own_mirror():
    """It is asked once, and with its own credentials; by another path it is another place."""
    reference = parse("m:5000/x")

    assert endpoints(reference, parsing.mirrors(["http://m:5000"])) == [Endpoint("m:5000", "x", ("http://m:5000",))]
    assert endpoints(reference, parsing.mirrors(["http://m:5000/hub"])) == [
        Endpoint("m:5000", "hub/x", ("http://m:5000",)),
        Endpoint("m:5000", "x", ("https://m:5000",)),
    ]


@pytest.mark.parametrize(
    ("host", "lax"),
    [
        ("localhost:5000", True),
        ("127.0.0.9", True),
        ("[::1]:5000", True),
        ("lax.example", True),
        ("lax.example:5000", False),
        ("127.0.0.1.example", False),
        ("127.0.0.1@evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_whose_certificate_does_not_matter(host: str, lax: bool):
    """Loopback, and what the settings name."""
    assert is_lax(host, ["lax.example"]) is lax


def test_the_last_word():
    """Nobody is asked behind the first mirror; an image without one is asked of its registry."""
    mirrors = parsing.mirrors(["docker.io=https://first/hub", "docker.io=https://second"])

    assert endpoints(parse("alpine"), mirrors, last_word=True) == [
        Endpoint("first", "hub/library/alpine", ("https://first",), mirror=True)
    ]
    assert endpoints(parse("quay.io/a"), mirrors, last_word=True) == [Endpoint("quay.io", "a", ("https://quay.io",))]


@pytest.mark.parametrize(
    ("image", "mirrors", "insecure", "expected"),
    [
        ("alpine", (), (), [HUB]),
        ("quay.io/a/b:1", (), (), [Endpoint("quay.io", "a/b", ("https://quay.io",))]),
        (
            "alpine",
            ("http://m:5000",),
            (),
            [Endpoint("m:5000", "library/alpine", ("http://m:5000",), mirror=True), HUB],
        ),
        (
            "quay.io/a/b",
            ("https://all", "quay.io=https://quay", "quay.io/a=https://exact", "quay.io/ab=https://other"),
            (),
            [
                Endpoint("exact", "a/b", ("https://exact",), mirror=True),
                Endpoint("quay", "a/b", ("https://quay",), mirror=True),
                Endpoint("all", "a/b", ("https://all",), mirror=True),
                Endpoint("quay.io", "a/b", ("https://quay.io",)),
            ],
        ),
        (
            "localhost:5000/x",
            (),
            (),
            [lax("localhost:5000")],
        ),
        (
            "127.0.0.2:5000/x",
            (),
            (),
            [lax("127.0.0.2:5000")],
        ),
        ("[::1]:5000/x", (), (), [lax("[::1]:5000")]),
        (
            "reg.example/x",
            (),
            ("reg.example",),
            [lax("reg.example")],
        ),
    ],
)
def test_places(image: str, mirrors: tuple[str, ...], insecure: tuple[str, ...], expected: list[Endpoint]):
    """Mirrors by the length of their prefix, then the registry; plain HTTP where it is known to be harmless."""
    assert endpoints(parse(image), parsing.mirrors(mirrors), insecure) == expected


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://m:5000/token", True),
        ("http://127.0.0.1:99/token", True),
        ("http://lax.example/token", True),
        ("http://registry.example/token", False),
        ("http://m:5001/token", False),
    ],
)
def test_plain_http(url: str, allowed: bool):
    """A mirror's own URL says so for its own host alone."""
    endpoint = Endpoint("m:5000", "x", ("http://m:5000",))

    assert plain_http_allowed(url, endpoint, ["lax.example"]) is allowed
