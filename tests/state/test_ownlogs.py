"""Logs that are written in this process."""

from datetime import UTC, datetime

from kubedock.state.ownlogs import OwnLog, OwnLogs, OwnStream
from tests.support.waiting import in_thread

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
STAMP = b"2026-01-02T03:04:05.678000000Z "


def read(stream: OwnStream) -> bytes:
    """To its end."""
    return b"".join(iter(stream.read, b""))


def test_what_is_there() -> None:
    """Lines as the kubelet writes them; a reader that does not follow has them and no more."""
    log = OwnLog()
    assert read(log.open(follow=False)) == b""
    log.write(AT, "one")
    log.write(AT, "two")

    assert read(log.open(follow=False)) == STAMP + b"one\n" + STAMP + b"two\n"


def test_followers_read_on_to_the_end() -> None:
    """Each all of it, also what was there before; nothing is written after the end."""
    log = OwnLog()
    log.write(AT, "one")
    streams = [log.open(follow=True), log.open(follow=True)]
    assert [stream.read() for stream in streams] == [STAMP + b"one\n"] * 2
    rest = [in_thread(lambda stream=stream: read(stream)) for stream in streams]
    log.write(AT, "two")
    log.end()
    log.write(AT, "late")

    assert [result() for result in rest] == [STAMP + b"two\n"] * 2
    assert read(log.open(follow=True)) == STAMP + b"one\n" + STAMP + b"two\n"


def test_a_follower_that_is_closed_is_at_the_end() -> None:
    """From any thread, also while it waits."""
    log = OwnLog()
    stream = log.open(follow=True)
    result = in_thread(stream.read)
    stream.close()
    log.write(AT, "one")

    assert (result(), stream.read()) == (b"", b"")


def test_a_log_is_bounded() -> None:
    """The oldest lines go; a slow follower goes on with what is kept."""
    size = len(STAMP + b"1\n")
    log = OwnLog(kept=2 * size)
    stream = log.open(follow=True)
    log.write(AT, "1")
    assert stream.read() == STAMP + b"1\n"
    for text in "2345":
        log.write(AT, text)

    assert stream.read() == STAMP + b"4\n" + STAMP + b"5\n"
    assert read(log.open(follow=False)) == STAMP + b"4\n" + STAMP + b"5\n"


def test_logs_have_names() -> None:
    """One that is forgotten has ended."""
    logs = OwnLogs()
    log = logs.begin("r1")
    log.write(AT, "one")
    assert (logs.get("r1"), logs.get("r2")) == (log, None)
    logs.forget("r1")
    logs.forget("r1")

    assert logs.get("r1") is None
    assert read(log.open(follow=True)) == STAMP + b"one\n"
