"""The header blocks of tar entries decoded, without trust.

Formats: POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU's names and base-256 numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive
from pybuild.oci.tar_header import DIRECTORY, FILE, Member, checksum

if TYPE_CHECKING:
    from collections.abc import Mapping

_XATTR = b"SCHILY.xattr."
_ENTRY_KINDS = b"01234567"
PATH_KEYS = frozenset((b"path", b"linkpath", b"size"))


def parse(block: bytes) -> Member:
    """One header block as it stands there; `InvalidArchive` for a wrong checksum or number."""
    if _number(block[148:156]) != checksum(block) - sum(block[148:156]) + 8 * 0x20:
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
