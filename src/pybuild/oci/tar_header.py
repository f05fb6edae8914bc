"""The header blocks of tar entries: encoded exactly as Go's archive/tar does, decoded without trust.

Formats: POSIX.1-1988 ustar, POSIX.1-2001 pax; when decoding also GNU's names and base-256 numbers.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zlib import adler32

from pybuild.errors import InvalidArchive

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    return b"%s%06o\0 %s" % (block[:148], _sum(block), block[156:])


def _sum(block: bytes) -> int:
    """The sum of the bytes of a header block, at the speed of C.

    Adler-32 has one more than the sum of the bytes in its low half, and 256 bytes stay below its modulus.
    """
    return (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2


def parse(block: bytes) -> Member:
    """One header block as it stands there; `InvalidArchive` for a wrong checksum or number."""
    if _number(block[148:156]) != _sum(block) - sum(block[148:156]) + 8 * 0x20:
        raise InvalidArchive("a header of the archive has a wrong checksum")
    name = block[:100].partition(b"\0")[0]
    extended = block[257:262] == b"ustar"
    if extended and block[262] == 0 and block[345] and (prefix := block[345:500].partition(b"\0")[0]):
        name = prefix + b"/" + name
    mode, uid, gid = _numbers(block[100:124])
    major, minor = _numbers(block[329:345]) if extended else (0, 0)
    return Member(
        name,
        block[156:157],
        mode & 0o7777,
        uid,
        gid,
        _number(block[124:136]),
        _number(block[136:148], signed=True),
        block[157:257].partition(b"\0")[0],
        major,
        minor,
        form="gnu" if block[257:265] == b"ustar  \0" else "",
    )


@lru_cache(maxsize=1024)  # modes and owners are nearly all the same
def _numbers(fields: bytes) -> tuple[int, ...]:
    """The numbers of fields of eight bytes."""
    return tuple(_number(fields[at : at + 8]) for at in range(0, len(fields), 8))


def described(member: Member, records: Mapping[bytes, bytes], *, pax: bool = False) -> Member:
    """The member with what pax (`pax`) and GNU headers before it say, its kind and size in their one true form."""
    if not records and member.kind == FILE and member.name and not member.name.endswith(b"/"):
        return member  # nearly all entries
    name = records.get(b"path", member.name)
    linkname = records.get(b"linkpath", member.linkname)
    if not name or b"\0" in name or b"\0" in linkname:
        raise InvalidArchive(f"an entry of the archive has the name {name[:80]!r}")
    kind = FILE if member.kind in (b"\0", b"7") else member.kind
    if kind == FILE and name.endswith(b"/"):
        kind = DIRECTORY
    if kind not in _ENTRY_KINDS or any(key.startswith(b"GNU.sparse.") for key in records):
        raise InvalidArchive(f"{name[:200]!r} is an entry of a kind that is not allowed: {member.kind!r}")
    size = _decimal(records[b"size"]) if b"size" in records else member.size
    return Member(
        name,
        kind,
        member.mode,
        _decimal(records[b"uid"]) if b"uid" in records else member.uid,
        _decimal(records[b"gid"]) if b"gid" in records else member.gid,
        size if kind == FILE else 0,
        _seconds(records[b"mtime"]) if b"mtime" in records else member.mtime,
        linkname,
        member.devmajor,
        member.devminor,
        tuple(sorted((key, value) for key, value in records.items() if key.startswith(_XATTR))),
        ("" if member.form else "pax") if pax else member.form,
    )


_XATTR = b"SCHILY.xattr."
_ENTRY_KINDS = b"01234567"
PATH_KEYS = frozenset((b"path", b"linkpath", b"size"))


def parse_records(data: bytes) -> dict[bytes, bytes]:
    """The records `length key=value\\n` of a pax header; an empty value takes the record back."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        digits = data[at : at + 8].partition(b" ")[0]
        end = at + _decimal(digits)
        key, equals, value = data[at + len(digits) + 1 : end - 1].partition(b"=")
        if not equals or not key or data[end - 1 : end] != b"\n" or end > len(data):
            raise InvalidArchive("the archive has a pax header with a malformed record")
        records[key] = value
        at = end
    return {key: value for key, value in records.items() if value}


def _decimal(text: bytes) -> int:
    if not 0 < len(text) <= 19 or not text.isdigit():
        raise InvalidArchive(f"the archive has a pax header with {text[:40]!r} instead of a number")
    return int(text)


def _seconds(text: bytes) -> int:
    whole = text.partition(b".")[0]
    return -_decimal(whole[1:]) if whole.startswith(b"-") else _decimal(whole)


@lru_cache(maxsize=4096)  # sizes and times are often the same
def _number(field: bytes, *, signed: bool = False) -> int:
    """A number of a header block: octal digits, or GNU's base-256 when the first bit is set."""
    if field[0] & 0x80:
        # The first bit marks the encoding; the second is the sign, of two's complement.
        number = int.from_bytes(
            bytes([field[0] | 0x80 if field[0] & 0x40 else field[0] & 0x7F]) + field[1:], signed=True
        )
        if (number < 0 and not signed) or number >= 1 << 63:
            raise InvalidArchive("a header of the archive has a number out of range")
        return number
    digits = field.strip(b" \0")
    try:
        # int() would also take signs and underscores.
        return int(digits, 8) if digits.isdigit() else _no_number(digits)
    except ValueError:
        return _no_number(digits)


def _no_number(digits: bytes) -> int:
    if digits:
        raise InvalidArchive(f"a header of the archive has {digits[:20]!r} instead of a number")
    return 0
