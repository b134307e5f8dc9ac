"""What Docker tells of files."""

import base64
import json
import stat
from datetime import UTC, datetime

import pytest

from kubedock.dockerapi.archives import extraction, file_mode, path, stat_header
from kubedock.domain.files import Extraction, FileStat
from kubedock.errors import InvalidParameter
from tests.support.running import refused


@pytest.mark.parametrize(
    ("mode", "go"),
    [
        (stat.S_IFREG | 0o644, 0o644),
        (stat.S_IFDIR | 0o755, 1 << 31 | 0o755),
        (stat.S_IFDIR | 0o1777, 1 << 31 | 1 << 20 | 0o777),
        (stat.S_IFLNK | 0o777, 1 << 27 | 0o777),
        (stat.S_IFREG | 0o4755, 1 << 23 | 0o755),
        (stat.S_IFREG | 0o2755, 1 << 22 | 0o755),
        (stat.S_IFREG | 0o6711, 1 << 23 | 1 << 22 | 0o711),
        (stat.S_IFIFO | 0o600, 1 << 25 | 0o600),
        (stat.S_IFSOCK | 0o600, 1 << 24 | 0o600),
        (stat.S_IFBLK | 0o660, 1 << 26 | 0o660),
        (stat.S_IFCHR | 0o666, 1 << 26 | 1 << 21 | 0o666),
    ],
)
def test_modes_are_gos(mode: int, go: int) -> None:
    """Go's os.FileMode has bits of its own for all but the permissions."""
    assert file_mode(mode) == go


def test_the_header() -> None:
    """Standard base64 of JSON."""
    told = FileStat("lü", 5, stat.S_IFLNK | 0o777, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "/x")
    assert json.loads(base64.b64decode(stat_header(told), validate=True)) == {
        "name": "lü",
        "size": 5,
        "mode": 134218239,
        "mtime": "2026-01-02T03:04:05Z",
        "linkTarget": "/x",
    }


def test_queries() -> None:
    """As all clients spell them."""
    assert extraction({}) == Extraction()
    assert extraction({"noOverwriteDirNonDir": "true", "copyUIDGID": "1"}) == Extraction(keep=True, own=True)
    assert extraction({"noOverwriteDirNonDir": "false", "copyUIDGID": ""}) == Extraction()
    assert path({"path": "./x/"}) == "./x/"
    for args in ({}, {"path": ""}):
        with refused(InvalidParameter, "bad parameter: path cannot be empty"):
            path(args)
    with pytest.raises(InvalidParameter, match="zero byte"):
        path({"path": "a\0b"})
