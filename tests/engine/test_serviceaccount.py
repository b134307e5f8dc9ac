"""The pull secrets of the pods' service account."""

import logging

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.engine.serviceaccount import AccountSecrets
from kubedock.errors import Unavailable
from kubedock.kube.manifest import PodDefaults


class Clock:
    """Stands until it is set."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def account(cluster: FakeCluster, name: str, *secrets: str) -> None:
    """An account with these pull secrets."""
    cluster.create("ServiceAccount", {"metadata": {"name": name}, "imagePullSecrets": [{"name": each} for each in secrets]})


@pytest.mark.parametrize(
    ("defaults", "name"),
    [
        (PodDefaults("test"), "default"),
        (PodDefaults("test", service_account="ours", template={"spec": {"serviceAccountName": "other"}}), "ours"),
        (PodDefaults("test", template={"spec": {"serviceAccountName": "other"}}), "other"),
        (PodDefaults("test", template={"spec": {"serviceAccount": "old"}}), "old"),
    ],
)
def test_whose_they_are(defaults: PodDefaults, name: str) -> None:
    """The settings' account, the pod template's, or the namespace's default."""
    cluster = FakeCluster()
    account(cluster, name, "a", "b")

    assert AccountSecrets(cluster, defaults)() == ("a", "b")


def test_it_is_asked_once_a_minute() -> None:
    """Also where there is no such account, which is no error here."""
    cluster, clock = FakeCluster(), Clock()
    secrets = AccountSecrets(cluster, PodDefaults("test"), clock)
    assert (secrets(), secrets()) == ((), ())
    account(cluster, "default", "a")
    clock.now = 59.0
    assert secrets() == ()
    clock.now = 60.0
    assert (secrets(), secrets()) == (("a",), ("a",))
    assert [kind for verb, kind, _ in cluster.requests if verb == "get"] == ["ServiceAccount"] * 2


def test_an_account_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """Said once; what is known stays so."""
    cluster, clock = FakeCluster(), Clock()
    account(cluster, "default", "a")
    secrets = AccountSecrets(cluster, PodDefaults("test"), clock)
    assert secrets() == ("a",)
    cluster.outage(Unavailable("gone"))
    with caplog.at_level(logging.WARNING):
        for clock.now in (100.0, 200.0):
            assert secrets() == ("a",)
        cluster.outage(None)
        cluster.deny("get", "serviceaccounts")
        clock.now = 300.0
        assert AccountSecrets(cluster, PodDefaults("test"))() == ()

    assert [record.message.partition(": kubedock does without its pull secrets: ")[0] for record in caplog.records] == [
        "the service account default cannot be read",
        "the service account default cannot be read",
    ]
