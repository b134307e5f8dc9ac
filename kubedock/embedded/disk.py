"""The object store's image on disk, for whoever comes after this process.

::

    objects/configmaps/NAME.json        an object as the API shows it, with its version

Each file is written whole under another name and renamed. One thread writes what has changed, the newest state of each
object alone, so that no caller waits for the disk. Events are left out (they are of no use later), the machine's own
objects too (they are made anew).
"""

import json
import logging
import os
import threading
from pathlib import Path

from kubedock.cluster import Json, Kind
from kubedock.cluster.kinds import RESOURCES
from kubedock.cluster.objects import owners
from kubedock.cluster.store import Entry, ObjectStore

logger = logging.getLogger(__name__)

NOT_KEPT: tuple[Kind, ...] = ("Event", "Node", "Namespace", "SelfSubjectAccessReview")
OF_PROCESSES: tuple[Kind, ...] = ("Pod", "Deployment")
"""What ends with the server's processes: a new server does not take it up."""


class Disk:
    """``load`` first, then ``start``; ``stop`` writes what is left."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store, self._folder = store, folder
        self._dirty: dict[tuple[Kind, str], None] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="node-disk", daemon=True)

    def load(self) -> None:
        """Put back what an earlier server left, but for its pods, their controllers, and what only they owned."""
        found = [item for path in sorted(self._folder.glob("*/*.json")) if (item := _read(path)) is not None]
        gone = {item["metadata"]["uid"] for item in found if item["kind"] in OF_PROCESSES}
        for item in found:
            lost = owners(item) and all(uid in gone for uid in owners(item))
            if item["kind"] in OF_PROCESSES or item["kind"] in NOT_KEPT or lost:
                self._path(item["kind"], item["metadata"]["name"]).unlink(missing_ok=True)
            else:
                self._store.restore(item)
        self._store.advance(max((int(item["metadata"]["resourceVersion"]) for item in found), default=0))

    def start(self) -> None:
        """Write from now on."""
        self._store.listen(self._note)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Write the rest, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _note(self, entry: Entry) -> None:
        """Under the store's lock."""
        item = entry.after or entry.before
        if item is not None and entry.kind not in NOT_KEPT:
            with self._changed:
                self._dirty[entry.kind, item["metadata"]["name"]] = None
                self._changed.notify_all()

    def _run(self) -> None:
        failed = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._dirty or self._stopping)
                if not self._dirty:
                    return
                dirty, self._dirty = list(self._dirty), {}
            for kind, name in dirty:
                try:
                    self._write(kind, name)
                except OSError as error:
                    logger.log(logging.DEBUG if failed else logging.WARNING, "%s %s is not on disk: %s", kind, name, error)
                    failed = True

    def _write(self, kind: Kind, name: str) -> None:
        path, item = self._path(kind, name), self._store.peek(kind, name)
        if item is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(item, file)
        temporary.rename(path)

    def _path(self, kind: Kind, name: str) -> Path:
        return self._folder / RESOURCES[kind].plural / f"{name}.json"


def _read(path: Path) -> Json | None:
    """An object; a file that holds none is taken away."""
    try:
        item: Json = json.loads(path.read_text(encoding="utf-8"))
        int(item["metadata"]["resourceVersion"])
        return item if item["kind"] in RESOURCES else None
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("%s holds no object: %s", path, error)
        path.unlink()
        return None
