"""The files of ``docs/ci``: the API server takes the rights, and the pods that the CI systems make of the rest."""

import json

import pytest

from tests.support.ci import CI, PODS
from tests.support.realcluster import RealCluster

STRICT = ("apply", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-")


@pytest.fixture(scope="module")
def namespace(real_cluster: RealCluster) -> RealCluster:
    """With the rights applied: a pod is refused whose service account is not there."""
    text = (CI / "rights.yaml").read_text()
    real_cluster.kubectl(
        "apply", "--validate=strict", "-f", "-", stdin=text.replace("namespace: ci", f"namespace: {real_cluster.namespace}")
    )
    return real_cluster


@pytest.mark.parametrize("system", sorted(PODS))
def test_a_pod_is_taken(namespace: RealCluster, system: str) -> None:
    """Every field is one of a pod, with a value that the server admits."""
    assert namespace.kubectl(*STRICT, stdin=json.dumps(PODS[system]())) == "pod/job\n"
