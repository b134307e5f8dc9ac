"""Images, networks and volumes: records with Docker's rules and texts, and what of them a container sees."""

import json

import pytest

from tests.support.clients import ALPINE, DockerCli


def test_images(docker: DockerCli) -> None:
    """Pull, list, tag, run by the new name, inspect, history, remove."""
    name = docker.name("image")
    assert "Status: " in docker.ok("pull", "alpine:3.21")
    assert docker.ok("images", "--format", "{{.Repository}}:{{.Tag}}", "alpine:3.21") == "alpine:3.21"

    docker.ok("tag", "alpine:3.21", f"{name}:1")
    assert docker("run", "--rm", "--name", docker.name(), f"{name}:1", "echo", "tagged") == (0, "tagged\n", "")
    assert docker.inspect(f"{name}:1", ".Id") == docker.inspect("alpine:3.21", ".Id")
    assert set(json.loads(docker.inspect("alpine:3.21", "json .RepoTags"))) == {"alpine:3.21", f"{name}:1"}
    assert docker.ok("history", "-q", "alpine:3.21") != ""
    assert docker.ok("rmi", f"{name}:1") == f"Untagged: {name}:1"
    assert docker.ok("images", "-q", f"{name}:1") == ""

    missing = docker("rmi", f"{name}:1")
    assert (missing.code, missing.err) == (1, f"Error response from daemon: No such image: {name}:1\n")


def test_an_image_in_use_is_not_removed(docker: DockerCli) -> None:
    """Docker's conflict; by force it goes."""
    name = docker.name()
    docker.ok("pull", "alpine:3.19")
    docker.ok("create", "--name", name, "alpine:3.19", "true")
    short = docker.inspect(name, ".Id")[:12]

    refused = docker("rmi", "alpine:3.19")

    assert refused.code == 1
    assert "conflict: unable to remove repository reference" in refused.err
    assert f"container {short} is using its referenced image" in refused.err
    docker.ok("rmi", "-f", "alpine:3.19")


@pytest.mark.parametrize("reference", ["Alpine", "alpine:", "a b"])
def test_a_bad_reference(docker: DockerCli, reference: str) -> None:
    """Is refused at once, with 125 for a run."""
    assert docker("run", "--rm", reference, "true").code == 125


@pytest.mark.subset
def test_networks(docker: DockerCli) -> None:
    """Create, inspect, connect, disconnect, remove; the texts."""
    network, name = docker.name("net"), docker.name()
    network_id = docker.ok("network", "create", "--label", "a=b", network)
    try:
        assert (
            docker.ok("network", "inspect", "-f", "{{.Id}} {{.Driver}} {{.Labels.a}} {{.Scope}}", network)
            == f"{network_id} bridge b local"
        )
        assert docker.ok("network", "ls", "-q", "--no-trunc", "-f", f"name={network}") == network_id
        again = docker("network", "create", network)
        assert (again.code, again.err) == (1, f"Error response from daemon: network with name {network} already exists\n")

        docker.ok("run", "-d", "--network", network, "--network-alias", "peer", "--name", name, ALPINE, "sleep", "100")
        assert docker.ok("network", "inspect", "-f", "{{range .Containers}}{{.Name}}{{end}}", network) == name
        assert json.loads(docker.inspect(name, f'json (index .NetworkSettings.Networks "{network}").Aliases')) == ["peer"]
        refused = docker("network", "rm", network)
        assert refused.code == 1
        assert f"error while removing network: network {network} has active endpoints" in refused.err

        docker.ok("network", "connect", "bridge", name)
        assert set(json.loads(docker.inspect(name, "json .NetworkSettings.Networks"))) == {network, "bridge"}
        docker.ok("network", "disconnect", "bridge", name)
        twice = docker("network", "disconnect", "bridge", name)
        assert twice.code == 1
        assert "is not connected to network bridge" in twice.err
        docker.ok("network", "disconnect", network, name)
    finally:
        docker.clean()
        docker.ok("network", "rm", network)
    assert docker("network", "inspect", network).err.endswith(f"network {network} not found\n")


def test_built_in_networks(docker: DockerCli) -> None:
    """Three of them, that cannot be removed."""
    listed = docker.ok("network", "ls", "-f", "type=builtin", "--format", "{{.Name}} {{.Driver}}").splitlines()
    assert sorted(listed) == ["bridge bridge", "host host", "none null"]

    refused = docker("network", "rm", "bridge")

    assert refused.code == 1
    assert "bridge is a pre-defined network and cannot be removed" in refused.err


@pytest.mark.subset
def test_volumes(docker: DockerCli) -> None:
    """Create, inspect, use as a folder that can be written to, refuse to remove while in use, remove."""
    volume, name = docker.name("vol"), docker.name()
    assert docker.ok("volume", "create", "--label", "a=b", volume) == volume
    assert docker.ok("volume", "inspect", "-f", "{{.Name}} {{.Driver}} {{.Labels.a}}", volume) == f"{volume} local b"

    done = docker("run", "--name", name, "-v", f"{volume}:/data", ALPINE, "sh", "-c", "echo hi > /data/x && cat /data/x")
    assert (done.code, done.out) == (0, "hi\n")
    assert "WARNING: " in done.err
    (mount,) = json.loads(docker.inspect(name, "json .Mounts"))
    assert (mount["Type"], mount["Name"], mount["Destination"], mount["RW"]) == ("volume", volume, "/data", True)

    refused = docker("volume", "rm", volume)
    assert refused.code == 1
    assert f"remove {volume}: volume is in use - [{docker.inspect(name, '.Id')}]" in refused.err
    docker.ok("rm", name)
    assert docker.ok("volume", "rm", volume) == volume
    assert docker("volume", "inspect", volume).err.endswith(f"get {volume}: no such volume\n")


def test_anonymous_volumes_go_with_their_container(docker: DockerCli) -> None:
    """By ``rm -v`` and by ``--rm``; a named one stays."""
    name, volume = docker.name(), docker.name("vol")
    docker("run", "--name", name, "-v", "/anonymous", "-v", f"{volume}:/named:ro", ALPINE, "touch", "/anonymous/x")
    mounts = {mount["Destination"]: mount for mount in json.loads(docker.inspect(name, "json .Mounts"))}
    assert mounts["/named"]["RW"] is False

    docker.ok("rm", "-v", name)

    assert docker("volume", "inspect", mounts["/anonymous"]["Name"]).code == 1
    assert docker.ok("volume", "rm", volume) == volume


def test_a_volume_that_may_only_be_read(docker: DockerCli) -> None:
    """Is so for the program."""
    volume = docker.name("vol")
    done = docker("run", "--rm", "--name", docker.name(), "-v", f"{volume}:/data:ro", ALPINE, "touch", "/data/x")

    assert done.code == 1
    assert "Read-only file system" in done.out + done.err
    docker.ok("volume", "rm", volume)
