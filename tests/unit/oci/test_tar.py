"""Tar streams: ours are Go's, foreign ones are read within limits (S-10, S-26, S-44, GO-20)."""

from __future__ import annotations

import io
import tarfile
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybuild.errors import InvalidArchive
from pybuild.oci import tar
from pybuild.oci.digest import EMPTY_LAYER, sha256
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = tar.Limits(entries=3, size=1000, name=200)


def _entry(name: bytes = b"/f", **values: Any) -> tar.TarEntry:
    return tar.TarEntry(**{"name": name, "kind": tar.FILE, "mode": 0o644, "uid": 0, "gid": 0, **values})


def _read(
    data: bytes, *, piece: int = 1 << 16, limits: tar.Limits | None = None
) -> list[tuple[tar.Member, bytes]]:
    chunks = (data[at : at + piece] for at in range(0, len(data), piece))
    return [(member, body.read()) for member, body in tar.read(chunks, limits=limits or tar.Limits())]


def _python_tar(format_: int, *members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _resummed(block: bytes, at: int, field: bytes) -> bytes:
    """A header block with another field and the checksum that fits."""
    block = block[:at] + field + block[at + len(field) :]
    block = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def test_a_header_is_that_of_go() -> None:
    # Recipe GO-26: absolute name, octal with NUL, both device fields filled, mtime of 1980.
    block = tar.header(_entry(b"/layers/x", kind=tar.DIRECTORY, mode=0o755, uid=1000, gid=1001))

    assert block[:10] == b"/layers/x\0"
    assert (
        block[100:156] == b"0000755\x000001750\x000001751\x0000000000000\x0002263523001\x00" + block[148:156]
    )
    assert block[156:157] + block[257:265] == b"5ustar\x0000"
    assert block[329:345] == b"0000000\x000000000\x00"


def test_an_archive_ends_with_two_zero_blocks_and_no_padding() -> None:
    assert sha256(b"".join(tar.write([]))) == EMPTY_LAYER
    assert len(b"".join(tar.write([(_entry(size=1), b"x")]))) == 512 * 4


names = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and not name.endswith(b"/"))


@given(name=names, linkname=names, uid=st.integers(0, 1 << 40), size=st.integers(0, 1 << 40))
def test_every_reader_reads_what_we_write(name: bytes, linkname: bytes, uid: int, size: int) -> None:
    entry = _entry(b"/" + name, kind=tar.SYMLINK, linkname=linkname, uid=uid, gid=uid + 1)
    data = tar.header(entry) + tar.TRAILER

    ((member, _),) = _read(data)
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        python = archive.next()

    assert (member.name, member.linkname, member.uid, member.gid) == (entry.name, linkname, uid, uid + 1)
    assert python is not None
    assert (python.name.encode(errors="surrogateescape"), python.uid) == (entry.name.rstrip(b"/"), uid)
    assert len(tar.header(_entry(b"/" + name, uid=uid, size=size))) == tar.header_size(
        _entry(b"/" + name, uid=uid, size=size)
    )


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("piece", [1, 511, 1 << 16])
def test_archives_of_every_dialect_are_read_in_chunks_of_any_length(format_: int, piece: int) -> None:
    plain = tarfile.TarInfo("folder/file")
    plain.mode, plain.uid, plain.mtime = 0o4755, 1000, 1_600_000_000
    folder = tarfile.TarInfo("folder")
    folder.type = tarfile.DIRTYPE
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "folder/file"
    hard = tarfile.TarInfo("hard")
    hard.type, hard.linkname = tarfile.LNKTYPE, "folder/file"
    data = _python_tar(format_, (folder, b""), (plain, b"content" * 100), (link, b""), (hard, b""))

    found = _read(data, piece=piece)

    assert [(member.name.rstrip(b"/"), member.kind) for member, _ in found] == [
        (b"folder", tar.DIRECTORY),
        (b"folder/file", tar.FILE),
        (b"link", tar.SYMLINK),
        (b"hard", tar.HARD_LINK),
    ]
    member, content = found[1]
    assert (member.mode, member.uid, member.mtime, content) == (0o4755, 1000, 1_600_000_000, b"content" * 100)
    assert [member.linkname for member, _ in found[2:]] == [b"folder/file", b"folder/file"]


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_large_numbers_are_read(format_: int) -> None:
    member = tarfile.TarInfo("d/" + "é" * 200)
    member.uid, member.mtime = 5_000_000, -3
    link = tarfile.TarInfo("l")
    link.type, link.linkname = tarfile.SYMTYPE, "t" * 300

    (read, content), (read_link, _) = _read(_python_tar(format_, (member, b"x"), (link, b"")))

    assert (read.name.decode(), read.uid, read.mtime, content) == (member.name, 5_000_000, -3, b"x")
    assert read_link.linkname == b"t" * 300


def test_entries_of_a_rewritten_archive_are_the_same_with_and_without_the_way_over_bytes() -> None:
    entries = [
        (tar.TarEntry(b"d", tar.DIRECTORY, 0o755, 1, 2), b""),
        (tar.TarEntry(b"d/" + b"long" * 60, tar.FILE, 0o644, 1, 2, 3), b"abc"),
        (tar.TarEntry(b"d/l", tar.SYMLINK, 0o777, 1, 2, linkname=b"f"), b""),
    ]
    archive = b"".join(tar.write(entries))

    direct = [(member, body.read()) for member, body in tar.read(tar.Rewritten(tar.read([archive])))]

    assert b"".join(tar.Rewritten(tar.read([archive]))) == archive
    assert direct == [(member, body.read()) for member, body in tar.read([archive])]
    assert [content for _, content in direct] == [b"", b"abc", b""]


def test_bodies_that_nobody_reads_are_skipped() -> None:
    data = b"".join(tar.write([(_entry(b"a", size=700), b"a" * 700), (_entry(b"b", size=3), b"bbb")]))

    assert [member.name for member, _ in tar.read([data])] == [b"a", b"b"]


@pytest.mark.parametrize("cut", [0, 100, 512, 800, 1024, 1536])
def test_an_archive_that_breaks_off_is_refused(cut: int) -> None:
    data = b"".join(tar.write([(_entry(size=600), b"x" * 600)]))

    with pytest.raises(InvalidArchive, match="cut off"):
        _read(data[:cut])


def _hostile() -> Iterator[Any]:
    block = tar.header(_entry(b"name", size=0))
    yield pytest.param(b"\xff" + block[1:], "checksum", id="wrong checksum")
    yield pytest.param(_resummed(block, 124, b"-0000000001\0"), "instead of a number", id="negative size")
    yield pytest.param(_resummed(block, 124, b"0_0000000_1\0"), "instead of a number", id="underscores")
    yield pytest.param(_resummed(block, 124, b"\xff" * 12), "out of range", id="negative base-256 size")
    yield pytest.param(_resummed(block, 124, b"\x80" + b"\x7f" * 11), "out of range", id="enormous size")
    yield pytest.param(_resummed(block, 156, b"S"), "not allowed", id="sparse file")
    yield pytest.param(_resummed(block, 156, b"9"), "not allowed", id="unknown kind")
    yield pytest.param(_resummed(block, 0, bytes(4)), "has the name", id="no name")
    for name, records in {
        "digits without end": b"1" * 2000,
        "length beyond": b"999 path=x\n",
        "length of zero": b"0 path=x\n",
        "no line end": b"9 path=xy",
        "no equals": b"7 path\n",
        "size in words": b"12 size=abc\n",
        "negative size": b"11 size=-5\n",
        "sparse": b"22 GNU.sparse.major=1\n",
    }.items():
        pax = tar.header(_entry(b"pax", kind=b"x", size=len(records))) + records + tar.padding(len(records))
        yield pytest.param(pax + block, "pax header|not allowed", id=f"pax: {name}")
    pax = tar.header(_entry(b"pax", kind=b"g", size=9)) + b"9 path=x\n" + bytes(503)
    yield pytest.param(pax + block, "global header", id="global path")
    yield pytest.param(tar.header(_entry(b"pax", kind=b"x", size=2 << 20)), "1 MiB", id="pax of 2 MiB")
    yield pytest.param(tar.header(_entry(b"long", kind=b"L", size=2 << 20)), "1 MiB", id="name of 2 MiB")


@pytest.mark.parametrize(("data", "said"), list(_hostile()))
def test_a_malformed_archive_is_refused_at_once(data: bytes, said: str) -> None:
    """S-44, G8."""
    started = time.monotonic()

    with pytest.raises(InvalidArchive, match=said):
        _read(data + tar.TRAILER)

    assert time.monotonic() - started < allowed(1)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([_entry(b"x")] * 4, "more than 3 entries"),
        ([_entry(b"x", size=1001)], "larger than 1000 bytes"),
        ([_entry(b"x" * 201)], "longer than 200 bytes"),
        ([_entry(b"x", kind=tar.SYMLINK, linkname=b"x" * 201)], "longer than 200 bytes"),
    ],
)
def test_limits_are_kept(entries: list[tar.TarEntry], said: str) -> None:
    """S-44, G8."""
    data = b"".join(tar.write((entry, bytes(entry.size)) for entry in entries))

    with pytest.raises(InvalidArchive, match=said):
        _read(data, limits=SMALL)


def test_a_body_larger_than_asked_for_is_refused() -> None:
    data = b"".join(tar.write([(_entry(size=11), b"x" * 11)]))

    with pytest.raises(InvalidArchive, match="11 bytes, 10 are allowed"):
        next(tar.read([data]))[1].read(most=10)


def test_a_name_with_a_nul_is_not_written() -> None:
    with pytest.raises(InvalidArchive, match="NUL"):
        tar.header(_entry(b"/a\0b"))


def test_gathered_chunks_are_the_same_bytes_and_not_small() -> None:
    gathered = list(tar.gather((b"ab" for _ in range(10)), least=7))

    assert b"".join(gathered) == b"ab" * 10
    assert [len(chunk) for chunk in gathered] == [8, 8, 4]
