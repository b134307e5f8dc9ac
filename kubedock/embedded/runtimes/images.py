"""Images on disk: one read-only tree each. skopeo fetches, umoci unpacks.

::

    images/refs.json           {"docker.io/library/redis:7": {"id": …, "digest": …}}
    images/<id>/rootfs         the tree
    images/<id>/image.json     {"config": …, "architecture": …, "size": …}
    images/tmp-…               being fetched; removed at the next start

An image is complete when its folder has its name: it is renamed last. Each is fetched into a layout of its own, since
skopeo loses entries of a layout's index when several copy into it at once.
"""

import base64
import contextlib
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kubedock.embedded.runtime import Credentials, Image, PullError
from kubedock.embedded.runtimes import registry, tools
from kubedock.embedded.runtimes.archives import Archive
from kubedock.embedded.runtimes.registry import Failing
from kubedock.errors import InvalidParameter
from kubedock.parsing import Mirror

Json = dict[str, Any]
PULLS = 4
"""So many at once: unpacking takes a core each."""


class Images:
    """The images of one node. ``open`` before use."""

    def __init__(
        self, folder: Path, mirrors: Sequence[Mirror] = (), archives: Sequence[Archive] = (), insecure: Sequence[str] = ()
    ) -> None:
        """``archives`` are asked before any registry; ``insecure`` hosts need no TLS."""
        self._folder, self._mirrors, self._insecure = folder, tuple(mirrors), frozenset(insecure)
        self._archives = {ref: archive for archive in archives for ref in archive.references}
        self._lock = threading.Lock()
        self._refs: dict[str, Json] = {}
        self._known: dict[str, Image] = {}
        self._busy: dict[str, threading.Lock] = {}
        self._slots = threading.BoundedSemaphore(PULLS)
        self._numbers = itertools.count(1)

    def open(self) -> None:
        """Read what is there, and remove what a pull that was broken off has left."""
        for left in self._folder.glob("tmp-*"):
            shutil.rmtree(left, ignore_errors=True)
        self._refs = self._read(self._folder / "refs.json") or {}

    def root(self, image: Image) -> Path:
        """The image's tree; nobody writes into it."""
        return self._place(image.id) / "rootfs"

    def get(self, text: str) -> Image | None:
        """See Runtime.image."""
        wanted = registry.reference(text)
        with self._lock:
            return self._image(wanted.canonical)

    def list(self) -> list[Image]:
        """All that are present."""
        with self._lock:
            return [found for ref in sorted(self._refs) if (found := self._image(ref)) is not None]

    def pull(self, text: str, *, timeout: float, credentials: Sequence[Credentials] = ()) -> Image:
        """See Runtime.pull."""
        wanted = registry.reference(text)
        with self._lock:
            mine = self._busy.setdefault(wanted.canonical, threading.Lock())
        with mine, self._slots:
            temporary = self._folder / f"tmp-{os.getpid()}-{next(self._numbers)}"
            temporary.mkdir(mode=0o700)
            archive = self._archives.get(wanted.canonical)
            fail = registry.Failing(wanted, archive.path if archive is not None else None)
            try:
                if archive is not None:
                    return self._from_archive(fail, archive, temporary, timeout)
                return self._from_registry(fail, temporary, timeout, credentials)
            except (subprocess.TimeoutExpired, TimeoutError) as error:
                raise fail(f"not complete after {timeout:g} s: i/o timeout") from error
            except OSError as error:
                raise fail(f"{error.strerror}: {error.filename}") from error
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def own(self, text: str, *, timeout: float) -> Image | None:
        """See Runtime.own."""
        return self.pull(text, timeout=timeout) if registry.reference(text).canonical in self._archives else None

    # --- inside --------------------------------------------------------------------------------------------------

    def _from_registry(self, fail: Failing, temporary: Path, timeout: float, credentials: Sequence[Credentials]) -> Image:
        wanted = fail.wanted
        asked = registry.source(wanted, self._mirrors, self._insecure)
        options = [f"--authfile={_authfile(temporary, registry.auths(asked, credentials))}"]
        verify = ["--tls-verify=false"] if asked.plain else []
        raw = self._run(fail, ["skopeo", "inspect", "--raw", *options, *verify, asked.at(asked.suffix)], timeout, temporary)
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        with self._lock:
            same = next((ref for ref, told in self._refs.items() if told["digest"] == digest and self._image(ref)), None)
            if same is not None:
                return self._remember(wanted.canonical, self._refs[same]["id"], digest)
        source_options = ["--src-tls-verify=false"] if asked.plain else []
        return self._unpack(fail, [*options, *source_options, asked.at(f"@{digest}")], digest, temporary, timeout)

    def _from_archive(self, fail: Failing, archive: Archive, temporary: Path, timeout: float) -> Image:
        ref = fail.wanted.canonical
        with self._lock:
            same = self._image(ref) if self._refs.get(ref, {}).get("archive") == archive.stamp else None
        if same is not None:
            return same
        try:
            source = archive.source(ref, temporary, timeout)
        except InvalidParameter as error:
            raise fail(str(error)) from error
        found = self._unpack(fail, [source], "", temporary, timeout)
        with self._lock:
            self._refs[ref]["archive"] = archive.stamp
            self._save()
        return found

    def _unpack(self, fail: Failing, source: Sequence[str], digest: str, temporary: Path, timeout: float) -> Image:
        """Fetch into a layout, make the tree, and give it its name."""
        layout = temporary / "layout"
        self._run(fail, ["skopeo", "copy", "--quiet", *source, "oci:layout:image"], timeout, temporary)
        entry = json.loads((layout / "index.json").read_bytes())["manifests"][0]
        manifest = _blob(layout, entry["digest"])
        image_id = manifest["config"]["digest"]
        place = self._place(image_id)
        if not place.exists():
            ready = temporary / "ready"
            ready.mkdir(mode=0o711)
            self._run(fail, ["umoci", "raw", "unpack", "--image", "layout:image", "ready/rootfs"], timeout, temporary)
            configuration = _blob(layout, image_id)
            told = {
                "config": configuration.get("config") or {},
                "architecture": configuration.get("architecture") or "",
                "size": sum(int(layer["size"]) for layer in manifest["layers"]),
            }
            (ready / "image.json").write_text(json.dumps(told))
            with contextlib.suppress(OSError):  # another reference to the same image was faster
                ready.rename(place)
        with self._lock:
            return self._remember(fail.wanted.canonical, image_id, digest or entry["digest"])

    @staticmethod
    def _run(fail: Failing, argv: Sequence[str], timeout: float, folder: Path) -> bytes:
        """What a tool writes. It runs in a folder, so that no path with a colon is among its arguments."""
        argv = [tools.find(argv[0]) or argv[0], *argv[1:]]
        done = subprocess.run(
            argv,
            capture_output=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=tools.image_environment(folder),
        )
        if done.returncode != 0:
            raise fail(done.stderr.decode(errors="replace"))
        return done.stdout

    def _place(self, image_id: str) -> Path:
        return self._folder / image_id.rpartition(":")[2]

    def _remember(self, ref: str, image_id: str, digest: str) -> Image:
        """The lock is held."""
        self._refs[ref] = {"id": image_id, "digest": digest}
        self._known.pop(ref, None)
        self._save()
        found = self._image(ref)
        if found is None:
            raise PullError(f'rpc error: code = Unknown desc = failed to pull and unpack image "{ref}": it is gone again')
        return found

    def _image(self, ref: str) -> Image | None:
        """The lock is held."""
        known, told = self._known.get(ref), self._refs.get(ref)
        if known is not None or told is None:
            return known
        stored = self._read(self._place(told["id"]) / "image.json")
        if stored is None:
            return None
        image = Image(ref, told["id"], told["digest"], stored["config"], stored["architecture"], stored["size"])
        self._known[ref] = image
        return image

    def _save(self) -> None:
        temporary = self._folder / "refs.json.new"
        temporary.write_text(json.dumps(self._refs, indent=1))
        temporary.replace(self._folder / "refs.json")

    @staticmethod
    def _read(path: Path) -> Json | None:
        """A file of ours; None where it is missing or was cut off."""
        try:
            told: Json = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return told


def _blob(layout: Path, digest: str) -> Json:
    told: Json = json.loads((layout / "blobs" / digest.replace(":", "/", 1)).read_bytes())
    return told


def _authfile(folder: Path, found: Mapping[str, Credentials]) -> Path:
    """The file that skopeo reads credentials from: arguments could be read by everybody."""
    entries = {
        host: {"auth": base64.b64encode(f"{each.username}:{each.password}".encode()).decode()} for host, each in found.items()
    }
    path = folder / "auth.json"
    path.write_text(json.dumps({"auths": entries}))
    return path
