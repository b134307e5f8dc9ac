"""A system that has no thread to give."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread  # noqa: TID251 - none is made here

import pytest


@contextmanager
def none_left(*names: str) -> Iterator[list[str]]:
    """Meanwhile no thread starts whose name begins so; the names of those that were wanted."""
    refused: list[str] = []
    real = Thread.start

    def start(thread: Thread) -> None:
        if thread.name.startswith(names):
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        real(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Thread, "start", start)
        yield refused
