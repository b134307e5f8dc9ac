"""Which runtime a node gets: the one that was asked for, or the best that this machine allows, found by trying."""

import ipaddress
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kubedock.embedded.runtime import Runtime
from kubedock.embedded.runtimes import archives, tools
from kubedock.embedded.runtimes.folder import NodeFolder
from kubedock.embedded.runtimes.images import Images
from kubedock.errors import Unavailable
from kubedock.parsing import Mirror

logger = logging.getLogger(__name__)

AUTO = "auto"
WITH_ALL = "since this machine allows namespaces, mounts and control groups"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The settings that matter here. ``runtime`` is auto, runc or chroot; ``archives`` a folder of images, if any."""

    folder: Path
    network: ipaddress.IPv4Network
    runtime: str = AUTO
    mirrors: Sequence[Mirror] = ()
    archives: Path | None = None
    insecure: Sequence[str] = ()


def opened(wanted: Wanted) -> Runtime:
    """An open runtime. Unavailable, with what each of them said, where none can be had.

    Conflict where the network is in use, Missing where the first that is allowed lacks programs, InvalidParameter for settings.
    """
    folder = NodeFolder(wanted.folder)
    own = archives.archives(wanted.archives) if wanted.archives is not None else ()
    images = Images(folder.images, wanted.mirrors, own, wanted.insecure)
    makers: dict[str, Callable[[], Runtime]] = {
        "runc": lambda: _runc(folder, images, wanted.network),
        "chroot": lambda: _chroot(folder, images),
    }
    refused = {}
    with ExitStack() as undo:
        undo.callback(folder.unlock)
        folder.lock()
        for name in makers if wanted.runtime == AUTO else (wanted.runtime,):
            runtime = makers[name]()
            try:
                runtime.open()
            except tools.Missing:  # a lesser runtime in silence is not what an administrator wants
                raise
            except Unavailable as error:
                refused[name] = str(error)
                continue
            undo.pop_all()
            logger.info("containers are run by %s, %s", name, _why(wanted.runtime, refused))
            return runtime
    if len(set(refused.values())) == 1:
        raise Unavailable(next(iter(refused.values())))
    raise Unavailable("; ".join(f"{name}: {text}" for name, text in refused.items()))


def _why(asked: str, refused: Mapping[str, str]) -> str:
    if asked != AUTO:
        return "as --embedded-runtime says"
    return ", ".join(f"since {other} cannot be used: {text}" for other, text in refused.items()) or WITH_ALL


def _runc(folder: NodeFolder, images: Images, network: ipaddress.IPv4Network) -> Runtime:
    from kubedock.embedded.runtimes.runc import RuncRuntime  # noqa: PLC0415 pyroute2 takes 0.15 s, and not all need it

    return RuncRuntime(folder, images, network)


def _chroot(folder: NodeFolder, images: Images) -> Runtime:
    from kubedock.embedded.runtimes.chroot import ChrootRuntime  # noqa: PLC0415 only where runc cannot be used

    return ChrootRuntime(folder, images)
