"""Docker's multiplexed stream: frames of an eight-byte head and a payload. Sans-IO.

Byte 0 of the head is the stream (0 stdin, 1 stdout, 2 stderr, 3 the engine's own errors), bytes 1 to 3 are zero,
bytes 4 to 7 the payload's length, big-endian.
"""

import struct

STDIN, STDOUT, STDERR, SYSTEM = 0, 1, 2, 3

_HEAD = struct.Struct(">BxxxI")


def encode(stream: int, payload: bytes) -> bytes:
    """One frame; nothing for an empty payload, because some readers take an empty frame for the end."""
    return _HEAD.pack(stream, len(payload)) + payload if payload else b""


class Decoder:
    """Takes frames apart, however the bytes were cut on their way."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete now: (stream, payload). ValueError where a head is none."""
        self._buffer += data
        frames = []
        at = 0
        while len(self._buffer) - at >= _HEAD.size:
            stream, length = _HEAD.unpack_from(self._buffer, at)
            if stream > SYSTEM or self._buffer[at + 1 : at + 4] != b"\0\0\0":
                raise ValueError(f"not the head of a frame: {bytes(self._buffer[at : at + _HEAD.size])!r}")
            if len(self._buffer) - at - _HEAD.size < length:
                break
            frames.append((stream, bytes(self._buffer[at + _HEAD.size : at + _HEAD.size + length])))
            at += _HEAD.size + length
        del self._buffer[:at]
        return frames
