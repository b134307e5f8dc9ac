"""Compressed streams as plain ones, without ever holding more than a piece: whatever is sent, however far it expands."""

import bz2
import itertools
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from kubedock.errors import InvalidParameter, NotImplemented

PIECE = 256 * 1024
XZ_MEMORY = 96 << 20
"""Bytes that decompressing xz may take: 65 MiB are what its highest level needs."""
TRUNCATED = "unexpected EOF"
ZSTD = b"\x28\xb5\x2f\xfd"
NO_ZSTD = "zstd is not supported: send the archive plain, or compressed by gzip, bzip2 or xz"


class Decompressor(Protocol):
    """What ``bz2`` and ``lzma`` have: bytes in, at most ``max_length`` bytes out, the rest on the next call."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """``zlib`` as a Decompressor."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        found = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self._full = len(found) == max_length
        return found


def _xz() -> Decompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


FORMATS: tuple[tuple[bytes, Callable[[], Decompressor]], ...] = (
    (b"\x1f\x8b\x08", _Gzip),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", _xz),
)
"""How a compressed stream begins, and what decompresses it."""
MAGICS = tuple(magic for magic, _ in FORMATS)


def plain(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A stream as it is, or decompressed where it begins like gzip, bzip2 or xz.

    InvalidParameter for damaged data, NotImplemented for zstd.
    """
    source = iter(chunks)
    first = b""
    while len(first) < max(map(len, MAGICS)) and (chunk := next(source, None)) is not None:
        first += chunk
    if first.startswith(ZSTD):
        raise NotImplemented(NO_ZSTD)
    stream = itertools.chain((first,), source)
    for magic, make in FORMATS:
        if first.startswith(magic):
            return _decompressed(stream, magic, make)
    return stream


def _decompressed(chunks: Iterable[bytes], magic: bytes, make: Callable[[], Decompressor]) -> Iterator[bytes]:
    """Compressed streams may follow one another. What follows them and is none (padding) is dropped."""
    current, rest = make(), b""
    for chunk in chunks:
        rest += chunk
        while rest or not (current.eof or current.needs_input):
            if current.eof:
                if not rest.startswith(magic[: len(rest)]):
                    return
                if len(rest) < len(magic):
                    break
                current = make()
            piece = _step(current, rest)
            rest = current.unused_data if current.eof else b""
            if piece:
                yield piece
    if not current.eof:
        raise InvalidParameter(TRUNCATED)


def _step(current: Decompressor, data: bytes) -> bytes:
    try:
        return current.decompress(data, PIECE)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise InvalidParameter(f"the archive's compression is damaged: {error}") from error
