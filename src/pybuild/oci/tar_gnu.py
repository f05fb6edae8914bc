"""The header blocks of an entry that was read in GNU's format, as Go's archive/tar writes it anew: in that format.

Format: GNU tar's manual, "Basic Tar Format"; what names and numbers do not fit their fields goes ahead, or is base-256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybuild.oci.tar_header import EPOCH, padding, summed

if TYPE_CHECKING:
    from pybuild.oci.tar_header import Member

MAGIC = b"ustar  \0"
_LONG_NAME, _LONG_LINK = b"L", b"K"
_FIELD = 100


def gnu_header(member: Member, *, mtime: int = EPOCH) -> bytes:
    """The header blocks of `member`, without names of its owners, which a layer does not have."""
    before = b"".join(
        _long(kind, text)
        for kind, text in ((_LONG_NAME, member.name), (_LONG_LINK, member.linkname))
        if len(text) > _FIELD
    )
    numbers = [_number(number, 8) for number in (member.mode, member.uid, member.gid)]
    sizes = [_number(member.size, 12), _number(mtime, 12)]
    tail = [member.kind, _cut(member.linkname), MAGIC, bytes(64)]
    devices = [_number(member.devmajor, 8), _number(member.devminor, 8), bytes(167)]
    return before + summed(b"".join([_cut(member.name), *numbers, *sizes, b" " * 8, *tail, *devices]))


def _long(kind: bytes, text: bytes) -> bytes:
    """An entry whose content is the full name of the next one."""
    data = text + b"\0"
    numbers = [*[_number(0, 8)] * 3, _number(len(data), 12), _number(0, 12)]
    name = b"././@LongLink".ljust(_FIELD, b"\0")
    block = summed(b"".join([name, *numbers, b" " * 8, kind, bytes(_FIELD), MAGIC, bytes(247)]))
    return block + data + padding(len(data))


def _cut(text: bytes) -> bytes:
    if len(text) > _FIELD and text[_FIELD - 1 : _FIELD] == b"/":
        # Some readers take a file whose field ends in a slash for a directory, so Go ends the text there.
        end = len(text[:_FIELD].rstrip(b"/"))
        return text[:end] + b"\0" + text[end + 1 : _FIELD]
    return text[:_FIELD].ljust(_FIELD, b"\0")


def _number(number: int, width: int) -> bytes:
    text = b"%0*o" % (width - 1, number)
    if len(text) < width:
        return text + b"\0"
    return bytes([0x80]) + number.to_bytes(width - 1)
