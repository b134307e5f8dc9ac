"""How operations are registered: exact methods, references with slashes, rows of the compatibility table."""

import pytest
from flask import Flask

from kubedock.api.operation import ExactRule, Group, RefConverter, Row


@pytest.fixture
def app():
    """Three operations that tell what they were called with."""
    app = Flask("test", static_folder=None)
    app.url_rule_class = ExactRule
    app.url_map.converters["default"] = RefConverter
    app.url_map.merge_slashes = False
    group = Group("things")
    group.operation("List", "GET /containers/json", note="all")(lambda: "list")
    group.operation("Inspect", "GET /containers/<ref>/json")(lambda ref: f"inspect {ref}")
    group.operation("Delete", "DELETE /containers/<ref>", outcome="partly")(lambda ref: f"delete {ref}")
    app.register_blueprint(group)
    app.extensions["group"] = group
    return app


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/containers/json", 200, "list"),
        ("GET", "/containers/abc/json", 200, "inspect abc"),
        ("GET", "/containers//abc/json", 200, "inspect /abc"),
        ("GET", "/containers/quay.io/a/b:t/json", 200, "inspect quay.io/a/b:t"),
        ("GET", "/containers/quay.io%2Fa%2Fb@sha256:1/json", 200, "inspect quay.io/a/b@sha256:1"),
        ("GET", "/containers/json/json", 200, "inspect json"),
        ("DELETE", "/containers/a/b", 200, "delete a/b"),
        ("HEAD", "/containers/json", 405, None),
        ("OPTIONS", "/containers/json", 405, None),
        ("POST", "/containers/json", 405, None),
        ("GET", "/containers/json/", 405, None),
        ("GET", "//containers/json", 404, None),
        ("GET", "/nothing", 404, None),
    ],
)
def test_paths_are_taken_as_docker_takes_them(app, method, path, status, body):
    """No redirect, no merged slash, no method that nobody asked for."""
    answer = app.test_client().open(path, method=method)
    assert answer.status_code == status
    if body is not None:
        assert answer.text == body


def test_a_row_is_written_as_docker_writes_it(app):
    """The compatibility table comes from the registration."""
    assert app.extensions["group"].rows == [
        Row("GET", "/containers/json", "List", "yes", "all"),
        Row("GET", "/containers/{ref}/json", "Inspect", "yes", ""),
        Row("DELETE", "/containers/{ref}", "Delete", "partly", ""),
    ]
