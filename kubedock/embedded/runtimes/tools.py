"""The programs that a runtime needs, and how to get them."""

import os
import shutil
from collections.abc import Sequence

from kubedock.errors import Unavailable

IMAGE_TOOLS = ("skopeo", "umoci")
CONTAINER_TOOLS = ("runc", "conmon")
PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def path() -> str:
    """Where programs are looked for: also where a user's PATH leaves the system's folders out."""
    return f"{os.environ.get('PATH', '')}:{PLACES}"


def find(name: str) -> str:
    """A program's path, "" where it is not installed."""
    return shutil.which(name, path=path()) or ""


def require(names: Sequence[str]) -> None:
    """Unavailable, with the command that installs what is missing. Packages are named as their programs."""
    missing = [name for name in names if not find(name)]
    if missing:
        listed = ", ".join(missing[:-1]) + (" and " if missing[1:] else "") + missing[-1]
        verb = "is" if len(missing) == 1 else "are"
        raise Unavailable(
            f"the embedded node needs {listed}, which {verb} not installed:"
            f" apt-get install --no-install-recommends {' '.join(missing)}"
        )
