"""Copying files by what an image has: scripts for its ``sh``, options of its ``tar`` (busybox' or GNU's), what they say.

Each script is run as ``sh -c SCRIPT sh argument…`` and ends with one of the codes below before tar begins. All speak the C
locale, since texts of tar are told apart.
"""

import re
from collections.abc import Sequence

from kubedock.domain.files import FilePath
from kubedock.errors import Conflict, Forbidden, InvalidParameter, KubedockError, NotImplemented, System

NO_TAR, ABSENT, NO_DIRECTORY, HIDDEN = 40, 41, 42, 43
"""Exit codes: the image has no tar; nothing is there; it is no directory; the user may not look there."""

BUSY = "a file that was put before the container's start cannot be replaced while it runs"
NO_TOOLS = "copying files needs the programs sh and tar in the image, and this image has not got both"

_BEGIN = f"""\
LC_ALL=C; export LC_ALL
command -v tar >/dev/null 2>&1 || exit {NO_TAR}
missing() {{
  above=$1
  while [ -n "$above" ]; do
    above=${{above%/*}}
    if [ -d "${{above:-/}}" ]; then
      [ -x "${{above:-/}}" ] || exit {HIDDEN}
      break
    fi
  done
  exit {ABSENT}
}}
"""

ENDED = "kubedock: tar has ended: "
"""What READ says on stderr when its tar has ended, with the exit code behind it."""

READ = (
    _BEGIN
    + f"""\
if [ ! -e "$1" ] && [ ! -L "$1" ]; then
  [ ! -e "${{1%/}}" ] || exit {NO_DIRECTORY}
  missing "${{1%/}}"
fi
if [ "$1" = / ]; then
  cd /
  for name in * .[!.]*; do
    case $name in
      proc | sys | dev) ;;
      *) if [ -e "$name" ] || [ -L "$name" ]; then set -- "$@" "./$name"; fi ;;
    esac
  done
fi
shift
exec 3<&0
tar "$@" </dev/null 3<&- & tar=$!
{{ read -r line <&3; kill "$tar"; }} >/dev/null 2>&1 & guard=$!
wait "$tar"; code=$?
kill "$guard" 2>/dev/null
wait "$guard" 2>/dev/null
echo "{ENDED}$code" >&2
read -r line <&3
exit "$code"
"""
)
"""``READ path tar's-options…``: an archive on stdout. Its stdin says nothing: its end is the end of all.

Of the root all is archived but what is mounted into every container; what that is cannot be told to busybox' tar.

A command whose output nobody takes goes on for ever in Kubernetes, hence the guard. And Kubernetes drops what a slow
reader has not taken yet when a command ends, and calls that a success: so this one waits to be let go.
"""

CHECK = (
    _BEGIN
    + f"""\
if [ ! -d "$1" ]; then
  [ ! -e "$1" ] || exit {NO_DIRECTORY}
  missing "$1"
fi
cd "$1" 2>/dev/null || exit {HIDDEN}
echo ready
while IFS= read -r new && IFS= read -r name; do
  old=nothing
  if [ -L "./$name" ]; then old=other
  elif [ -d "./$name" ]; then old=directory
  elif [ -e "./$name" ]; then old=other
  fi
  case $new-$old in
    *-nothing | directory-directory | other-other) echo ok ;;
    *) if [ "$2" = keep ]; then echo "$old"; elif rm -rf "./$name"; then echo ok; else echo fixed; fi ;;
  esac
done
"""
)
"""``CHECK directory keep|replace``: says ``ready``, then answers pairs of lines, ``directory`` or ``other`` and a name.

``ok``: it can be extracted; else what is in the way: a ``directory`` or something ``other`` that is to be kept, or
something ``fixed`` that cannot be removed. ``replace`` removes what is in the way.
"""

EXTRACT = 'LC_ALL=C; export LC_ALL; exec tar "$@"'
"""``EXTRACT tar's-options…`` takes an archive on stdin, up to its end: both tars read on behind the end marker."""

EXTRACT_TEXT = 'LC_ALL=C; export LC_ALL; sed "/^$/q" | base64 -d | tar "$@"'
"""The same where stdin cannot be ended (clusters before Kubernetes 1.30): base64 in lines, ended by empty ones."""


def reading(path: FilePath) -> list[str]:
    """The command that archives a path under the name that ``member`` tells."""
    where = path.path if path.directory else path.parent
    members = [] if path.path == "/" else [member(path)]
    return ["sh", "-c", READ, "sh", path.exact, "-c", "-f", "-", "-C", where, "--", *members]


def member(path: FilePath) -> str:
    """What tar archives: where only a directory can be meant all that is in it, else the thing by its name."""
    return "." if path.directory else path.name


def checking(directory: str, *, keep: bool) -> list[str]:
    """The command that says whether names can be extracted there; ``keep`` what is in the way."""
    return ["sh", "-c", CHECK, "sh", directory, "keep" if keep else "replace"]


def extracting(directory: str, *, own: bool, as_text: bool) -> list[str]:
    """The command that extracts there; ``own``: all becomes the container's user's, not that of the archive's numbers."""
    options = ["-x", "-p", *(["-o"] if own else []), "-f", "-", "-C", directory]
    return ["sh", "-c", EXTRACT_TEXT if as_text else EXTRACT, "sh", *options]


# --- what tar says ---------------------------------------------------------------------------------------------------

_SUMMARY = re.compile(rf"Exiting with failure status|error exit delayed|Error is not recoverable|{ENDED}")
_END = re.compile(rf"^{ENDED}(\d+)$", re.MULTILINE)
_CHANGED = re.compile(r"file changed as we read it|[Ff]ile removed before we read it|[Ff]ile shrank by|socket ignored")
_REASONS: Sequence[tuple[re.Pattern[str], type[KubedockError]]] = (
    (re.compile(r"Permission denied|Operation not permitted|Read-only file system"), Forbidden),
    (re.compile(r"[Rr]esource busy|Text file busy"), Conflict),
    (re.compile(r"File exists|Is a directory|[Nn]ot a directory|File name too long"), InvalidParameter),
    (re.compile(r"tar: not found|base64: not found|sed: not found"), NotImplemented),
)


def ended(said: str) -> int | None:
    """The exit code of READ's tar, None while it runs."""
    found = _END.search(said)
    return None if found is None else int(found[1])


def complaints(said: str) -> list[str]:
    """What tar complains about, without its name and its summary."""
    lines = [line.strip().removeprefix("tar: ") for line in said.splitlines()]
    return [line for line in lines if line and not _SUMMARY.search(line)]


def only_changed(said: str) -> bool:
    """An archive is whole, though files have changed while they were read, as files of a running container do."""
    found = complaints(said)
    return bool(found) and all(_CHANGED.search(line) for line in found)


def failure(code: int, said: str) -> KubedockError:
    """The error of a tar that ended with this code and these complaints."""
    found = complaints(said)
    text = "; ".join(found[:3]) or "it does not say why"
    kind = next((kind for pattern, kind in _REASONS if any(pattern.search(line) for line in found)), System)
    if kind is NotImplemented:
        return NotImplemented(NO_TOOLS)
    hint = f" ({BUSY})" if kind is Conflict else ""
    return kind(f"Error processing tar file(exit status {code}): {text}{hint}")
