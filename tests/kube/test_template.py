"""Merging a pod template underneath."""

from copy import deepcopy
from typing import Any

import pytest

from kubedock.kube.template import merge, pod_parts


@pytest.mark.parametrize(
    ("under", "over", "merged"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 3}, {"a": 3, "b": 2}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"x": 1}}, {"a": 2}, {"a": 2}),
        ({"command": ["a", "b"]}, {"command": ["c"]}, {"command": ["c"]}),
        ({"add": ["A", "B"]}, {"add": ["B", "C"]}, {"add": ["A", "B", "C"]}),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {}}]},
            {"env": [{"name": "C", "value": "3"}, {"name": "A", "value": "2"}]},
            {"env": [{"name": "A", "value": "2"}, {"name": "B", "valueFrom": {}}, {"name": "C", "value": "3"}]},
        ),
        (
            {"containers": [{"name": "side"}, {"name": "main", "resources": {"limits": {"gpu": 1}}}]},
            {"containers": [{"name": "main", "image": "x"}]},
            {"containers": [{"name": "side"}, {"name": "main", "resources": {"limits": {"gpu": 1}}, "image": "x"}]},
        ),
        (
            {"hostAliases": [{"ip": "1.1.1.1", "hostnames": ["a"]}]},
            {"hostAliases": [{"ip": "1.1.1.1", "hostnames": ["b"]}, {"ip": "2.2.2.2", "hostnames": ["c"]}]},
            {"hostAliases": [{"ip": "1.1.1.1", "hostnames": ["a", "b"]}, {"ip": "2.2.2.2", "hostnames": ["c"]}]},
        ),
        (
            {"ports": [{"containerPort": 53, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 53, "protocol": "UDP"}]},
            {"ports": [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]},
        ),
    ],
)
def test_merging(under: dict[str, Any], over: dict[str, Any], merged: dict[str, Any]) -> None:
    """Ours wins, lists of named things are merged by name, and nothing that was given changes."""
    given = deepcopy((under, over))
    result = merge(under, over)
    assert result == merged
    assert (under, over) == given


def test_what_is_merged_shares_nothing_with_what_was_given() -> None:
    """A template is used for many pods."""
    under, over = {"env": [{"name": "A"}], "a": {"b": [1]}}, {"c": {"d": [2]}}
    result = merge(under, over)
    result["env"][0]["name"] = result["a"]["b"] = result["c"]["d"] = "changed"
    assert under == {"env": [{"name": "A"}], "a": {"b": [1]}}
    assert over == {"c": {"d": [2]}}


def test_parts_of_a_template() -> None:
    """Its names, owners and status are its own."""
    template = {
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "y", "ownerReferences": [], "labels": {"a": "b"}, "annotations": None},
        "spec": {"restartPolicy": "Always"},
        "status": {"phase": "Running"},
    }
    assert pod_parts(template) == {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Always"}}
    for nothing in (None, {}, {"metadata": None, "spec": None}):
        assert pod_parts(nothing) == {"metadata": {}, "spec": {}}
