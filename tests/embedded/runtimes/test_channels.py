"""Channels over pipes and sockets of this process: no container is needed."""

import os
import socket
from collections.abc import Sequence

from kubedock.cluster.protocol import ERROR, STDERR, STDIN, STDOUT
from kubedock.embedded.runtimes import status
from kubedock.embedded.runtimes.streams import AttachSocket, Descriptor, LocalChannels, Source
from kubedock.streams.channels import ExitStatus, exit_status
from tests.support.waiting import converse, gathered


class Ending:
    """A process that ends when the test says so."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.left: list[Source] = []
        self.sizes: list[tuple[int, int]] = []

    def end(self) -> None:
        """It has ended."""
        os.write(self._writer, b".")

    def fileno(self) -> int:
        """Readable once it has."""
        return self._reader

    def status(self) -> bytes:
        """It failed with 3."""
        return status.ended(3)

    def resize(self, height: int, width: int) -> None:
        """Noted."""
        self.sizes.append((height, width))

    def leave(self, sources: Sequence[Source]) -> None:
        """Noted."""
        self.left += sources


def test_what_was_written_before_the_end_is_received_before_the_status() -> None:
    """Though the pipes are still open in somebody else's hands."""
    process, (reader, writer), (errors, complains) = Ending(), os.pipe(), os.pipe()
    os.write(writer, b"x" * 60000)
    os.write(complains, b"oh")
    process.end()

    with LocalChannels([Descriptor(reader, STDOUT), Descriptor(errors, STDERR)], None, process) as channels:
        told = gathered(converse(channels))

    assert exit_status(told.pop(ERROR)) == ExitStatus(3)
    assert told == {STDOUT: b"x" * 60000, STDERR: b"oh"}
    assert process.left == []


def test_input_waits_for_who_reads_it_and_its_end_comes_after_it() -> None:
    """More than a pipe holds."""
    process, (reader, writer), (theirs, ours) = Ending(), os.pipe(), os.pipe()
    data = b"y" * 300000
    with LocalChannels([Descriptor(reader)], Descriptor(ours), process) as channels:
        channels.send(STDIN, data)
        channels.close_channel(STDIN)
        assert channels.unsent > 0

        got = b""
        while more := os.read(theirs, 1 << 16):
            got += more
            channels.flush()

    assert got == data
    assert channels.unsent == 0
    assert process.left != []
    os.close(writer)


def test_input_that_nobody_reads_is_dropped() -> None:
    """The command has closed it, and goes on."""
    process, (reader, _), (theirs, ours) = Ending(), os.pipe(), os.pipe()
    os.close(theirs)
    with LocalChannels([Descriptor(reader)], Descriptor(ours), process) as channels:
        channels.send(STDIN, b"z")
        channels.send(STDIN, b"z")

        assert channels.unsent == 0


def test_a_size_is_passed_on_and_nonsense_is_not() -> None:
    """As the engine sends it."""
    process, (reader, _) = Ending(), os.pipe()
    with LocalChannels([Descriptor(reader)], None, process) as channels:
        channels.send(4, b'{"Width": 80, "Height": 24}')
        channels.send(4, b"[]")
        channels.send(4, b"{")

    assert process.sizes == [(24, 80)]


def test_packets_of_an_attach_are_told_apart_and_their_end_is_success() -> None:
    """conmon's first byte names the stream."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.send(b"\x02out")
    theirs.send(b"\x03err")
    theirs.close()

    class Main(Ending):
        def status(self) -> bytes:
            return status.SUCCESS

    with LocalChannels([AttachSocket(ours, finishes=True)], None, Main(), ends_with_output=True) as channels:
        told = gathered(converse(channels))

    assert told == {STDOUT: b"out", STDERR: b"err", ERROR: status.SUCCESS}


def test_the_end_of_an_attach_is_passed_on_only_where_it_ends_the_input() -> None:
    """StdinOnce."""
    for finishes in (True, False):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        source = AttachSocket(ours, finishes=finishes)
        with LocalChannels([source], source.duplicate(), Ending(), ends_with_output=True) as channels:
            channels.send(STDIN, b"in")
            channels.close_channel(STDIN)
            theirs.settimeout(0.2 if not finishes else 5)

            assert theirs.recv(100) == b"in"
            try:
                end = theirs.recv(100)
            except TimeoutError:
                end = None
            assert end == (b"" if finishes else None)
        theirs.close()


def test_statuses_are_read_back() -> None:
    """As the kubelet's are."""
    assert exit_status(status.ended(0)) == ExitStatus(0)
    assert exit_status(status.ended(255)) == ExitStatus(255)
    assert exit_status(status.container_gone("main")).container_gone
    assert exit_status(status.not_started('exec: "x": executable file not found in $PATH', "1")).code == 127
    assert exit_status(status.not_started('exec: "x": permission denied', "1")).code == 126
