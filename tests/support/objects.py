"""What a server has made where it runs, seen without the server: by the cluster's API, or in the folder of an embedded node."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kubedock.cluster.selectors import predicate
from tests.support.realcluster import RealCluster

Json = dict[str, Any]
T = TypeVar("T")

OURS = "kubedock=true"
WRITTEN_SECONDS = 5.0
"""A node writes its objects down a moment after it has answered."""


@dataclass(frozen=True, slots=True)
class Objects:
    """``objects("pods", SELECTOR)`` gives them; ``late`` is how many seconds old what is seen may be."""

    read: Callable[[str, str], list[Json]]
    late: float = 0.0

    def __call__(self, kinds: str, selector: str = OURS) -> list[Json]:
        """Those that are not on their way out; ``kinds`` is the API's plural."""
        return [item for item in self.read(kinds, selector) if "deletionTimestamp" not in item["metadata"]]

    def names(self, kinds: str, selector: str = OURS) -> set[str]:
        """Their names."""
        return {item["metadata"]["name"] for item in self(kinds, selector)}

    def show(self, look: Callable[[], T], wanted: T) -> None:
        """A look at them finds this: now, or as late as may be."""
        deadline, pause = time.monotonic() + self.late, threading.Event()
        while (found := look()) != wanted and time.monotonic() < deadline:
            pause.wait(0.02)
        assert found == wanted


def of_cluster(real: RealCluster) -> Objects:
    """Those of a namespace."""
    return Objects(lambda kinds, selector: json.loads(real.kubectl("get", kinds, "-l", selector, "-o", "json"))["items"])


def of_node(folder: Path) -> Objects:
    """Those of an embedded node, also of one that has ended."""

    def read(kinds: str, selector: str) -> list[Json]:
        found = []
        for path in (folder / "objects" / kinds).glob("*.json"):
            with suppress(FileNotFoundError):  # it has just gone
                found.append(json.loads(path.read_text()))
        return [item for item in found if predicate(item["kind"], selector, "")(item)]

    return Objects(read, WRITTEN_SECONDS)
