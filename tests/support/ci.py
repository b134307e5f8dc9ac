"""The files of ``docs/ci``: what each CI system makes of them, as a pod that Kubernetes can judge."""

import tomllib
from collections.abc import Callable
from typing import Any

import yaml

from tests.support.documents import DOCS

CI = DOCS / "ci"
KUBEDOCK = "kubedock"
"""The name of kubedock's container, and of its service account."""

Pod = dict[str, Any]


def documents(name: str) -> list[Any]:
    """The YAML documents of a file."""
    return [found for found in yaml.safe_load_all((CI / name).read_text()) if found]


def tekton() -> Pod:
    """The pod of the TaskRun: steps and sidecars are containers, with one word of Tekton's own."""
    task, run = (one["spec"] for one in documents("tekton.yaml"))
    steps, sidecars = (
        [{"resources" if key == "computeResources" else key: value for key, value in one.items()} for one in task[kind]]
        for kind in ("steps", "sidecars")
    )
    return _pod(containers=[*sidecars, *steps], volumes=task["volumes"], serviceAccountName=run["serviceAccountName"])


def gitlab() -> Pod:
    """The pod of the job: its services are containers, with what the runner's configuration says of all services."""
    (job,) = documents("gitlab-ci.yml")[0].values()
    (service,) = job["services"]
    (runner,) = gitlab_runner()["runners"]
    configured = runner["kubernetes"]
    security = configured["service_container_security_context"]
    sidecar = {
        "name": KUBEDOCK,
        "image": service["name"],
        "env": _env({**job["variables"], **service["variables"]}),
        "resources": {"requests": {"cpu": configured["service_cpu_request"], "memory": configured["service_memory_request"]}},
        "securityContext": {_camel(key): value for key, value in security.items()},
    }
    build = {
        "name": "build",
        "image": job["image"],
        "command": ["sh", "-c", "\n".join(job["script"])],
        "env": _env(job["variables"]),
        "resources": {"requests": {"memory": configured["memory_request"]}},
    }
    return _pod(
        containers=[sidecar, build],
        serviceAccountName=configured["service_account"],
        terminationGracePeriodSeconds=configured["pod_termination_grace_period_seconds"],
    )


def gitlab_runner() -> dict[str, Any]:
    """The runner's configuration in the chart's values."""
    return tomllib.loads(documents("gitlab-runner.yaml")[0]["runners"]["config"])


def jenkins() -> Pod:
    """The agent's pod as it stands."""
    (pod,) = documents("jenkins-pod.yaml")
    assert (pod["apiVersion"], pod["kind"]) == ("v1", "Pod")
    return _pod(**pod["spec"])


def github() -> Pod:
    """The runner's pod of the scale set."""
    return _pod(**documents("arc-values.yaml")[0]["template"]["spec"])


PODS: dict[str, Callable[[], Pod]] = {"tekton": tekton, "gitlab": gitlab, "jenkins": jenkins, "github": github}


def unix_socket() -> dict[str, Any]:
    """What the page says of a container that serves on a unix socket."""
    section = (DOCS / "ci.md").read_text().partition("\n## A unix socket\n")[2]
    found = yaml.safe_load(section.partition("```yaml\n")[2].partition("```")[0])
    assert isinstance(found, dict)
    return found


def containers(pod: Pod) -> dict[str, Any]:
    """All containers of a pod by name."""
    return {one["name"]: one for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])}


def client(pod: Pod) -> Any:
    """The container that runs the suite: the one beside kubedock's that is told where Docker is."""
    others = [one for name, one in containers(pod).items() if name != KUBEDOCK]
    (found,) = (one for one in others if "DOCKER_HOST" in [each["name"] for each in one.get("env", ())])
    return found


def _pod(**spec: Any) -> Pod:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "job"}, "spec": {"restartPolicy": "Never", **spec}}


def _env(variables: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in variables.items()]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
