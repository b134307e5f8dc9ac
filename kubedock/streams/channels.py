"""Kubernetes' channels (exec, attach, port-forward) over WebSocket messages: bytes in, messages out, no I/O.

Protocol v5 is v4 and one thing more: a message on channel 255 ends another channel, which is how stdin gets its end.
"""

import json
from typing import Any, NamedTuple

from websockets.exceptions import WebSocketException
from websockets.frames import Opcode
from websockets.protocol import OPEN, Protocol, Side

from kubedock.notstarted import COMMAND_NOT_RUNNABLE, RUNTIME, start_code

CLOSE = 255
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
LARGEST_MESSAGE = 32 * 1024


class ExitStatus(NamedTuple):
    """How a command ended. ``message`` is the runtime's text when it could not be started, else ""."""

    code: int
    message: str = ""

    @property
    def container_gone(self) -> bool:
        """The container does not run: exec and attach say so on the error channel, after the handshake."""
        return "container not found (" in self.message or "not found in pod" in self.message

    @property
    def reason(self) -> str:
        """The message from where the container runtime speaks, which is what Docker shows."""
        return self.message[max(self.message.find(RUNTIME), 0) :]


def exit_status(status: bytes) -> ExitStatus:
    """What the Status on the error channel says. 126 and 127 are Docker's codes for what could not be started."""
    try:
        told: Any = json.loads(status)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return ExitStatus(COMMAND_NOT_RUNNABLE, status.decode(errors="replace"))
    if told.get("status") == "Success":
        return ExitStatus(0)
    text = str(told.get("message") or "")
    if told.get("reason") == "NonZeroExitCode":
        for cause in (told.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode" and str(cause.get("message")).lstrip("-").isdigit():
                return ExitStatus(int(cause["message"]))
    return ExitStatus(start_code(text) or COMMAND_NOT_RUNNABLE, text)


class ChannelProtocol:
    """One connection's state after the handshake. Not locked: one thread owns it.

    Give it what was received, take from it what is to be sent. ``eof`` tells that the peer has ended, in good order
    or not; a command that ended in good order sent a Status on the error channel before.
    """

    def __init__(self, subprotocol: str, *, side: Side = Side.CLIENT) -> None:
        """``subprotocol`` is the one that the server has chosen."""
        self.subprotocol = subprotocol
        self._frames = Protocol(side, state=OPEN, max_size=None)
        self._parts: list[bytes] = []
        self.eof = False

    @property
    def cut(self) -> bool:
        """It has ended, and not because the peer said so."""
        return self.eof and self._frames.close_rcvd is None

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Whole messages out of received bytes (``b""`` is the connection's end): (channel, bytes), never empty ones."""
        try:
            if data:
                self._frames.receive_data(data)
            else:
                self._frames.receive_eof()
        except (EOFError, WebSocketException):
            self.eof = True
        messages = []
        for frame in self._frames.events_received():
            if frame.opcode is Opcode.CLOSE:  # type: ignore[union-attr]
                self.eof = True
            elif frame.opcode in (Opcode.BINARY, Opcode.TEXT, Opcode.CONT):  # type: ignore[union-attr]
                message = self._whole(frame)
                if len(message) > 1:
                    messages.append((message[0], message[1:]))
        if not data or self._frames.parser_exc is not None:
            self.eof = True
        return messages

    def _whole(self, frame: Any) -> bytes:
        """The message that this frame completes, ``b""`` when more is to come."""
        data = bytes(frame.data)
        if frame.fin and not self._parts:
            return data
        self._parts.append(data)
        if not frame.fin:
            return b""
        data, self._parts = b"".join(self._parts), []
        return data

    def send(self, channel: int, data: bytes) -> None:
        """Queue data for a channel, in messages of a size that every server takes."""
        if self.eof:
            return
        prefix = bytes((channel,))
        for start in range(0, len(data), LARGEST_MESSAGE):
            self._frames.send_binary(prefix + data[start : start + LARGEST_MESSAGE])

    def close_channel(self, channel: int) -> bool:
        """Queue the end of a channel; False where the peer only speaks v4, which has no such thing."""
        if self.subprotocol != V5:
            return False
        if not self.eof:
            self._frames.send_binary(bytes((CLOSE, channel)))
        return True

    def ping(self) -> None:
        """Queue a ping, so that nothing between takes the connection for dead."""
        if not self.eof:
            self._frames.send_ping(b"")

    def close(self) -> None:
        """Queue the end of the connection."""
        if not self.eof:
            self._frames.send_close(1000)

    def to_send(self) -> bytes:
        """What is queued, answers to the peer's pings included."""
        return b"".join(self._frames.data_to_send())
