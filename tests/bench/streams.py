"""Many clients in one process: ``python -m tests.bench.streams HOST PORT`` takes paths, one a line, and opens them all.

After an empty line it writes, each second, how many streams are open, how many bytes and lines have come, and its clock.
It ends with its input.
"""

import selectors
import sys
import time

from tests.bench.http import stream


def main() -> None:
    """Until the end of the input."""
    address = (sys.argv[1], int(sys.argv[2]))
    ready, opened, size, lines = selectors.DefaultSelector(), 0, 0, 0
    for line in sys.stdin:
        if not line.strip():
            break
        sock = stream(address, line.strip())
        sock.setblocking(False)
        ready.register(sock, selectors.EVENT_READ)
        opened += 1
    ready.register(sys.stdin, selectors.EVENT_READ)
    told = 0.0
    while True:
        for key, _ in ready.select(0.2):
            if key.fileobj is sys.stdin:
                return
            data = key.fileobj.recv(65536)  # type: ignore[union-attr]
            size += len(data)
            lines += data.count(b"line ")
            if not data:
                ready.unregister(key.fileobj)
                opened -= 1
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            print(opened, size, lines, told, flush=True)


if __name__ == "__main__":
    main()
