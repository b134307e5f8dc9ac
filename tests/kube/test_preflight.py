"""What a start checks, each failure in one sentence."""

from collections.abc import Mapping
from typing import Any

import pytest

from kubedock.errors import Forbidden, KubedockError, NotFound, Unavailable
from kubedock.kube.preflight import check
from kubedock.kube.rights import RIGHTS


class FewRights:
    """A cluster of which only what is asked at the start matters."""

    def __init__(self, *, lacks: frozenset[tuple[str, str]] = frozenset(), version: Any = None, namespace: Any = None) -> None:
        self.lacks, self.asked = lacks, []
        self._version, self._namespace = version or {"major": "1"}, namespace or {"status": {"phase": "Active"}}

    def version(self) -> Any:
        """The version, or an error."""
        return given(self._version)

    def get(self, kind: str, name: str) -> Any:
        """The namespace, or an error."""
        assert (kind, name) == ("Namespace", "ci")
        return given(self._namespace)

    def allowed(self, verb: str, group: str, resource: str, subresource: str = "") -> bool:
        """All rights but those that it lacks."""
        self.asked.append((verb, group, resource, subresource))
        return (verb, f"{resource}/{subresource}" if subresource else resource) not in self.lacks


def given(value: Mapping[str, Any] | Exception) -> Any:
    """The value, or raised."""
    if isinstance(value, Exception):
        raise value
    return value


def checked(**more: Any) -> list[str]:
    """The warnings."""
    return check(FewRights(**more), "ci")  # type: ignore[arg-type]


def test_all_is_well() -> None:
    """Every right of the Role is asked for, once, but those that few need."""
    cluster = FewRights()
    assert check(cluster, "ci") == []  # type: ignore[arg-type]
    assert len(set(cluster.asked)) == len(cluster.asked) == sum(len(right.verbs) for right in RIGHTS if not right.late)
    assert ("create", "", "pods", "exec") in cluster.asked
    assert ("patch", "apps", "deployments", "") in cluster.asked
    assert ("get", "", "secrets", "") not in cluster.asked


def test_namespaces_need_not_be_readable() -> None:
    """The least Role does not let kubedock read them."""
    assert checked(namespace=Forbidden("no")) == []
    assert checked(version=Forbidden("no")) == []


@pytest.mark.parametrize(
    ("cluster", "error", "sentence"),
    [
        ({"version": Unavailable("connection refused")}, Unavailable, "the cluster cannot be reached: connection refused"),
        ({"version": Unavailable("the cluster cannot be reached: x")}, Unavailable, "the cluster cannot be reached: x"),
        (
            {"version": Forbidden("the cluster does not accept the credentials: Unauthorized")},
            Forbidden,
            "the cluster does not accept the credentials: Unauthorized",
        ),
        ({"namespace": NotFound('namespaces "ci" not found')}, NotFound, "there is no namespace ci in the cluster"),
        ({"namespace": {"status": {"phase": "Terminating"}}}, NotFound, "namespace ci is being deleted"),
        (
            {"lacks": frozenset({("create", "pods/exec"), ("watch", "pods"), ("list", "events")})},
            Forbidden,
            "these rights are missing in namespace ci: pods (watch), pods/exec (create)"
            " (grant them with: kubedock manifests role -n ci | kubectl apply -f -)",
        ),
    ],
)
def test_what_is_in_the_way(cluster: Mapping[str, Any], error: type[KubedockError], sentence: str) -> None:
    """One clear sentence."""
    with pytest.raises(error) as raised:
        checked(**cluster)
    assert str(raised.value) == sentence


def test_without_events_there_is_a_warning() -> None:
    """Starts are seen later then."""
    assert checked(lacks=frozenset({("watch", "events"), ("list", "events")})) == [
        "the right to list and watch events is missing in namespace ci:"
        " kubedock does without the sight of a start at once and the times of image pulls"
    ]
