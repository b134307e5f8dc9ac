"""An engine over the in-memory cluster, and records to put into it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.engine import Engine
from kubedock.engine.core import Limits
from kubedock.errors import KubedockError
from kubedock.kube.manifest import PodDefaults
from kubedock.runtime import Options, Runtime

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
QUICK = Limits(start=5.0, pull=5.0, schedule=0.2, signal=2.0, drain=2.0, address=0.2)


@contextmanager
def running(cluster: FakeCluster | None = None, **options: Any) -> Iterator[Runtime]:
    """A runtime that runs; it is stopped at the end, and leaves no thread behind."""
    before = set(threading.enumerate())
    runtime = Runtime(cluster or FakeCluster(), Options(PodDefaults("test"), options.pop("limits", QUICK), **options))
    runtime.run()
    try:
        yield runtime
    finally:
        runtime.stop(5.0)
        assert left_behind(before) == []


@contextmanager
def refused(kind: type[KubedockError], sentence: str) -> Iterator[None]:
    """What is inside raises this kind with exactly this sentence."""
    with pytest.raises(kind) as raised:
        yield
    assert str(raised.value) == sentence


def left_behind(before: set[Any], seconds: float = 5.0) -> list[str]:
    """The names of threads that were not there before and do not end in time."""
    deadline = time.monotonic() + seconds
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
    return sorted(thread.name for thread in set(threading.enumerate()) - before)


def still(cluster: FakeCluster | None = None) -> Engine:
    """An engine without threads, for use cases that need none. Its clock stands."""
    return Runtime(cluster or FakeCluster(), Options(PodDefaults("test"), QUICK), clock=lambda: T0).engine


def put_container(
    engine: Engine, name: str, *, running: bool = False, spec: ContainerSpec | None = None, **fields: Any
) -> ContainerRecord:
    """A container's record, straight into the store; its id is the name in hex, repeated."""
    record = ContainerRecord((name.encode().hex() * 64)[:64], name, spec or ContainerSpec("alpine"), T0, **fields)
    if running:
        record = replace(record, run=1, object_name=f"{name}-pod", started_at=T0)
    engine.core.containers.add(record)
    return record
