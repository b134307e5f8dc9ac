"""Containers that cannot be made or started: Docker's sentence within seconds, and what is left tells why."""

import time

import pytest

from tests.support.clients import ALPINE, DockerCli
from tests.support.kubedock_server import KubedockServer, ServerWith, kubedock_server
from tests.support.realcluster import RealCluster

QUICKLY = 8.0
"""Seconds: a generous bound on a shared machine for what takes two or three."""


def run_quickly(docker: DockerCli, *words: str, within: float = QUICKLY) -> tuple[int, str, str]:
    """A run that must fail within seconds."""
    began = time.monotonic()
    done = docker("run", *words)
    took = time.monotonic() - began
    assert took < within, f"{took:.1f} s: {done}"
    return done


@pytest.mark.subset
def test_an_image_that_is_not_there_for_the_nodes(server_with: ServerWith) -> None:
    """Nobody asked its registry: Docker's error, exit code 125; the failed container can be looked at, and no pod is left."""
    with server_with("--no-inspector") as server:
        _fails_at_its_start(server)
        assert server.live.log.count("--no-inspector: images are taken on trust: their exposed ports, entrypoint,") == 1


def _fails_at_its_start(server: KubedockServer) -> None:
    docker = server.cli()
    name = docker.name()

    code, out, err = run_quickly(docker, "--name", name, "nosuch/image")

    assert (code, out) == (125, "")
    assert "manifest for nosuch/image:latest not found: manifest unknown" in err or "pull access denied for nosuch/image" in err
    assert docker("logs", name) == (0, "", "")
    assert docker.inspect(name, ".State.Status") == "created"
    assert "nosuch/image" in docker.inspect(name, ".State.Error")
    assert docker.inspect(name, ".State.ExitCode") == "128"
    short = docker.inspect(name, ".Id")[:12]
    server.objects.show(lambda: server.objects("pods", f"kubedock.containerid={short}"), [])
    assert docker.ok("rm", name) == name


@pytest.mark.parametrize("options", [(), ("--rm",)], ids=["", "rm"])
def test_an_image_that_is_not_there(docker: DockerCli, options: tuple[str, ...]) -> None:
    """Its registry says so: there is no container."""
    name = docker.name()

    code, _, err = run_quickly(docker, *options, "--name", name, "nosuch/image:1")

    assert code == 125
    assert "manifest for nosuch/image:1 not found: manifest unknown" in err or "pull access denied for nosuch/image" in err
    assert docker.ok("ps", "-aq", "-f", f"name={name}") == ""


REFUSED = (
    (("-v", "/tmp:/x"), "/tmp"),
    (("--mount", "type=bind,source=/tmp,target=/x"), "/tmp"),
    (("--device", "/dev/null"), "Devices is not supported"),
    (("-u", "postgres"), 'User "postgres" is not supported'),
    (("--network", "container:x"), "NetworkMode container: is not supported"),
    (("--pid", "container:x"), "is not supported"),
    (("--ipc", "container:x"), "is not supported"),
    (("--volumes-from", "x"), "VolumesFrom is not supported"),
    (("--gpus", "all"), "DeviceRequests is not supported"),
    (("--network", "nosuch"), "network nosuch not found"),
    (("-m", "1m"), "Minimum memory limit allowed is 6MB"),
    (("--cap-add", "NOSUCH"), 'unknown capability: "CAP_NOSUCH"'),
    (("-w", "relative"), "the working directory 'relative' is invalid, it needs to be an absolute path"),
    (("--restart", "always", "--rm"), "onflicting options"),
    (("--label", "kubedock.workload=deployment"), "deployment needs the restart policy always or unless-stopped"),
)


@pytest.mark.parametrize(("options", "sentence"), REFUSED, ids=[" ".join(options) for options, _ in REFUSED])
def test_bad_options_are_refused_with_a_sentence(docker: DockerCli, options: tuple[str, ...], sentence: str) -> None:
    """125, and there is no container."""
    name = docker.name()

    code, out, err = run_quickly(docker, *options, "--name", name, ALPINE, "true", within=3)

    assert (code, out) == (125, "")
    assert sentence in err
    assert docker.ok("ps", "-aq", "-f", f"name={name}") == ""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-p", "53/udp"), "PortBindings 53/udp is not applied"),
        (("-P",), "PublishAllPorts publishes nothing"),
        (("-p", "80", "--network", "host"), "Published ports are discarded when using host network mode"),
        (("--ulimit", "nofile=100"), "Ulimits is not applied"),
        (("--init",), "Init is not applied"),
        (("-v", "/var/run/docker.sock:/var/run/docker.sock"), "docker.sock"),
        (("--hostname", "not_valid.x"), 'Hostname "not_valid.x"'),
        (("--pids-limit", "100"), "PidsLimit is not applied"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_applied_is_a_warning(docker: DockerCli, options: tuple[str, ...], sentence: str) -> None:
    """On the client's terminal; the container is made."""
    name = docker.name()

    done = docker("create", *options, "--name", name, ALPINE, "true")

    assert done.code == 0
    assert f"WARNING: {sentence}" in done.err or ("WARNING: " in done.err and sentence in done.err)


@pytest.mark.cluster_only
def test_what_the_cluster_forbids(docker: DockerCli) -> None:
    """This one forbids privileged containers: the API server's own words."""
    code, _, err = run_quickly(docker, "--rm", "--privileged", "--name", docker.name(), ALPINE, "true", within=4)

    assert code == 125
    assert "privileged: Forbidden: disallowed by cluster policy" in err


def test_more_cpus_than_any_node_has(server_with: ServerWith) -> None:
    """The scheduler's reason, after ``--schedule-timeout``."""
    with server_with("--schedule-timeout", "2s", "--request-cpu", "1000") as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)
        name = cli.name()

        code, _, err = run_quickly(cli, "--name", name, ALPINE, "true")

        assert code == 125
        assert "no node can run the container: 0/1 nodes are available: 1 Insufficient cpu." in err
        assert "Insufficient cpu" in cli.inspect(name, ".State.Error")
        server.objects.show(lambda: server.objects("pods"), [])


def test_a_node_that_no_label_fits(server_with: ServerWith) -> None:
    """Likewise, with --rm."""
    with server_with("--schedule-timeout", "2s", "--node-selector", "nosuch=label") as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)
        name = cli.name()

        code, _, err = run_quickly(cli, "--rm", "--name", name, ALPINE, "true")

        assert code == 125
        assert "no node can run the container: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector" in err
        assert cli.ok("ps", "-aq") == ""


def test_a_quota(own_namespace: RealCluster) -> None:
    """The API server's reason, at once; within the quota all is well again."""
    own_namespace.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}})
    own_namespace.kubectl("wait", "--for=jsonpath={.status.hard.pods}=1", "resourcequota/one", "--timeout=30s")
    with kubedock_server(own_namespace, own_namespace.folder) as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)
        first, second = cli.name(), cli.name()
        cli.ok("run", "-d", "--name", first, ALPINE, "sleep", "100")

        code, _, err = run_quickly(cli, "--name", second, ALPINE, "true", within=4)

        assert code == 125
        assert "exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1" in err
        assert "exceeded quota: one" in cli.inspect(second, ".State.Error")
        assert cli("logs", second) == (0, "", "")


def test_restricted_pod_security_is_kept_to(own_namespace: RealCluster) -> None:
    """A namespace that demands it: an image that needs root ends in a sentence, a numbered user runs."""
    own_namespace.kubectl("label", "namespace", own_namespace.namespace, "pod-security.kubernetes.io/enforce=restricted")
    with kubedock_server(own_namespace, own_namespace.folder) as server:
        cli = server.cli()
        cli.ok("pull", ALPINE)

        code, _, err = run_quickly(cli, "--rm", "--name", cli.name(), ALPINE, "true")
        assert code == 125
        assert "name another user by its number" in err
        assert cli("run", "--rm", "-u", "1000", "--name", cli.name(), ALPINE, "id", "-u") == (0, "1000\n", "")
