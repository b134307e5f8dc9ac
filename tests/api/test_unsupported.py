"""What is declined: a sentence of its own for each, and the status that clients understand."""

import pytest

from kubedock.api import unsupported
from kubedock.app import create_app
from tests.support.docker import DockerClient
from tests.support.running import still


@pytest.fixture(scope="module")
def docker():
    """A client of an engine without threads."""
    return DockerClient(create_app(still()))


def asked(docker, rule: str, expect: int) -> str:
    """Ask for an operation; the message."""
    method, path = rule.split(" ")
    answer = docker.request(method, path.replace("<ref>", "x").replace("<name>", "quay.io/a/b"), expect=expect)
    return "" if method == "HEAD" else answer.message


@pytest.mark.parametrize(("operation", "rule", "sentence"), unsupported.LATER)
def test_what_is_not_there_is_501(docker, operation, rule, sentence):
    """With its sentence."""
    assert asked(docker, rule, 501) in ("", sentence)


@pytest.mark.parametrize(("operation", "rule"), unsupported.SWARM)
def test_swarm_is_503(docker, operation, rule):
    """As an engine that is in no swarm answers; the CLI prints it."""
    assert asked(docker, rule, 503) == unsupported.NOT_A_MANAGER


@pytest.mark.parametrize(("operation", "rule"), unsupported.PLUGINS)
def test_a_plugin_is_404(docker, operation, rule):
    """``docker inspect`` goes on looking after a 404."""
    assert asked(docker, rule, 404) == 'plugin "quay.io/a/b" not found'


@pytest.mark.parametrize(("operation", "rule", "sentence"), unsupported.UNDOCUMENTED)
def test_what_docker_does_not_document_is_501(docker, operation, rule, sentence):
    """Clients call it all the same."""
    assert asked(docker, rule, 501) == sentence


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_podmans_own_api_is_501(docker, method):
    """Under podman's version prefix, too."""
    docker.version, version = "5.8.2", docker.version
    try:
        assert docker.request(method, "/libpod/containers/x/json", expect=501).message == unsupported.LIBPOD
    finally:
        docker.version = version


def test_each_has_a_sentence_of_its_own():
    """So that a user knows which one it was."""
    sentences = [sentence for _, _, sentence in unsupported.LATER]
    assert len(set(sentences)) == len(sentences)
