"""What this machine allows, found by doing it: namespaces, then a whole container."""

import json
import os
import shutil
from pathlib import Path

from kubedock.embedded.runtime import ContainerSpec, Image
from kubedock.embedded.runtimes import ocispec, rootfs, syscalls
from kubedock.embedded.runtimes.apart import apart
from kubedock.embedded.runtimes.runcli import Runc
from kubedock.errors import Unavailable

SHOWN = ("/bin", "/sbin", "/lib", "/lib64", "/usr")
"""The machine's folders that ``true`` needs."""
KINDS = ("pid", "mount", "network", "ipc", "uts")
ALL = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
NOTHING = Image("", "", "", {}, "", 0)


def namespaces() -> None:
    """Make some, on a thread of its own. Unavailable where that is forbidden."""
    try:
        apart("embedded-trial", lambda: syscalls.unshare(ALL))
    except OSError as error:
        raise Unavailable(f"this machine does not let kubedock make namespaces: {error.strerror}") from error


def container(runc: Runc, bundle: Path, cgroup: str, capabilities: frozenset[str]) -> None:
    """Run the machine's ``true``, over an overlay. Unavailable, with what stands in the way; nothing is left of it."""
    lower, root = bundle / "lower", bundle / "rootfs"
    lower.mkdir(parents=True)
    try:
        syscalls.overlay(lower, bundle, root)
        spec = ContainerSpec("trial", "trial", "", NOTHING, ("/bin/true",), bundle / "log")
        place = ocispec.Place(root, (), tuple((kind, "") for kind in KINDS), cgroup, capabilities=capabilities)
        told = ocispec.config(spec, rootfs.User(), place)
        told["mounts"] += [ocispec.bind(Path(path).resolve(), path, read_only=True) for path in SHOWN if Path(path).exists()]
        (bundle / "config.json").write_text(json.dumps(told))
        failed = runc.run("run", "--bundle", str(bundle), "trial")
    except OSError as error:
        failed = f"{error.strerror}: {os.fspath(error.filename or bundle)}"
    finally:
        syscalls.unmount_all(bundle)
        shutil.rmtree(bundle, ignore_errors=True)
    if failed:
        raise Unavailable(f"this machine does not let runc run a container: {failed}")
