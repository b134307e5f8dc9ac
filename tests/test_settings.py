"""Each setting: its parser, its names, which of them wins, and the sentences for what makes no sense."""

from pathlib import Path
from typing import Any

import pytest

from kubedock.errors import InvalidParameter, no_cluster
from kubedock.parsing import Address, Share
from kubedock.settings import Settings, SettingsError, options, table

GO_VARIABLES = {
    "listen_addr": "SERVER_LISTEN_ADDR",
    "namespace": "NAMESPACE",
    "kubeconfig": "KUBECONFIG",
    "timeout": "TIME_OUT",
    "image_pull_secrets": "IMAGE_PULL_SECRETS",
    "service_account": "SERVICE_ACCOUNT",
    "pull_policy": "PULL_POLICY",
    "request_cpu": "K8S_REQUEST_CPU",
    "request_memory": "K8S_REQUEST_MEMORY",
    "node_selector": "K8S_NODE_SELECTOR",
    "runas_user": "K8S_RUNAS_USER",
    "pod_template": "POD_TEMPLATE",
    "pod_name_prefix": "POD_NAME_PREFIX",
    "annotation": "K8S_ANNOTATION_",
    "label": "K8S_LABEL_",
    "active_deadline_seconds": "K8S_ACTIVE_DEADLINE_SECONDS",
    "verbosity": "VERBOSITY",
}

NO_KEY = "is not a valid key for Kubernetes (letters, digits, '-', '_' and '.', after an optional domain and '/')"

GOOD: list[tuple[str, str, Any]] = [
    ("listen_addr", "127.0.0.1:8999", Address("127.0.0.1", 8999)),
    ("listen_addr", ":2475", Address("", 2475)),
    ("listen_addr", "[::]:8999", Address("::", 8999)),
    ("listen_addr", "[::1]:0", Address("::1", 0)),
    ("listen_addr", "localhost:80", Address("localhost", 80)),
    ("listen_addr", "tcp://0.0.0.0:80", Address("0.0.0.0", 80)),
    ("timeout", "90", 90.0),
    ("timeout", "1.5", 1.5),
    ("timeout", "1m30s", 90.0),
    ("timeout", "1h0m0.5s", 3600.5),
    ("timeout", "300ms", 0.3),
    ("shutdown_timeout", "0", 0.0),
    ("shutdown_timeout", "0s", 0.0),
    ("image_pull_secrets", "one, two.three", ("one", "two.three")),
    ("service_account", "builder", "builder"),
    ("pull_policy", "IfNotPresent", "IfNotPresent"),
    ("pull_policy", "notpresent", "IfNotPresent"),
    ("pull_policy", "default", "IfNotPresent"),
    ("pull_policy", "allways", "Always"),
    ("pull_policy", "Always", "Always"),
    ("pull_policy", "never", "Never"),
    ("request_cpu", "100m", Share(100_000_000)),
    ("request_cpu", "0.5,2", Share(500_000_000, 2_000_000_000)),
    ("request_cpu", ",1", Share(1_000_000_000, 1_000_000_000)),
    ("request_memory", "64Mi", Share(64 << 20)),
    ("request_memory", "1e3,1Gi", Share(1000, 1 << 30)),
    ("request_memory", "1.5k,1M", Share(1500, 1_000_000)),
    ("node_selector", "disk=ssd,kubernetes.io/arch=amd64", {"disk": "ssd", "kubernetes.io/arch": "amd64"}),
    ("runas_user", "1000", 1000),
    ("pod_security", "Restricted", "restricted"),
    ("pod_name_prefix", "ci-7", "ci-7"),
    ("workload", "deployment", "deployment"),
    ("port_mode", "Direct", "direct"),
    ("active_deadline_seconds", "600", 600),
    ("active_deadline_seconds", "-1", None),
    ("verbosity", "4", 4),
    ("log_format", "json", "json"),
    ("context", "kind-kind", "kind-kind"),
    ("namespace", "ci-42", "ci-42"),
]

BAD = [
    ("listen_addr", "8999", "'8999' is not an address (write 127.0.0.1:8999, :8999, [::1]:8999 or none)"),
    ("listen_addr", "localhost:99999", "'localhost:99999' is not an address (write 127.0.0.1:8999, :8999, [::1]:8999 or none)"),
    ("listen_addr", "::1:80", "'::1:80' is not an address (write 127.0.0.1:8999, :8999, [::1]:8999 or none)"),
    ("timeout", "5x", "'5x' is not a duration (write 90, 90s or 1m30s)"),
    ("timeout", "-5", "'-5' is not a duration (write 90, 90s or 1m30s)"),
    ("timeout", "1m 30s", "'1m 30s' is not a duration (write 90, 90s or 1m30s)"),
    ("timeout", "", "'' is not a duration (write 90, 90s or 1m30s)"),
    ("timeout", "0", "must be longer than 0"),
    ("timeout", "9999h", "'9999h' is longer than a year"),
    ("namespace", "My_Space", "'My_Space' is not a valid name (lower-case letters, digits and '-', at most 63)"),
    ("kubeconfig", "/nowhere/config", no_cluster("there is no file /nowhere/config")),
    ("image_pull_secrets", "a,B", "'B' is not a valid name (lower-case letters, digits, '-' and '.', at most 253)"),
    ("pull_policy", "sometimes", "'sometimes' is none of ifnotpresent, always, never"),
    ("request_cpu", "lots", "'lots' is not a quantity (write 500m, 2 or 64Mi)"),
    ("request_cpu", "0", "'0' must be more than 0"),
    ("request_cpu", "1,", "'1,' has a comma but no limit after it"),
    ("request_memory", "2Gi,1Gi", "the request 2Gi is more than the limit 1Gi"),
    ("node_selector", "ssd", "'ssd' is not KEY=VALUE"),
    ("runas_user", "postgres", "'postgres' is not a user id (write a number)"),
    ("pod_security", "privileged", "'privileged' is none of auto, baseline, restricted"),
    ("pod_name_prefix", "x" * 33, f"'{'x' * 33}' is not a valid prefix (lower-case letters, digits and '-', at most 32)"),
    ("workload", "job", "'job' is none of auto, pod, deployment"),
    ("port_mode", "proxy", "'proxy' is none of auto, direct, forward"),
    ("active_deadline_seconds", "0", "must be at least 1, or -1 for no limit"),
    ("active_deadline_seconds", "soon", "'soon' is not a number of seconds"),
    ("verbosity", "loud", "'loud' is not a level from 0 to 9"),
    ("log_format", "xml", "'xml' is none of text, json"),
    ("context", "a\nb", "control characters are not allowed"),
    ("pod_template", "/nowhere/pod.yaml", "cannot read /nowhere/pod.yaml: No such file or directory"),
]


@pytest.mark.parametrize(("name", "text", "expected"), GOOD)
def test_a_value_is_read_as_an_option_and_as_a_variable(name: str, text: str, expected: Any) -> None:
    """Both ways give the same."""
    variable = f"KUBEDOCK_{name.upper()}"

    assert getattr(Settings.from_options({name: text}, {}), name) == expected
    assert getattr(Settings.from_environment({variable: text}), name) == expected


@pytest.mark.parametrize(("name", "text", "sentence"), BAD)
def test_a_bad_value_is_a_sentence_that_names_its_source(name: str, text: str, sentence: str) -> None:
    """The option where it came from an option."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_options({name: text}, {})

    assert str(caught.value) == f"--{name.replace('_', '-')}: {sentence}"
    assert isinstance(caught.value, InvalidParameter)


def test_a_bad_variable_is_named() -> None:
    """So that the user finds it in a manifest."""
    with pytest.raises(SettingsError, match=r"^TIME_OUT: 'x' is not a duration"):
        Settings.from_environment({"TIME_OUT": "x"})


def test_the_defaults() -> None:
    """What the documentation promises."""
    settings = Settings.from_environment({})

    assert settings == Settings()
    assert (settings.listen_addr, settings.timeout, settings.pull_timeout) == (Address("127.0.0.1", 8999), 60.0, 600.0)
    assert (settings.schedule_timeout, settings.shutdown_timeout, settings.pull_policy) == (10.0, 10.0, "IfNotPresent")
    assert (settings.request_cpu, settings.request_memory) == (Share(10_000_000), Share(16 << 20))


def test_an_option_wins_over_the_own_variable_over_the_go_projects() -> None:
    """Nearest first; an empty variable counts as absent."""
    environ = {"KUBEDOCK_TIMEOUT": "2", "TIME_OUT": "3"}

    assert Settings.from_options({"timeout": "1"}, environ).timeout == 1
    assert Settings.from_options({"timeout": None}, environ).timeout == 2
    assert Settings.from_environment({**environ, "KUBEDOCK_TIMEOUT": ""}).timeout == 3


def test_the_go_projects_variables_work() -> None:
    """All that it has for options that both have."""
    assert {option.name: option.variables[1] for option in options() if len(option.variables) > 1} == GO_VARIABLES


def test_labels_come_from_all_sources() -> None:
    """Keys of variables are lower-case, as in the Go project; an option wins key by key."""
    environ = {"K8S_LABEL_TEAM": "red", "KUBEDOCK_LABEL_stage": "test", "K8S_LABEL_stage": "none", "K8S_ANNOTATION_note": "a, b=c"}
    settings = Settings.from_options({"label": ["team=blue", "example.com/x=y"]}, environ)

    assert settings.label == {"team": "blue", "stage": "test", "example.com/x": "y"}
    assert settings.annotation == {"note": "a, b=c"}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("label", "team", "--label: 'team' is not KEY=VALUE"),
        (
            "label",
            "te am=x",
            f"--label: 'te am' {NO_KEY}",
        ),
        (
            "label",
            "a/b/c=x",
            f"--label: 'a/b/c' {NO_KEY}",
        ),
        ("label", "team=b!", "--label: 'b!' is not a valid value for Kubernetes (letters, digits, '-', '_' and '.', at most 63)"),
        ("label", "kubedock.id=x", "--label: kubedock.id is a label that kubedock sets itself"),
        ("annotation", "=x", "--annotation: '=x' is not KEY=VALUE"),
    ],
)
def test_labels_that_kubernetes_would_refuse(name: str, text: str, sentence: str) -> None:
    """Otherwise each create would fail."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_options({name: [text]}, {})

    assert str(caught.value) == sentence


def test_no_tcp_needs_a_socket() -> None:
    """There would be nothing to serve on."""
    assert Settings.from_options({"listen_addr": "none", "unix_socket": "/run/x.sock"}, {}).listen_addr is None
    with pytest.raises(SettingsError, match=r"^--listen-addr none needs --unix-socket"):
        Settings.from_options({"listen_addr": "none"}, {})


def test_a_pod_template_is_parsed(tmp_path: Path) -> None:
    """YAML, and thus JSON as well."""
    path = tmp_path / "pod.yaml"
    path.write_text("apiVersion: v1\nkind: Pod\nspec:\n  priorityClassName: low\n")

    assert Settings.from_options({"pod_template": str(path)}, {}).pod_template == {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"priorityClassName": "low"},
    }


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("kind: Deployment\n", "{path} does not hold a Pod (kind: Pod, apiVersion: v1)"),
        ("- a\n", "{path} does not hold a Pod (kind: Pod, apiVersion: v1)"),
        ("", "{path} does not hold a Pod (kind: Pod, apiVersion: v1)"),
        ("kind: Pod\nspec: []\n", "{path}: metadata and spec must be mappings"),
        ("kind: Pod\nspec: {containers: [main]}\n", "{path}: spec.containers must be a list of mappings"),
        ("a: [", "{path} is not YAML: "),
        ("a: 1\n---\nb: 2\n", "{path} is not YAML: "),
    ],
)
def test_a_file_that_is_no_pod(content: str, sentence: str, tmp_path: Path) -> None:
    """Before anything starts."""
    path = tmp_path / "pod.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError) as caught:
        Settings.from_options({"pod_template": str(path)}, {})

    assert str(caught.value).startswith("--pod-template: " + sentence.format(path=path))


def test_one_of_several_kubeconfigs_must_exist(tmp_path: Path) -> None:
    """KUBECONFIG may be a list, as for kubectl."""
    path = tmp_path / "config"
    path.write_text("")

    assert Settings.from_environment({"KUBECONFIG": f"/nowhere:{path}"}).kubeconfig == f"/nowhere:{path}"


def test_a_node_of_its_own_needs_no_kubeconfig() -> None:
    """One that leads nowhere is no reason not to start."""
    environ = {"KUBECONFIG": "/nowhere/config"}

    assert Settings.from_options({"embedded": True}, environ).kubeconfig == ""
    assert Settings.from_environment({**environ, "KUBEDOCK_EMBEDDED": "true"}).kubeconfig == ""


@pytest.mark.parametrize(("text", "everywhere"), [(":1", True), ("[::]:1", True), ("0.0.0.0:1", True), ("127.0.0.1:1", False)])
def test_which_addresses_other_machines_reach(text: str, everywhere: bool) -> None:
    """These get a warning."""
    address = Settings.from_options({"listen_addr": text}, {}).listen_addr

    assert address is not None
    assert address.everywhere is everywhere


def test_the_table_has_a_row_per_setting() -> None:
    """And each row its four cells."""
    lines = table().splitlines()

    assert len(lines) == len(options()) + 2
    assert (
        "| `--timeout`, `-t` `DURATION` | `KUBEDOCK_TIMEOUT`, `TIME_OUT` | `1m` |"
        " How long a container may take to start, without the pull of its image. |"
    ) in lines
