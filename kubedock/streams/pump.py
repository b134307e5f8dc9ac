"""A client and a process's channels: one thread and one poll loop for both directions.

Each direction holds at most about 1 MiB: what cannot be written stops what is read. A half-close is passed on.
"""

import json
import select
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Literal, Protocol

from kubedock.streams.cancel import Cancel, Wakeup

STDIN, ERROR, RESIZE = 0, 3, 4
HIGH = 1 << 20
PIECE = 256 * 1024
PING_SECONDS = 20.0

Batch = Sequence[tuple[int, bytes]]
End = Literal["ended", "client", "cancelled"]
"""Why a pump has ended: the process's side, the client's, or neither."""


class Client(Protocol):
    """The client's side: non-blocking; poll ``fileno()`` unless ``pending()``."""

    def fileno(self) -> int: ...
    def pending(self) -> bool: ...
    def recv(self) -> bytes | None:
        """``b""`` at the end of its input, None when there is none now."""

    def send(self, data: memoryview) -> int:
        """How many bytes were taken, 0 for none now."""


class Channels(Protocol):
    """The process's side; see ``cluster.protocol.Channels``."""

    @property
    def unsent(self) -> int: ...
    @property
    def eof(self) -> bool: ...
    @property
    def cut(self) -> bool: ...
    def fileno(self) -> int: ...
    def pending(self) -> bool: ...
    def receive(self) -> list[tuple[int, bytes]]: ...
    def send(self, channel: int, data: bytes) -> None: ...
    def close_channel(self, channel: int) -> bool: ...
    def ping(self) -> None: ...
    def flush(self) -> None: ...


class Pump:
    """Owns neither the client nor the channels: who made them closes them. Close it when it has run."""

    def __init__(self, channels: Channels, cancel: Cancel) -> None:
        """``cancel`` ends it; nothing is read or written yet."""
        self._channels, self._cancel = channels, cancel
        self._wakeup = Wakeup(cancel)
        self._sizes = threading.Lock()
        self._size: tuple[int, int] | None = None
        self._over = False

    def resize(self, height: int, width: int) -> None:
        """Tell the process's terminal its size; from any thread."""
        with self._sizes:
            self._size = (height, width)
        self._wakeup.wake()

    def close(self) -> None:
        """Give the wake-up's descriptor back."""
        self._wakeup.close()

    # --- output alone --------------------------------------------------------------------------------------------

    def batches(self) -> Generator[Batch, None, None]:
        """What the process writes, its status on the error channel included, until its side ends or it is cancelled."""
        poll = select.poll()
        poll.register(self._wakeup.fileno(), select.POLLIN)
        while self._cancel.reason is None:
            self._pass_size_on()
            batch = self._receive()
            if batch:
                yield batch
            self._channels.flush()
            if self._over:
                return
            poll.register(self._channels.fileno(), select.POLLIN | (select.POLLOUT if self._channels.unsent else 0))
            if not self._channels.pending() and not poll.poll(PING_SECONDS * 1000):
                self._channels.ping()
            self._wakeup.clear()

    # --- both directions -----------------------------------------------------------------------------------------

    def run(self, client: Client, take: Callable[[int, bytes], bytes], end_input: Callable[[], None] | None) -> End:
        """Move bytes until one side ends.

        ``take(channel, data)`` makes the client's bytes of what came, status included. ``end_input`` is called at the
        end of the client's input; None: no input is read.
        """
        loop = _Duplex(client, end_input)
        poll = select.poll()
        poll.register(self._wakeup.fileno(), select.POLLIN)
        watched = False
        while True:
            self._pass_size_on()
            self._channels.flush()
            if self._over and not loop.out:
                return "ended"
            if self._cancel.reason is not None:
                return "ended" if self._over else "cancelled"
            mask = self._mask(loop)
            if mask:
                poll.register(self._channels.fileno(), mask)
            elif watched:  # or a connection that has ended would be told again and again
                poll.unregister(self._channels.fileno())
            watched = bool(mask)
            reads = loop.reads and not self._over and self._channels.unsent < HIGH
            poll.register(client.fileno(), (select.POLLIN if reads else 0) | (select.POLLOUT if loop.out else 0))
            more = (bool(mask & select.POLLIN) and self._channels.pending()) or (reads and client.pending())
            events = dict(poll.poll(0 if more else PING_SECONDS * 1000))
            if not events and not more:
                self._channels.ping()
            self._wakeup.clear()
            try:
                if not self._client(loop, events.get(client.fileno(), 0), reads=reads):
                    return "ended" if self._over else "client"
            except OSError:
                return "ended" if self._over else "client"
            if mask & select.POLLIN:
                for channel, data in self._receive():
                    loop.out += take(channel, data)

    def _mask(self, loop: "_Duplex") -> int:
        if self._over:
            return 0
        return (select.POLLIN if len(loop.out) < HIGH else 0) | (select.POLLOUT if self._channels.unsent else 0)

    def _client(self, loop: "_Duplex", events: int, *, reads: bool) -> bool:
        """One turn of the client's side; False when it has gone."""
        client = loop.client
        if loop.out and events & select.POLLOUT:
            with memoryview(loop.out) as whole, whole[:PIECE] as part:
                sent = client.send(part)
            del loop.out[:sent]
        ended = bool(events & (select.POLLHUP | select.POLLERR))
        if reads and (client.pending() or events):
            data = client.recv()
            if data:
                self._channels.send(STDIN, data)
                return True
            if data == b"":
                loop.end_of_input()
        return not ended

    # --- the process's side --------------------------------------------------------------------------------------

    def _receive(self) -> list[tuple[int, bytes]]:
        messages = self._channels.receive()
        self._over = self._over or self._channels.eof or any(channel == ERROR for channel, _ in messages)
        return messages

    def _pass_size_on(self) -> None:
        with self._sizes:
            size, self._size = self._size, None
        if size is not None and not self._over:
            send_size(self._channels, *size)


def send_size(channels: Channels, height: int, width: int) -> None:
    """Queue the size of the process's terminal."""
    channels.send(RESIZE, json.dumps({"Width": width, "Height": height}).encode())


class _Duplex:
    """The client's side: what waits for it, and whether its input is read."""

    def __init__(self, client: Client, end_input: Callable[[], None] | None) -> None:
        self.client, self.out = client, bytearray()
        self.reads = end_input is not None
        self._end_input = end_input

    def end_of_input(self) -> None:
        """Tell once."""
        self.reads = False
        if self._end_input is not None:
            self._end_input()
