"""Docker's JSON of execs: what is asked for, and how they are shown."""

import base64
from collections.abc import Mapping
from typing import Any

from kubedock.dockerapi.kinds import optional
from kubedock.domain.exec import Exec, ExecSpec, ExecStart, Size
from kubedock.errors import InvalidParameter

Json = dict[str, Any]

CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"
"""With ``ctrl-`` before it each is the byte of its place."""


def create(body: Mapping[str, Any]) -> ExecSpec:
    """The body of ``containers/X/exec``."""

    def flag(key: str) -> bool:
        return bool(optional("boolean", body, key, ""))

    def text(key: str) -> str:
        return str(optional("string", body, key, "") or "")

    command = optional("command", body, "Cmd", "") or ()
    return ExecSpec(
        argv=(command,) if isinstance(command, str) else tuple(command),
        env=tuple(map(_variable, optional("strings", body, "Env", "") or ())),
        working_dir=text("WorkingDir"),
        user=text("User"),
        tty=flag("Tty"),
        stdin=flag("AttachStdin"),
        stdout=flag("AttachStdout"),
        stderr=flag("AttachStderr"),
        privileged=flag("Privileged"),
        detach_keys=_detach_keys(text("DetachKeys")),
        size=_size(body),
    )


def start(body: Mapping[str, Any]) -> ExecStart:
    """The body of ``exec/X/start``."""
    tty = bool(optional("boolean", body, "Tty", ""))
    return ExecStart(bool(optional("boolean", body, "Detach", "")), tty, _size(body) if tty else None)


def inspect(shown: Exec) -> Json:
    """``exec/X/json``. ExitCode is null until it has ended, as with Docker."""
    spec = shown.spec
    process: Json = {"tty": spec.tty, "entrypoint": spec.argv[0], "arguments": list(spec.argv[1:]), "privileged": spec.privileged}
    if shown.user:
        process["user"] = shown.user
    return {
        "ID": shown.id,
        "Running": shown.running,
        "ExitCode": shown.exit_code,
        "ProcessConfig": process,
        "OpenStdin": spec.stdin,
        "OpenStdout": spec.stdout,
        "OpenStderr": spec.stderr,
        "CanRemove": shown.ended,
        "ContainerID": shown.container_id,
        "DetachKeys": base64.b64encode(spec.detach_keys).decode(),
        "Pid": 0,
    }


def _detach_keys(text: str) -> bytes:
    """The bytes of ``ctrl-p,ctrl-q``: single ASCII characters, ``ctrl-`` and one of CONTROL, or ``DEL``.

    What is none is 400, as for an attach; moby has 500 here, from an error without a kind.
    """
    found = bytearray()
    for key in text.split(",") if text else ():
        control = key.removeprefix("ctrl-")
        if len(key) == 1 and key.isascii():
            found += key.encode()
        elif key != control and len(control) == 1 and control in CONTROL:
            found.append(CONTROL.index(control))
        elif key == "DEL":
            found.append(127)
        else:
            raise InvalidParameter(f"Invalid escape keys ({text}) provided")
    return bytes(found)


def _variable(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name:
        raise InvalidParameter(f"invalid environment variable: {text}")
    return name, value if equals else None


def _size(body: Mapping[str, Any]) -> Size | None:
    """Docker's ConsoleSize: height and width. The docker command sends ``[0, 0]`` where it has no terminal."""
    found = optional("integers", body, "ConsoleSize", "")
    if found is None:
        return None
    if len(found) != 2 or any(not 0 <= number < 2**16 for number in found):
        raise InvalidParameter("invalid JSON: ConsoleSize: two sizes of a terminal, height and width, are expected")
    return Size(*found) if all(found) else None
