"""Images by their names, in bounded memory."""

import pytest

from kubedock.domain.image import parse
from kubedock.domain.view import Image
from kubedock.errors import Conflict, InvalidParameter, NoSuchImage
from kubedock.state.images import ImageStore, check_name, without
from tests.support.running import T0, refused

D, E = "sha256:" + "d" * 64, "sha256:" + "e" * 64
CLOSE = "sha256:" + "d" * 10 + "0" * 54


def put(store, image_id, *names):
    """Keep an image by these names."""
    return store.put(image_id, lambda known: known or Image(image_id), [parse(name) for name in names], T0)


def test_a_digest_names_an_image_alone():
    """Docker drops the tag before it, whenever it stores, looks for and removes such a name."""
    store = ImageStore()
    made = put(store, D, f"x:1@{E}")

    assert (made.tags, made.digests) == ((), (f"x@{E}",))
    assert [store.find(ref).id for ref in (f"x:1@{E}", f"x:2@{E}", f"x@{E}")] == [D, D, D]
    assert store.named(parse(f"x:3@{E}")) == made
    with refused(NoSuchImage, "No such image: x:1"):
        store.find("x:1")
    with refused(NoSuchImage, f"No such image: x:1@{D}"):
        store.find(f"x:1@{D}")


@pytest.mark.parametrize("ref", ["d", "ddd", f"sha256:{'d' * 10}", "sha256:d"])
def test_the_beginning_of_several_ids_is_none_of_them(ref):
    """As with Docker clients pull then: it may be a name."""
    store = ImageStore()
    put(store, D, "x")
    put(store, CLOSE, "y")

    with refused(NoSuchImage, f"No such image: {ref}" + ("" if ref.startswith("sha256") else ":latest")):
        store.find(ref)
    assert store.find("d" * 11).id == D


def test_the_digest_that_was_pulled_last_is_first():
    """A tag that is built anew with the same configuration has a digest more."""
    store = ImageStore(names=2)
    for digit in "abca":
        made = put(store, D, "x:1", f"x@sha256:{digit * 64}")

    assert (made.tags, made.digests) == (("x:1",), (f"x@sha256:{'a' * 64}", f"x@sha256:{'c' * 64}"))
    with pytest.raises(NoSuchImage):
        store.find(f"x@sha256:{'b' * 64}")


def test_a_name_is_of_one_image():
    """It moves; how nodes get the other one stays known."""
    store = ImageStore()
    store.put(D, lambda _: Image(D, sources={"x:1": "x@a", "y:1": "y@a"}), [parse("x:1")], T0)
    put(store, E, "x:1")

    assert store.find(D) == Image(D, sources={"y:1": "y@a"}, tagged_at=T0)
    assert without(store.find(D), "y:1").sources == {"y:1": "y@a"}
    assert store.untag(store.find(E), ["x:1"]).tags == ()
    assert store.named(parse("x:1")) is None


def test_no_image_has_names_without_end():
    """A tag more is refused, one that it has is not."""
    store = ImageStore(names=2)
    put(store, D, "x:1", "x:2", f"x@{E}")

    with refused(Conflict, f"image {'d' * 12} has 2 tags already: remove some of them"):
        put(store, D, "x:3")
    assert put(store, D, "x:1").tags == ("x:1", "x:2")


def test_of_too_many_those_go_that_nobody_uses():
    """First what was asked for longest ago; never the newest."""
    store = ImageStore(limit=2)
    ids = [f"sha256:{number:064x}" for number in range(1, 5)]
    for number, image_id in enumerate(ids[:3]):
        assert not store.crowded
        put(store, image_id, f"x:{number}")
    assert [image.id for image in store.surplus(())] == [ids[0]]
    store.find("x:0")
    put(store, ids[3], "x:3")

    assert store.crowded
    assert [image.id for image in store.surplus(())] == [ids[1], ids[2]]
    assert [image.id for image in store.surplus({ids[1], ids[2], ids[3]})] == [ids[0]]
    assert [image.id for image in store.surplus(set(ids))] == []


def test_a_name_that_is_like_an_id():
    """Docker takes none, either."""
    with refused(InvalidParameter, "refusing to create an ambiguous tag using digest algorithm as name"):
        check_name(parse("sha256:abc"))
    check_name(parse("me/sha256:abc"))
