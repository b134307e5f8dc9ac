"""Names and ids."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.domain import ids, names
from kubedock.errors import InvalidParameter

SHORT_IDS = st.text("0123456789abcdef", min_size=12, max_size=12)


def test_a_random_name_is_two_words():
    """Decided by the randomness that is given, and always a valid container name."""
    drawn = [names.random_name(Random(seed)) for seed in range(200)]

    assert drawn == [names.random_name(Random(seed)) for seed in range(200)]
    assert all(re.fullmatch("[a-z]+-[a-z]+", name) and names.container_name(name) == name for name in drawn)
    assert len(set(drawn)) > 190


def test_the_words_are_distinct():
    """No word twice in a list."""
    assert len(set(names.ADJECTIVES)) == len(names.ADJECTIVES)
    assert len(set(names.NOUNS)) == len(names.NOUNS)


@pytest.mark.parametrize(("text", "name"), [("web", "web"), ("/web", "web"), ("My_web.1-x", "My_web.1-x"), ("00", "00")])
def test_valid_container_names(text, name):
    """A leading slash is Docker's own and goes."""
    assert names.container_name(text) == name


@pytest.mark.parametrize("text", ["", "/", "a", "_a", "a b", "a/b", "//web", "web\n", "wéb"])
def test_invalid_container_names(text):
    """Docker's sentence shows the name as it was sent."""
    with pytest.raises(InvalidParameter) as refusal:
        names.container_name(text)

    assert str(refusal.value) == f"Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("v", "volume name is too short, names should be at least two alphanumeric characters"),
        (
            "./data",
            '"./data" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed.'
            " If you intended to pass a host directory, use absolute path",
        ),
    ],
)
def test_invalid_volume_names(text, sentence):
    """Docker's sentences; a good name passes."""
    with pytest.raises(InvalidParameter) as refusal:
        names.volume_name(text)

    assert str(refusal.value) == sentence
    assert names.volume_name("data") == "data"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("kubedock", "web", "0123456789ab", 1), "kubedock-web-0123456789ab"),
        (("kubedock", "web", "0123456789ab", 2), "kubedock-web-0123456789ab-r2"),
        (("kubedock", "My_web.1", "0123456789ab", 0), "kubedock-my-web-1-0123456789ab"),
        (("", "", "0123456789ab", 1), "0123456789ab"),
        (("kd", "x" * 80, "0123456789ab", 13), "kd-" + "x" * 43 + "-0123456789ab-r13"),
    ],
)
def test_object_names(arguments, name):
    """Prefix, name made safe, id, run."""
    assert names.object_name(*arguments) == name


@given(st.text(max_size=80), st.text(max_size=80), SHORT_IDS, st.integers(0, 10**6))
def test_object_names_are_valid(prefix, name, short_id, run):
    """A DNS-1123 label, whatever the name."""
    made = names.object_name(prefix, name, short_id, run)

    assert names.is_label(made)
    assert made.endswith(short_id if run < 2 else f"{short_id}-r{run}")


@given(
    st.tuples(st.text(max_size=60), SHORT_IDS, st.integers(1, 99)),
    st.tuples(st.text(max_size=60), SHORT_IDS, st.integers(1, 99)),
)
def test_object_names_never_collide(one, other):
    """Two containers, or two runs, never share a name."""
    if one[1:] != other[1:]:
        assert names.object_name("kd", *one) != names.object_name("kd", *other)


@pytest.mark.parametrize(
    ("asked", "had"),
    [("db", "db"), ("db.example.com", "db"), ("My_Host", "my-host"), ("x" * 70, "x" * 63), ("...", ""), ("", ""), ("-a-", "a")],
)
def test_host_names(asked, had):
    """The first label made valid."""
    assert names.hostname(asked) == had


def test_ids():
    """Short, full, prefixes; derived ones are stable and apart."""
    full = "0123456789abcdef" * 4

    assert (ids.short(full), ids.short("sha256:" + full)) == (full[:12], full[:12])
    assert (ids.is_full(full), ids.is_full(full + "\n"), ids.is_full(full[:12])) == (True, False, False)
    assert (ids.is_prefix("0f"), ids.is_prefix(""), ids.is_prefix("xyz"), ids.is_prefix("0" * 65)) == (True, False, False, False)
    assert ids.derived("a", "b") == ids.derived("a", "b") != ids.derived("ab")
    assert ids.is_full(ids.derived("\ud800"))
    assert ids.image_id("docker.io/library/alpine:latest").startswith("sha256:")
