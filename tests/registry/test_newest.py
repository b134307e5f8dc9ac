"""What is remembered in bounded memory."""

from kubedock.registry.newest import Newest


def test_the_oldest_goes():
    """One that is put again is new."""
    kept = Newest[str, int](2)
    for number, key in enumerate("abac"):
        kept.put(key, number)

    assert [kept.get(key) for key in "abcd"] == [2, None, 3, None]
    kept.forget("a")
    kept.forget("d")
    assert [kept.get(key) for key in "abcd"] == [None, None, 3, None]


def test_what_is_too_much_goes():
    """The oldest first; one that is too large alone is not kept at all."""
    kept = Newest[str, int](3, total=10)
    for key, size in (("a", 4), ("b", 4), ("a", 5), ("c", 2)):
        kept.put(key, size, size)
    assert [kept.get(key) for key in "abc"] == [5, None, 2]

    kept.forget("c")
    kept.put("d", 5, 5)
    assert [kept.get(key) for key in "abcd"] == [5, None, None, 5]
    kept.put("e", 11, 11)
    assert [kept.get(key) for key in "acde"] == [None] * 4
