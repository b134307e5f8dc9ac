"""Why a container runtime could not start a command, from its text: that of runc and that of crun (CRI-O). Pure.

The rules and their order are moby's (``setExitCodeFromError`` in daemon/errors.go). It has given an exec's code by them since
28.0; before, any exec that could not start had 126.
"""

import re

RUNTIME = "OCI runtime exec failed"
COMMAND_NOT_FOUND, COMMAND_NOT_RUNNABLE = 127, 126

_DENIED = re.compile(r"permission denied|is a directory", re.IGNORECASE)
_MISSING = re.compile(
    r"not a directory|executable file .*not found|no such file or directory|system cannot find the file specified", re.IGNORECASE
)


def start_code(text: str) -> int | None:
    """Docker's exit code of a command that was not started; None where the text gives none of its reasons."""
    if _DENIED.search(text):
        return COMMAND_NOT_RUNNABLE
    return COMMAND_NOT_FOUND if _MISSING.search(text) else None


def lacks(text: str, program: str) -> bool:
    """The image has no such program, says the runtime: runc quotes a name as ``"sh"``, crun as ```sh```."""
    return start_code(text) == COMMAND_NOT_FOUND and re.search(rf'["`]{re.escape(program)}["`]', text) is not None
