"""Pods and their events as a cluster gave them (tests/kube/pods: Kubernetes 1.34, containerd) -> Observed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kubedock.domain.status import Failure, Observed, Terminated
from kubedock.kube import failures
from kubedock.kube.observe import observe, rejection

PODS = Path(__file__).parent / "pods"
DELETED = {"drained", "deleted", "deleted-by-force"}
RUNC = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed:"
    " unable to start container process: "
)


def at(clock: str) -> datetime:
    """That time of the day on which the pods were kept."""
    return datetime.fromisoformat(f"2026-11-24T{clock}").replace(tzinfo=UTC)


def ended(code: int, began: str, end: str, *, oom: bool = False, message: str = "") -> Terminated:
    """An end."""
    return Terminated(code, at(began), at(end), oom_killed=oom, message=message)


def ran(code: int, began: str, end: str, **more: Any) -> dict[str, Any]:
    """What is seen of a container that ran and ended."""
    return {"started": True, "log_ready": True, "started_at": at(began), "terminated": ended(code, began, end, **more)}


def running(since: str, **more: Any) -> dict[str, Any]:
    """What is seen of a container that runs and that the status knows."""
    return {"started": True, "running": True, "log_ready": True, "started_at": at(since), **more}


def fails(failure: Failure, waiting: str = "", **more: Any) -> dict[str, Any]:
    """What is seen of a container that does not start."""
    return {"failure": failure, "waiting_reason": waiting, **more}


def config(message: str, *, permanent: bool = True) -> Failure:
    """A manifest that the kubelet cannot follow."""
    return Failure("config", message, permanent=permanent, exit_code=128)


NOT_FOUND = "manifest for {} not found: manifest unknown: manifest unknown"

SEEN: dict[str, dict[str, Any]] = {
    "pending": {},
    "pulling": {"waiting_reason": "ContainerCreating", "pulling_since": at("23:05:37")},
    "pulled": {"waiting_reason": "ContainerCreating", "pull_seconds": 0.483},
    "started-event": running("23:05:37", log_ready=False),
    "running": running("23:05:37"),
    "succeeded": ran(0, "23:05:37", "23:05:37"),
    "exit-42": ran(42, "23:05:37", "23:05:37"),
    "oom": ran(137, "23:05:37", "23:05:37", oom=True),
    "oom-child": ran(4, "23:11:06", "23:11:06", oom=True),
    "command-missing": fails(
        Failure("start", RUNC + 'exec: "nosuchcmd": executable file not found in $PATH: unknown', exit_code=127)
    ),
    "command-missing-always": fails(
        Failure("start", RUNC + 'exec: "nosuchcmd": executable file not found in $PATH: unknown', exit_code=127),
        "RunContainerError",
        restart_count=2,
    ),
    "command-denied": fails(Failure("start", RUNC + 'exec: "/etc/passwd": permission denied: unknown', exit_code=126)),
    "workdir-is-a-file": fails(
        Failure("start", RUNC + "error during container init: mkdir /etc/passwd: not a directory: unknown", exit_code=127)
    ),
    "image-missing": fails(Failure("image", NOT_FOUND.format("nosuch/image:latest"), missing=True), "ErrImagePull"),
    "image-back-off": fails(Failure("image", NOT_FOUND.format("alpine:nosuchtag"), missing=True), "ImagePullBackOff"),
    "image-name-invalid": fails(
        Failure("image", "invalid reference format: repository name (Case) must be lowercase"), "InvalidImageName"
    ),
    "image-never-pulled": fails(
        Failure("image", 'Container image "nosuch/image2" is not present with pull policy of Never', missing=True),
        "ErrImageNeverPull",
    ),
    "config-secret-missing": fails(config('secret "nope" not found'), "CreateContainerConfigError"),
    "config-runs-as-root": fails(
        config(
            "container has runAsNonRoot and image will run as root: the pod may not run as root (Pod Security restricted):"
            " name another user by its number"
        ),
        "CreateContainerConfigError",
    ),
    "volume-missing": fails(
        config('MountVolume.SetUp failed for volume "a" : configmap "nope" not found', permanent=False), "ContainerCreating"
    ),
    "unschedulable-selector": fails(
        Failure(
            "unschedulable",
            "no node can run the container: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
            permanent=False,
            exit_code=128,
        )
    ),
    "unschedulable-memory": fails(
        Failure(
            "unschedulable",
            "no node can run the container: 0/1 nodes are available: 1 Insufficient memory.",
            permanent=False,
            exit_code=128,
        )
    ),
    "deadline": ran(137, "23:05:37", "23:05:41", message="Pod was active on the node longer than the specified deadline"),
    "evicted": ran(137, "23:05:37", "23:05:49")
    | {"lost": "the pod was evicted: Pod ephemeral local storage usage exceeds the total limit of containers 10Mi."},
    "eviction-begun": running("23:11:06"),
    "drained": ran(137, "23:11:06", "23:11:13")
    | {"lost": "the pod was evicted: Eviction API: evicting", "deleted": True, "leaving": True},
    "deleted": ran(9, "23:11:06", "23:11:11") | {"deleted": True, "leaving": True},
    "deleted-by-force": running("23:11:06", running=False, deleted=True, leaving=True),
    "restarted-event": running("23:11:12", terminated=ended(5, "23:11:06", "23:11:12")),
    "restarted": running(
        "23:11:12",
        terminated=ended(5, "23:11:06", "23:11:12"),
        replaced=ended(5, "23:11:06", "23:11:12"),
        restart_count=1,
    ),
    "crash-loop": ran(3, "23:05:38", "23:05:38")
    | {"replaced": ended(3, "23:05:38", "23:05:38"), "waiting_reason": "CrashLoopBackOff", "restart_count": 1},
    "init-running": {"waiting_reason": "PodInitializing", "pull_seconds": 0.242},
    "init-failed": fails(config("init container setup of the pod template: ended with exit code 7"), pull_seconds=0.26),
    "init-image-missing": fails(
        Failure(
            "image",
            "init container setup of the pod template: " + NOT_FOUND.format("nosuch/init:latest"),
            missing=True,
            exit_code=128,
        ),
        "PodInitializing",
    ),
    "sidecar-image-missing": running("23:05:37"),
}


def kept(case: str) -> tuple[Any, Any]:
    """A pod and its events."""
    found = json.loads((PODS / f"{case}.json").read_text())
    return found["pod"], found["events"]


def plain(pod: Any) -> dict[str, Any]:
    """What is only copied."""
    status = pod["status"]
    main = next((one for one in status.get("containerStatuses", []) if one["name"] == "main"), {})
    return {
        "pod": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
        "node": pod["spec"].get("nodeName", ""),
        "ip": status.get("podIP", ""),
        "phase": status["phase"],
        "image_id": main.get("imageID", ""),
    }


@pytest.mark.parametrize(("case", "expected"), SEEN.items(), ids=SEEN.keys())
def test_what_a_cluster_shows(case: str, expected: dict[str, Any]) -> None:
    """Every case is a real pod with its real events; their order does not matter."""
    pod, events = kept(case)
    Random(7).shuffle(events)
    assert observe(pod, events, deleted=case in DELETED) == Observed(**plain(pod), **expected)


def test_a_mount_that_the_runtime_refuses() -> None:
    """Any other failure of the runtime is 128, with its own words."""
    failure = observe(*kept("mount-over-proc")).failure
    assert failure is not None
    assert (failure.kind, failure.exit_code, failure.permanent) == ("start", 128, True)
    assert failure.message.startswith(RUNC + "error during container init: error mounting")


@pytest.mark.parametrize("case", sorted(SEEN))
def test_without_events_the_status_alone_decides(case: str) -> None:
    """Rights to watch events may be missing: what the status says stays true."""
    pod, events = kept(case)
    alone, both = observe(pod, [], deleted=case in DELETED), observe(pod, events, deleted=case in DELETED)
    assert alone.terminated == both.terminated
    assert alone.lost == both.lost
    assert both.started or not alone.started
    if alone.failure is not None:
        assert alone.failure == both.failure


def test_nothing_but_a_name() -> None:
    """A pod that was just posted, as the API server may give it."""
    assert observe({"metadata": {"name": "x", "uid": "u"}, "spec": {}}, []) == Observed("x", "u")
    assert observe({"metadata": {"name": "x", "uid": "u"}, "status": {"containerStatuses": None}}, []) == Observed("x", "u")


# --- shapes that the test cluster does not give --------------------------------------------------------------------


def a_pod(state: dict[str, Any] | None = None, *, last: Any = None, restarts: int = 0, **status: Any) -> dict[str, Any]:
    """A pod whose main is in this state."""
    main = {"name": "main", "image": "me/app", "state": state or {}, "restartCount": restarts}
    if last is not None:
        main["lastState"] = {"terminated": last}
    return {
        "metadata": {"name": "p", "uid": "u"},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "me/app"}]},
        "status": {"phase": "Pending", "containerStatuses": [main], **status},
    }


def an_event(reason: str, message: str = "", *, count: int = 1, time: str = "10:00:00", path: str = "spec.containers{main}") -> Any:
    """An event of the kubelet about main."""
    return {
        "metadata": {"name": f"p.{reason}.{message}"},
        "involvedObject": {"kind": "Pod", "name": "p", "uid": "u", "fieldPath": path},
        "reason": reason,
        "message": message,
        "count": count,
        "lastTimestamp": f"2026-11-24T{time}Z",
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """A state."""
    return {"waiting": {"reason": reason, "message": message}}


def over(code: int = 0, **more: Any) -> dict[str, Any]:
    """A run's end as the kubelet writes it."""
    return {"exitCode": code, "startedAt": "2026-11-24T10:00:00Z", "finishedAt": "2026-11-24T10:00:05Z", **more}


DENIED = (
    "pull access denied for me/app, repository does not exist or may require 'docker login':"
    " denied: requested access to the resource is denied"
)
MISSING = NOT_FOUND.format("me/app:latest")
HIDDEN = "pull access denied, repository does not exist or may require authorization"
STATUS = "unexpected status from HEAD request to https://r.example/v2/me/app"
RESOLVE = 'failed to resolve reference "docker.io/me/app:latest": '
PULL = 'rpc error: code = Unknown desc = failed to pull and unpack image "docker.io/me/app:latest": '


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PULL + HIDDEN, DENIED),
        (PULL + f"{HIDDEN}: server message: insufficient_scope: no", f"{DENIED}: insufficient_scope: no"),
        (PULL + f"{RESOLVE}{STATUS}: 401 Unauthorized", f"{DENIED}: {STATUS}: 401 Unauthorized"),
        (
            PULL + "failed to authorize: incorrect username or password, 403 Forbidden",
            f"{DENIED}: failed to authorize: incorrect username or password, 403 Forbidden",
        ),
        (PULL + f"denied: {'x' * 600}", f"{DENIED}: denied: {'x' * 504}"),
        (PULL + "manifest unknown", MISSING),
        (PULL + f"{RESOLVE}docker.io/me/app:latest: not found", MISSING),
        ("rpc error: code = NotFound desc = no such thing", f"{MISSING}: no such thing"),
    ],
)
def test_what_a_registry_says_for_certain(text: str, message: str) -> None:
    """Not found, denied and unauthorized do not heal: Docker's sentence at once, with the registry's own words."""
    assert observe(a_pod(waiting("ErrImagePull", text)), []).failure == Failure("image", message, missing=True)


def test_the_image_is_named_as_the_user_wrote_it() -> None:
    """Nodes pull by a digest, of which the user has never heard: what the registry says of it stands behind."""
    digest = f"docker.io/me/app@sha256:{'a' * 64}"
    text = f'failed to resolve reference "{digest}": {digest}: not found'
    pod = a_pod(waiting("ErrImagePull", f"rpc error: code = NotFound desc = {text}"))
    pod["metadata"]["annotations"] = {"kubedock.image": "me/app:1"}
    failure = Failure("image", f"{NOT_FOUND.format('me/app:1')}: {digest}: not found", missing=True)

    assert observe(pod, []).failure == failure
    told = an_event("Failed", f'Failed to pull image "{digest}": rpc error: code = NotFound desc = {text}')
    assert observe(pod | {"status": {"phase": "Pending"}}, [told]).failure == failure


REFUSED = 'failed to resolve reference "r.example/me/app:latest": dial tcp 10.0.0.1:443: connect: connection refused'


@pytest.mark.parametrize(
    "text",
    [
        REFUSED,
        "dial tcp: lookup r.example on 10.0.0.2:53: no such host: name not found",
        "x509: certificate signed by unknown authority; access denied",
    ],
)
def test_other_pull_errors_are_given_a_second_try(text: str) -> None:
    """A registry that cannot be reached may come back: the wait goes on until the kubelet has failed twice."""
    pod = a_pod(waiting("ErrImagePull", f"rpc error: code = Unknown desc = {text}"))
    failed = f'Failed to pull image "me/app": rpc error: code = Unknown desc = {text}'
    once, twice = an_event("Failed", failed), an_event("Failed", failed, count=2)
    assert observe(pod, []).failure == Failure("image", text, permanent=False)
    assert observe(pod, [once]).failure == Failure("image", text, permanent=False)
    assert observe(pod, [twice]).failure == Failure("image", text, permanent=True)
    assert observe(a_pod(waiting("ImagePullBackOff", 'Back-off pulling image "me/app"')), [twice]).failure == Failure("image", text)


def test_an_older_kubelet_says_the_cause_only_in_events() -> None:
    """Its ImagePullBackOff names no cause."""
    pod = a_pod(waiting("ImagePullBackOff", 'Back-off pulling image "me/app"'))
    event = an_event("Failed", 'Failed to pull image "me/app": rpc error: code = NotFound desc = no such manifest: not found')
    assert observe(pod, [event]).failure == Failure("image", f"{MISSING}: no such manifest: not found", missing=True)
    assert observe(pod, []).failure == Failure("image", 'Back-off pulling image "me/app"', permanent=False)


def test_events_tell_of_certain_failures_first() -> None:
    """Up to a second before the status does."""
    pod = a_pod(waiting("ContainerCreating"))
    missing = an_event(
        "Failed", 'Failed to pull image "me/app": rpc error: code = NotFound desc = docker.io/me/app:latest: not found'
    )
    command = an_event(
        "Failed",
        'Error: failed to create containerd task: failed to create shim task: exec: "x": executable file not found in $PATH',
    )
    assert observe(pod, [missing]).failure == Failure("image", NOT_FOUND.format("me/app:latest"), missing=True)
    assert observe(pod, [an_event("Failed", f'Failed to pull image "me/app": {REFUSED}')]).failure is None
    assert observe(pod, [command]).failure == Failure(
        "start",
        'failed to create task for container: failed to create shim task: exec: "x": executable file not found in $PATH',
        exit_code=127,
    )


@pytest.mark.parametrize(
    ("reason", "message", "failure"),
    [
        (
            "CreateContainerError",
            "container create failed: executable file `nosuch` not found in $PATH: No such file or directory",
            Failure(
                "start",
                "failed to create task for container: container create failed: executable file `nosuch` not found in $PATH:"
                " No such file or directory",
                exit_code=127,
            ),
        ),
        ("CreateContainerError", "invalid mount", config("invalid mount")),
        ("CreateContainerError", "context deadline exceeded", config("context deadline exceeded", permanent=False)),
        (
            "CreateContainerConfigError",
            "failed to sync secret cache: timed out waiting for the condition",
            config("failed to sync secret cache: timed out waiting for the condition", permanent=False),
        ),
        ("CreateContainerConfigError", "", config("CreateContainerConfigError")),
        ("SignatureValidationFailed", "bad signature", Failure("image", "bad signature")),
        ("RegistryUnavailable", "try later", Failure("image", "try later", permanent=False)),
        ("ContainerCreating", "", None),
    ],
)
def test_reasons_for_waiting(reason: str, message: str, failure: Failure | None) -> None:
    """What heals is waited for, what does not ends the wait."""
    assert observe(a_pod(waiting(reason, message)), []).failure == failure


def test_a_pull_is_timed_by_its_events() -> None:
    """Tries and ends are counted: times are whole seconds and do not tell which came first."""
    pod = a_pod(waiting("ContainerCreating"))
    pulling = an_event("Pulling", 'Pulling image "me/app"', count=2, time="10:00:09")
    failed = an_event("Failed", f'Failed to pull image "me/app": {REFUSED}', time="10:00:09")
    pulled = an_event("Pulled", 'Successfully pulled image "me/app" in 1.5s (1m2.5s including waiting). Image size: 1 bytes.')
    present = an_event("Pulled", 'Container image "me/app" already present on machine')
    assert observe(pod, [pulling, failed]).pulling_since == at("10:00:09")
    done = observe(pod, [pulling, failed, pulled, present])
    assert (done.pulling_since, done.pull_seconds) == (None, 62.5)
    assert observe(a_pod({"running": {}}), [pulling]).pulling_since is None


@pytest.mark.parametrize(
    ("status", "lost"),
    [
        (
            {"reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."},
            "the pod's node was shut down: Pod was terminated in response to imminent node shutdown.",
        ),
        (
            {"reason": "Preempting", "message": "Preempted in order to admit critical pod"},
            "the pod was preempted: Preempted in order to admit critical pod",
        ),
        ({"reason": "SomethingNew"}, "the pod failed (SomethingNew)"),
        (
            {
                "conditions": [
                    {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": "PodGC: node not found"}
                ]
            },
            "the pod's node is lost: PodGC: node not found",
        ),
        (
            {"conditions": [{"type": "DisruptionTarget", "status": "False", "reason": "DeletionByPodGC"}]},
            "the pod failed and its container's end is not known",
        ),
    ],
)
def test_a_pod_that_was_taken_away_while_it_ran(status: dict[str, Any], lost: str) -> None:
    """The end of its container is not known, the reason is."""
    seen = observe(a_pod({"running": {"startedAt": "2026-11-24T10:00:00Z"}}, phase="Failed", **status), [])
    assert (seen.lost, seen.running, seen.started, seen.terminated, seen.failure) == (lost, False, True, None, None)


@pytest.mark.parametrize("status", [{"phase": "Unknown"}, {"phase": "Running", "reason": "NodeLost"}])
def test_a_lost_node(status: dict[str, Any]) -> None:
    """Nobody can say whether its containers still run."""
    assert observe(a_pod({"running": {}}, **status), []).lost == "the pod's node is lost"


def test_an_end_that_the_kubelet_cannot_tell() -> None:
    """It gives up a container that it does not find any more."""
    text = "The container could not be located when the pod was terminated"
    seen = observe(
        a_pod({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": text}}, phase="Failed"), []
    )
    assert seen.lost == text


def test_a_node_that_refuses_a_pod() -> None:
    """It was scheduled, and never ran."""
    pod = a_pod(phase="Failed", reason="OutOfcpu", message="Pod was rejected: Node didn't have enough resource: cpu")
    text = "the node refused the container: OutOfcpu: Pod was rejected: Node didn't have enough resource: cpu"
    assert observe(pod, []) == Observed("p", "u", phase="Failed", failure=config(text))


STARTED = an_event("Started", "Started container main")


@pytest.mark.parametrize(
    ("pod", "starts", "runs"),
    [
        (a_pod(waiting("ContainerCreating")), 1, True),
        (a_pod({"running": {}}), 1, True),
        (a_pod({"terminated": over(3)}), 1, False),
        (a_pod({"terminated": over(3)}), 2, True),
        (a_pod(waiting("CrashLoopBackOff"), last=over(3), restarts=1), 2, False),
        (a_pod(waiting("CrashLoopBackOff"), last=over(3), restarts=1), 3, True),
        (a_pod({"terminated": over(3)}, last=over(3), restarts=4), 3, False),
        (a_pod({"terminated": over(3)}, phase="Failed"), 2, False),
        (a_pod(waiting("CrashLoopBackOff"), last=over(128, reason="StartError"), restarts=1), 1, False),
    ],
)
def test_the_started_event_counts_where_it_is_newer(pod: Any, starts: int, runs: bool) -> None:
    """It runs when events tell of more starts than the status knows of."""
    seen = observe(pod, [{**STARTED, "count": starts}])
    assert (seen.running, seen.started) == (runs, True)


def test_a_restarted_kubelet_counts_anew() -> None:
    """Its event is another object: counts are added."""
    again = {**STARTED, "metadata": {"name": "other"}, "lastTimestamp": "2026-11-24T11:00:00Z"}
    seen = observe(a_pod({"terminated": over(3)}), [STARTED, again])
    assert (seen.running, seen.started_at) == (True, at("11:00:00"))


def test_events_of_other_containers_start_nothing() -> None:
    """A sidecar or an init container has its own path."""
    for path in ("spec.containers{side}", "spec.initContainers{main}"):
        assert not observe(a_pod(waiting("PodInitializing")), [an_event("Started", path=path)]).started


def test_the_end_of_a_run_that_was_deleted_after_a_restart_is_not_that_of_the_run_before() -> None:
    """A pod that is deleted by force while its third run is on its way."""
    pod = a_pod({"running": {}}, last=over(3), restarts=2, phase="Running")
    assert observe(pod, []).terminated == Terminated(3, at("10:00:00"), at("10:00:05"))
    assert observe(pod, [], deleted=True).terminated is None
    assert observe(a_pod({"terminated": over(3)}), [{**STARTED, "count": 2}], deleted=True).terminated is None


def test_a_deadline_before_the_start_is_a_refusal() -> None:
    """As long as nothing ran there is no end."""
    seen = observe(a_pod(waiting("ContainerCreating"), phase="Failed", reason="DeadlineExceeded", message="too long"), [])
    assert seen.failure == config("the node refused the container: DeadlineExceeded: too long")


def test_a_template_that_crashes_before_main_may_heal_where_pods_restart() -> None:
    """Of a Deployment's pod."""
    pod = a_pod(waiting("PodInitializing"))
    pod["spec"]["restartPolicy"] = "Always"
    pod["status"]["initContainerStatuses"] = [
        {"name": "setup", "state": waiting("CrashLoopBackOff"), "lastState": {"terminated": over(7)}}
    ]
    assert observe(pod, []).failure == config("init container setup of the pod template: ended with exit code 7", permanent=False)


def test_a_reference_that_docker_cannot_read_is_shown_as_it_is() -> None:
    """Sentences never fail."""
    found = failures.image_failure("Bad::Name", "ErrImagePull", "not found")
    assert found == Failure("image", NOT_FOUND.format("Bad::Name"), missing=True)
    assert "pull access denied for Bad::Name," in failures.image_failure("Bad::Name", "ErrImagePull", "denied").message


def test_a_deployment_whose_pod_is_denied_tells_so_in_its_status() -> None:
    """The API server takes the Deployment and denies the ReplicaSet's pod."""
    text = 'pods "web-78d4f6cf78-5wxjx" is forbidden: exceeded quota: none, requested: pods=1, used: pods=3, limited: pods=0'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": text}
    waits = {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}
    assert rejection({"status": {"conditions": [waits, failure]}}) == text
    assert rejection({"status": {"conditions": [waits, failure | {"status": "False"}]}}) == ""
    assert rejection({}) == ""


def test_events_that_nobody_can_read_are_no_reason_to_fail() -> None:
    """A time or a duration in a form that is not known."""
    pulled = an_event("Pulled", 'Successfully pulled image "me/app" in no time. Image size: 1 bytes.')
    odd = {**STARTED, "lastTimestamp": "yesterday"}
    seen = observe(a_pod(waiting("ContainerCreating")), [pulled, an_event("Pulled", 'Successfully pulled image "x" in soon'), odd])
    assert (seen.pull_seconds, seen.running, seen.started_at) == (0.0, True, None)
