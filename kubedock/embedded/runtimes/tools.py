"""The programs that a runtime needs, and how to get them."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from kubedock.errors import Unavailable

IMAGE_TOOLS = ("skopeo", "umoci")
CONTAINER_TOOLS = ("runc", "conmon")
NOBODY = 65534
PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def path() -> str:
    """Where programs are looked for: also where a user's PATH leaves the system's folders out."""
    return f"{os.environ.get('PATH', '')}:{PLACES}"


def find(name: str) -> str:
    """A program's path, "" where it is not installed."""
    return shutil.which(name, path=path()) or ""


def image_environment(folder: Path) -> dict[str, str]:
    """For skopeo: root's would keep a cache below /var/lib, another user's lies below the folder, as what it unpacks."""
    own = {"_CONTAINERS_ROOTLESS_UID": str(NOBODY), "XDG_DATA_HOME": str(folder), "TMPDIR": str(folder)}
    return {**os.environ, "PATH": path(), **own}


class Missing(Unavailable):
    """Programs that are not installed: once they are, the machine may well do."""


def require(names: Sequence[str]) -> None:
    """Missing, with the command that installs what is missing. Packages are named as their programs."""
    missing = [name for name in names if not find(name)]
    if missing:
        listed = ", ".join(missing[:-1]) + (" and " if missing[1:] else "") + missing[-1]
        verb = "is" if len(missing) == 1 else "are"
        raise Missing(
            f"the embedded node needs {listed}, which {verb} not installed:"
            f" apt-get install --no-install-recommends {' '.join(missing)}"
        )
