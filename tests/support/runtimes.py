"""A whole runtime over the in-memory cluster, and short ways to use it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import ContainerSpec
from kubedock.domain.event import Event
from kubedock.engine import Engine
from kubedock.engine.core import Limits
from kubedock.engine.logs import LogQuery
from kubedock.kube.manifest import PodDefaults
from kubedock.runtime import Options, Runtime
from kubedock.streams.cancel import Cancel

INSTANCE = "test1"


@contextmanager
def running(
    cluster: FakeCluster,
    *,
    limits: Limits | None = None,
    workload: Literal["auto", "pod", "deployment"] = "auto",
    defaults: PodDefaults | None = None,
) -> Iterator[Engine]:
    """An engine whose threads run; stopped and cleaned up at the end."""
    options = Options(defaults or PodDefaults(instance=INSTANCE), limits or Limits(start=5, schedule=0.05, drain=5), workload)
    runtime = Runtime(cluster, options)
    runtime.run()
    try:
        for _ in runtime.engine.images.pull("alpine", "latest"):
            pass
        yield runtime.engine
    finally:
        runtime.stop(5)


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
