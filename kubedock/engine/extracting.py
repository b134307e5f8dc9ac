"""Archives into a running container: through its own tar, entry by entry as Docker would put them there."""

import base64
import itertools
import posixpath
from collections.abc import Iterable, Iterator, Sequence

from kubedock.domain.files import Extraction
from kubedock.domain.filetools import NO_DIRECTORY, checking, extracting, failure
from kubedock.engine.core import Core
from kubedock.engine.places import NOT_A_DIRECTORY, Place
from kubedock.engine.programs import ImageProgram, connect, ending
from kubedock.errors import Forbidden, InvalidParameter
from kubedock.streams import compression, tar
from kubedock.streams.cancel import Cancel

BATCH_BYTES, BATCH_ENTRIES = 256 * 1024, 500
"""How much of an archive is held until the container has said what is in its way."""
_LINE = 57
"""Bytes in a line of base64."""


def extract(core: Core, place: Place, wanted: Extraction, chunks: Iterable[bytes], cancel: Cancel) -> None:
    """Extract an archive, plain or compressed, into a directory of a running container.

    What was extracted before an error stays, as with Docker.
    """
    directory = place.path.path
    with ImageProgram(connect(core, place, checking(directory, keep=wanted.keep)), cancel) as checker:
        _begin(checker, place)
        argv = extracting(directory, own=wanted.own, as_text=not checker.input_ends)
        with ImageProgram(connect(core, place, argv), cancel) as program:
            parts = tar.to_extract(tar.read(compression.plain(chunks)), directory)
            _send(program, tar.gathered(tar.write(_checked(parts, checker, place))))
            status = program.wait()
            if status.message:
                raise ending(program, place)
            if status.code != 0:
                raise failure(status.code, program.said)


def _begin(checker: ImageProgram, place: Place) -> None:
    """Wait until the script CHECK has found the directory."""
    if checker.line() != b"ready":
        if checker.wait().code == NO_DIRECTORY:
            raise InvalidParameter(NOT_A_DIRECTORY)
        raise ending(checker, place)


def _send(program: ImageProgram, chunks: Iterator[bytes]) -> None:
    """Send an archive to its end, or until the program is over."""
    whole = itertools.chain(chunks, (tar.END,))
    for chunk in whole if program.input_ends else base64_lines(whole):
        program.write(chunk)
        if program.over:
            return
    program.end_input()


def base64_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes as text, with an empty line at the end, and one more: busybox' sed acts on a line when it has the next."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) - len(data) % _LINE
        yield base64.encodebytes(data[:whole])
        rest = data[whole:]
    yield base64.encodebytes(rest) + b"\n\n"


def _checked(parts: Iterable[tar.Part], checker: ImageProgram, place: Place) -> Iterator[tar.Part]:
    """An archive's parts, once nothing in the container is in their way."""
    for batch in _batches(parts):
        _check([part for part in batch if isinstance(part, tar.Entry)], checker, place)
        checker.keep_alive()
        yield from batch


def _batches(parts: Iterable[tar.Part]) -> Iterator[list[tar.Part]]:
    batch, size = list[tar.Part](), 0
    for part in parts:
        batch.append(part)
        size += 0 if isinstance(part, tar.Entry) else len(part)
        if size >= BATCH_BYTES or len(batch) >= BATCH_ENTRIES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _check(entries: Sequence[tar.Entry], checker: ImageProgram, place: Place) -> None:
    """Have what is in the way of these entries removed, or raise for it. Names of several lines are left to tar."""
    directory = place.path.path
    asked = [entry for entry in entries if "\n" not in entry.name]
    if not asked:
        return
    lines = [f"{'directory' if entry.kind == tar.DIRECTORY else 'other'}\n{entry.name}\n" for entry in asked]
    checker.write("".join(lines).encode("utf-8", "surrogateescape"))
    for entry in asked:
        path = posixpath.join(directory, entry.name)
        match checker.line():
            case b"ok":
                continue
            case b"directory":
                raise InvalidParameter(f'cannot overwrite directory "{path}" with non-directory "{directory}"')
            case b"other":
                raise InvalidParameter(f'cannot overwrite non-directory "{path}" with directory "{directory}"')
            case b"fixed":
                raise Forbidden(f'cannot replace "{path}": {checker.said.strip()}')
            case _:
                raise ending(checker, place)
