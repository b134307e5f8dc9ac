"""Logins from the namespace's pull secrets."""

import base64
import json
import logging

import pytest

from kubedock.cluster.fake import FakeCluster
from kubedock.domain.image import parse
from kubedock.engine.pullsecrets import PullSecrets
from kubedock.registry.credentials import Credentials


def put(cluster: FakeCluster, name: str, **logins: str) -> None:
    """A pull secret: passwords by registry, ``_`` for a dot."""
    entries = {
        registry.replace("_", "."): {"auth": base64.b64encode(f"me:{password}".encode()).decode()}
        for registry, password in logins.items()
    }
    data = base64.b64encode(json.dumps({"auths": entries}).encode()).decode()
    secret = {"metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": data}}
    cluster.create("Secret", secret)


def test_the_first_that_fits() -> None:
    """In the order of the setting; read anew each time."""
    cluster = FakeCluster()
    put(cluster, "a", quay_io="1")
    put(cluster, "b", quay_io="2", ghcr_io="3")
    source = PullSecrets(cluster, ("a", "b"))

    assert source(parse("quay.io/x")) == Credentials("me", "1")
    assert source(parse("ghcr.io/x")) == Credentials("me", "3")
    assert source(parse("alpine")) is None
    cluster.delete("Secret", "a")
    assert source(parse("quay.io/x")) == Credentials("me", "2")


def test_a_secret_that_cannot_be_read_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """Absent, or kept from us: said once."""
    cluster = FakeCluster()
    put(cluster, "a", quay_io="1")
    source = PullSecrets(cluster, ("missing", "a"))
    with caplog.at_level(logging.WARNING):
        assert source(parse("quay.io/x")) == source(parse("quay.io/x")) == Credentials("me", "1")
        cluster.deny("get", "secrets")
        assert source(parse("quay.io/x")) is None
        assert source(parse("quay.io/x")) is None

    assert [(record.args or ("",))[0] for record in caplog.records] == ["missing", "missing", "a"]


def test_the_accounts_secrets_come_last() -> None:
    """They are what pods get anyway; those that the settings name are asked first, and once."""
    cluster = FakeCluster()
    put(cluster, "a", quay_io="1")
    put(cluster, "b", quay_io="2", ghcr_io="3")
    source = PullSecrets(cluster, ("a",), lambda: ("b", "a"))

    assert (source(parse("quay.io/x")), source(parse("ghcr.io/x"))) == (Credentials("me", "1"), Credentials("me", "3"))
    cluster.requests.clear()
    assert source(parse("alpine")) is None
    assert [name for _, kind, name in cluster.requests if kind == "Secret"] == ["a", "b"]


def test_without_names_nothing_is_asked() -> None:
    """That is the usual case."""
    cluster = FakeCluster()

    assert PullSecrets(cluster, ())(parse("quay.io/x")) is None
    assert list(cluster.requests) == []
