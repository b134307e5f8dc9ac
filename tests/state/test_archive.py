"""Saved logs: bounded, the oldest first to go."""

from kubedock.state.archive import LogArchive, Segment

NOISE = [bytes((i * 37 + j * j) % 251 for j in range(4000)) for i in range(4)]


def test_texts_come_back_by_segment() -> None:
    """In order, and gone with the container."""
    archive = LogArchive()
    archive.save("c1", Segment(2), b"second")
    archive.save("c1", Segment(1, 1), b"first, restarted")
    archive.save("c1", Segment(1), b"first")
    archive.save("c1", Segment(1), b"first again")
    archive.save("c1", Segment(1), b"")
    archive.save("c1", Segment(2), b"2nd", certain=True)

    assert [(found, archive.get("c1", found)) for found in archive.segments("c1")] == [
        (Segment(1, 0), b"first again"),
        (Segment(1, 1), b"first, restarted"),
        (Segment(2, 0), b"2nd"),
    ]
    archive.forget("c1")
    assert archive.segments("c1") == []
    assert archive.get("c1", Segment(1)) is None


def test_a_container_keeps_its_newest() -> None:
    """Past its bound the oldest segments go; the last one stays whatever its size."""
    archive = LogArchive(per_container=1)
    for run in range(1, 4):
        archive.save("c1", Segment(run), NOISE[run])

    assert archive.segments("c1") == [Segment(3)]


def test_all_containers_have_a_bound_together() -> None:
    """The containers that were saved first lose first."""
    archive = LogArchive(in_all=1)
    archive.save("c1", Segment(1), NOISE[0])
    archive.save("c2", Segment(1), NOISE[1])

    assert (archive.segments("c1"), archive.segments("c2")) == ([], [Segment(1)])
