"""The files of a container in the in-memory cluster, and stand-ins for the programs that kubedock copies them with.

They are run as ``domain.filetools`` asks for them, and say what busybox' tar says. Everything is root's, in a small tree.
"""

import base64
import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from kubedock.cluster.protocol import Json
from kubedock.domain import filetools
from kubedock.domain.files import absolute, ancestors
from kubedock.domain.kept import ALWAYS_THERE
from kubedock.streams import tar

Write = Callable[[int, bytes], None]
Node = tuple[tar.Entry, bytes]
T0 = 1_700_000_000


class FakeFiles:
    """Nodes by absolute path. ``unreadable`` paths cannot be archived; a ``read_only`` tree cannot be extracted to."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self.unreadable: set[str] = set()
        self.read_only = False
        for path in ALWAYS_THERE:
            self.put(path, tar.Entry("", tar.DIRECTORY, mode=0o755, mtime=T0))
        self.put("/etc/hostname", tar.Entry("", mtime=T0, size=6), b"alpine")

    def put(self, path: str, entry: tar.Entry, data: bytes = b"") -> None:
        """Put a node there instead of what was there, and directories above it."""
        for above in ancestors(path):
            self._nodes.setdefault(above, (tar.Entry(above, tar.DIRECTORY, mode=0o755, mtime=T0), b""))
        self._nodes[path] = (replace(entry, name=path), data)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Put a file there."""
        self.put(path, tar.Entry(path, size=len(data), mode=mode, mtime=T0), data)

    def get(self, path: str) -> Node | None:
        """What is there, links above it followed."""
        return self._nodes.get(self._real(path))

    def read(self, path: str) -> bytes:
        """A file's data; KeyError where there is none."""
        return self._nodes[self.resolved(path)][1]

    def resolved(self, path: str) -> str:
        """Where a path leads to when a link at its end is followed, too."""
        for _ in range(40):
            path = self._real(path)
            node = self._nodes.get(path)
            if node is None or node[0].kind != tar.SYMLINK:
                break
            path = absolute(posixpath.join(posixpath.dirname(path), node[0].link))
        return path

    def _real(self, path: str) -> str:
        above, name = posixpath.split(absolute(path))
        return absolute(posixpath.join(self.resolved(above) if name else "/", name))

    def remove(self, path: str) -> None:
        """A node and all below it."""
        for each in [each for each in self._nodes if each == path or each.startswith(f"{path.rstrip('/')}/")]:
            del self._nodes[each]

    def kind(self, path: str) -> str:
        """``nothing``, ``directory`` or ``other``: what a link is, not where it leads to."""
        node = self.get(path)
        if node is None:
            return "nothing"
        return "directory" if node[0].kind == tar.DIRECTORY else "other"

    def at_top(self) -> list[str]:
        """What is in the root directory."""
        return sorted(path[1:] for path in self._nodes if path != "/" and path.count("/") == 1)

    def archive(self, where: str, members: Sequence[str]) -> Iterator[tar.Part]:
        """What tar makes of members of a directory."""
        for member in members:
            root = self.resolved(where) if member == "." else self._real(posixpath.join(where, member))
            for path in sorted(self._nodes):
                if path == root or path.startswith(f"{root.rstrip('/')}/"):
                    entry, data = self._nodes[path]
                    rest = path[len(root) :].lstrip("/")
                    yield replace(entry, name=f"{member}/{rest}" if rest else member)
                    yield data


def missing_config_map(spec: Json, find: Callable[[str], Json | None]) -> str:
    """What the kubelet says of a pod whose ConfigMap is not there, "" where all are."""
    for volume in spec.get("volumes") or ():
        name = (volume.get("configMap") or {}).get("name")
        if name is not None and find(name) is None:
            return f'MountVolume.SetUp failed for volume "{volume["name"]}" : configmap "{name}" not found'
    return ""


def mounted(spec: Json, container: Json, find: Callable[[str], Json]) -> FakeFiles:
    """A container's files: the image's, empty volumes, and files of ConfigMaps, each a sub-path mounted by itself."""
    volumes = {volume["name"]: volume.get("configMap") for volume in spec.get("volumes") or ()}
    files = FakeFiles()
    for mount in container.get("volumeMounts") or ():
        source = volumes.get(mount["name"])
        if source is None:
            files.put(mount["mountPath"], tar.Entry("", tar.DIRECTORY, mode=0o777))
            continue
        [item] = [item for item in source["items"] if item["path"] == mount["subPath"]]
        files.write(mount["mountPath"], base64.b64decode(find(source["name"])["binaryData"][item["key"]]), item["mode"])
    return files


def file_program(argv: Sequence[str], files: FakeFiles, write: Write) -> "FileProgram | None":
    """The stand-in for a command, None where it copies no files."""
    script = argv[2] if len(argv) > 3 and tuple(argv[:2]) == ("sh", "-c") else ""
    if script == filetools.READ:
        return ReadProgram(argv[4:], files, write)
    if script == filetools.CHECK:
        return CheckProgram(argv[4:], files, write)
    if script in (filetools.EXTRACT, filetools.EXTRACT_TEXT):
        return ExtractProgram(argv[4:], files, write, as_text=script == filetools.EXTRACT_TEXT)
    return LinkProgram(argv[3:], files, write) if tuple(argv[:2]) == ("readlink", "-f") else None


class FileProgram:
    """A program that runs; see ``fake_program.Program``."""

    def __init__(self, arguments: Sequence[str], files: FakeFiles, write: Write) -> None:
        self.arguments, self.files, self.write = list(arguments), files, write
        self.code: int | None = None

    def go(self) -> None:
        """Run until it ends or waits for input."""

    def feed(self, data: bytes | None) -> None:
        """Stdin; None is its end."""


class LinkProgram(FileProgram):
    """``readlink -f``."""

    def go(self) -> None:
        """See FileProgram."""
        found = self.files.resolved(self.arguments[-1])
        self.code = 0 if self.files.kind(found) != "nothing" else 1
        if self.code == 0:
            self.write(1, f"{found}\n".encode())


class ReadProgram(FileProgram):
    """``filetools.READ``."""

    _ended: int | None = None

    def go(self) -> None:
        """See FileProgram."""
        path, files = self.arguments[0], self.files
        if files.kind(files.resolved(path) if path.endswith("/") else path) == "nothing":
            self.code = filetools.ABSENT
        elif path.endswith("/") and files.kind(files.resolved(path)) != "directory":
            self.code = filetools.NO_DIRECTORY
        else:
            self._archive()

    def _archive(self) -> None:
        where, members = self.arguments[5], self.arguments[7:]
        if self.arguments[0] == "/":
            members = [f"./{name}" for name in self.files.at_top() if name not in ("proc", "sys", "dev")]
        refused = [path for path in sorted(self.files.unreadable) if path.startswith(posixpath.join(where, members[0]))]
        for chunk in tar.gathered(tar.write(self.files.archive(where, members))) if not refused else ():
            self.write(1, chunk)
        self.write(1, tar.END)
        for path in refused:
            self.write(2, f"tar: can't open '{path}': Permission denied\n".encode())
        self._ended = 1 if refused else 0
        self.write(2, f"{filetools.ENDED}{self._ended}\n".encode())

    def feed(self, data: bytes | None) -> None:
        """It is let go."""
        del data
        self.code = self._ended if self.code is None else self.code


class CheckProgram(FileProgram):
    """``filetools.CHECK``."""

    _rest = b""

    def go(self) -> None:
        """See FileProgram."""
        kind = self.files.kind(self.files.resolved(self.arguments[0]))
        self.code = {"nothing": filetools.ABSENT, "other": filetools.NO_DIRECTORY}.get(kind)
        if self.code is None:
            self.write(1, b"ready\n")

    def feed(self, data: bytes | None) -> None:
        """Pairs of lines."""
        if data is None:
            self.code = 0
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for new, name in zip(lines[::2], lines[1::2], strict=True):
            path = posixpath.join(self.arguments[0], name.decode())
            old, keep = self.files.kind(path), self.arguments[1] == "keep"
            conflict = old not in ("nothing", new.decode())
            if conflict and not keep:
                self.files.remove(path)
            self.write(1, f"{old if conflict and keep else 'ok'}\n".encode())


class ExtractProgram(FileProgram):
    """``filetools.EXTRACT``, and the one that takes text."""

    def __init__(self, arguments: Sequence[str], files: FakeFiles, write: Write, *, as_text: bool) -> None:
        super().__init__(arguments, files, write)
        self._as_text, self._input = as_text, bytearray()

    def go(self) -> None:
        """See FileProgram."""
        if self.files.read_only:
            self.write(2, b"tar: can't open 'x': Read-only file system\n")
            self.code = 1

    def feed(self, data: bytes | None) -> None:
        """An archive, up to its end."""
        if self.code is not None:
            return
        self._input += data or b""
        if self._as_text and self._input.endswith(b"\n\n"):
            self._extract(base64.b64decode(self._input))
        elif data is None:
            self._extract(bytes(self._input))

    def _extract(self, archive: bytes) -> None:
        into, own = self.arguments[-1], "-o" in self.arguments
        entry, data = None, bytearray()
        for part in [*tar.read([archive], marked=True), None]:
            if isinstance(part, bytes):
                data += part
                continue
            if entry is not None:
                self._put(posixpath.join(self.files.resolved(into), entry.name), entry, bytes(data), own=own)
            entry, data = part, bytearray()
        self.code = 0

    def _put(self, path: str, entry: tar.Entry, data: bytes, *, own: bool) -> None:
        if entry.kind == tar.LINK:
            data = self.files.read(posixpath.join(self.arguments[-1], entry.link))
            entry = replace(entry, kind=tar.FILE, size=len(data), link="")
        self.files.put(path, replace(entry, uid=0, gid=0) if own else entry, data)
