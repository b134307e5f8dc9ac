"""Tar streams against Python's own tarfile."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedock.errors import InvalidParameter, NotImplemented
from kubedock.streams import tar
from tests.support.running import refused
from tests.support.tars import FORMATS, TIME, archive, contents, cut, member, of_files

LONG = "/".join(["directory-with-a-long-name"] * 20)


def entries(data: bytes) -> list[tar.Entry]:
    """The entries alone."""
    return [part for part in tar.read([data]) if isinstance(part, tar.Entry)]


def rewritten(data: bytes, **how: bool) -> bytes:
    """Read and written again."""
    return b"".join(tar.write(tar.read([data], **how))) + tar.END


@pytest.mark.parametrize("form", FORMATS)
def test_every_kind_of_entry_is_read(form: int) -> None:
    """Whatever the format, with all that an extraction needs."""
    found = entries(
        archive(
            member("dir", None, mode=0o1777),
            member("dir/file", b"hello", uid=1000, gid=50, uname="app", mode=0o4755),
            member("link", type=tarfile.SYMTYPE, linkname="dir/file"),
            member("hard", type=tarfile.LNKTYPE, linkname="dir/file"),
            member("pipe", type=tarfile.FIFOTYPE),
            member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
            form=form,
        )
    )

    assert found == [
        tar.Entry("dir", tar.DIRECTORY, mode=0o1777, mtime=TIME),
        tar.Entry("dir/file", tar.FILE, 5, 0o4755, TIME, 1000, 50),
        tar.Entry("link", tar.SYMLINK, mtime=TIME, link="dir/file"),
        tar.Entry("hard", tar.LINK, mtime=TIME, link="dir/file"),
        tar.Entry("pipe", tarfile.FIFOTYPE, mtime=TIME),
        tar.Entry("null", tarfile.CHRTYPE, mtime=TIME, device=(1, 3)),
    ]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_survive(form: int) -> None:
    """In the format that every tar reads: pax' names would be cut off by busybox."""
    data = archive(member(LONG, b"1"), member("lü", type=tarfile.SYMTYPE, linkname=LONG + "/ä"), member("\udcff", b"2"), form=form)

    again = rewritten(data)

    assert contents(again) == {LONG: b"1", "lü": LONG + "/ä", "\udcff": b"2"}
    assert not any(info.pax_headers for info in tarfile.open(fileobj=io.BytesIO(again)))  # noqa: SIM115 - in memory


def test_pax_headers_override_and_global_ones_last() -> None:
    """Fractions of seconds are cut off, and numbers that no ustar field holds are kept."""
    info, data = member("a", b"x" * 3, mtime=TIME + 0.75)
    info.pax_headers = {"uid": "3000000", "comment": "none"}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"gid": "7"}) as made:
        made.addfile(info, io.BytesIO(data))
        made.addfile(member("b")[0])

    assert entries(target.getvalue()) == [
        tar.Entry("a", size=3, mtime=TIME, uid=3_000_000, gid=7),
        tar.Entry("b", mtime=TIME, gid=7),
    ]


def test_owners_have_numbers_only() -> None:
    """A name may stand for another number in the container."""
    [info] = tarfile.open(fileobj=io.BytesIO(rewritten(archive(member("a", uname="daemon", gname="daemon", uid=5)))))  # noqa: SIM115
    assert (info.uid, info.uname, info.gname) == (5, "", "")


NAMES = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=1, max_size=300).filter(
    lambda name: not name.endswith("/")
)


@given(
    st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5),
    st.sampled_from((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)),
    st.lists(st.integers(0, 700), max_size=30),
)
def test_any_split_gives_the_same_files(files: dict[str, bytes], form: int, cuts: list[int]) -> None:
    """However the bytes arrive, what is written again says the same to tarfile."""
    data = archive(*(member(name, content) for name, content in files.items()), form=form)

    again = b"".join(tar.write(tar.read(cut(data, cuts), marked=True))) + tar.END

    assert contents(again) == contents(data)


@given(st.binary(max_size=3000), st.integers(0, 2), st.integers(0, 1500), st.integers(0, 255))
def test_no_bytes_are_worse_than_refused(noise: bytes, form: int, at: int, value: int) -> None:
    """Noise, and archives with one wrong byte: entries or one of our errors, never anything else."""
    damaged = bytearray(archive(member("some/name", b"x" * 600), member("d", None), form=FORMATS[form]))
    damaged[at] = value
    for data in (noise, bytes(damaged), bytes(damaged[:at])):
        try:
            for part in tar.read([data]):
                if isinstance(part, tar.Entry):
                    tar.header(part)
        except (InvalidParameter, NotImplemented):
            pass


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"x" * 512, tar.INVALID),
        (b"x" * 100, tar.TRUNCATED),
        (of_files({"a": b"12345"})[:514], tar.TRUNCATED),
        (of_files({"a": b"12345"})[:600], tar.TRUNCATED),
        (of_files({LONG: b"1"})[:1536], tar.TRUNCATED),
        (archive(member("a", type=b"V")), "unhandled tar header type 86"),
        (of_files({"a" * 20_000: b""}), tar.TOO_LONG),
    ],
)
def test_what_is_no_archive_is_refused(data: bytes, sentence: str) -> None:
    """With Go's sentences, which Docker tells."""
    with refused(InvalidParameter, sentence):
        entries(data)


def test_extended_headers_are_bounded() -> None:
    """A name of a gigabyte is nobody's."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    with refused(InvalidParameter, tar.INVALID):
        entries(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


@pytest.mark.parametrize("records", [b"5 a=b\n", b"x a=b\n", b"6 a=b\0", b"6 ab\n\n", b"99 a=b\n", b"11 size=1x\n"])
def test_damaged_pax_records_are_refused(records: bytes) -> None:
    """Lengths, equals signs, ends and numbers."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    data = info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(tar.padding(len(records))) + of_files({"a": b"1"})
    with refused(InvalidParameter, tar.INVALID):
        entries(data)


def test_a_negative_size_is_refused() -> None:
    """GNU's numbers have a sign."""
    info = tarfile.TarInfo("a")
    info.size = -512
    with refused(InvalidParameter, tar.INVALID):
        entries(info.tobuf(tarfile.GNU_FORMAT))


def test_sparse_files_are_a_sentence() -> None:
    """GNU's own format and pax' records."""
    info, _ = member("a")
    info.pax_headers = {"GNU.sparse.major": "1"}
    for data in (archive((info, b"")), archive(member("a", type=tarfile.GNUTYPE_SPARSE), form=tarfile.GNU_FORMAT)):
        with pytest.raises(NotImplemented, match="sparse files"):
            entries(data)


def test_an_archive_may_end_without_its_mark() -> None:
    """Unless it must not: then it is not whole."""
    data = of_files({"a": b"12345"})[:1024]
    assert [entry.name for entry in entries(data)] == ["a"]
    assert entries(b"") == []
    with refused(InvalidParameter, tar.TRUNCATED):
        rewritten(data, marked=True)
    assert contents(rewritten(data + tar.END + b"behind it", marked=True)) == {"a": b"12345"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b", "a/b"),
        ("/a/b", "a/b"),
        ("./a/b", "a/b"),
        ("//a//b/", "a/b"),
        ("a/../b", "b"),
        ("/../b", "b"),
        (".", None),
        ("/", None),
    ],
)
def test_names_of_what_is_extracted(name: str, expected: str | None) -> None:
    """With or without what is before them; the directory itself is left out."""
    kind = tar.DIRECTORY if name.endswith("/") else tar.FILE
    parts = tar.to_extract([tar.Entry(name.rstrip("/"), kind), b"data"], "/x")
    assert [part.name for part in parts if isinstance(part, tar.Entry)] == ([expected] if expected else [])


@pytest.mark.parametrize("name", ["..", "../a", "a/../../b"])
def test_what_is_outside_is_refused(name: str) -> None:
    """With Docker's sentence; the target of a hard link, too."""
    for entry in (tar.Entry(name), tar.Entry("fine", tar.LINK, link=name)):
        with refused(InvalidParameter, f'"{name}" is outside of "/x"'):
            list(tar.to_extract([entry], "/x"))
    symbolic = tar.Entry("fine", tar.SYMLINK, link=name)
    assert list(tar.to_extract([symbolic], "/x")) == [symbolic]


@pytest.mark.parametrize(
    ("member_name", "name", "names"),
    [
        ("b", "b", ["b", "b/x", "b/x.b"]),
        ("b", "other", ["other", "other/x", "other/x.b"]),
        (".", ".", [".", "./x", "./x.b"]),
        (".", "/", ["/", "/x", "/x.b"]),
        (".", "b", ["b", "b/x", "b/x.b"]),
    ],
)
def test_renaming(member_name: str, name: str, names: list[str]) -> None:
    """What tar calls it becomes what Docker calls it; hard links follow, symbolic ones do not."""
    inside = [f"{member_name}/x", f"{member_name}/x.b"]
    parts = [tar.Entry(member_name, tar.DIRECTORY), tar.Entry(inside[0]), b"1", tar.Entry(inside[1], tar.LINK, link=inside[0])]

    found = list(tar.renamed(parts, member_name, name))

    expected = [tar.Entry(names[0], tar.DIRECTORY), tar.Entry(names[1]), b"1", tar.Entry(names[2], tar.LINK, link=names[1])]
    assert found == expected
    [symbolic] = tar.renamed([tar.Entry(member_name, tar.SYMLINK, link="b/x")], member_name, name)
    assert symbolic == tar.Entry(name, tar.SYMLINK, link="b/x")


def test_small_pieces_are_gathered() -> None:
    """None is smaller than asked for but the last, and nothing is lost."""
    assert list(tar.gathered([b"a", b"", b"bc", b"defgh", b"i"], 3)) == [b"abc", b"defgh", b"i"]
    assert list(tar.gathered([], 3)) == []
