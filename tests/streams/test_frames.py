"""Docker's frames: what is encoded comes back, however it was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.streams import frames

FRAMES = st.lists(st.tuples(st.integers(0, 3), st.binary(min_size=1, max_size=300)), max_size=10)


@pytest.mark.parametrize(
    ("stream", "payload", "wire"),
    [
        (1, b"hi\n", b"\x01\0\0\0\0\0\0\x03hi\n"),
        (2, b"x" * 258, b"\x02\0\0\0\0\0\x01\x02" + b"x" * 258),
        (1, b"", b""),
    ],
)
def test_a_frame_is_a_head_and_the_payload(stream, payload, wire):
    """Docker's documented layout; an empty payload makes no frame."""
    assert frames.encode(stream, payload) == wire


@given(FRAMES, st.lists(st.integers(1, 40), min_size=1, max_size=50))
def test_frames_survive_any_cut(sent, cuts):
    """A decoder gives back what was encoded, in order, wherever the bytes were cut."""
    wire = b"".join(frames.encode(*frame) for frame in sent)
    decoder = frames.Decoder()
    got, at, turn = [], 0, 0
    while at < len(wire):
        size = cuts[turn % len(cuts)]
        got += decoder.feed(wire[at : at + size])
        at, turn = at + size, turn + 1

    assert (got, decoder.pending) == (sent, 0)


@pytest.mark.parametrize("head", [b"\x04\0\0\0\0\0\0\x01", b"\x01\0\x01\0\0\0\0\x01", b"hello wo"])
def test_what_is_no_head_is_refused(head):
    """Bytes of a terminal must not be taken for frames."""
    with pytest.raises(ValueError, match="not the head of a frame"):
        frames.Decoder().feed(head)
