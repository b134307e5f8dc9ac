"""The node: what becomes of pods, over a runtime without processes."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubedock.cluster import LogOptions
from kubedock.embedded.cluster import EmbeddedCluster
from kubedock.embedded.fake import FakeRuntime
from kubedock.embedded.runtime import Credentials, Limits, Mount, Security, StartError
from kubedock.errors import InvalidParameter, NotFound
from tests.support.pods import a_pod, main, phase_of, reaches, status_of, text_of, told_of
from tests.support.threads import none_left
from tests.support.waiting import eventually, in_thread

UNTIL_TERM = ("sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; sleep 100")
DEAF = ("sh", "-c", "trap '' TERM; sleep 100")


# --- starts and ends -------------------------------------------------------------------------------------------------


def test_a_pod_that_runs_is_shown_whole(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """Its status has all that a kubelet writes; what changes is left out."""
    cluster.create("Pod", a_pod(main("sleep", "100")))
    reaches(cluster, "running")

    status = cluster.get("Pod", "p")["status"]
    for condition in status["conditions"]:
        del condition["lastTransitionTime"]
    run = runtime.of("main").spec.id
    begun = status["containerStatuses"][0]["state"]["running"]["startedAt"]

    assert status == {
        "phase": "Running",
        "qosClass": "Burstable",
        "startTime": status["startTime"],
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": "198.18.64.2",
        "podIPs": [{"ip": "198.18.64.2"}],
        "conditions": [
            {"type": name, "status": "True"}
            for name in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
        ],
        "containerStatuses": [
            {
                "name": "main",
                "image": "alpine",
                "imageID": f"alpine@sha256:{'a' * 64}",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": begun}},
                "lastState": {},
                "containerID": f"fake://{run}",
            }
        ],
    }


@pytest.mark.parametrize(
    ("policy", "code", "phase"), [("Never", 0, "Succeeded"), ("Never", 4, "Failed"), ("OnFailure", 0, "Succeeded")]
)
def test_a_pod_ends(cluster: EmbeddedCluster, runtime: FakeRuntime, policy: str, code: int, phase: str) -> None:
    """Its place is given back at once, its log stays."""
    cluster.create("Pod", a_pod(main("sh", "-c", f"echo out; exit {code}"), restartPolicy=policy))

    assert reaches(cluster, "terminated")["exitCode"] == code
    assert phase_of(cluster) == phase
    eventually(lambda: not runtime.sandboxes)
    assert not runtime.containers
    assert text_of(cluster) == b"out\n"


def test_out_of_memory_is_told(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """As the reason of the end."""
    cluster.create("Pod", a_pod(main("sleep", "100")))
    reaches(cluster, "running")

    runtime.finish("main", 137, oom=True)

    assert (reaches(cluster, "terminated") | {"startedAt": "", "finishedAt": "", "containerID": ""}) == {
        "exitCode": 137,
        "reason": "OOMKilled",
        "startedAt": "",
        "finishedAt": "",
        "containerID": "",
    }


def test_containers_of_a_pod_run_together(cluster: EmbeddedCluster) -> None:
    """The pod is over when the last one is."""
    cluster.create("Pod", a_pod(main("true"), main(*UNTIL_TERM, name="other")))
    reaches(cluster, "running", container="other")
    assert reaches(cluster, "terminated")["exitCode"] == 0
    assert phase_of(cluster) == "Running"

    cluster.exec("p", ["kill", "-TERM", "1"], container="other").close()

    assert reaches(cluster, "terminated", container="other")["exitCode"] == 3
    assert phase_of(cluster) == "Failed"
    assert text_of(cluster, container="other") == b"up\nbye\n"


def test_init_containers_come_first_one_after_another(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """Each must end well before the next; main waits for all."""
    init = [main("sleep", "100", name="one"), main("sleep", "100", name="two")]
    cluster.create("Pod", a_pod(main("sleep", "100"), initContainers=init))
    reaches(cluster, "running", container="one")
    assert status_of(cluster)["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert phase_of(cluster) == "Pending"

    runtime.finish("one")
    reaches(cluster, "running", container="two")
    runtime.finish("two")
    reaches(cluster, "running")

    assert [spec.name for spec in runtime.started] == ["one", "two", "main"]


def test_an_init_container_that_fails_ends_the_pod(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """Where nothing is brought back, main never runs."""
    cluster.create("Pod", a_pod(main("sleep", "100"), initContainers=[main("false", name="init")]))

    assert reaches(cluster, "terminated", container="init")["exitCode"] == 1
    eventually(lambda: phase_of(cluster) == "Failed")
    assert [spec.name for spec in runtime.started] == ["init"]


def test_a_container_is_brought_back(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """At once after the first end; then it waits, longer each time. Its last log can be had."""
    cluster.create("Pod", a_pod(main("sh", "-c", "echo run; exit 5"), restartPolicy="Always"))

    waiting = eventually(
        lambda: (state := status_of(cluster)["state"].get("waiting")) and state["reason"] == "CrashLoopBackOff" and state
    )
    uid = cluster.get("Pod", "p")["metadata"]["uid"]

    assert waiting["message"] == f"back-off 1s restarting failed container=main pod=p_default({uid})"
    assert ("BackOff", f"Back-off restarting failed container main in pod p_default({uid})") in told_of(cluster)
    assert status_of(cluster)["lastState"]["terminated"]["exitCode"] == 5
    assert phase_of(cluster) == "Running"
    assert text_of(cluster, previous=True) == b"run\n"
    eventually(lambda: len(runtime.started) == 3)
    assert {spec.id for spec in runtime.started} == {spec.id for spec in runtime.started[:3]}


def test_what_ends_well_is_not_brought_back_on_failure(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """A failure is, a success ends it."""
    cluster.create("Pod", a_pod(main("sleep", "100"), restartPolicy="OnFailure"))
    reaches(cluster, "running")

    runtime.finish("main", 1)
    eventually(lambda: status_of(cluster)["restartCount"] == 1 and "running" in status_of(cluster)["state"])
    runtime.finish("main", 0)

    eventually(lambda: phase_of(cluster) == "Succeeded")


def test_a_start_that_fails_is_an_end_with_128(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """It began in 1970, and an event says why."""
    runtime.failures.append(StartError("failed to create containerd task: no luck"))
    cluster.create("Pod", a_pod(main("sleep", "100")))

    ended = reaches(cluster, "terminated")

    assert (ended["exitCode"], ended["reason"], ended["startedAt"]) == (128, "StartError", "1970-01-01T00:00:00Z")
    assert ended["message"] == "failed to create containerd task: no luck"
    assert ("Failed", "Error: failed to create containerd task: no luck") in told_of(cluster)
    assert phase_of(cluster) == "Failed"


def test_a_container_that_cannot_be_made_is_tried_again(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """What it needs may come."""
    runtime.failures += [StartError("no such user", reason="CreateContainerError") for _ in range(2)]
    cluster.create("Pod", a_pod(main(*UNTIL_TERM)))

    assert reaches(cluster, "waiting")
    reaches(cluster, "running")
    assert text_of(cluster) == b"up\n"
    assert ("Failed", "Error: no such user") in told_of(cluster)


def test_misspelt_fields_are_refused(cluster: EmbeddedCluster) -> None:
    """All of them, by their place; what has no rules here is not looked into."""
    bad = a_pod(main("true", volumeMount=[]), hostname="h", restartpolicy="Never", affinity={"any": "thing"})

    with pytest.raises(InvalidParameter) as raised:
        cluster.create("Pod", bad)

    assert str(raised.value) == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error:'
        ' unknown field "spec.containers[0].volumeMount", unknown field "spec.restartpolicy"'
    )
    with pytest.raises(InvalidParameter, match=r'unknown field "date"$'):
        cluster.patch("ConfigMap", "c", {"date": {}})


def test_what_is_not_done_is_said(cluster: EmbeddedCluster, caplog: pytest.LogCaptureFixture) -> None:
    """In the log, for each field."""
    cluster.create("Pod", a_pod(main("true", livenessProbe={"tcpSocket": {"port": 1}}), runtimeClassName="fast"))
    reaches(cluster, "terminated")

    assert [record.message for record in caplog.records] == [
        "pod p: the embedded node does nothing about its runtimeClassName",
        "pod p: the embedded node does nothing about its livenessProbe",
    ]


# --- deletion --------------------------------------------------------------------------------------------------------


def test_a_deleted_pod_gets_its_time(cluster: EmbeddedCluster) -> None:
    """The stop signal, its exit code in the last change, and then it is gone."""
    cluster.create("Pod", a_pod(main(*UNTIL_TERM)))
    reaches(cluster, "running")
    watch = cluster.watch("Pod", since=cluster.list("Pod").resource_version)

    cluster.delete("Pod", "p")

    seen = []
    for event in watch:
        state = event.object["status"]["containerStatuses"][0]["state"]
        seen.append(
            (event.type, event.object["metadata"].get("deletionGracePeriodSeconds"), state.get("terminated", {}).get("exitCode"))
        )
        if event.type == "DELETED":
            break
    assert seen[0] == ("MODIFIED", 30, None)
    assert seen[-1] == ("DELETED", 30, 3)
    assert ("Killing", "Stopping container main") in told_of(cluster)


def test_a_deaf_process_is_killed_after_its_time(cluster: EmbeddedCluster) -> None:
    """A second deletion may make it shorter."""
    cluster.create("Pod", a_pod(main(*DEAF)))
    reaches(cluster, "running")
    cluster.delete("Pod", "p", grace=3600)
    assert cluster.get("Pod", "p")["metadata"]["deletionGracePeriodSeconds"] == 3600

    cluster.delete("Pod", "p", grace=1)

    eventually(lambda: not cluster.list("Pod").items)


def test_a_pod_that_is_removed_at_once_is_killed(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """Its log ends for those who follow it."""
    cluster.create("Pod", a_pod(main(*DEAF)))
    reaches(cluster, "running")
    log = in_thread(lambda: text_of(cluster, follow=True))

    cluster.delete("Pod", "p", grace=0)

    assert log() == b""
    eventually(lambda: not runtime.containers and not runtime.sandboxes)


def test_a_deadline_ends_a_pod(cluster: EmbeddedCluster) -> None:
    """Its own, and one that is patched in. It stays, with its exit code and its log."""
    cluster.create("Pod", a_pod(main(*UNTIL_TERM)))
    reaches(cluster, "running")

    cluster.patch("Pod", "p", {"spec": {"activeDeadlineSeconds": 1}})

    eventually(lambda: phase_of(cluster) == "Failed")
    status = cluster.get("Pod", "p")["status"]
    assert (status["reason"], status["message"]) == (
        "DeadlineExceeded",
        "Pod was active on the node longer than the specified deadline",
    )
    assert status_of(cluster)["state"]["terminated"]["exitCode"] == 3
    assert text_of(cluster) == b"up\nbye\n"


def test_a_name_can_be_used_again_at_once(cluster: EmbeddedCluster) -> None:
    """The new pod has nothing of the old one."""
    cluster.create("Pod", a_pod(main("echo", "one")))
    reaches(cluster, "terminated")
    cluster.delete("Pod", "p", grace=0)
    cluster.create("Pod", a_pod(main("echo", "two")))

    reaches(cluster, "terminated")
    assert text_of(cluster) == b"two\n"


# --- images ----------------------------------------------------------------------------------------------------------


def test_an_image_is_pulled_once_for_all_that_wait(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """Where it is absent; the events tell of it."""
    runtime.absent.add("big")
    cluster.create("Pod", a_pod(main("sleep", "100", image="big")))
    reaches(cluster, "running")

    reasons = ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    eventually(lambda: [reason for reason, _ in told_of(cluster)] == reasons)
    pulled = next(message for reason, message in told_of(cluster) if reason == "Pulled")

    assert pulled.startswith('Successfully pulled image "big" in ')
    assert pulled.endswith(" including waiting). Image size: 1039347 bytes.")
    assert runtime.pulled == [("big", ())]


def test_an_image_that_must_not_be_pulled(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """The pod waits, and says why."""
    runtime.absent.add("big")
    cluster.create("Pod", a_pod(main("sleep", "100", image="big") | {"imagePullPolicy": "Never"}))

    waiting = eventually(lambda: status_of(cluster).get("state", {}).get("waiting", {}).get("message"))

    assert waiting == 'Container image "big" is not present with pull policy of Never'
    with pytest.raises(InvalidParameter, match=r'^container "main" in pod "p" is waiting to start: ErrImageNeverPull$'):
        cluster.logs("p", LogOptions())


def test_pull_secrets_go_to_the_runtime(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """Of each registry in them; Docker Hub has an older name there."""
    logins = {"https://r.example/v1/": b"me:secret", "https://index.docker.io/v1/": b"me:hub"}
    auths = {"auths": {server: {"auth": base64.b64encode(login).decode()} for server, login in logins.items()}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(auths).encode()).decode()}
    cluster.create("Secret", {"metadata": {"name": "s"}, "type": "kubernetes.io/dockerconfigjson", "data": data})
    runtime.absent.add("r.example/big")
    cluster.create("Pod", a_pod(main("true", image="r.example/big"), imagePullSecrets=[{"name": "s"}, {"name": "none"}]))
    reaches(cluster, "terminated")

    told = (Credentials("r.example", "me", "secret"), Credentials("docker.io", "me", "hub"))
    assert runtime.pulled == [("r.example/big", told)]


def test_images_that_need_no_registry(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """Those of the settings' folder."""
    runtime.archived.add("docker.io/me/app:1")

    found = cluster.own_image("docker.io/me/app:1", timeout=5)

    assert found is not None
    assert (found.ref, found.config) == ("docker.io/me/app:1", runtime.config)
    assert cluster.own_image("docker.io/me/app:2", timeout=5) is None


# --- what runs -------------------------------------------------------------------------------------------------------


def test_what_the_runtime_is_told(cluster: EmbeddedCluster, runtime: FakeRuntime, tmp_path: Path) -> None:
    """Everything that a container asks for."""
    runtime.config = {"Entrypoint": ["/entry"], "Cmd": ["a"], "Env": ["A=image", "B=image"], "WorkingDir": "/w", "User": "app"}
    cluster.create("ConfigMap", {"metadata": {"name": "c"}, "data": {"key": "value", "file": "text"}})
    container = {
        "name": "main",
        "image": "alpine",
        "args": ["x$(B)", "$$(B)", "$(NONE)"],
        "env": [
            {"name": "B", "value": "own"},
            {"name": "C", "value": "$(B)!"},
            {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "key"}}},
            {"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "tty": True,
        "stdin": True,
        "resources": {"limits": {"memory": "64Mi", "cpu": "250m"}},
        "securityContext": {
            "runAsGroup": 7,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "e", "mountPath": "/e"},
            {"name": "c", "mountPath": "/c/one", "subPath": "inner/file"},
            {"name": "h", "mountPath": "/h", "readOnly": True},
        ],
    }
    volumes = [
        {"name": "e", "emptyDir": {}},
        {"name": "c", "configMap": {"name": "c", "items": [{"key": "file", "path": "inner/file", "mode": 0o755}]}},
        {"name": "h", "hostPath": {"path": str(tmp_path)}},
    ]
    context = {"fsGroup": 0, "supplementalGroups": [5]}
    cluster.create("Pod", a_pod(container, volumes=volumes, securityContext=context))
    reaches(cluster, "running")

    (spec,) = runtime.started
    uid = cluster.get("Pod", "p")["metadata"]["uid"]
    folder = tmp_path / "pods" / uid

    assert replace(spec, id="", image=runtime._image("alpine"), log=Path()) == replace(
        spec,
        id="",
        image=runtime._image("alpine"),
        log=Path(),
        name="main",
        pod_uid=uid,
        argv=("/entry", "xown", "$(B)", "$(NONE)"),
        env=(("A", "image"), ("B", "own"), ("C", "own!"), ("D", "value"), ("E", "198.18.64.2")),
        cwd="/w",
        user="app:7",
        groups=(5, 0),
        tty=True,
        stdin=True,
        stdin_once=False,
        mounts=(
            Mount(folder / "volumes/e", "/e"),
            Mount(tmp_path, "/h", read_only=True),
            Mount(folder / "volumes/c/inner/file", "/c/one", read_only=True),
        ),
        limits=Limits(memory=64 << 20, cpus=0.25),
        security=Security(cap_add=("NET_ADMIN",), cap_drop=("ALL",), read_only_root=True),
    )
    assert (folder / "volumes/c/inner/file").read_text() == "text"
    assert (folder / "volumes/c/inner/file").stat().st_mode & 0o777 == 0o755
    assert (folder / "volumes/e").stat().st_mode & 0o7777 == 0o2777


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda main: main | {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k"}}}]},
            'configmap "no" not found',
        ),
        (
            lambda main: main | {"securityContext": {"runAsNonRoot": True}},
            "container has runAsNonRoot and image will run as root (container: main)",
        ),
    ],
    ids=["missing", "root"],
)
def test_a_container_that_makes_no_sense_waits(
    cluster: EmbeddedCluster, change: Callable[[dict[str, Any]], dict[str, Any]], text: str
) -> None:
    """With the reason."""
    cluster.create("Pod", a_pod(change(main("true"))))

    waiting = eventually(lambda: (state := reaches(cluster, "waiting"))["reason"] == "CreateContainerConfigError" and state)

    assert waiting["message"] == text
    assert ("Failed", f"Error: {text}") in told_of(cluster)


def test_a_volume_that_is_missing_is_waited_for(cluster: EmbeddedCluster) -> None:
    """The pod runs once it is there."""
    mounted = main("sleep", "100", volumeMounts=[{"name": "c", "mountPath": "/c"}])
    cluster.create("Pod", a_pod(mounted, volumes=[{"name": "c", "configMap": {"name": "late"}}]))
    told = ("FailedMount", 'MountVolume.SetUp failed for volume "c" : configmap "late" not found')
    eventually(lambda: told in told_of(cluster))

    cluster.create("ConfigMap", {"metadata": {"name": "late"}, "data": {}})

    reaches(cluster, "running")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"nodeSelector": {"disk": "fast"}}, "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
        (
            {"containers": [main("true", resources={"requests": {"memory": "1Ei"}})]},
            "0/1 nodes are available: 1 Insufficient memory.",
        ),
    ],
    ids=["selector", "memory"],
)
def test_a_pod_that_fits_no_node_stays_pending(cluster: EmbeddedCluster, spec: dict[str, Any], text: str) -> None:
    """In the scheduler's words; it can be deleted."""
    cluster.create("Pod", a_pod(main("true")) | {"spec": {"containers": [main("true")], **spec}})

    (condition,) = cluster.get("Pod", "p")["status"]["conditions"]
    assert (condition["reason"], condition["message"]) == ("Unschedulable", text)
    assert told_of(cluster) == [("FailedScheduling", text)]
    cluster.delete("Pod", "p")
    with pytest.raises(NotFound):
        cluster.get("Pod", "p")


def test_a_recreated_deployment_waits_for_its_old_pod(cluster: EmbeddedCluster) -> None:
    """A changed template: the old pod ends before the new one begins."""
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [main(*UNTIL_TERM)]}}
    spec = {"selector": {"matchLabels": {"app": "d"}}, "strategy": {"type": "Recreate"}, "template": template}
    cluster.create("Deployment", {"metadata": {"name": "d"}, "spec": spec})
    (old,) = cluster.list("Pod").items
    reaches(cluster, "running", old["metadata"]["name"])
    eventually(lambda: cluster.get("Deployment", "d")["status"]["readyReplicas"] == 1)

    cluster.patch("Deployment", "d", {"spec": {"template": {"metadata": {"labels": {"new": "yes"}}}}})

    (new,) = eventually(lambda: [pod for pod in cluster.list("Pod", selector="new").items if pod["status"]["phase"] == "Running"])
    assert [pod["metadata"]["name"] for pod in cluster.list("Pod").items] == [new["metadata"]["name"]]
    assert new["metadata"]["creationTimestamp"] >= old["metadata"]["creationTimestamp"]


# --- a system that has no thread to give ------------------------------------------------------------------------------


def test_a_pod_without_a_thread_is_not_admitted(cluster: EmbeddedCluster) -> None:
    """It has failed, can be removed, and the next one runs."""
    with none_left("pod-"):
        cluster.create("Pod", a_pod(main("sleep", "100")))

    status = cluster.get("Pod", "p")["status"]
    assert [status[key] for key in ("phase", "reason", "message")] == [
        "Failed",
        "UnexpectedAdmissionError",
        "the pod was not admitted: can't start new thread",
    ]
    cluster.delete("Pod", "p", grace=0)
    cluster.create("Pod", a_pod(main("sleep", "100")))
    reaches(cluster, "running")


def test_a_pull_without_a_thread_has_failed(cluster: EmbeddedCluster, runtime: FakeRuntime) -> None:
    """As any that fails: it is tried again after a while."""
    runtime.absent.add("big")
    with none_left("pull-"):
        cluster.create("Pod", a_pod(main("sleep", "100", image="big")))
        eventually(lambda: ("BackOff", 'Back-off pulling image "big"') in told_of(cluster))

    text = 'Failed to pull image "big": failed to pull image "big": can\'t start new thread'
    assert ("Failed", text) in told_of(cluster)
    assert runtime.pulled == []
