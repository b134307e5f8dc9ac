"""Output that nobody listens to any more: it is read to its end, so that who writes it goes on."""

from collections.abc import Callable, Sequence

from kubedock.embedded.runtimes.loop import Loop
from kubedock.embedded.runtimes.streams import Source


def drain(loop: Loop, sources: Sequence[Source], ended: int, finish: Callable[[], object]) -> None:
    """Read the sources on the loop until the descriptor ``ended`` is readable; then call ``finish`` and close them."""
    for source in sources:
        _drop(loop, source)

    def over() -> None:
        finish()
        for source in sources:
            if source.fileno() >= 0:
                loop.forget(source.fileno())
            source.close()

    loop.watch(ended, over)


def _drop(loop: Loop, source: Source) -> None:
    def ready() -> None:
        if source.read() is None:
            source.close()
        else:
            loop.watch(source.fileno(), ready)

    loop.watch(source.fileno(), ready)
