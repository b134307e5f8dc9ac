"""What holds for every answer: headers, errors, versions, bodies."""

import json
import logging

import pytest

from kubedock import errors
from kubedock.api import context
from kubedock.api.errors import UNEXPECTED, status_of
from kubedock.app import create_app
from kubedock.streams.cancel import Cancel
from tests.support.docker import DockerClient
from tests.support.running import still


@pytest.fixture
def docker():
    """A client of an engine without threads."""
    return DockerClient(create_app(still()))


@pytest.mark.parametrize("version", [None, "1.24", "1.41", "1.47", "1.99", "9.9"])
def test_every_version_from_1_24_on_is_welcome(docker, version):
    """Clients cannot go on when their first request is refused."""
    docker.version = version
    assert docker.get("/containers/json").json == []


def test_an_older_version_is_refused_with_dockers_text(docker):
    """moby: daemon/server/middleware/version.go."""
    docker.version = "1.23"
    assert docker.get("/containers/json", expect=400).message == (
        "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/"),
        ("POST", "/containers/json"),
        ("HEAD", "/containers/json"),
        ("PATCH", "/info"),
    ],
)
def test_an_unknown_path_and_a_wrong_method_are_page_not_found(docker, method, path):
    """moby: daemon/server/server.go."""
    answer = docker.request(method, path, expect=404)
    if method != "HEAD":
        assert answer.data == b'{"message": "page not found"}\n'


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidParameter("x"), 400),
        (errors.Forbidden("x"), 403),
        (errors.NoSuchContainer("x"), 404),
        (errors.NameTaken("x", holder="y"), 409),
        (errors.System("x"), 500),
        (errors.NotImplemented("x"), 501),
        (errors.Unavailable("x"), 503),
        (errors.NotModified(), 304),
        (errors.KubedockError("x"), 500),
        (errors.Gone("x"), 500),
    ],
)
def test_a_kind_of_error_is_a_status(docker, monkeypatch, error, status):
    """The only mapping; the sentence is the body, and 304 has none."""

    def fail(*_):
        raise error

    monkeypatch.setattr(type(docker.app.extensions["kubedock"].volumes), "list", fail)
    assert status_of(error) == status
    answer = docker.get("/volumes", expect=status)
    if status != 304:
        assert answer.message == str(error)


def test_a_bug_is_a_sentence_for_the_client_and_a_traceback_for_the_log(docker, monkeypatch, caplog):
    """Never the other way round."""

    def fail(*_):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(type(docker.app.extensions["kubedock"].volumes), "list", fail)
    with caplog.at_level(logging.ERROR, "kubedock.api.errors"):
        assert docker.get("/volumes", expect=500).json == {"message": UNEXPECTED}
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "invalid JSON: "),
        (b"[1]", "invalid JSON: an object is expected"),
        (b'"x"', "invalid JSON: an object is expected"),
        (b"{} {}", "invalid JSON: "),
        (b'{"a": NaN}', "invalid JSON: "),
        (b"[" * 100_000, "invalid JSON: "),
        (b"\xff\xfe", "invalid JSON: "),
        (b"", "invalid JSON: got EOF while reading request body"),
    ],
)
def test_a_body_that_is_no_object_is_refused(docker, data, message):
    """400 with what is wrong, whatever the content type says."""
    answer = docker.post("/containers/create", data=data, headers={"Content-Type": "text/plain"}, expect=400)
    assert answer.message.startswith(message)


def test_a_body_that_is_too_large_is_refused(docker, monkeypatch):
    """Nothing large is held in memory."""
    monkeypatch.setattr(context, "BODY_LIMIT", 1 << 20)
    docker.post("/volumes/create", {"Name": "ok", "Labels": {"a": "b" * (1 << 19)}}, expect=201)
    assert (
        docker.post("/volumes/create", {"Name": "x" * (1 << 21)}, expect=400).message == "the request's body is larger than 1 MiB"
    )


def test_no_body_and_null_are_an_empty_object(docker):
    """Where a body may be left out; docker-java sends none."""
    for data in (b"", b"null", b"  "):
        assert len(docker.post("/volumes/create", data=data, expect=201).json["Name"]) == 64


def test_an_unread_body_is_read_to_its_end(docker):
    """On a kept connection the rest would be the next request."""

    class Counted:
        left = 5_000_000

        def read(self, size=-1):
            """Some of it."""
            taken = min(self.left, size if size >= 0 else self.left)
            self.left -= taken
            return b"x" * taken

    upload = Counted()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1.47/build",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": upload,
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    seen = []
    body = b"".join(docker.app(environ, lambda status, headers: seen.append(status)))
    assert (seen, upload.left) == (["501 NOT IMPLEMENTED"], 0)
    assert "build is not supported" in json.loads(body)["message"]


def test_a_watch_ends_with_its_answer(docker):
    """The worker's watch is stopped when a stream is done, also when it was refused."""
    stopped = []
    environ = {"kubedock.watch": lambda: (Cancel(), lambda: stopped.append(True))}
    client = docker.app.test_client()
    with client.get("/events?since=1&until=2", environ_overrides=environ) as answer:
        assert answer.data == b""
    assert stopped == [True]
    with client.post("/containers/nothing/wait", environ_overrides=environ) as answer:
        assert answer.status_code == 404
    assert stopped == [True, True]
