"""Whole manifests, one case for each option."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.domain.container import ContainerRecord, ContainerSpec, Resources, RestartPolicy, Security
from kubedock.domain.volume import Mount
from kubedock.kube.manifest import PodDefaults, deployment_manifest, pod_manifest

DEFAULTS = PodDefaults(instance="abc")
RECORD = ContainerRecord(
    id="0123456789ab" + "c" * 52,
    name="web",
    spec=ContainerSpec("alpine"),
    created_at=datetime(2026, 1, 2, tzinfo=UTC),
    run=2,
    object_name="kubedock-web-0123456789ab-r2",
)
LABELS = {
    "kubedock": "true",
    "kubedock.id": "abc",
    "app.kubernetes.io/managed-by": "kubedock",
    "kubedock.containerid": "0123456789ab",
    "kubedock.run": "2",
}
SPEC: dict[str, Any] = {
    "enableServiceLinks": False,
    "automountServiceAccountToken": False,
    "terminationGracePeriodSeconds": 10,
    "hostname": "0123456789ab",
    "containers": [
        {
            "name": "main",
            "image": "alpine",
            "imagePullPolicy": "IfNotPresent",
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        }
    ],
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "kubedock-web-0123456789ab-r2",
        "labels": LABELS,
        "annotations": {"kubedock.containername": "web", "kubedock.image": "alpine"},
    },
    "spec": {**SPEC, "restartPolicy": "Never"},
}


def a_pod(*, spec: Mapping[str, Any] | None = None, main: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The default pod with other fields in its spec and in main."""
    pod = deepcopy(POD)
    pod["spec"].update(spec or {})
    pod["spec"]["containers"][0].update(main or {})
    return pod


def made(spec: ContainerSpec, defaults: PodDefaults = DEFAULTS) -> dict[str, Any]:
    """The pod of a container."""
    return pod_manifest(replace(RECORD, spec=spec), defaults)


def test_the_plainest_container() -> None:
    """A pod that nobody asked anything of has no volume, no token and no service links."""
    assert made(ContainerSpec("alpine")) == POD


def test_labels_by_which_names_find_a_pod() -> None:
    """On pods alone, over everything that was asked for."""
    key = "kubedock.name/0011"
    record = replace(RECORD, spec=ContainerSpec("alpine", labels={key: "mine"}))
    pod = pod_manifest(record, DEFAULTS, {key: "db"})
    deployment = deployment_manifest(RECORD, DEFAULTS, {key: "db"})

    assert pod["metadata"]["labels"] == {**LABELS, key: "db"}
    assert deployment["metadata"]["labels"] == LABELS
    assert deployment["spec"]["template"]["metadata"]["labels"] == {**LABELS, key: "db"}


MEMORY = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "4294967296"}}

OF_MAIN = {
    "entrypoint and command": (
        {"entrypoint": ("sh", "-c"), "command": ("echo hi",)},
        {"command": ["sh", "-c"], "args": ["echo hi"]},
    ),
    "command alone": ({"command": ("echo", "hi")}, {"args": ["echo", "hi"]}),
    "an empty command is the image's": ({"command": ()}, {}),
    "entrypoint alone": ({"entrypoint": ("sleep", "1")}, {"command": ["sleep", "1"]}),
    "a cleared entrypoint": ({"entrypoint": (), "command": ("id", "-u")}, {"command": ["id", "-u"]}),
    "an entrypoint cleared by an empty word": ({"entrypoint": ("",), "command": ("id",)}, {"command": ["id"]}),
    "dollars": (
        {"entrypoint": ("sh", "-c"), "command": ("echo $(HOME) $$ $x",), "env": (("PRICE", "$(5)$"),)},
        {"command": ["sh", "-c"], "args": ["echo $$(HOME) $$$$ $$x"], "env": [{"name": "PRICE", "value": "$$(5)$$"}]},
    ),
    "env in its order": (
        {"env": (("B", "1"), ("A", ""), ("C", "x=y"))},
        {"env": [{"name": "B", "value": "1"}, {"name": "A", "value": ""}, {"name": "C", "value": "x=y"}]},
    ),
    "the last of equal variables": (
        {"env": (("A", "1"), ("B", "2"), ("A", "3"))},
        {"env": [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]},
    ),
    "a variable without a value": ({"env": (("A", "1"), ("B", None))}, {"env": [{"name": "A", "value": "1"}]}),
    "a variable that is taken away again": ({"env": (("A", "1"), ("A", None))}, {}),
    "working directory": ({"working_dir": "/srv"}, {"workingDir": "/srv"}),
    "root": ({"user": 0}, {"securityContext": {"runAsUser": 0}}),
    "user and group": ({"user": 1000, "group": 0}, {"securityContext": {"runAsUser": 1000, "runAsGroup": 0}}),
    "stdin": ({"open_stdin": True}, {"stdin": True}),
    "stdin once": ({"open_stdin": True, "stdin_once": True}, {"stdin": True, "stdinOnce": True}),
    "a terminal": ({"tty": True, "open_stdin": True}, {"stdin": True, "tty": True}),
    "memory": ({"resources": Resources(memory=4 << 30)}, {"resources": MEMORY}),
    "less memory than the request": (
        {"resources": Resources(memory=8 << 20)},
        {"resources": {"requests": {"cpu": "10m", "memory": "8388608"}, "limits": {"memory": "8388608"}}},
    ),
    "memory reservation": (
        {"resources": Resources(memory=4 << 30, memory_reservation=1 << 30)},
        {"resources": {"requests": {"cpu": "10m", "memory": "1073741824"}, "limits": {"memory": "4294967296"}}},
    ),
    "cpus": (
        {"resources": Resources(nano_cpus=1_500_000_000)},
        {"resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1500m"}}},
    ),
    "fewer cpus than the request": (
        {"resources": Resources(nano_cpus=4_200_000)},
        {"resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "5m"}}},
    ),
    "the usual shared memory": ({"resources": Resources(shm_size=64 << 20)}, {}),
    "privileged": ({"security": Security(privileged=True)}, {"securityContext": {"privileged": True}}),
    "capabilities": (
        {"security": Security(cap_add=("CAP_NET_ADMIN", "sys_time", "NET_ADMIN"), cap_drop=("ALL",))},
        {"securityContext": {"capabilities": {"add": ["NET_ADMIN", "SYS_TIME"], "drop": ["ALL"]}}},
    ),
    "a read-only root": ({"security": Security(read_only_root=True)}, {"securityContext": {"readOnlyRootFilesystem": True}}),
    "no new privileges": (
        {"security": Security(no_new_privileges=True)},
        {"securityContext": {"allowPrivilegeEscalation": False}},
    ),
    "no seccomp, no apparmor": (
        {"security": Security(seccomp_unconfined=True, apparmor_unconfined=True)},
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}}},
    ),
}


@pytest.mark.parametrize(("asked", "main"), OF_MAIN.values(), ids=OF_MAIN.keys())
def test_options_of_the_container(asked: Mapping[str, Any], main: Mapping[str, Any]) -> None:
    """What is asked shows in main and nowhere else."""
    assert made(ContainerSpec("alpine", **asked)) == a_pod(main=main)


OF_POD = {
    "stop timeout": ({"stop_timeout": 3}, {"terminationGracePeriodSeconds": 3}),
    "no stop timeout": ({"stop_timeout": 0}, {"terminationGracePeriodSeconds": 0}),
    "an endless stop timeout": ({"stop_timeout": -1}, {"terminationGracePeriodSeconds": 2147483647}),
    "hostname": ({"hostname": "db"}, {"hostname": "db"}),
    "a hostname that Kubernetes refuses": ({"hostname": "My_Host.example.com"}, {"hostname": "my-host"}),
    "a hostname of which nothing is left": ({"hostname": "___"}, {"hostname": "0123456789ab"}),
    "extra hosts": (
        {"extra_hosts": (("a", "10.0.0.1"), ("Bee", "::1"), ("c", "10.0.0.1"), ("a", "10.0.0.1"), ("host", "host-gateway"))},
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "c"]}, {"ip": "::1", "hostnames": ["bee"]}]},
    ),
    "name servers": (
        {"dns": ("1.1.1.1", "8.8.8.8", "1.1.1.1")},
        {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1", "8.8.8.8"]}},
    ),
    "search domains": ({"dns_search": ("corp.example", ".")}, {"dnsConfig": {"searches": ["corp.example"]}}),
    "dns options": (
        {"dns_options": ("ndots:2", "use-vc")},
        {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}, {"name": "use-vc"}]}},
    ),
    "sysctls and groups": (
        {"security": Security(sysctls=(("net.ipv4.ip_unprivileged_port_start", "0"),), supplemental_groups=(10, 20))},
        {
            "securityContext": {
                "supplementalGroups": [10, 20],
                "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
            }
        },
    ),
    "the host's network": ({"host_network": True}, {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}),
    "the host's processes": ({"host_pid": True, "host_ipc": True}, {"hostPID": True, "hostIPC": True}),
    "runtime": ({"runtime": "gvisor"}, {"runtimeClassName": "gvisor"}),
    "the usual runtime": ({"runtime": "runc"}, {}),
    "platform": (
        {"platform": "linux/arm64/v8"},
        {"nodeSelector": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64"}},
    ),
    "an architecture alone": ({"platform": "arm64"}, {"nodeSelector": {"kubernetes.io/arch": "arm64"}}),
    "a system alone": ({"platform": "linux"}, {"nodeSelector": {"kubernetes.io/os": "linux"}}),
    "restart policies change nothing in a pod": ({"restart": RestartPolicy("on-failure", 3), "auto_remove": True}, {}),
}


@pytest.mark.parametrize(("asked", "spec"), OF_POD.values(), ids=OF_POD.keys())
def test_options_of_the_pod(asked: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    """What is asked shows in the pod's spec and not in main."""
    assert made(ContainerSpec("alpine", **asked)) == a_pod(spec=spec)


def test_a_login_of_its_own() -> None:
    """The Secret has the pod's name, and goes before the settings' ones."""
    pod = pod_manifest(replace(RECORD, with_login=True), replace(DEFAULTS, image_pull_secrets=("one",)))

    assert pod == a_pod(spec={"imagePullSecrets": [{"name": "kubedock-web-0123456789ab-r2"}, {"name": "one"}]})


def memory(name: str, size: str | None = None) -> dict[str, Any]:
    """A volume in memory."""
    return {"name": name, "emptyDir": {"medium": "Memory", **({"sizeLimit": size} if size else {})}}


VOLUMES = {
    "shared memory": (
        {"resources": Resources(shm_size=256 << 20)},
        [memory("kubedock-tmpfs-0", "268435456")],
        [{"name": "kubedock-tmpfs-0", "mountPath": "/dev/shm"}],
    ),
    "tmpfs": (
        {"tmpfs": (("/run", ""), ("/scratch", "rw,size=64M,mode=1777"), ("/ro", "ro,size=50%"), ("/odd", "size=x"))},
        [
            memory("kubedock-tmpfs-0"),
            memory("kubedock-tmpfs-1", "67108864"),
            memory("kubedock-tmpfs-2"),
            memory("kubedock-tmpfs-3"),
        ],
        [
            {"name": "kubedock-tmpfs-0", "mountPath": "/run"},
            {"name": "kubedock-tmpfs-1", "mountPath": "/scratch"},
            {"name": "kubedock-tmpfs-2", "mountPath": "/ro", "readOnly": True},
            {"name": "kubedock-tmpfs-3", "mountPath": "/odd"},
        ],
    ),
    "a tmpfs mount": (
        {"mounts": (Mount("tmpfs", "/t", size=1024, read_only=True),)},
        [memory("kubedock-tmpfs-0", "1024")],
        [{"name": "kubedock-tmpfs-0", "mountPath": "/t", "readOnly": True}],
    ),
    "volumes": (
        {"mounts": (Mount("volume", "/data", "store"), Mount("volume", "/anonymous", "f" * 64, anonymous=True))},
        [{"name": "kubedock-volume-0", "emptyDir": {}}, {"name": "kubedock-volume-1", "emptyDir": {}}],
        [{"name": "kubedock-volume-0", "mountPath": "/data"}, {"name": "kubedock-volume-1", "mountPath": "/anonymous"}],
    ),
    "one volume in two places": (
        {"mounts": (Mount("volume", "/a", "store"), Mount("volume", "/b", "store", read_only=True))},
        [{"name": "kubedock-volume-0", "emptyDir": {}}],
        [{"name": "kubedock-volume-0", "mountPath": "/a"}, {"name": "kubedock-volume-0", "mountPath": "/b", "readOnly": True}],
    ),
    "a tmpfs at the shared memory": (
        {"resources": Resources(shm_size=1), "tmpfs": (("/dev/shm", "size=2k"),)},
        [memory("kubedock-tmpfs-1", "2048")],
        [{"name": "kubedock-tmpfs-1", "mountPath": "/dev/shm"}],
    ),
}


@pytest.mark.parametrize(("asked", "volumes", "mounts"), VOLUMES.values(), ids=VOLUMES.keys())
def test_volumes(asked: Mapping[str, Any], volumes: list[Any], mounts: list[Any]) -> None:
    """Every mount is an emptyDir."""
    assert made(ContainerSpec("alpine", **asked)) == a_pod(spec={"volumes": volumes}, main={"volumeMounts": mounts})


OF_SETTINGS: dict[str, tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]] = {
    "pull secrets": (
        {"image_pull_secrets": ("one", "two")},
        {"imagePullSecrets": [{"name": "one"}, {"name": "two"}]},
        {},
    ),
    "service account": ({"service_account": "builder"}, {"serviceAccountName": "builder"}, {}),
    "pull policy": ({"pull_policy": "Always"}, {}, {"imagePullPolicy": "Always"}),
    "requests": (
        {"request_cpu": 250_000_000, "request_memory": 1000, "limit_cpu": 2_000_000_000, "limit_memory": 1 << 30},
        {},
        {"resources": {"requests": {"cpu": "250m", "memory": "1000"}, "limits": {"cpu": "2000m", "memory": "1024Mi"}}},
    ),
    "node selector": ({"node_selector": {"pool": "ci"}}, {"nodeSelector": {"pool": "ci"}}, {}),
    "user": ({"run_as_user": 1234}, {}, {"securityContext": {"runAsUser": 1234}}),
    "deadline": ({"active_deadline_seconds": 3600}, {"activeDeadlineSeconds": 3600}, {}),
    "baseline": ({"pod_security": "baseline"}, {}, {}),
    "restricted": (
        {"pod_security": "restricted"},
        {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}},
        {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}},
    ),
}


@pytest.mark.parametrize(("settings", "spec", "main"), OF_SETTINGS.values(), ids=OF_SETTINGS.keys())
def test_settings(settings: Mapping[str, Any], spec: Mapping[str, Any], main: Mapping[str, Any]) -> None:
    """What the server's settings say about every pod."""
    assert made(ContainerSpec("alpine"), replace(DEFAULTS, **settings)) == a_pod(spec=spec, main=main)


def test_docker_wins_over_the_settings() -> None:
    """A user and a limit that the client names."""
    defaults = replace(DEFAULTS, run_as_user=1, limit_memory=1 << 20, request_memory=1 << 20)
    assert made(ContainerSpec("alpine", user=2, resources=Resources(memory=2 << 20)), defaults) == a_pod(
        main={
            "securityContext": {"runAsUser": 2},
            "resources": {"requests": {"cpu": "10m", "memory": "1Mi"}, "limits": {"memory": "2097152"}},
        }
    )


def test_labels_and_annotations_of_the_settings() -> None:
    """They come first; Docker's labels and ours win."""
    record = replace(RECORD, spec=ContainerSpec("alpine", labels={"app": "docker", "not valid": "x"}))
    defaults = replace(DEFAULTS, labels={"app": "settings", "team": "a"}, annotations={"note": "any text at all"})
    assert pod_manifest(record, defaults)["metadata"] == {
        "name": "kubedock-web-0123456789ab-r2",
        "labels": {"team": "a", "app": "docker", **LABELS},
        "annotations": {"note": "any text at all", "kubedock.containername": "web", "kubedock.image": "alpine"},
    }


TEMPLATE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "ignored", "labels": {"kubedock.id": "evil", "from": "template"}, "annotations": {"a": "b"}},
    "spec": {
        "restartPolicy": "Always",
        "enableServiceLinks": True,
        "hostname": "ignored",
        "activeDeadlineSeconds": 60,
        "tolerations": [{"key": "ci", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "mine"}],
        "securityContext": {"fsGroup": 7},
        "volumes": [{"name": "certs", "configMap": {"name": "certs"}}],
        "initContainers": [{"name": "setup", "image": "busybox"}],
        "containers": [
            {
                "name": "main",
                "image": "ignored",
                "imagePullPolicy": "Always",
                "command": ["ignored"],
                "env": [{"name": "FROM", "value": "template"}, {"name": "BOTH", "value": "template"}],
                "resources": {"requests": {"memory": "1Gi"}, "limits": {"example.com/gpu": "1"}},
                "volumeMounts": [{"name": "certs", "mountPath": "/certs"}],
                "securityContext": {"capabilities": {"add": ["CHOWN"]}},
            },
            {"name": "proxy", "image": "envoy"},
        ],
    },
}


def test_a_pod_template_lies_underneath() -> None:
    """Docker's wishes win, the rest of the template stays, its other containers too; the template is not changed."""
    before = deepcopy(TEMPLATE)
    spec = ContainerSpec(
        "alpine",
        entrypoint=("sh",),
        env=(("BOTH", "docker"), ("OURS", "1")),
        resources=Resources(memory=64 << 20),
        security=Security(cap_add=("KILL",)),
        mounts=(Mount("volume", "/data", "store"),),
    )
    pod = made(spec, replace(DEFAULTS, template=TEMPLATE, image_pull_secrets=("ours",)))
    assert before == TEMPLATE
    assert pod["metadata"] == {
        "name": "kubedock-web-0123456789ab-r2",
        "labels": {"from": "template", **LABELS},
        "annotations": {"a": "b", "kubedock.containername": "web", "kubedock.image": "alpine"},
    }
    assert pod["spec"] == {
        "restartPolicy": "Never",
        "enableServiceLinks": True,
        "automountServiceAccountToken": False,
        "hostname": "0123456789ab",
        "activeDeadlineSeconds": 60,
        "terminationGracePeriodSeconds": 10,
        "tolerations": [{"key": "ci", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "mine"}, {"name": "ours"}],
        "securityContext": {"fsGroup": 7},
        "volumes": [{"name": "certs", "configMap": {"name": "certs"}}, {"name": "kubedock-volume-0", "emptyDir": {}}],
        "initContainers": [{"name": "setup", "image": "busybox"}],
        "containers": [
            {
                "name": "main",
                "image": "alpine",
                "imagePullPolicy": "Always",
                "command": ["sh"],
                "env": [
                    {"name": "FROM", "value": "template"},
                    {"name": "BOTH", "value": "docker"},
                    {"name": "OURS", "value": "1"},
                ],
                "resources": {
                    "requests": {"cpu": "10m", "memory": "67108864"},
                    "limits": {"example.com/gpu": "1", "memory": "67108864"},
                },
                "volumeMounts": [
                    {"name": "certs", "mountPath": "/certs"},
                    {"name": "kubedock-volume-0", "mountPath": "/data"},
                ],
                "securityContext": {"capabilities": {"add": ["CHOWN", "KILL"]}},
            },
            {"name": "proxy", "image": "envoy"},
        ],
    }


def test_an_empty_pod_template_changes_nothing() -> None:
    """As it is given where no file is named."""
    assert made(ContainerSpec("alpine"), replace(DEFAULTS, template={})) == POD


def test_a_deployment() -> None:
    """One pod that is brought back; a deadline is left out, because the API server refuses it."""
    record = replace(RECORD, spec=ContainerSpec("alpine", restart=RestartPolicy("always"), workload="deployment"))
    defaults = replace(DEFAULTS, active_deadline_seconds=5, template={"spec": {"activeDeadlineSeconds": 9}})
    assert deployment_manifest(record, defaults) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": POD["metadata"],
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"kubedock.containerid": "0123456789ab", "kubedock.run": "2"}},
            "template": {
                "metadata": {"labels": LABELS, "annotations": {"kubedock.containername": "web", "kubedock.image": "alpine"}},
                "spec": {**SPEC, "restartPolicy": "Always"},
            },
        },
    }


def test_a_record_without_a_run_has_no_manifest() -> None:
    """Its name is given with the run."""
    with pytest.raises(ValueError, match="no run"):
        pod_manifest(replace(RECORD, object_name=None), DEFAULTS)


def expanded(text: str) -> str:
    """What the kubelet makes of a value where no variable is known to it: ``$$`` is ``$``, ``$(NAME)`` would be looked up."""
    result, at = "", 0
    while at < len(text):
        if text[at : at + 2] == "$$":
            result, at = result + "$", at + 2
        elif text[at : at + 2] == "$(" and ")" in text[at:]:
            result, at = result + "EXPANDED", text.index(")", at) + 1
        else:
            result, at = result + text[at], at + 1
    return result


@given(st.text(alphabet="$()ABa b", max_size=12))
def test_kubernetes_expands_nothing_of_docker(text: str) -> None:
    """Whatever stands in a variable, an argument or the entrypoint arrives as it was given."""
    (main,) = made(ContainerSpec("alpine", entrypoint=("x", text), command=(text,), env=(("V", text),)))["spec"]["containers"]
    assert [expanded(word) for word in (main["command"][1], main["args"][0], main["env"][0]["value"])] == [text] * 3
