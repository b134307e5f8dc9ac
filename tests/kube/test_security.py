"""The restricted Pod Security level."""

import pytest

from kubedock.kube.security import is_pod_security_denial, restricted

DENIAL = (
    'pods "web" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "main"'
    " must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities"
)


@pytest.mark.parametrize(
    ("message", "denial"),
    [
        (DENIAL, True),
        (DENIAL.replace("restricted:latest", "restricted:v1.30"), True),
        (DENIAL.replace("restricted:latest", "baseline:latest"), False),
        ('pods "web" is forbidden: exceeded quota: small, requested: pods=1', False),
        ('pods is forbidden: User "x" cannot create resource "pods"', False),
        ("", False),
    ],
)
def test_denials_that_the_additions_may_heal(message: str, denial: bool) -> None:
    """Only those of the level itself."""
    assert is_pod_security_denial(message) == denial


def test_every_container_gets_what_the_level_demands() -> None:
    """Init containers and sidecars of a template as well."""
    demanded = {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False}
    spec = {"containers": [{"name": "main"}, {"name": "side"}], "initContainers": [{"name": "setup"}], "hostname": "x"}
    assert restricted(spec) == {
        "hostname": "x",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [{"name": "setup", "securityContext": demanded}],
        "containers": [{"name": "main", "securityContext": demanded}, {"name": "side", "securityContext": demanded}],
    }


def test_what_was_asked_is_not_taken_back() -> None:
    """Where it contradicts the level, the API server's denial is the answer."""
    asked = {"privileged": True, "runAsUser": 5, "capabilities": {"add": ["NET_ADMIN"], "drop": ["MKNOD"]}}
    spec = {"containers": [{"name": "main", "securityContext": asked}], "securityContext": {"supplementalGroups": [3]}}
    assert restricted(spec) == {
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "supplementalGroups": [3],
        },
        "containers": [
            {
                "name": "main",
                "securityContext": {
                    "privileged": True,
                    "runAsUser": 5,
                    "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
                },
            }
        ],
    }
    assert asked["capabilities"] == {"add": ["NET_ADMIN"], "drop": ["MKNOD"]}
