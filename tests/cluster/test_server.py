"""``kubedock server`` itself on the cluster: what it needs to start, and what it leaves behind."""

import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.support.clients import ALPINE
from tests.support.kubedock_server import ServerWith, embedded_server, kubedock_server, pods, server_argv
from tests.support.live import LiveServer
from tests.support.realcluster import RealCluster
from tests.support.shared import ROOT
from tests.support.waiting import eventually

SLEEPER = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "somebody-elses", "labels": {"kubedock": "true", "kubedock.id": "another"}},
    "spec": {"containers": [{"name": "main", "image": ALPINE, "command": ["sleep", "300"]}], "terminationGracePeriodSeconds": 0},
}


def refused(kubeconfig: Path, namespace: str, *options: str, code: int = 1, seconds: float = 30) -> str:
    """A server that must not start; its one sentence."""
    argv = server_argv(*options, kubeconfig=kubeconfig, namespace=namespace)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert "Traceback" not in done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("kubedock: ")]
    assert done.stderr.endswith(f"{sentence}\n")
    return sentence.removeprefix("kubedock: ")


def test_a_namespace_that_does_not_exist(real_cluster: RealCluster) -> None:
    """Is named."""
    assert refused(real_cluster.kubeconfig, "nosuch") == "there is no namespace nosuch in the cluster"


def test_missing_rights_are_named(real_cluster: RealCluster) -> None:
    """A ServiceAccount that may look at pods and not create them."""
    rules = [{"apiGroups": [""], "resources": ["pods", "pods/log", "events"], "verbs": ["get", "list", "watch"]}]
    kubeconfig = real_cluster.service_account(rules, name="looker")

    sentence = refused(kubeconfig, real_cluster.namespace)

    assert sentence.startswith(f"these rights are missing in namespace {real_cluster.namespace}: pods (create,")
    assert "kubedock manifests role" in sentence


def test_a_token_that_is_not_valid(real_cluster: RealCluster) -> None:
    """401 becomes a sentence."""
    kubeconfig = real_cluster.service_account([], name="nobody")
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"]["token"] = "not-a-token"
    kubeconfig.write_text(yaml.safe_dump(config))

    assert refused(kubeconfig, real_cluster.namespace) == "the cluster does not accept the credentials: Unauthorized"


def test_an_api_server_that_cannot_be_reached(real_cluster: RealCluster, tmp_path: Path) -> None:
    """Within seconds."""
    kubeconfig = tmp_path / "nowhere.kubeconfig"
    config = yaml.safe_load(real_cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    kubeconfig.write_text(yaml.safe_dump(config))

    sentence = refused(kubeconfig, real_cluster.namespace)

    assert "cannot be reached" in sentence
    assert "127.0.0.1" in sentence


def test_no_kubeconfig_at_all(tmp_path: Path) -> None:
    """A file that is not there is a bad value."""
    assert "nosuch.kubeconfig" in refused(tmp_path / "nosuch.kubeconfig", "default", code=2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_the_end_takes_what_the_instance_made_and_nothing_else(own_namespace: RealCluster, number: int) -> None:
    """Pods and Deployments of this server go, another one's stay."""
    own_namespace.apply(SLEEPER)
    with kubedock_server(own_namespace, own_namespace.folder) as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)
        cli.ok("run", "-d", ALPINE, "sleep", "300")
        cli.ok("run", "-d", "--restart", "always", ALPINE, "sleep", "300")
        cli.ok("run", ALPINE, "true")
        assert len(pods(own_namespace)) == 4

        server.live.signal(number)

        assert server.live.wait(15) == 0
        assert [pod["metadata"]["name"] for pod in pods(own_namespace)] == ["somebody-elses"]
        assert own_namespace.kubectl("get", "deployments", "-o", "name") == ""


def test_a_second_signal_ends_at_once(server_with: ServerWith) -> None:
    """Pods are left, which is said."""
    with server_with() as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)
        cli.ok("run", "-d", ALPINE, "sleep", "300")
        server.live.signal(signal.SIGTERM)
        server.live.signal(signal.SIGINT)

        # Both may be pending at once; the kernel hands the lower number over first.
        assert server.live.wait(5) in (128 + signal.SIGINT, 128 + signal.SIGTERM)
        assert server.live.log.endswith("kubedock: ended at once; containers of this run may be left in the cluster\n")
        assert server.objects("pods") != []
    if server.place.embedded:
        with embedded_server(server.folder):  # a namespace goes with the test, a node's processes only with the next server
            pass


def test_waiting_clients_end_with_the_server(server_with: ServerWith) -> None:
    """logs -f, wait and events do not hang, and the server does not wait for them."""
    with server_with() as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)
        cli.ok("run", "-d", "--name", "it", ALPINE, "sh", "-c", "echo up; sleep 300")
        with cli.begin("logs", "-f", "it") as logs, cli.begin("wait", "it") as wait, cli.begin("events") as events:
            logs.says("up\n")
            server.live.signal(signal.SIGTERM)
            assert server.live.wait(10) == 0
            for client in (logs, wait, events):
                client.wait(5)


def test_two_servers_do_not_see_each_other(server_with: ServerWith) -> None:
    """Two instances in one namespace, or on one machine: names are free in each."""
    with server_with() as one, server_with() as two:
        clients = [one.cli(), two.cli()]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda cli: cli.ok("pull", ALPINE), clients))
            list(pool.map(lambda cli: cli.ok("run", "-d", "--name", "same", ALPINE, "sleep", "300"), clients))
        clients[0].ok("rm", "-f", "same")
        assert clients[0].ok("ps", "-aq") == ""
        assert clients[1].inspect("same", ".State.Running") == "true"


def test_a_json_log(own_namespace: RealCluster) -> None:
    """Each line of it is an object, also on the cluster."""
    argv = server_argv("--log-format", "json", "-v", "1", kubeconfig=own_namespace.kubeconfig, namespace=own_namespace.namespace)
    with LiveServer(argv) as live:
        eventually(lambda: own_namespace.namespace in live.log, what="the namespace in the log")
        assert [line for line in live.log.splitlines() if not json.loads(line)["message"]] == []


def test_a_removed_deployment_is_not_brought_back(own_namespace: RealCluster) -> None:
    """Its controllers let go of the pod first: by rm -f, and at the server's end."""
    with kubedock_server(own_namespace, own_namespace.folder) as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)
        for name in ("removed", "left"):
            cli.ok("run", "-d", "--restart", "always", "--name", name, ALPINE, "sleep", "300")
        ours = {pod["metadata"]["name"] for pod in pods(own_namespace)}
        cli.ok("rm", "-f", "removed")
    shown = own_namespace.kubectl(
        "get", "events", "--field-selector", "reason=SuccessfulCreate", "-o", "jsonpath={.items[*].message}"
    )
    created = {word for word in shown.split() if word.startswith("kubedock-")}

    assert created == ours
    assert pods(own_namespace) == []
