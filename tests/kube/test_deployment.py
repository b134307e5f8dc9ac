"""What ``kubedock manifests`` prints."""

from typing import Any

import pytest
import yaml

from kubedock.kube.deployment import Which, manifests
from kubedock.kube.rights import RIGHTS


def documents(which: Which) -> list[Any]:
    """The YAML documents, parsed."""
    return list(yaml.safe_load_all(manifests(which, image="registry.example/kubedock:1", namespace="ci")))


@pytest.mark.parametrize(
    ("which", "kinds"),
    [
        ("role", ["ServiceAccount", "Role", "RoleBinding"]),
        ("sidecar", ["ServiceAccount", "Role", "RoleBinding", "Pod"]),
        ("deployment", ["ServiceAccount", "Role", "RoleBinding", "Deployment", "Service"]),
    ],
)
def test_what_is_in_each(which: Which, kinds: list[str]) -> None:
    """Everything lies in the one namespace, and the rights come along."""
    found = documents(which)
    assert [one["kind"] for one in found] == kinds
    assert {one["metadata"]["namespace"] for one in found} == {"ci"}


def test_the_role_grants_the_table_and_nothing_else() -> None:
    """No kind of the cluster, no star."""
    _, role, binding = documents("role")
    assert role == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "kubedock", "namespace": "ci"},
        "rules": [{"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)} for right in RIGHTS],
    }
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "kubedock"}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "kubedock", "namespace": "ci"}]


HARDENED = {
    "runAsUser": 65532,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def test_the_sidecar() -> None:
    """It listens on the pod's loopback alone, writes to /tmp alone, and its neighbour finds it."""
    spec = documents("sidecar")[-1]["spec"]
    (kubedock,), (job,) = spec["initContainers"], spec["containers"]
    assert spec["serviceAccountName"] == "kubedock"
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {}}]
    assert (kubedock["image"], kubedock["args"]) == (
        "registry.example/kubedock:1",
        ["server", "--listen-addr", "127.0.0.1:8999"],
    )
    assert kubedock["restartPolicy"] == "Always"
    assert kubedock["securityContext"] == HARDENED
    assert kubedock["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert job["env"] == [{"name": "DOCKER_HOST", "value": "tcp://127.0.0.1:8999"}]


def test_the_deployment_and_its_service() -> None:
    """The Service finds the pod; there is one of it."""
    *_, deployment, service = documents("deployment")
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"] == service["spec"]["selector"]
    assert container["args"] == ["server", "--listen-addr", ":8999"]
    assert container["securityContext"] == HARDENED
    assert service["spec"]["ports"] == [{"name": "docker", "port": 8999, "targetPort": "docker"}]
