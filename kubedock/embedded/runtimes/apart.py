"""A function on a thread of its own that ends with it: for what changes the thread (its namespaces) for good."""

import errno
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def apart(name: str, function: Callable[[], T]) -> T:
    """Call it and wait for it; what it raises is raised here. OSError where no thread can be had."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 it is raised where it is waited for
            errors.append(error)

    thread = threading.Thread(target=run, name=name)
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
