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
