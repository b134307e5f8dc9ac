"""Version prefixes: every one is taken off, and remembered."""

import pytest

from kubedock.api.paths import VERSION_KEY, VersionedPaths


@pytest.mark.parametrize(
    ("path", "inner", "version"),
    [
        ("/_ping", "/_ping", None),
        ("/v1.24/_ping", "/_ping", "1.24"),
        ("/v1.47/containers/json", "/containers/json", "1.47"),
        ("/v1.99/containers//x/json", "/containers//x/json", "1.99"),
        ("/v5.8.2/libpod/containers/json", "/libpod/containers/json", "5.8.2"),
        ("/v1.47", "/v1.47", None),
        ("/v1/x", "/v1/x", None),
        ("/v1.47x/y", "/v1.47x/y", None),
        ("/images/v1.47/json", "/images/v1.47/json", None),
        ("", "", None),
    ],
)
def test_the_version_is_taken_off(path, inner, version):
    """Only as a whole first part, and only once."""
    seen = {}

    def app(environ, start_response):
        seen.update(environ)
        return []

    VersionedPaths(app)({"PATH_INFO": path}, lambda *_: None)
    assert (seen["PATH_INFO"], seen.get(VERSION_KEY)) == (inner, version)
