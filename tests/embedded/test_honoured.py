"""What a pod asks for is done, or it is said that it is not."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.fake import FakeRuntime
from kubedock.embedded.runtime import Mount
from tests.support.pods import a_pod, main, phase_of, reaches, status_of, told_of
from tests.support.waiting import eventually


def test_a_sub_path_of_variables(cluster: EmbeddedCluster, runtime: FakeRuntime, tmp_path: Path) -> None:
    """The container's own."""
    mount = {"name": "e", "mountPath": "/e", "subPathExpr": "$(POD)/$$(A)/logs"}
    env = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    cluster.create("Pod", a_pod(main("sleep", "100", env=env, volumeMounts=[mount]), volumes=[{"name": "e"}]))
    reaches(cluster, "running")

    (spec,) = runtime.started
    assert spec.mounts == (Mount(tmp_path / "pods" / spec.pod_uid / "volumes/e/p/$(A)/logs", "/e"),)


@pytest.mark.parametrize(
    ("expression", "value", "text"),
    [
        ("$(B)/$(A)/$(C)", "a", "missing value for B, C"),
        ("$(A)", "", "missing value for A"),
        ("$(A)", "../x", "unable to provision SubPath `../x`: must not contain '..'"),
        ("$(A)", "/x", "error SubPath `/x` must not be an absolute path"),
    ],
    ids=["unknown", "empty", "above", "absolute"],
)
def test_a_sub_path_that_makes_no_sense(cluster: EmbeddedCluster, expression: str, value: str, text: str) -> None:
    """The container waits, with the reason."""
    mount = {"name": "e", "mountPath": "/e", "subPathExpr": expression}
    container = main("true", env=[{"name": "A", "value": value}], volumeMounts=[mount])
    cluster.create("Pod", a_pod(container, volumes=[{"name": "e"}]))

    waiting = eventually(lambda: (state := reaches(cluster, "waiting"))["reason"] == "CreateContainerConfigError" and state)

    assert waiting["message"] == text
    assert ("Failed", f"Error: {text}") in told_of(cluster)


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """One of each kind, and nothing."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    found = {name: tmp_path / name for name in ("folder", "file", "socket", "none")}
    return found | {"device": Path("/dev/null")}


@pytest.mark.parametrize(
    ("kind", "fits", "what"),
    [
        ("Directory", ["folder"], "directory"),
        ("DirectoryOrCreate", ["folder", "none"], "directory"),
        ("File", ["file"], "file"),
        ("FileOrCreate", ["file", "none"], "file"),
        ("Socket", ["socket"], "socket file"),
        ("CharDevice", ["device"], "character device"),
        ("BlockDevice", [], "block device"),
        ("", ["folder", "file", "socket", "device", "none"], ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_host_path_is_what_its_type_says(
    cluster: EmbeddedCluster, paths: dict[str, Path], kind: str, fits: list[str], what: str
) -> None:
    """What is not is waited for."""
    for name, path in paths.items():
        mounted = main("sleep", "100", volumeMounts=[{"name": "h", "mountPath": "/h"}])
        volume = {"name": "h", "hostPath": {"path": str(path), "type": kind}}
        cluster.create("Pod", a_pod(mounted, name=name, volumes=[volume]))

    for name, path in paths.items():
        if name in fits:
            reaches(cluster, "running", name)
            continue
        told = ("FailedMount", f'MountVolume.SetUp failed for volume "h" : hostPath type check failed: {path} is not a {what}')
        eventually(lambda told=told, name=name: told in told_of(cluster, name))
    assert (paths["none"].is_dir(), paths["none"].is_file()) == (kind in ("", "DirectoryOrCreate"), kind == "FileOrCreate")


def test_no_rights_are_rights_too(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    """Of a file's mode, 0 is a number like others."""
    cluster.create("ConfigMap", {"metadata": {"name": "c"}, "data": {"a": "", "b": ""}})
    items = [{"key": "a", "path": "a"}, {"key": "b", "path": "b", "mode": 0}]
    source = {"name": "c", "items": items, "defaultMode": 0o600}
    volumes = [{"name": "c", "configMap": source}, {"name": "d", "configMap": {"name": "c", "defaultMode": 0}}]
    cluster.create("Pod", a_pod(main("sleep", "100"), volumes=volumes))
    reaches(cluster, "running")

    (folder,) = (tmp_path / "pods").iterdir()
    modes = {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.glob("volumes/*/*")}
    assert modes == {"volumes/c/a": 0o600, "volumes/c/b": 0, "volumes/d/a": 0, "volumes/d/b": 0}


@pytest.mark.parametrize(
    ("container", "spec", "names"),
    [
        ({"ports": [{"containerPort": 80, "hostPort": 80}]}, {}, ["hostPort"]),
        ({"ports": [{"containerPort": 80, "hostPort": 80}]}, {"hostNetwork": True}, []),
        ({}, {"volumes": [{"name": "e", "emptyDir": {"sizeLimit": "1Mi"}}]}, ["sizeLimit of an emptyDir on disk"]),
        ({}, {"volumes": [{"name": "e", "emptyDir": {"sizeLimit": "1Mi", "medium": "Memory"}}]}, []),
        (
            {"volumeMounts": [{"name": "e", "mountPath": "/e", "mountPropagation": "Bidirectional"}]},
            {"volumes": [{"name": "e"}]},
            ["mountPropagation"],
        ),
        ({"volumeMounts": [{"name": "e", "mountPath": "/e", "mountPropagation": "None"}]}, {"volumes": [{"name": "e"}]}, []),
        ({"restartPolicy": "OnFailure"}, {}, ["restartPolicy of a container"]),
        ({"securityContext": {"procMount": "Unmasked"}}, {"hostUsers": False}, ["hostUsers", "procMount"]),
        ({"terminationMessagePath": "/x"}, {"schedulingGates": [{"name": "g"}]}, ["schedulingGates", "terminationMessagePath"]),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_what_is_not_done_is_said(
    cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture, container: dict[str, Any], spec: dict[str, Any], names: list[str]
) -> None:
    """In the log, for each field."""
    cluster.create("Pod", a_pod(main("true", **container), **spec))

    assert [record.message for record in caplog.records] == [
        f"pod p: the embedded node does nothing about its {name}" for name in names
    ]


def test_a_pods_finalizers_wait_for_nobody(cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture) -> None:
    """Which is said."""
    manifest = a_pod(main("true"))
    manifest["metadata"]["finalizers"] = ["a.example/b"]
    cluster.create("Pod", manifest)

    assert [record.message for record in caplog.records] == ["pod p: the embedded node does nothing about its finalizers"]


def test_a_deadline_of_the_manifest_ends_a_pod(cluster: EmbeddedCluster) -> None:
    """Also one that has not begun to run."""
    cluster.create("Pod", a_pod(main("sleep", "100"), activeDeadlineSeconds=1))
    cluster.create(
        "Pod", a_pod(main("true"), name="late", activeDeadlineSeconds=1, volumes=[{"name": "c", "configMap": {"name": "no"}}])
    )
    for pod in ("p", "late"):
        eventually(lambda pod=pod: phase_of(cluster, pod) == "Failed")
        assert cluster.get("Pod", pod)["status"]["reason"] == "DeadlineExceeded"
    assert status_of(cluster)["state"]["terminated"]["exitCode"] == 143


@pytest.mark.parametrize("where", ["add_sandbox", "start"])
def test_what_nobody_expected_is_told(
    cluster: EmbeddedCluster,
    runtime: FakeRuntime,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    """As an event; the next try is not at once, and what happens meanwhile is heard all the same."""
    tries: list[str] = []

    def fail(*_: object) -> None:
        tries.append(where)
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr(runtime, where, fail)
    cluster.create("Pod", a_pod(main("true")))

    eventually(lambda: ("FailedSync", "Error syncing pod, skipping: no luck") in told_of(cluster))
    cluster.delete("Pod", "p")
    eventually(lambda: not cluster.list("Pod").items)
    assert tries == [where]
    assert [record.message for record in caplog.records] == ["pod p: unexpected; again in 5 s"]


def test_what_goes_on_unexpectedly_is_tried_less_and_less(
    cluster: EmbeddedCluster, runtime: FakeRuntime, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message is a try."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("no luck")

    original: Callable[..., Any] = runtime.add_sandbox
    monkeypatch.setattr(runtime, "add_sandbox", fail)
    cluster.create("Pod", a_pod(main("true")))
    for number, seconds in enumerate((600, 500, 400), 1):
        eventually(lambda number=number: len(caplog.records) == number)
        if number == 3:
            monkeypatch.setattr(runtime, "add_sandbox", original)
        cluster.patch("Pod", "p", {"spec": {"activeDeadlineSeconds": seconds}})

    reaches(cluster, "terminated")
    assert [record.message for record in caplog.records] == [f"pod p: unexpected; again in {pause} s" for pause in (5, 10, 20)]
