"""The real Kubernetes beside the project, for the tests marked ``cluster``."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.shared import SHARED

CLUSTER = SHARED / "cluster" / "cluster"
ETCD = "http://127.0.0.1:2379"
"""In the cluster's network."""
REGISTRY = os.environ.get("KUBEDOCK_TEST_REGISTRY", "198.18.0.2:5000")
"""The cluster's own, which its nodes have for all others."""
MIRROR = f"http://{REGISTRY}"

COMPACT = """
import json, sys, urllib.request

def ask(path, **body):
    post = urllib.request.Request(f"{sys.argv[1]}/v3/kv/{path}", data=json.dumps(body).encode())
    return json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(post, timeout=30))

ask("compaction", revision=ask("range", key="AA==")["header"]["revision"])
"""


@dataclass(frozen=True, slots=True)
class RealCluster:
    """A namespace of our own. ``kubeconfig`` is the administrator's."""

    kubeconfig: Path
    namespace: str
    folder: Path

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace; its output."""
        argv = [str(CLUSTER), "kubectl", "-n", self.namespace, *words]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Create objects, or make them so."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(manifest) for manifest in manifests))

    def service_account(self, rules: Sequence[Mapping[str, Any]], name: str = "least") -> Path:
        """A kubeconfig of a ServiceAccount that may do this and nothing else; its context has the namespace."""
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        rbac = "rbac.authorization.k8s.io"
        self.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
            {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": name}, "rules": list(rules)},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
                "subjects": [subject],
            },
        )
        return self.with_token(name)

    def with_token(self, service_account: str) -> Path:
        """A kubeconfig with a token of a ServiceAccount that exists."""
        token = self.kubectl("create", "token", service_account, "--duration=8h").strip()
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"] = [{"name": service_account, "user": {"token": token}}]
        context = {"cluster": config["clusters"][0]["name"], "user": service_account, "namespace": self.namespace}
        config["contexts"] = [{"name": service_account, "context": context}]
        config["current-context"] = service_account
        target = self.folder / f"{service_account}-{secrets.token_hex(3)}.kubeconfig"
        target.write_text(yaml.safe_dump(config))
        target.chmod(0o600)
        return target

    @contextmanager
    def trusting(self, registry: str) -> Iterator[None]:
        """Let the nodes pull from a registry of this machine, by plain HTTP; they read that anew for each pull."""
        folder = self.kubeconfig.parent / "run" / "registries" / f"{registry.replace(':', '_')}_"
        folder.mkdir()
        try:
            host = f'[host."http://{registry}"]\ncapabilities = ["pull", "resolve"]\n'
            (folder / "hosts.toml").write_text(f'server = "http://{registry}"\n{host}')
            yield
        finally:
            shutil.rmtree(folder)

    @property
    def machine(self) -> str:
        """The address of this machine that the nodes, and pods, can reach."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((REGISTRY.partition(":")[0], 9))
            found: str = sock.getsockname()[0]
        return found

    def compact(self) -> None:
        """Have the cluster's store forget all versions but the newest, as it does by itself every few minutes."""
        inside = [str(CLUSTER), "inside", sys.executable, "-c", COMPACT, ETCD]
        subprocess.run(inside, capture_output=True, text=True, timeout=60, check=True)


def absent(reason: str) -> None:
    """Skip on a laptop, fail in CI: there the suite must not be left out in silence."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def administrator() -> Path:
    """The administrator's kubeconfig of a cluster that is up."""
    if not CLUSTER.exists():
        absent(f"there is no test cluster at {CLUSTER}")
    status = subprocess.run([str(CLUSTER), "status"], capture_output=True, text=True, timeout=60, check=False)
    if status.returncode != 0:
        absent(f"the test cluster is not up; '{CLUSTER} up' starts it")
    shown = subprocess.run([str(CLUSTER), "kubeconfig"], capture_output=True, text=True, timeout=60, check=True)
    return Path(shown.stdout.strip())


def namespace_of_our_own(folder: Path) -> Iterator[RealCluster]:
    """A namespace with a random name, deleted at the end without waiting for it."""
    kubeconfig = administrator()
    real = RealCluster(kubeconfig, f"kubedock-test-{secrets.token_hex(4)}", folder)
    real.kubectl("create", "namespace", real.namespace)
    try:
        # Pods are refused until the controllers have made the namespace's service account.
        real.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
        yield real
    finally:
        real.kubectl("delete", "namespace", real.namespace, "--wait=false")
