"""A function on a thread of its own that ends with it: for what changes the thread (its namespaces) for good."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def apart(name: str, function: Callable[[], T]) -> T:
    """Call it and wait for it; what it raises is raised here."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 it is raised where it is waited for
            errors.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
