"""The header blocks of tar entries: what they say, and how they are encoded exactly as Go's archive/tar does.

Formats: POSIX.1-1988 ustar, POSIX.1-2001 pax.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from zlib import adler32

from pybuild.errors import InvalidArchive

BLOCK = 512
EPOCH = 315532801  # 1980-01-01T00:00:01Z, the time of every file in a layer
TRAILER = bytes(2 * BLOCK)

FILE, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = (
    b"0",
    b"1",
    b"2",
    b"3",
    b"4",
    b"5",
    b"6",
)

_OCTAL_7 = 0o7777777
_OCTAL_11 = 0o77777777777
LONGEST_RECORDS = 1 << 20


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One entry to write. `name` as it shall stand in the archive; `kind` one type flag; `size` bytes of content.

    `xattrs`: pax records of extended attributes, by key, as `Member` has them.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int = 0
    linkname: bytes = b""
    devmajor: int = 0
    devminor: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


class Member(NamedTuple):  # made several times faster than a frozen dataclass, once or twice for each file
    """One entry as it was read; nothing about it is safe. `size`: bytes of content, 0 unless it is a file.

    `xattrs`: pax records of extended attributes (`SCHILY.xattr.…`), by key; those of file capabilities, mostly.
    `form`: "gnu" or "pax" where its headers were in that format, "" for ustar and older.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    linkname: bytes
    devmajor: int
    devminor: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    form: str = ""


def header(entry: TarEntry | Member, *, mtime: int = EPOCH, pax: bool = False) -> bytes:
    """The header blocks of one entry: one ustar block, or a pax record before it where ustar cannot say it.

    `pax`: also where a ustar block could say it in two fields, as for an entry that came so.
    """
    records = _records(entry, pax=pax)
    if records is None:
        prefix, name = _split(entry.name)
        return _block(entry, name=name, linkname=entry.linkname, prefix=prefix, mtime=mtime)
    if len(records) > LONGEST_RECORDS:
        raise InvalidArchive(f"the name {entry.name[:60]!r}… needs a tar header of over 1 MiB")
    plain = _block(entry, name=_cut(entry.name), linkname=_cut(entry.linkname), prefix=b"", mtime=mtime)
    return _pax_block(entry.name, len(records)) + records + padding(len(records)) + plain


def header_size(entry: TarEntry) -> int:
    """The length of `header(entry)`."""
    records = _records(entry)
    return BLOCK if records is None else 2 * BLOCK + len(records) + -len(records) % BLOCK


def padding(size: int) -> bytes:
    """The zeros that follow `size` bytes of content."""
    return bytes(-size % BLOCK)


def _plain(text: bytes) -> bool:
    return text.isascii() and b"\0" not in text


def _records(entry: TarEntry | Member, *, pax: bool = False) -> bytes | None:
    """Pax records, by key, for all that does not fit its own field; None when one ustar block can say it all."""
    if (
        len(entry.name) <= 100 >= len(entry.linkname)
        and _plain(entry.name + entry.linkname)
        and max(entry.uid, entry.gid) <= _OCTAL_7
        and entry.size <= _OCTAL_11
        and not entry.xattrs
    ):  # nearly all entries
        return None
    found = [
        *((key, value, True) for key, value in entry.xattrs),
        (b"gid", b"%d" % entry.gid, entry.gid > _OCTAL_7),
        (b"linkpath", entry.linkname, len(entry.linkname) > 100 or not _plain(entry.linkname)),
        (b"path", entry.name, len(entry.name) > 100 or not _plain(entry.name)),
        (b"size", b"%d" % entry.size, entry.size > _OCTAL_11),
        (b"uid", b"%d" % entry.uid, entry.uid > _OCTAL_7),
    ]
    needed = [key for key, _, too_big in found if too_big]
    if needed == [b"path"] and not pax and _plain(entry.name) and _split_at(entry.name) > 0:
        return None
    if b"\0" in entry.name or b"\0" in entry.linkname:
        raise InvalidArchive(f"the name {entry.name!r} holds a NUL byte, which no file name can")
    return b"".join(_record(key, value) for key, value, too_big in found if too_big)


def _record(key: bytes, value: bytes) -> bytes:
    """`length key=value\\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if rest + len(str(length)) != length:
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _split_at(name: bytes) -> int:
    """Where a name of over 100 bytes is cut for the prefix field: at the last slash that fits. -1: nowhere."""
    most = min(len(name), 156)
    if len(name) <= 156 and name.endswith(b"/"):
        most -= 1
    at = name.rfind(b"/", 0, most)
    rest = len(name) - at - 1
    return at if at > 0 and 0 < rest <= 100 else -1


def _split(name: bytes) -> tuple[bytes, bytes]:
    if len(name) <= 100:
        return b"", name
    at = _split_at(name)
    return name[:at], name[at + 1 :]


def _cut(text: bytes) -> bytes:
    """What stands in a 100-byte field when the pax header has the full text: its ASCII characters, cut."""
    text = _ascii(text)
    if len(text) > 100 and text[99:100] == b"/":
        # Some readers take a file whose field ends in a slash for a directory, so Go ends the text there.
        end = len(text[:99].rstrip(b"/"))
        return text[:end] + b"\0" + text[end + 1 : 100]
    return text[:100]


_NOT_ASCII = bytes([0, *range(0x80, 0x100)])


def _ascii(text: bytes) -> bytes:
    return text.translate(None, _NOT_ASCII)


def _octal(number: int, width: int) -> bytes:
    text = b"%0*o" % (width, number)
    return text if len(text) == width else b"0" * width


def _block(entry: TarEntry | Member, *, name: bytes, linkname: bytes, prefix: bytes, mtime: int) -> bytes:
    return summed(
        b"%s%s%s\0%011o\0        %s"
        % (
            name.ljust(100, b"\0"),
            _rights(entry.mode, entry.uid, entry.gid),
            _octal(entry.size, 11),
            mtime,
            _tail(entry.kind, linkname, entry.devmajor, entry.devminor, prefix),
        )
    )


@lru_cache(maxsize=1024)
def _rights(mode: int, uid: int, gid: int) -> bytes:
    return b"%07o\0%s\0%s\0" % (mode, _octal(uid, 7), _octal(gid, 7))


@lru_cache(maxsize=1024)  # the same for nearly all files
def _tail(kind: bytes, linkname: bytes, devmajor: int, devminor: int, prefix: bytes) -> bytes:
    """All that follows the checksum."""
    return b"%s%sustar\x0000%s%07o\0%07o\0%s" % (
        kind,
        linkname.ljust(100, b"\0"),
        bytes(64),
        devmajor,
        devminor,
        prefix.ljust(167, b"\0"),
    )


def _pax_block(name: bytes, size: int) -> bytes:
    last = name.rpartition(b"/")[2]
    folder = name[: len(name) - len(last)]
    joined = posixpath.normpath(posixpath.join(folder, b"PaxHeaders.0", last))
    if joined.startswith(b"//"):
        joined = joined[1:]
    shown = _ascii(joined)[:100].rstrip(b"/")
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (0, 0, 0, size, 0)
    tail = b"x%sustar\x0000%s" % (bytes(100), bytes(247))
    return summed(b"%s%s        %s" % (shown.ljust(100, b"\0"), numbers, tail))


def summed(block: bytes) -> bytes:
    """A header block with its checksum in the place of eight spaces."""
    return b"%s%06o\0 %s" % (block[:148], checksum(block), block[156:])


def checksum(block: bytes) -> int:
    """The sum of the bytes of a header block, at the speed of C.

    Adler-32 has one more than the sum of the bytes in its low half, and 256 bytes stay below its modulus.
    """
    return (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
