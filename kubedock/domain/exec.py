"""A command that is run in a container beside its main process: what was asked for, and what became of it."""

from dataclasses import dataclass
from typing import NamedTuple

from kubedock.errors import InvalidParameter, KubedockError, NotImplemented
from kubedock.notstarted import RUNTIME


class Size(NamedTuple):
    """A terminal's size in characters."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """What the client asked for. An ``env`` value of None takes the container's variable away.

    ``user`` is as it was written (``1000``, ``app``, ``0:0``), "" for the container's own; so is ``working_dir``.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str | None], ...] = ()
    working_dir: str = ""
    user: str = ""
    tty: bool = False
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    privileged: bool = False
    detach_keys: bytes = b""
    size: Size | None = None

    @property
    def shown(self) -> str:
        """As events show it: the program and its arguments."""
        return f"{self.argv[0]} {' '.join(self.argv[1:])}"


@dataclass(frozen=True, slots=True)
class ExecStart:
    """How it is started: ``tty`` decides the framing of the output alone; the terminal is the created exec's."""

    detach: bool = False
    tty: bool = False
    size: Size | None = None


@dataclass(frozen=True, slots=True)
class Exec:
    """One exec at one moment. ``user`` is whom it runs as, as that is shown; ``exit_code`` is None until it has ended."""

    id: str
    container_id: str
    spec: ExecSpec
    started: bool = False
    exit_code: int | None = None
    user: str = ""

    @property
    def ended(self) -> bool:
        """It has an exit code."""
        return self.exit_code is not None

    @property
    def running(self) -> bool:
        """It was started and has not ended."""
        return self.started and not self.ended


# --- what Kubernetes' exec lacks, by the image's own tools -----------------------------------------------------------

REFUSED, UNREACHABLE = "kubedock: exec as ", f"{RUNTIME}: exec failed: unable to start container process: chdir to cwd ("

CHECKS = (
    f"refuse() {{ echo \"{REFUSED}$1 is not possible: Kubernetes runs an exec as the container's own user,"
    ' $(id -u):$(id -g)" >&2; exit 126; }; '
    'away() { p=$1; while [ ! -e "${p:-/}" ]; do p=${p%/*}; done; '
    "why='no such file or directory' code=127; "
    """if [ ! -d "${p:-/}" ]; then why='not a directory'; elif [ ! -x "${p:-/}" ]; then why='permission denied' code=126; fi; """
    f'echo "{UNREACHABLE}\\"$1\\") set in config.json failed: $why: unknown" >&2; exit $code; }}; '
    'if [ -n "$1" ] && [ "$1" != "$(id -u)" ] && [ "$1" != "$(id -un)" ]; then refuse "$1${2:+:$2}"; fi; '
    'if [ -n "$2" ] && [ "$2" != "$(id -g)" ] && [ "$2" != "$(id -gn)" ]; then refuse "$1:$2"; fi; '
    'if [ -n "$3" ]; then cd "$3" 2>/dev/null || away "$3"; fi; '
    'shift 3; exec "$@"'
)
"""``sh -c CHECKS sh USER GROUP DIRECTORY argv…``: each may be empty.

A shell's ``cd`` does not say in the same words everywhere why it fails: the nearest part of the path that exists tells.
The exit codes are those of ``notstarted``.
"""


class Wrapped(NamedTuple):
    """The command for Kubernetes. ``needs`` are the image's programs that it goes through, each with what for."""

    argv: list[str]
    needs: tuple[tuple[str, str], ...] = ()

    @property
    def checked(self) -> bool:
        """It goes through CHECKS."""
        return any(program == "sh" for program, _ in self.needs)

    def refusal(self, said: bytes) -> KubedockError | None:
        """Why CHECKS did not let the command begin, by what was written before the end; None where they did."""
        text = said.decode("utf-8", "replace").strip()
        if self.checked and text.startswith(REFUSED):
            return NotImplemented(text)
        return InvalidParameter(text) if self.checked and text.startswith(UNREACHABLE) else None


def wrapped(spec: ExecSpec, *, user: int | None, group: int | None, working_dir: str) -> Wrapped:
    """An exec's command with its environment, directory and user; the arguments are what the container has.

    What the container has already needs nothing. An image without ``env``, ``sh`` or ``id`` cannot do the rest.
    """
    argv, needs = list(spec.argv), list[tuple[str, str]]()
    name, _, group_name = spec.user.partition(":")
    if (not name or _names(name, user)) and (not group_name or _names(group_name, group)):
        name = group_name = ""
    directory = "" if spec.working_dir == working_dir else spec.working_dir
    if name or group_name or directory or (spec.env and "=" in argv[0]):
        argv = ["sh", "-c", CHECKS, "sh", name, group_name, directory, *argv]
        needs.append(("sh", "a user" if name or group_name else "a directory"))
    if spec.env:
        gone = [word for key, value in spec.env if value is None for word in ("-u", key)]
        argv = ["env", *gone, *(f"{key}={value}" for key, value in spec.env if value is not None), *argv]
        needs.append(("env", "environment variables"))
    return Wrapped(argv, tuple(needs))


def _names(name: str, number: int | None) -> bool:
    """A user's or group's name, as it is written, is that number. The name ``root`` is 0 in every image."""
    return number is not None and (name == str(number) or (name == "root" and number == 0))
