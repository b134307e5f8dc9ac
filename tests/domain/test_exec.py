"""What an exec does through the image's own shell, by the shells of this machine."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubedock.domain.exec import ExecSpec, Wrapped, wrapped
from kubedock.errors import InvalidParameter, KubedockError, NotImplemented

CHDIR = 'OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd ("{}") set in config.json failed: '
MORTAL = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Lets a file's mode count for root, too."""


@pytest.fixture(params=["dash", "bash", "busybox"])
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Each shell that this machine has."""
    found = shutil.which(request.param)
    if found is None:
        pytest.skip(f"this machine has no {request.param}")
    if os.geteuid() == 0 and shutil.which(MORTAL[0]) is None:
        pytest.skip("root without setpriv may enter every folder")
    return [*(MORTAL if os.geteuid() == 0 else ()), found, *(["sh"] if request.param == "busybox" else [])]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a file, a folder, and one that nobody may enter."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "open").mkdir()
    (tmp_path / "locked").mkdir(mode=0)
    yield tmp_path
    (tmp_path / "locked").chmod(0o700)


def run(shell: list[str], spec: ExecSpec) -> tuple[int, str, str]:
    """Run what the cluster would get: exit code, output, errors."""
    argv = wrapped(spec, user=None, group=None, working_dir="").argv
    assert argv[0] == "sh"
    done = subprocess.run([*shell, *argv[1:]], capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("nosuch", 127, "no such file or directory"),
        ("nosuch/deeper/", 127, "no such file or directory"),
        ("file", 127, "not a directory"),
        ("file/deeper", 127, "not a directory"),
        ("locked", 126, "permission denied"),
        ("locked/deeper", 126, "permission denied"),
    ],
)
def test_a_directory_that_cannot_be_entered(shell: list[str], folder: Path, path: str, code: int, reason: str) -> None:
    """The true reason in the runtime's words, and Docker's exit code."""
    asked = f"{folder}/{path}"
    assert run(shell, ExecSpec(("true",), working_dir=asked)) == (code, "", CHDIR.format(asked) + f"{reason}: unknown\n")


def test_a_directory_that_can(shell: list[str], folder: Path) -> None:
    """The command runs there, with its arguments as they are."""
    spec = ExecSpec(("sh", "-c", 'pwd; echo "$1"', "x", "a  b"), working_dir=f"{folder}/open")
    assert run(shell, spec) == (0, f"{folder.resolve()}/open\na  b\n", "")


def test_another_user(shell: list[str]) -> None:
    """126 and a sentence."""
    code, out, err = run(shell, ExecSpec(("true",), user="4242:1"))
    assert (code, out) == (126, "")
    assert err.startswith("kubedock: exec as 4242:1 is not possible: Kubernetes runs an exec as the container's own user, ")


@pytest.mark.parametrize(
    ("said", "needs", "kind"),
    [
        (CHDIR.format("/x").encode() + b"not a directory: unknown\r\n", "sh", InvalidParameter),
        (b"kubedock: exec as 1 is not possible: ...\n", "sh", NotImplemented),
        (b"anything else\n", "sh", None),
        (b"kubedock: exec as 1 is not possible: ...\n", "env", None),
        (b"", "sh", None),
    ],
)
def test_what_the_checks_say_is_told_from_the_commands_output(said: bytes, needs: str, kind: type[KubedockError] | None) -> None:
    """By how it begins, where there were checks."""
    refusal = Wrapped([], ((needs, ""),)).refusal(said)
    assert type(refusal) is (kind or type(None))
    assert refusal is None or str(refusal) == said.decode().strip()
