"""Services that hold names."""

import pytest

from kubedock.domain.network import Network
from kubedock.kube.manifest import PodDefaults
from kubedock.kube.services import Holder, holder, name_labels, service
from tests.support.running import T0

FRONT = Network("f" * 64, "front", "bridge", T0)
KEY = "kubedock.name/6ceb88c2e839040429e57724ef9ae823"
"""That of the name web on the network front."""
DB = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "web",
        "labels": {
            "team": "a",
            "kubedock": "true",
            "kubedock.id": "abc",
            "app.kubernetes.io/managed-by": "kubedock",
            "kubedock.name": "web",
        },
        "annotations": {"note": "b", "kubedock.network": "front", "kubedock.networkid": "f" * 64},
    },
    "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {KEY: "web"}},
}


def test_a_service():
    """Headless, without ports, with what the settings put on all objects."""
    assert service("web", FRONT, PodDefaults("abc", labels={"team": "a"}, annotations={"note": "b"})) == DB


def test_the_labels_of_a_pod():
    """One for each name on each network; Kubernetes takes no longer key."""
    found = name_labels([("f" * 64, "web"), ("b" * 64, "web"), ("f" * 64, "www")])

    assert found[KEY] == "web"
    assert list(found.values()) == ["web", "web", "www"]
    assert all(len(key.partition("/")[2]) <= 63 for key in found)


def test_a_service_finds_the_pods_with_its_label():
    """The key is the same on both sides."""
    assert service("www", FRONT, PodDefaults("abc"))["spec"]["selector"] == name_labels([(FRONT.id, "www")])


@pytest.mark.parametrize(
    ("found", "whose"),
    [
        (DB, Holder("abc", "f" * 64, "front", f"{KEY}=web")),
        ({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}, Holder()),
        ({"metadata": {"name": "web", "labels": {"kubedock.id": "abc"}}, "spec": {}}, Holder()),
        (
            {"metadata": {"labels": {"kubedock.id": "abc", "kubedock.name": "web"}}, "spec": {"selector": {"a": "b", "c": "d"}}},
            Holder("abc", "", "", "a=b,c=d"),
        ),
    ],
)
def test_whose_a_service_is(found, whose):
    """By its labels and annotations, which somebody may have changed."""
    assert holder(found) == whose
