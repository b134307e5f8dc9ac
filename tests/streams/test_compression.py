"""Compressed streams: what comes out, and how much of it at a time."""

import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.errors import InvalidParameter, NotImplemented
from kubedock.streams.compression import PIECE, ZSTD, plain
from tests.support.running import refused
from tests.support.tars import cut

PACKERS: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lzma.compress]


def unpacked(data: bytes, cuts: list[int] | None = None) -> bytes:
    """All that comes out."""
    return b"".join(plain(cut(data, cuts or [])))


@given(st.binary(max_size=3000), st.sampled_from(PACKERS), st.lists(st.integers(0, 50), max_size=60))
def test_any_split_gives_the_same(data: bytes, pack: Callable[[bytes], bytes], cuts: list[int]) -> None:
    """However the bytes arrive; several streams behind one another are one, and padding behind them is none."""
    assert unpacked(pack(data) + pack(data) + bytes(20), cuts) == data + data


@given(st.binary(max_size=300), st.lists(st.integers(0, 5), max_size=20))
def test_what_is_not_compressed_stays(data: bytes, cuts: list[int]) -> None:
    """Also what is shorter than any mark."""
    assert unpacked(b"." + data, cuts) == b"." + data
    assert unpacked(b"") == b""


@pytest.mark.parametrize("pack", PACKERS)
def test_what_expands_is_never_held(pack: Callable[[bytes], bytes]) -> None:
    """Ten megabytes of zeros are a few kilobytes: they come in pieces."""
    noise = random.Random(1).randbytes(1000)
    sizes = [len(piece) for piece in plain([pack(noise + bytes(10_000_000))])]
    assert sum(sizes) == 10_001_000
    assert max(sizes) <= PIECE


@pytest.mark.parametrize("pack", PACKERS)
def test_what_is_damaged_is_refused(pack: Callable[[bytes], bytes]) -> None:
    """In its middle, and at its end."""
    noise = random.Random(2).randbytes(5000)
    packed = pack(noise)
    with refused(InvalidParameter, "unexpected EOF"):
        unpacked(packed[:-12])
    with pytest.raises(InvalidParameter, match=r"^the archive's compression is damaged: "):
        unpacked(packed[:2000] + bytes(200) + packed[2200:])


def test_output_that_waits_in_the_decompressor_is_not_lost() -> None:
    """The input may be used up before the output is: a stream that ends exactly at a piece's end."""
    for size in (PIECE - 1, PIECE, PIECE + 1, 2 * PIECE):
        data = bytes(size)
        packer = zlib.compressobj(wbits=31)
        assert len(unpacked(packer.compress(data) + packer.flush())) == size


def test_zstd_is_a_sentence() -> None:
    """Told by its first bytes."""
    with pytest.raises(NotImplemented, match=r"^zstd is not supported"):
        unpacked(ZSTD + b"rest")


def test_an_xz_that_wants_too_much_memory() -> None:
    """Refused, not tried: half a gigabyte for one request."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    header = lzma.compress(b"x", filters=filters)
    with pytest.raises(InvalidParameter, match=r"[Mm]emory usage limit"):
        unpacked(header)
