"""An engine over the in-memory cluster, and records to put into it."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerRecord, ContainerSpec
from kubedock.domain.event import Event
from kubedock.engine import Engine
from kubedock.engine.core import Limits
from kubedock.engine.logs import LogQuery
from kubedock.errors import KubedockError
from kubedock.kube.manifest import PodDefaults
from kubedock.runtime import Options, Runtime
from kubedock.streams.cancel import Cancel

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
QUICK = Limits(start=5.0, pull=5.0, schedule=0.2, signal=2.0, drain=2.0, address=0.2)


@contextmanager
def running(cluster: FakeCluster | None = None, **options: Any) -> Iterator[Runtime]:
    """A runtime that runs; it is stopped at the end, and leaves no thread behind."""
    before = set(threading.enumerate())
    chosen = {"defaults": PodDefaults("test"), "limits": QUICK, **options}
    runtime = Runtime(cluster or FakeCluster(), Options(**chosen))
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


@contextmanager
def engine_with_alpine(cluster: FakeCluster, **options: Any) -> Iterator[Engine]:
    """The engine of such a runtime, which has pulled alpine."""
    with running(cluster, **options) as runtime:
        for _ in runtime.engine.images.pull("alpine", "latest"):
            pass
        yield runtime.engine


def make(engine: Engine, name: str, *command: str, **spec: Any) -> str:
    """A container of alpine, created; its id."""
    return engine.containers.create(ContainerSpec("alpine", command=command, **spec), name=name, endpoints={}).id


def run(engine: Engine, name: str, *command: str, **spec: Any) -> str:
    """The same, started."""
    container_id = make(engine, name, *command, **spec)
    engine.containers.start(container_id)
    return container_id


def ended(engine: Engine, ref: str) -> int:
    """Wait for its end; the exit code."""
    result = engine.containers.wait(ref, condition="", cancel=Cancel()).result()
    assert result is not None
    return result.exit_code


def log(engine: Engine, ref: str, **query: Any) -> bytes:
    """Its stdout, all of it."""
    output = engine.logs.read(ref, LogQuery(stdout=True, **query), Cancel())
    try:
        return b"".join(data for batch in output for _, data in batch)
    finally:
        output.close()


def history(engine: Engine, kind: str = "container") -> list[str]:
    """The actions told so far, in order, with what matters of them."""
    told: list[str] = []
    for event in _past(engine):
        if event.kind == kind:
            extra = [event.attributes[key] for key in ("signal", "exitCode", "oldName") if key in event.attributes]
            told.append(" ".join([event.action, *extra]))
    return told


def _past(engine: Engine) -> Sequence[Event]:
    now = engine.core.now()
    epoch = now.replace(year=2000)
    return [
        event
        for event in engine.events.subscribe(since=epoch, until=now, matches=lambda _: True, cancel=Cancel())
        if event is not None
    ]
