"""The files of ``docs/ci`` agree with what kubedock prints and knows, and are what their CI systems take."""

import re
import shlex
from typing import Any

import pytest
import yaml

from kubedock import settings
from kubedock.kube.deployment import manifests
from kubedock.parsing import Address
from kubedock.settings import Settings
from tests.support.ci import CI, KUBEDOCK, PODS, client, containers, documents, gitlab_runner
from tests.support.documents import DOCS
from tests.support.shared import ROOT

IMAGE = "registry.example/kubedock:latest"
PAGE = (DOCS / "ci.md").read_text()


def printed() -> dict[str, Any]:
    """The pod of ``kubedock manifests sidecar``."""
    pod = list(yaml.safe_load_all(manifests("sidecar", image=IMAGE, namespace="ci")))[-1]
    assert isinstance(pod, dict)
    return pod


@pytest.mark.parametrize(("system", "without"), [("tekton", {"restartPolicy"}), ("jenkins", set()), ("github", set())])
def test_the_sidecar_is_the_one_that_kubedock_prints(system: str, without: set[str]) -> None:
    """All of it: arguments, probe, security, requests. A Task's sidecars need no restart policy."""
    wanted = containers(printed())[KUBEDOCK]
    pod = PODS[system]()

    assert containers(pod)[KUBEDOCK] == {key: value for key, value in wanted.items() if key not in without}
    assert [one for one in pod["spec"]["volumes"] if one["name"] == "tmp"] == printed()["spec"]["volumes"]


def test_gitlabs_service_is_the_sidecar_as_far_as_gitlab_goes() -> None:
    """It knows no probe and no read-only root; the image's own command serves on the default address."""
    wanted, found = containers(printed())[KUBEDOCK], containers(PODS["gitlab"]())[KUBEDOCK]
    security = {key: value for key, value in wanted["securityContext"].items() if key != "readOnlyRootFilesystem"}

    assert (found["image"], found["resources"], found["securityContext"]) == (wanted["image"], wanted["resources"], security)
    port = next(one["value"] for one in found["env"] if one["name"] == "HEALTHCHECK_TCP_PORT")
    assert Settings().listen_addr == Address("127.0.0.1", int(port))
    assert 'ENTRYPOINT ["kubedock"]\nCMD ["server"]\n' in (ROOT / "Containerfile").read_text()


@pytest.mark.parametrize("system", sorted(PODS))
def test_the_job_finds_docker_and_kubedock_its_rights(system: str) -> None:
    """The address is the server's; the account has the Role; the end of the pod leaves time for the clean-up."""
    pod, wanted = PODS[system](), printed()
    spec, job = pod["spec"], client(pod)

    address = {one["name"]: one["value"] for one in job["env"]}["DOCKER_HOST"]
    assert address == {one["name"]: one["value"] for one in containers(wanted)["job"]["env"]}["DOCKER_HOST"]
    assert spec["serviceAccountName"] == wanted["spec"]["serviceAccountName"] == KUBEDOCK
    assert spec.get("terminationGracePeriodSeconds", 30) > Settings().shutdown_timeout
    assert "memory" in job["resources"]["requests"]


def test_everything_is_in_one_namespace() -> None:
    """Else the Role is nowhere near."""
    rights = {one["metadata"]["namespace"] for one in documents("rights.yaml")}
    tekton = {one["metadata"]["namespace"] for one in documents("tekton.yaml")}
    (runner,) = gitlab_runner()["runners"]

    assert rights | tekton | {runner["kubernetes"]["namespace"]} == {"ci"}
    assert "namespace 'ci'" in (CI / "Jenkinsfile").read_text()


FIELDS = {
    "Task": {"params", "displayName", "description", "steps", "volumes", "stepTemplate", "sidecars", "workspaces", "results"},
    "TaskRun": {"params", "serviceAccountName", "taskRef", "taskSpec", "podTemplate", "workspaces", "timeout", "retries"},
    "steps": {"name", "image", "command", "args", "script", "workingDir", "env", "computeResources", "volumeMounts"},
    "sidecars": {"name", "image", "args", "env", "startupProbe", "securityContext", "computeResources", "volumeMounts"},
    "workspaces": {"name", "description", "mountPath", "readOnly", "optional"},
}
"""Of Tekton's tekton.dev/v1, what may stand where."""


def test_tektons_objects_have_tektons_fields() -> None:
    """A Task and a TaskRun of it, with all that it asks for; the sidecar has no command, which would outlive the steps.

    What the run refers to is in the file, or needs nobody to make it.
    """
    task, run = documents("tekton.yaml")

    assert [(one["apiVersion"], one["kind"]) for one in (task, run)] == [("tekton.dev/v1", "Task"), ("tekton.dev/v1", "TaskRun")]
    for one in (task, run):
        assert set(one) == {"apiVersion", "kind", "metadata", "spec"}
        assert set(one["spec"]) <= FIELDS[one["kind"]]
    for kind in ("steps", "sidecars", "workspaces"):
        for one in task["spec"][kind]:
            assert set(one) <= FIELDS[kind], one
    assert run["spec"]["taskRef"] == {"name": task["metadata"]["name"]}
    for kind in ("params", "workspaces"):
        assert [one["name"] for one in run["spec"][kind]] == [one["name"] for one in task["spec"][kind]]
    assert run["spec"]["workspaces"] == [{"name": "source", "emptyDir": {}}]
    text = (CI / "tekton.yaml").read_text()
    assert set(re.findall(r"\$\(([^)]*)\)", text)) == {"params.repository", "workspaces.source.path"}
    assert {one["workingDir"] for one in task["spec"]["steps"]} == {"$(workspaces.source.path)"}


def test_the_jenkinsfile() -> None:
    """It closes what it opens, and its pod and container exist."""
    text = re.sub(r"//[^\n]*", "", (CI / "Jenkinsfile").read_text())
    words = dict(re.findall(r"(\w+) '([^']+)'", text))

    assert text.count("{") == text.count("}") > 0
    assert (CI / words["yamlFile"]).is_file()
    assert words["defaultContainer"] in containers(PODS["jenkins"]())


def test_githubs_workflow_runs_on_the_scale_set() -> None:
    """The release's name in the comment on how to install it is what the job asks for."""
    (workflow,) = documents("github-workflow.yml")
    (job,) = workflow["jobs"].values()

    assert f"helm install {job['runs-on']} " in (CI / "arc-values.yaml").read_text()
    assert all({"uses", "run"} & set(step) for step in job["steps"])


def test_what_is_named_of_kubedock_exists() -> None:
    """Options, variables and commands, in the files and on the page."""
    texts = [PAGE, *(path.read_text() for path in CI.iterdir())]
    options = {flag for option in settings.options() for flag in option.flags}
    variables = {name for option in settings.options() for name in option.variables}
    for text in texts:
        assert set(re.findall(r"\bKUBEDOCK_[A-Z0-9_]+", text)) <= variables
    assert set(re.findall(r"`(--[a-z-]+)`", PAGE)) <= options
    assert {"NAMESPACE", "TIME_OUT"} <= variables
    for line in re.findall(r"^args: \[(server, .*)\]$", PAGE, re.MULTILINE):
        _, *words = shlex.split(line.replace(",", " "))
        assert {word for word in words if word.startswith("-")} <= options


def test_the_page_and_the_readme_show_the_files() -> None:
    """Each file is on the page; the README has the shortest one, whole but for its comment."""
    assert {path.name for path in CI.iterdir() if f"ci/{path.name}" not in PAGE} == set()
    shortest = (CI / "gitlab-ci.yml").read_text().partition("\n")[2]
    assert f"```yaml\n{shortest}```" in (ROOT / "README.md").read_text()
