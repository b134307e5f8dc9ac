"""Archives for tests, made and read by Python's own tarfile: the other side of ours."""

import io
import tarfile
from collections.abc import Iterable
from typing import Any

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
TIME = 1_700_000_000


def member(name: str, data: bytes | None = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """An entry: a file with this data, a directory for None; ``fields`` of tarfile's TarInfo."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    info.mode, info.mtime, info.size = 0o755 if data is None else 0o644, TIME, len(data or b"")
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data or b""


def archive(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of entries."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as made:
        for info, data in members:
            made.addfile(info, io.BytesIO(data))
    return target.getvalue()


def of_files(files: dict[str, bytes], **fields: Any) -> bytes:
    """An archive of files by name."""
    return archive(*(member(name, data, **fields) for name, data in files.items()))


def contents(data: bytes) -> dict[str, bytes | str | None]:
    """What is in an archive: a file's data, None for a directory, a link's target."""
    found: dict[str, bytes | str | None] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as read:
        for info in read:
            file = read.extractfile(info) if info.isreg() else None
            found[info.name or "/"] = file.read() if file else info.linkname or None
    return found


def cut(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """The same bytes in pieces of these sizes, and the rest."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]
