"""What the cluster denies, and what kubedock does about it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from kubedock.cluster import Json, Kind
from kubedock.cluster.fake import FakeCluster
from kubedock.domain.container import RestartPolicy
from kubedock.engine import Engine
from kubedock.errors import Forbidden, System, Unavailable
from kubedock.kube.manifest import PodDefaults
from tests.support.running import QUICK, ended, engine_with_alpine, make, run
from tests.support.waiting import eventually

DENIAL = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'


class StrictCluster(FakeCluster):
    """Enforces the restricted level, as far as a test needs it."""

    def create(self, kind: Kind, manifest: Mapping[str, Any]) -> Json:
        """Deny what does not drop its privileges."""
        if kind == "Pod" and "securityContext" not in manifest["spec"]["containers"][0]:
            raise Forbidden(DENIAL)
        return super().create(kind, manifest)


@contextmanager
def _strict(level: Any) -> Iterator[Engine]:
    with engine_with_alpine(StrictCluster(), defaults=PodDefaults("test", pod_security=level)) as engine:
        yield engine


def test_auto_turns_restricted_when_the_namespace_demands_it() -> None:
    """Once denied, all pods keep to that level."""
    with _strict("auto") as engine:
        run(engine, "one", "true")
        run(engine, "two", "true")

        assert [ended(engine, name) for name in ("one", "two")] == [0, 0]
        creations = [request for request in engine.core.cluster.requests if request[:2] == ("create", "Pod")]  # type: ignore[attr-defined]
        assert len(creations) == 2


def test_baseline_stays_what_it_is() -> None:
    """The denial is the answer."""
    with _strict("baseline") as engine:
        make(engine, "web", "true")
        with pytest.raises(Forbidden) as caught:
            engine.containers.start("web")

        assert str(caught.value) == DENIAL


@pytest.mark.parametrize("denial", [DENIAL, 'pods "x" is forbidden: exceeded quota: small'])
def test_a_deployment_whose_pod_is_denied(engine: Engine, cluster: FakeCluster, denial: str) -> None:
    """Only its status tells; restricted where that helps, else the reason at once."""
    make(engine, "web", "sleep", "1000", restart=RestartPolicy("always"))
    cluster.refuse("Pod", "create", Forbidden(denial))
    with pytest.raises(Forbidden) as caught:
        engine.containers.start("web")

    assert str(caught.value) == denial
    assert engine.containers.inspect("web").status.error == denial
    assert cluster.list("Deployment").items == []


def test_a_failed_start_whose_pod_cannot_be_deleted_now(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is deleted as soon as the cluster is back: it must not run behind our back."""
    monkeypatch.setattr("kubedock.engine.workloads.RETRY_SECONDS", 0.01)
    cluster.kubelet.hold()
    cluster.refuse("Pod", "delete", Unavailable("away"))
    with engine_with_alpine(cluster, limits=replace(QUICK, start=0.05)) as engine:
        make(engine, "web", "true")
        with pytest.raises(System, match="did not start"):
            engine.containers.start("web")
        assert len(cluster.list("Pod").items) == 1

        cluster.refuse("Pod", "delete", None)

        eventually(lambda: cluster.list("Pod").items == [])
