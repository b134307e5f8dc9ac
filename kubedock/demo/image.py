"""A tiny image of Debian's static busybox, as an OCI layout: for machines that no registry can be reached from."""

import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubedock.errors import Unavailable

Json = dict[str, Any]

PACKAGE = "busybox-static"
INSTALLED = Path("/bin/busybox")
TOOL_SECONDS = 120
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "www/index.html": "This page is served by busybox, in a container that kubedock runs.\n",
}
FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "var", "www")
PT_INTERP = 3


def busybox(folder: Path) -> Path:
    """A static busybox: the machine's, else out of Debian's package, which is fetched into the folder. Unavailable."""
    kept = folder / "busybox"
    for found in (INSTALLED, kept):
        if found.exists() and static(found.read_bytes()):
            return found
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        try:
            os.chmod(place, 0o755)  # noqa: S103 apt fetches as a user of its own
            _download(place)
            package = next(Path(place).glob("*.deb"))
            _run(["dpkg-deb", "--extract", str(package), f"{place}/tree"], place)
            shutil.copy2(f"{place}/tree/bin/busybox", kept)
        except (OSError, StopIteration, subprocess.SubprocessError) as error:
            raise Unavailable(
                f"Debian's package {PACKAGE} cannot be had, and its busybox is needed for an image: {error}"
            ) from error
    return kept


def _download(place: str) -> None:
    """Debian's package, into a folder. Where the machine's lists know none, with lists of our own: they go with the folder."""
    command = ["apt-get", "--quiet", "download", PACKAGE]
    try:
        _run(command, place)
    except OSError:
        own = [f"--option=Dir::State::Lists={place}/lists", f"--option=Dir::Cache={place}/cache"]
        for folder in ("lists", "cache"):
            Path(place, folder).mkdir()
        _run(["apt-get", *own, "--quiet", "update"], place)
        _run([command[0], *own, *command[1:]], place)


def _run(argv: Sequence[str], folder: str) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)
    if done.returncode != 0:
        raise OSError(f"{argv[0]}: {done.stderr.strip().rpartition(chr(10))[2]}")


def static(program: bytes) -> bool:
    """Whether a 64-bit little-endian ELF program needs no loader: no segment names one."""
    if program[:6] != b"\x7fELF\x02\x01":
        return False
    start, size, count = (int.from_bytes(program[at : at + length], "little") for at, length in ((32, 8), (54, 2), (56, 2)))
    headers = (program[start + size * number :][:4] for number in range(count))
    return all(int.from_bytes(header, "little") != PT_INTERP for header in headers)


def layer(program: bytes, commands: Sequence[str]) -> bytes:
    """The image's one layer: busybox, a link for each of its commands, and what a system needs to look like one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in FOLDERS:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        for name, content, mode in (("bin/busybox", program, 0o755), *((key, text.encode(), 0o644) for key, text in FILES.items())):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
        for command in commands:
            entry = tarfile.TarInfo(f"bin/{command}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return buffer.getvalue()


def write(folder: Path, references: Sequence[str], program: Path, config: Json | None = None) -> None:
    """Write the image into an OCI layout, under these references. The same program gives the same digests."""
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, timeout=TOOL_SECONDS, check=True)
    tree = layer(program.read_bytes(), [name for name in listed.stdout.split() if name != "busybox"])
    settings = config or {"Cmd": ["sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    configuration = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tree).hexdigest()}"]},
    }
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "blobs" / "sha256").mkdir(parents=True)
    media = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{media}.manifest.v1+json",
        "config": _blob(folder, f"{media}.config.v1+json", json.dumps(configuration).encode()),
        "layers": [_blob(folder, f"{media}.layer.v1.tar+gzip", gzip.compress(tree, mtime=0))],
    }
    entry = _blob(folder, f"{media}.manifest.v1+json", json.dumps(manifest).encode())
    named = [{**entry, "annotations": {"org.opencontainers.image.ref.name": reference}} for reference in references]
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": named}))
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))


def _blob(folder: Path, media_type: str, content: bytes) -> Json:
    digest = hashlib.sha256(content).hexdigest()
    (folder / "blobs" / "sha256" / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}
