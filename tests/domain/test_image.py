"""Image references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.domain import image
from kubedock.domain.image import Reference
from kubedock.errors import InvalidParameter

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "reference", "familiar", "canonical"),
    [
        ("alpine", Reference("docker.io", "library/alpine"), "alpine:latest", "docker.io/library/alpine:latest"),
        ("alpine:3.20", Reference("docker.io", "library/alpine", "3.20"), "alpine:3.20", "docker.io/library/alpine:3.20"),
        ("docker.io/library/alpine", Reference("docker.io", "library/alpine"), "alpine:latest", "docker.io/library/alpine:latest"),
        ("index.docker.io/me/app:1", Reference("docker.io", "me/app", "1"), "me/app:1", "docker.io/me/app:1"),
        ("quay.io/a/b/c:t", Reference("quay.io", "a/b/c", "t"), "quay.io/a/b/c:t", "quay.io/a/b/c:t"),
        ("localhost/a", Reference("localhost", "a"), "localhost/a:latest", "localhost/a:latest"),
        ("registry:5000/a:t", Reference("registry:5000", "a", "t"), "registry:5000/a:t", "registry:5000/a:t"),
        ("[::1]:5000/a", Reference("[::1]:5000", "a"), "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
        ("Host/a", Reference("Host", "a"), "Host/a:latest", "Host/a:latest"),
        (
            "me/app_x.y__z--w",
            Reference("docker.io", "me/app_x.y__z--w"),
            "me/app_x.y__z--w:latest",
            "docker.io/me/app_x.y__z--w:latest",
        ),
        (
            f"alpine@{DIGEST}",
            Reference("docker.io", "library/alpine", "", DIGEST),
            f"alpine@{DIGEST}",
            f"docker.io/library/alpine@{DIGEST}",
        ),
        (
            f"alpine:3@{DIGEST}",
            Reference("docker.io", "library/alpine", "3", DIGEST),
            f"alpine:3@{DIGEST}",
            f"docker.io/library/alpine:3@{DIGEST}",
        ),
        (
            "library/localhost",
            Reference("docker.io", "library/localhost"),
            "library/localhost:latest",
            "docker.io/library/localhost:latest",
        ),
    ],
)
def test_references(text, reference, familiar, canonical):
    """Registry, path, tag, digest, and how they are shown."""
    parsed = image.parse(text)

    assert (parsed, parsed.familiar, parsed.canonical) == (reference, familiar, canonical)
    assert parsed.stored == (Reference(parsed.registry, parsed.repository, "", DIGEST) if parsed.digest else parsed)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "invalid reference format"),
        ("alpine:", "invalid reference format"),
        ("alpine@", "invalid reference format"),
        ("alpine\n", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a/b/", "invalid reference format"),
        ("/a", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("a:" + "x" * 129, "invalid reference format"),
        ("alpine@sha256:12", "invalid reference format"),
        ("alpine@md5:" + "0" * 32, "unsupported digest algorithm"),
        ("alpine@sha256:" + "0" * 32, "invalid checksum digest length"),
        ("alpine@sha256:" + "A" * 64, "invalid checksum digest format"),
        ("me/App", "invalid reference format: repository name (me/App) must be lowercase"),
        ("Alpine", "invalid reference format: repository name (library/Alpine) must be lowercase"),
        ("a" * 256, "repository name must not be more than 255 characters"),
        ("0" * 64, "invalid repository name (" + "0" * 64 + "), cannot specify 64-byte hexadecimal strings"),
        ("ünicode", "invalid reference format"),
    ],
)
def test_what_is_no_reference(text, sentence):
    """Docker's sentences."""
    with pytest.raises(InvalidParameter) as refusal:
        image.parse(text)

    assert str(refusal.value) == sentence


REFERENCES = st.from_regex(
    r"(?:(?:[a-z]{1,8}\.io(?::[0-9]{1,5})?|localhost|Reg)/)?(?:[a-z0-9]{1,8}/){0,3}[a-z]{1,9}(?::[\w.-]{1,9})?", fullmatch=True
)


@given(REFERENCES)
def test_what_is_printed_parses_to_itself(text):
    """Both spellings name the same image."""
    try:
        parsed = image.parse(text)
    except InvalidParameter:
        return

    assert image.parse(parsed.canonical).canonical == parsed.canonical
    assert image.parse(parsed.familiar).canonical == parsed.canonical


@given(st.text("aA0:/@._-[] \n", max_size=40) | st.text(max_size=40))
def test_reading_a_reference_is_total(text):
    """A reference or a refusal."""
    try:
        parsed = image.parse(text)
    except InvalidParameter:
        return

    assert parsed.repository


def test_another_tag():
    """fromImage and tag are two parameters; the second may be a digest."""
    alpine = image.parse("alpine:1")

    assert image.with_tag(alpine, "2").familiar == "alpine:2"
    assert image.with_tag(alpine, DIGEST).familiar == f"alpine@{DIGEST}"
    with pytest.raises(InvalidParameter, match=r"^invalid tag format$"):
        image.with_tag(alpine, "a b")
