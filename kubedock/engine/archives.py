"""The use cases of archives: what a file is, files out of a container, files into it.

A container that runs is asked itself, through its image's sh and tar. Before its start and after its end files are kept
here, and its next start mounts them.
"""

from collections.abc import Iterable
from contextlib import closing

from kubedock.domain.container import ContainerRecord
from kubedock.domain.files import Extraction, FileStat, file_path
from kubedock.domain.status import status
from kubedock.engine import keeping
from kubedock.engine.core import Core
from kubedock.engine.extracting import extract
from kubedock.engine.lifecycle import Lifecycle
from kubedock.engine.places import Archive, Place, stat_of
from kubedock.engine.reading import read_archive, root
from kubedock.errors import Conflict, NoSuchContainer, NotImplemented, NotRunning
from kubedock.streams.cancel import Cancel

NO_FILES = "this container is a part of kubedock: it has no files, and nothing can be copied from or to it"


class Archives:
    """Look, get, put."""

    def __init__(self, core: Core, lifecycle: Lifecycle) -> None:
        self._core, self._lifecycle = core, lifecycle

    def look(self, ref: str, asked: str, cancel: Cancel) -> FileStat:
        """What is at a path, a link itself where it ends in one. NoSuchContainer, FileNotFound, NotRunning."""
        record, place = self._find(ref, asked)
        if place.path.path == "/":
            return stat_of(root(self._core.now()), place.path.name)
        if not self._runs(record):
            return keeping.look(record, self._core.files.get(record.id), place)
        with closing(read_archive(self._core, place, cancel)) as archive:
            return archive.stat

    def get(self, ref: str, asked: str, cancel: Cancel) -> Archive:
        """An archive of what is at a path. An error in its middle breaks it off before its end marker."""
        record, place = self._find(ref, asked)
        if self._runs(record):
            archive = read_archive(self._core, place, cancel)
        else:
            archive = keeping.give(record, self._core.files.get(record.id), place)
        try:
            archive.begin()
        except BaseException:
            archive.close()
            raise
        self._lifecycle.publish(record, "archive-path")
        return archive

    def put(self, ref: str, asked: str, wanted: Extraction, chunks: Iterable[bytes], cancel: Cancel) -> None:
        """Extract an archive into a directory; before the start and after the end keep its files for the next start."""
        record, place = self._find(ref, asked)
        keeping.check_writable(record, place.path.path)
        if self._runs(record):
            wanted = Extraction(wanted.keep, wanted.own and (record.spec.user, record.spec.group) != (None, None))
            extract(self._core, place, wanted, chunks, cancel)
        else:
            self._keep(record, place, wanted, chunks)
        self._lifecycle.publish(record, "extract-to-dir")

    def _find(self, ref: str, asked: str) -> tuple[ContainerRecord, Place]:
        record = self._core.containers.find(ref)
        if record.spec.workload == "inside":
            raise NotImplemented(NO_FILES)
        return record, Place(record.id, ref, asked, file_path(asked))

    def _runs(self, record: ContainerRecord) -> bool:
        """It runs: its file system can be reached. NotRunning while it is being started."""
        observed = self._core.watcher.observed(record.short_id, record.run)
        if record.alive and (record.started_at is None or not status(record, observed).running):
            raise NotRunning(record.id)
        return record.alive

    def _keep(self, record: ContainerRecord, place: Place, wanted: Extraction, chunks: Iterable[bytes]) -> None:
        """The archive is read before the container's lock is taken: a slow client holds nobody up."""
        archive = list(keeping.entries(chunks, place))
        with self._core.sessions.exclusive(record.id):
            now = self._core.containers.get(record.id)
            if now is None or now.removing:
                raise NoSuchContainer(place.ref)
            if now.alive:
                raise Conflict(f"container {record.id} was started while files were put into it: put them once more")
            self._core.files.save(record.id, keeping.keep(now, self._core.files.get(record.id), place, wanted, archive))
