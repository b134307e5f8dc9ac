"""The scripts, run by the shells and tars of this machine, and what their tars say."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from kubedock.domain import filetools
from kubedock.domain.files import file_path
from kubedock.engine.extracting import base64_lines
from kubedock.errors import Conflict, Forbidden, InvalidParameter, NotImplemented, System
from tests.support.tars import archive, contents, member, of_files

TOOLS = {
    "gnu with bash": {"sh": "bash", "tar": "tar", "sed": "sed", "base64": "base64", "rm": "rm"},
    "gnu with dash": {"sh": "dash", "tar": "tar", "sed": "sed", "base64": "base64", "rm": "rm"},
    "busybox": {"sh": "busybox", "tar": "busybox", "sed": "busybox", "base64": "busybox", "rm": "busybox"},
    "no tar": {"sh": "dash"},
}


@dataclass(slots=True)
class Image:
    """A folder of programs, as an image has them, and a folder for files."""

    bin: Path
    root: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, argv: list[str]) -> subprocess.Popen[bytes]:
        """Start a command with nothing else on its PATH."""
        environ = {"PATH": str(self.bin)}
        process = subprocess.Popen(
            argv, executable=self.bin / "sh", env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.running.append(process)
        return process

    def run(self, argv: list[str], stdin: bytes = b"") -> tuple[int, bytes, str]:
        """Run it to its end: exit code, output, errors."""
        process = self.begin(argv)
        out, err = process.communicate(stdin, timeout=20)
        return process.returncode, out, err.decode()


def image_of(folder: Path, tools: dict[str, str]) -> Image:
    """Programs by name; skipped where this machine lacks one."""
    made = Image(folder / "bin", folder / "root")
    made.bin.mkdir()
    made.root.mkdir()
    for name, program in tools.items():
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"this machine has no {program}")
        (made.bin / name).symlink_to(found)
    return made


@pytest.fixture(params=[name for name in TOOLS if name != "no tar"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Image]:
    """An image that has all it needs."""
    made = image_of(tmp_path, TOOLS[request.param])
    yield made
    for process in made.running:
        with process:
            process.kill()


def reading(image: Image, path: str) -> tuple[int, dict[str, bytes | str | None]]:
    """Archive a path below the image's root: exit code, and what is in it."""
    process = image.begin(filetools.reading(file_path(f"{image.root}{path}")))
    said = ""
    while filetools.ended(said) is None and (line := output(process.stderr).readline()):
        said += line.decode()
    out, _ = process.communicate(timeout=20)
    code = process.returncode
    assert said == (f"{filetools.ENDED}{code}\n" if code < filetools.NO_TAR else "")
    return code, contents(out) if code == 0 else {}


def output(stream: IO[bytes] | None) -> IO[bytes]:
    """A pipe, which is there."""
    assert stream is not None
    return stream


def tree(root: Path) -> dict[str, bytes | str | None]:
    """All below a folder: a file's data, None for a folder, a link's target."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        found[name] = os.readlink(path) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
    return found


# --- READ ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(image: Image) -> Image:
    """With a directory, files, and links to both."""
    (image.root / "d").mkdir()
    (image.root / "d" / "f").write_bytes(b"hello")
    (image.root / "d" / "-x y'\"$(z)").write_bytes(b"odd")
    (image.root / "ld").symlink_to("d")
    (image.root / "lf").symlink_to("d/f")
    (image.root / "broken").symlink_to("nowhere")
    return image


ODD = "-x y'\"$(z)"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/d/f", {"f": b"hello"}),
        ("/d/" + ODD, {ODD: b"odd"}),
        ("/d", {"d": None, "d/f": b"hello", "d/" + ODD: b"odd"}),
        ("/d/", {".": None, "./f": b"hello", "./" + ODD: b"odd"}),
        ("/d/.", {".": None, "./f": b"hello", "./" + ODD: b"odd"}),
        ("/ld", {"ld": "d"}),
        ("/ld/", {".": None, "./f": b"hello", "./" + ODD: b"odd"}),
        ("/ld/f", {"f": b"hello"}),
        ("/lf", {"lf": "d/f"}),
        ("/broken", {"broken": "nowhere"}),
    ],
)
def test_what_is_archived(filled: Image, path: str, expected: dict[str, bytes | str | None]) -> None:
    """A link at the end of a path is itself, unless a slash behind it asks for the directory."""
    assert reading(filled, path) == (0, expected)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/nosuch", filetools.ABSENT),
        ("/nosuch/deep/er", filetools.ABSENT),
        ("/d/f/x", filetools.ABSENT),
        ("/broken/", filetools.ABSENT),
        ("/d/f/", filetools.NO_DIRECTORY),
        ("/lf/", filetools.NO_DIRECTORY),
    ],
)
def test_what_cannot_be_archived(filled: Image, path: str, code: int) -> None:
    """Told by exit codes, not by texts."""
    assert reading(filled, path) == (code, {})


def test_an_archive_waits_until_it_is_let_go(filled: Image) -> None:
    """Its tar has ended and said so; it ends itself with its input alone."""
    process = filled.begin(filetools.reading(file_path(f"{filled.root}/d/f")))
    assert filetools.ended(output(process.stderr).readline().decode()) == 0
    assert process.poll() is None
    output(process.stdin).close()
    assert process.wait(10) == 0


def test_a_reader_that_leaves_ends_tar(image: Image) -> None:
    """A terabyte is not read for nobody: the end of the input ends it, though its output is still taken."""
    with (image.root / "big").open("wb") as big:
        big.truncate(1 << 40)
    process = image.begin(filetools.reading(file_path(f"{image.root}/big")))
    assert len(output(process.stdout).read(100_000)) == 100_000
    output(process.stdin).close()
    while output(process.stdout).read(1 << 20):
        pass
    assert process.wait(10) != 0


def test_the_root_is_archived_without_what_is_mounted_everywhere(image: Image) -> None:
    """The script's own list of members; the real root is far too large for a test."""
    for name in ("proc", "sys", "dev", "etc", ".hidden"):
        (image.root / name).mkdir()
    (image.root / "etc" / "file").write_bytes(b"1")
    script = filetools.READ.replace("cd /\n", f"cd '{image.root}'\n")
    command = filetools.reading(file_path("/"))
    at = command.index("-C") + 1
    process = image.begin(["sh", "-c", script, *command[3:at], str(image.root), *command[at + 1 :]])
    assert filetools.ended(output(process.stderr).readline().decode()) == 0
    out, _ = process.communicate(timeout=20)
    assert contents(out) == {"./etc": None, "./etc/file": b"1", "./.hidden": None}


# --- CHECK -----------------------------------------------------------------------------------------------------------


def checked(image: Image, *asked: tuple[str, str], keep: bool, path: str = "") -> tuple[int, list[str]]:
    """Ask about names: exit code, and the answers."""
    lines = "".join(f"{kind}\n{name}\n" for kind, name in asked)
    code, out, _ = image.run(filetools.checking(f"{image.root}{path}", keep=keep), lines.encode())
    return code, out.decode().splitlines()


QUESTIONS = [
    ("other", "new"),
    ("directory", "new/er"),
    ("directory", "d"),
    ("other", "d/f"),
    ("directory", "d/f"),
    ("other", "d"),
    ("directory", "ld"),
    ("other", "ld"),
    ("other", "d/" + ODD),
    ("directory", " -leading space"),
]


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_in_the_way(filled: Image, keep: bool) -> None:
    """A directory for something else, or the reverse; links are what they are. Replacing removes it."""
    before = tree(filled.root)
    code, answers = checked(filled, *QUESTIONS, keep=keep)
    conflicts = ["ok", "ok", "ok", "ok", "other", "directory", "other", "ok", "ok", "ok"]
    assert (code, answers) == (0, ["ready", *(conflicts if keep else ["ok"] * len(QUESTIONS))])
    left = before if keep else {name: value for name, value in before.items() if not name.startswith("d") and name != "ld"}
    assert tree(filled.root) == left


@pytest.mark.parametrize(
    ("path", "code"),
    [("/nosuch", filetools.ABSENT), ("/d/f", filetools.NO_DIRECTORY), ("/ld", 0), ("/broken", filetools.ABSENT)],
)
def test_where_to_extract(filled: Image, path: str, code: int) -> None:
    """A directory, by a link or itself."""
    assert checked(filled, keep=True, path=path) == (code, ["ready"] if code == 0 else [])


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
@pytest.mark.parametrize("argv", [filetools.reading, lambda path: filetools.checking(path.path, keep=True)])
def test_what_the_user_may_not_look_at(image: Image, argv: Callable[..., list[str]]) -> None:
    """It is not told to be absent."""
    hidden = image.root / "hidden"
    (hidden / "x").mkdir(parents=True)
    hidden.chmod(0o700)
    for folder in (image.root, *image.root.parents):
        if not folder.stat().st_mode & 0o001:  # pytest's own folders: the other user must get through
            folder.chmod(folder.stat().st_mode | 0o011)
    command = argv(file_path(str(hidden / "x" / "y")))
    done = subprocess.run(
        command, executable=image.bin / "sh", env={"PATH": str(image.bin)}, user=65534, input=b"", capture_output=True, check=False
    )
    assert done.returncode == filetools.HIDDEN


@pytest.mark.parametrize("command", [filetools.reading(file_path("/")), filetools.checking("/", keep=True)])
def test_an_image_without_tar(tmp_path: Path, command: list[str]) -> None:
    """Found out before anything else."""
    assert image_of(tmp_path, TOOLS["no tar"]).run(command)[0] == filetools.NO_TAR


# --- EXTRACT ---------------------------------------------------------------------------------------------------------

ARCHIVE = archive(
    member("new", None, mode=0o750),
    member("new/f", b"x" * 1000, mode=0o4751, mtime=1_000_000_000),
    member("new/deep/er", b"y"),
    member("new/l", type=tarfile.SYMTYPE, linkname="f"),
    member("new/h", type=tarfile.LNKTYPE, linkname="new/f"),
    member("empty", None),
    form=tarfile.GNU_FORMAT,
)
EXTRACTED = {
    "empty": None,
    "new": None,
    "new/deep": None,
    "new/deep/er": b"y",
    "new/f": b"x" * 1000,
    "new/h": b"x" * 1000,
    "new/l": "f",
}


@pytest.mark.parametrize("as_text", [False, True])
def test_what_is_extracted(image: Image, as_text: bool) -> None:
    """Both ways: modes and times stay, directories that are missing are made."""
    data = b"".join(base64_lines([ARCHIVE[:700], ARCHIVE[700:]])) if as_text else ARCHIVE
    code, out, err = image.run(filetools.extracting(str(image.root), own=False, as_text=as_text), data)

    assert (code, out, err) == (0, b"", "")
    assert tree(image.root) == EXTRACTED
    info = (image.root / "new" / "f").stat()
    assert (info.st_mode & 0o7777, int(info.st_mtime), info.st_nlink) == (0o4751, 1_000_000_000, 2)
    assert (image.root / "new").stat().st_mode & 0o7777 == 0o750


def test_text_is_ended_by_an_empty_line(image: Image) -> None:
    """Where the input has no end: it ends all the same."""
    process = image.begin(filetools.extracting(str(image.root), own=False, as_text=True))
    output(process.stdin).write(b"".join(base64_lines([ARCHIVE])))
    output(process.stdin).flush()
    assert process.wait(10) == 0
    assert tree(image.root) == EXTRACTED


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(("own", "owner"), [(False, (1234, 5678)), (True, (0, 0))])
def test_owners(image: Image, own: bool, owner: tuple[int, int]) -> None:
    """The archive's numbers, or the user's own."""
    data = of_files({"f": b"1"}, uid=1234, gid=5678)
    assert image.run(filetools.extracting(str(image.root), own=own, as_text=False), data)[0] == 0
    info = (image.root / "f").stat()
    assert (info.st_uid, info.st_gid) == owner


def test_what_tar_cannot_extract(image: Image) -> None:
    """Its words become an error's."""
    (image.root / "f").write_bytes(b"")
    code, _, err = image.run(filetools.extracting(str(image.root), own=False, as_text=False), of_files({"f/x": b"1"}))
    error = filetools.failure(code, err)
    assert isinstance(error, InvalidParameter)
    assert str(error).startswith(f"Error processing tar file(exit status {code}): ")
    assert "Not a directory" in str(error)


# --- texts -----------------------------------------------------------------------------------------------------------

GNU = "tar: shadow: Cannot open: Permission denied\ntar: Exiting with failure status due to previous errors\n"
BUSYBOX = "tar: can't open 'shadow': Permission denied\ntar: error exit delayed from previous errors\n"


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (GNU, Forbidden, "shadow: Cannot open: Permission denied"),
        (BUSYBOX, Forbidden, "can't open 'shadow': Permission denied"),
        ("tar: can't open 'a': Read-only file system\n", Forbidden, "can't open 'a': Read-only file system"),
        (
            "tar: can't remove old file a: Resource busy\n",
            Conflict,
            f"can't remove old file a: Resource busy ({filetools.BUSY})",
        ),
        ("tar: d: Cannot open: File exists\n", InvalidParameter, "d: Cannot open: File exists"),
        ("tar: write error: No space left on device\n", System, "write error: No space left on device"),
        ("", System, "it does not say why"),
        ("a\nb\nc\nd\n", System, "a; b; c"),
        (f"tar: x: Cannot stat: No\n{filetools.ENDED}2\n", System, "x: Cannot stat: No"),
    ],
)
def test_failures(said: str, kind: type[Exception], text: str) -> None:
    """By their reasons, in Docker's frame."""
    error = filetools.failure(2, said)
    assert (type(error), str(error)) == (kind, f"Error processing tar file(exit status 2): {text}")


def test_a_program_that_is_missing_in_the_middle() -> None:
    """As the shell says it."""
    error = filetools.failure(127, "sh: base64: not found\n")
    assert (type(error), str(error)) == (NotImplemented, filetools.NO_TOOLS)


@pytest.mark.parametrize(
    ("said", "whole"),
    [
        ("tar: log: file changed as we read it\n", True),
        ("tar: log: File removed before we read it\ntar: s: socket ignored\n", True),
        ("tar: log: file changed as we read it\ntar: x: Cannot open: Permission denied\n", False),
        ("", False),
    ],
)
def test_files_that_change_do_no_harm(said: str, whole: bool) -> None:
    """A running container's logs do, and GNU's tar ends with 1 for it."""
    assert filetools.only_changed(said) is whole
