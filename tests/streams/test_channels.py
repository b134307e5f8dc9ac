"""The remotecommand channels, against the other side of the same WebSocket."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

from kubedock.notstarted import lacks
from kubedock.streams.channels import LARGEST_MESSAGE, V4, V5, ChannelProtocol, ExitStatus, exit_status


def server() -> Protocol:
    """The API server's side of a connection."""
    return Protocol(Side.SERVER, state=OPEN, max_size=None)


def heard(peer: Protocol, data: bytes) -> list[tuple[Opcode, bytes]]:
    """What the server gets."""
    peer.receive_data(data)
    return [(event.opcode, bytes(event.data)) for event in peer.events_received() if isinstance(event, Frame)]


def sent(peer: Protocol) -> bytes:
    """What the server has to send."""
    return b"".join(peer.data_to_send())


@given(
    st.lists(st.tuples(st.integers(1, 3), st.binary(min_size=1, max_size=300)), max_size=8),
    st.lists(st.integers(1, 200), max_size=40),
    st.integers(1, 100),
)
def test_any_split_gives_the_same_messages(messages: list[tuple[int, bytes]], cuts: list[int], part: int) -> None:
    """However the bytes arrive, and however the server cuts its messages into frames."""
    peer = server()
    for channel, data in messages:
        whole = bytes((channel,)) + data
        parts = [whole[start : start + part] for start in range(0, len(whole), part)]
        peer.send_binary(parts[0], fin=len(parts) == 1)
        for number, each in enumerate(parts[1:], 2):
            peer.send_continuation(each, fin=number == len(parts))
    stream, channels, found = sent(peer), ChannelProtocol(V5), []
    for cut in [*cuts, len(stream)]:
        if stream:
            found += channels.receive(stream[:cut])
            stream = stream[cut:]

    assert found == messages
    assert not channels.eof


def test_data_is_sent_in_messages_that_every_server_takes() -> None:
    """32 KiB at most, each with its channel."""
    channels, data = ChannelProtocol(V5), b"x" * (LARGEST_MESSAGE + 5)

    channels.send(0, data)

    first, second = heard(server(), channels.to_send())
    assert first == (Opcode.BINARY, b"\0" + data[:LARGEST_MESSAGE])
    assert second == (Opcode.BINARY, b"\0" + b"x" * 5)


def test_only_v5_ends_a_channel() -> None:
    """v4 has no end of stdin, and says so by False."""
    new, old = ChannelProtocol(V5), ChannelProtocol(V4)

    assert (new.close_channel(0), old.close_channel(0)) == (True, False)
    assert heard(server(), new.to_send()) == [(Opcode.BINARY, b"\xff\0")]
    assert old.to_send() == b""


def test_empty_messages_are_nothing() -> None:
    """v4 servers begin with an empty stdout message."""
    peer, channels = server(), ChannelProtocol(V4)
    peer.send_binary(b"\x01")
    peer.send_binary(b"")
    peer.send_binary(b"\x01a")

    assert channels.receive(sent(peer)) == [(1, b"a")]


def test_pings_are_answered() -> None:
    """The pong goes out with what is queued; our own ping does, too."""
    peer, channels = server(), ChannelProtocol(V5)
    peer.send_ping(b"there?")
    channels.receive(sent(peer))
    channels.ping()

    assert heard(peer, channels.to_send()) == [(Opcode.PONG, b"there?"), (Opcode.PING, b"")]


def end_by_close(peer: Protocol, channels: ChannelProtocol) -> None:
    """The server says good-bye."""
    peer.send_close(1000)
    channels.receive(sent(peer))


def end_by_break(peer: Protocol, channels: ChannelProtocol) -> None:
    """The connection ends within a frame."""
    peer.send_binary(b"\x01lost")
    channels.receive(sent(peer)[:3])
    channels.receive(b"")


def end_by_nonsense(peer: Protocol, channels: ChannelProtocol) -> None:
    """What comes is no WebSocket."""
    del peer
    channels.receive(b"\xff" * 20)


@pytest.mark.parametrize("end", [end_by_close, end_by_break, end_by_nonsense])
def test_after_the_end_nothing_is_sent(end: object) -> None:
    """All kinds of end are ends; sending afterwards is no error."""
    assert callable(end)
    peer, channels = server(), ChannelProtocol(V5)

    end(peer, channels)

    assert channels.eof
    channels.to_send()
    channels.send(0, b"late")
    channels.ping()
    assert channels.close_channel(0)
    channels.close()
    assert channels.to_send() == b""


def test_closing_says_good_bye() -> None:
    """With code 1000."""
    channels = ChannelProtocol(V5)

    channels.close()

    assert heard(server(), channels.to_send()) == [(Opcode.CLOSE, b"\x03\xe8")]


def failure(reason: str, message: str = "", causes: object = None) -> dict[str, object]:
    """A Status of a failure."""
    return {"metadata": {}, "status": "Failure", "reason": reason, "message": message, "details": {"causes": causes}}


MISSING = 'exec: "nosuch": executable file not found in $PATH: unknown'
NO_FILE = 'exec: "/nosuch": stat /nosuch: no such file or directory: unknown'
NO_RIGHT = 'exec: "/etc/passwd": permission denied: unknown'
CRUN_MISSING = "executable file `nosuch` not found in $PATH: No such file or directory"
CRUN_NO_FILE = "executable file `/nosuch` not found: No such file or directory"
CRUN_NO_RIGHT = "open executable: Permission denied"
NO_DIRECTORY = 'chdir to cwd ("/etc/passwd") set in config.json failed: not a directory: unknown'
A_DIRECTORY = 'exec: "/etc": is a directory: unknown'


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"status": "Success"}, ExitStatus(0)),
        (failure("NonZeroExitCode", "exit status 42", [{"reason": "ExitCode", "message": "42"}]), ExitStatus(42)),
        (failure("NonZeroExitCode", "no cause", []), ExitStatus(126, "no cause")),
        (failure("NonZeroExitCode", "odd", [{"reason": "ExitCode", "message": "x"}]), ExitStatus(126, "odd")),
        (failure("InternalError", MISSING), ExitStatus(127, MISSING)),
        (failure("InternalError", NO_FILE), ExitStatus(127, NO_FILE)),
        (failure("InternalError", NO_RIGHT), ExitStatus(126, NO_RIGHT)),
        (failure("InternalError", CRUN_MISSING), ExitStatus(127, CRUN_MISSING)),
        (failure("InternalError", CRUN_NO_FILE), ExitStatus(127, CRUN_NO_FILE)),
        (failure("InternalError", CRUN_NO_RIGHT), ExitStatus(126, CRUN_NO_RIGHT)),
        (failure("InternalError", NO_DIRECTORY), ExitStatus(127, NO_DIRECTORY)),
        (failure("InternalError", A_DIRECTORY), ExitStatus(126, A_DIRECTORY)),
        (failure("InternalError", "anything"), ExitStatus(126, "anything")),
        ([], ExitStatus(126, "[]")),
    ],
)
def test_a_status_is_an_exit_code(status: object, expected: ExitStatus) -> None:
    """Docker's 126 and 127 for what could not be started."""
    assert exit_status(json.dumps(status).encode()) == expected


def test_a_status_that_is_no_json() -> None:
    """Its text is the message."""
    assert exit_status(b"nonsense") == ExitStatus(126, "nonsense")


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        ('Internal error occurred: unable to upgrade connection: container not found ("main")', True),
        ("Internal error occurred: unable to upgrade connection: container main not found in pod p_default", True),
        (MISSING, False),
        ("", False),
    ],
)
def test_an_ended_container_is_told_from_a_missing_program(*, message: str, gone: bool) -> None:
    """The kubelet's texts, as a real one (1.34) sends them."""
    assert ExitStatus(126, message).container_gone is gone


@pytest.mark.parametrize(
    ("text", "program", "expected"),
    [
        ('exec: "sh": executable file not found in $PATH: unknown', "sh", True),
        ("executable file `sh` not found in $PATH: No such file or directory", "sh", True),
        ("executable file `bash` not found in $PATH: No such file or directory", "sh", False),
        ('exec: "sh": permission denied: unknown', "sh", False),
    ],
)
def test_a_program_that_an_image_lacks(*, text: str, program: str, expected: bool) -> None:
    """Each runtime quotes its name in its own way."""
    assert lacks(text, program) is expected
