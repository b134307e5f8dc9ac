"""The image: built without Docker, pushed to the cluster's registry, run as the sidecar that kubedock prints."""

import secrets
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.support.ci import containers, unix_socket
from tests.support.kubedock_server import KUBEDOCK
from tests.support.realcluster import MIRROR, REGISTRY, RealCluster
from tests.support.shared import ROOT
from tests.support.waiting import eventually

BASE = f"{REGISTRY}/library/python:3.11-slim"
BUILDAH = ("--isolation", "chroot", "--storage-driver", "vfs", "--tls-verify=false")
CLIENT = """
import docker
print(docker.from_env().containers.run("alpine", ["echo", "hi"], remove=True).decode().strip())
"""
GUNICORN = ["gunicorn", "-c", "python:kubedock.server.config", "kubedock.wsgi:app"]


def _done(*argv: str, **options: Any) -> None:
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False, **options)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def _push(image: str) -> str:
    """A pod names it without the registry, which is the mirror of all."""
    name = f"kubedock/{image.partition('/')[2]}:test-{secrets.token_hex(3)}"
    _done("buildah", "--storage-driver", "vfs", "push", "--tls-verify=false", image, f"docker://{REGISTRY}/{name}")
    return name


@pytest.fixture(scope="session")
def kubedock_image() -> str:
    """Built as the README says, from the stand-in for python:3.11-slim."""
    _done("make", "image", "IMAGE=localhost/kubedock", f"BASE={BASE}", f"BUILDAH_OPTIONS={' '.join(BUILDAH)}")
    return _push("localhost/kubedock")


@pytest.fixture(scope="session")
def client_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Python with docker-py, as a job's image has it."""
    folder = tmp_path_factory.mktemp("client")
    _done(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(folder / "site"), "docker")
    (folder / "Containerfile").write_text(f"FROM {BASE}\nCOPY site /opt/site\nENV PYTHONPATH=/opt/site\n")
    _done("buildah", "bud", *BUILDAH, "-t", "localhost/job", str(folder))
    return _push("localhost/job")


def _with_gunicorn(pod: Any) -> None:
    """Started by gunicorn itself."""
    kubedock = containers(pod)["kubedock"]
    kubedock["command"], kubedock["args"] = GUNICORN, []


def _with_a_socket(pod: Any) -> None:
    """As the page on CI says: a file in a folder that both containers share."""
    found = containers(pod)
    kubedock, job = found["kubedock"], found["job"]
    kubedock.update(unix_socket())
    job["volumeMounts"] = [one for one in kubedock["volumeMounts"] if one["name"] == "socket"]
    job["env"] = [{"name": "DOCKER_HOST", "value": f"unix://{kubedock['args'][-1]}"}]
    pod["spec"]["volumes"].append({"name": "socket", "emptyDir": {}})


def _as_printed(_: Any) -> None:
    """Unchanged."""


WAYS: tuple[Callable[[Any], None], ...] = (_as_printed, _with_gunicorn, _with_a_socket)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("change", WAYS, ids=[way.__name__.strip("_") for way in WAYS])
def test_a_sidecar_runs_a_jobs_containers(
    own_namespace: RealCluster, kubedock_image: str, client_image: str, change: Callable[[Any], None]
) -> None:
    """Under its own least Role, without a kubeconfig, with any uid and a read-only root; docker-py runs in the next container."""
    argv = (*KUBEDOCK, "manifests", "sidecar", "-n", own_namespace.namespace, "--image", kubedock_image)
    printed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    objects = [found for found in yaml.safe_load_all(printed) if found]
    pod = next(found for found in objects if found["kind"] == "Pod")
    sidecar, job = containers(pod)["kubedock"], containers(pod)["job"]
    assert sidecar["securityContext"]["readOnlyRootFilesystem"] is True
    sidecar["securityContext"]["runAsUser"] = 1_234_567
    sidecar["env"] = [{"name": "KUBEDOCK_REGISTRY_MIRROR", "value": MIRROR}]
    job["image"], job["command"] = client_image, ["python3", "-c", CLIENT]
    change(pod)

    own_namespace.apply(*objects)
    name = pod["metadata"]["name"]

    def phase() -> str:
        found = own_namespace.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}")
        return found if found in ("Succeeded", "Failed") else ""

    ended = eventually(phase, seconds=180, every=0.5)
    logs = own_namespace.kubectl("logs", name, "-c", "job")
    assert (ended, logs.split()[-1:]) == ("Succeeded", ["hi"]), own_namespace.kubectl("logs", name, "-c", "kubedock")
