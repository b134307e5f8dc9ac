"""The demonstration's busybox out of Debian's package, with programs that only pretend to be Debian's."""

from pathlib import Path

import pytest

from kubedock.demo import image
from kubedock.errors import Unavailable

APT = """#!/bin/sh
echo "$*" >> {log}
case "$*" in
  *Dir::State::Lists=*update) touch {lists} ;;
  *download*) [ -e {lists} ] || {{ echo "E: Unable to locate package" >&2; exit 100; }}; touch busybox-static_1_amd64.deb ;;
esac
"""
DPKG = """#!/bin/sh
mkdir -p "$3/bin" && printf static > "$3/bin/busybox"
"""


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without busybox whose apt knows no packages. Its folder."""
    for name, script in (("apt-get", APT.format(log=tmp_path / "log", lists=tmp_path / "lists")), ("dpkg-deb", DPKG)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(image, "INSTALLED", tmp_path / "none")
    return tmp_path


def test_the_machines_lists_are_used(debian: Path, tmp_path: Path) -> None:
    """One download."""
    (debian / "lists").touch()

    found = image.busybox(tmp_path / "cache")

    assert found.read_text() == "static"
    assert (debian / "log").read_text() == "--quiet download busybox-static\n"


def test_lists_of_its_own_where_the_machine_has_none(debian: Path, tmp_path: Path) -> None:
    """Which are gone afterwards."""
    found = image.busybox(tmp_path / "cache")

    assert found.read_text() == "static"
    assert [line.split()[-1] for line in (debian / "log").read_text().splitlines()] == [
        "busybox-static",
        "update",
        "busybox-static",
    ]
    assert list((tmp_path / "cache").iterdir()) == [found]


def test_without_any_package(debian: Path, tmp_path: Path) -> None:
    """The sentence says what would help."""
    (debian / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2; exit 100\n")

    with pytest.raises(Unavailable, match=r"Debian's package busybox-static cannot be had, .*: apt-get: E: no network"):
        image.busybox(tmp_path / "cache")
