"""The object store's image on disk, for whoever comes after this process.

::

    objects/configmaps/NAME.json        an object as the API shows it, with its version

Each file is written whole under another name and renamed. One thread writes what has changed, the newest state of each
object alone, so that no caller waits for the disk. Events are left out (they are of no use later), the machine's own
objects too (they are made anew). Secrets are among them: nobody but root may read the folder.

What a server makes for its containers ends with their processes, and so does what only they own: a new server takes up
the rest. Nobody tells it which server an object was made by, since only one has the folder at a time.
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
UNFINISHED = ".new"
FOLDER_MODE = 0o700


class Disk:
    """``load`` first, then ``start``; ``stop`` writes what is left."""

    def __init__(self, store: ObjectStore, folder: Path, ours: str = "") -> None:
        """``ours`` is the label of what a server makes for its containers, "" for none."""
        self._store, self._folder, self._ours = store, folder, ours
        self._dirty: dict[tuple[Kind, str], None] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="node-disk", daemon=True)

    def load(self) -> None:
        """Put back what an earlier server left and what lasts; the files of all else are removed."""
        self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self._folder.chmod(FOLDER_MODE)
        for unfinished in self._folder.glob(f"*/*{UNFINISHED}"):
            unfinished.unlink()
        found = {path: item for path in sorted(self._folder.glob("*/*.json")) if (item := _read(path)) is not None}
        lasting = _owned([item for item in found.values() if self._lasts(item)])
        for path, item in found.items():
            if item["metadata"]["uid"] in lasting:
                self._store.restore(item)
            else:
                path.unlink()
        self._store.advance(max((int(item["metadata"]["resourceVersion"]) for item in found.values()), default=0))

    def _lasts(self, item: Json) -> bool:
        ours = self._ours and self._ours in (item["metadata"].get("labels") or {})
        return not ours and item["kind"] not in (*OF_PROCESSES, *NOT_KEPT)

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
        path.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        temporary = path.with_suffix(UNFINISHED)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(item, file)
        temporary.rename(path)

    def _path(self, kind: Kind, name: str) -> Path:
        return self._folder / RESOURCES[kind].plural / f"{name}.json"


def _owned(items: list[Json]) -> set[str]:
    """The uids of those that nobody owns, or somebody among them who stays."""
    uids = {item["metadata"]["uid"] for item in items}
    while lost := {item["metadata"]["uid"] for item in items if owners(item) and uids.isdisjoint(owners(item))} & uids:
        uids -= lost
    return uids


def _read(path: Path) -> Json | None:
    """An object; a file that holds none is taken away."""
    try:
        item: Json = json.loads(path.read_text(encoding="utf-8"))
        kind, meta = item["kind"], item["metadata"]
        int(meta["resourceVersion"])
        if (RESOURCES[kind].plural, meta["name"], bool(meta["uid"])) == (path.parent.name, path.stem, True):
            return item
        raise ValueError("it is another one's")
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("%s holds no object: %s", path, error)
        path.unlink()
        return None
