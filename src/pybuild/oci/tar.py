"""Tar streams: written byte for byte as Go's archive/tar writes them, read without trusting a single field.

Only our own encoder gives layers the digests that the Go lifecycle gives them (names with a leading slash,
directories without a trailing one, device fields always filled, two zero blocks at the end). Only our own
parser has limits everywhere. Python's tarfile has neither.

Formats: POSIX.1-1988 ustar, POSIX.1-2001 pax; when reading also GNU long names and base-256 numbers.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import InvalidArchive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
_PAX_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One entry to write. `name` as it shall stand in the archive; `kind` one type flag; `size` bytes of content."""

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int = 0
    linkname: bytes = b""
    devmajor: int = 0
    devminor: int = 0


def header(entry: TarEntry, *, mtime: int = EPOCH) -> bytes:
    """The header blocks of one entry: one ustar block, or a pax record before it where ustar cannot say it."""
    records = _records(entry)
    if records is None:
        prefix, name = _split(entry.name)
        return _block(entry, name=name, linkname=entry.linkname, prefix=prefix, mtime=mtime)
    if len(records) > _PAX_MOST:
        raise InvalidArchive(f"the name {entry.name[:60]!r}… needs a tar header of over 1 MiB")
    plain = _block(entry, name=_cut(entry.name), linkname=_cut(entry.linkname), prefix=b"", mtime=mtime)
    return _pax_block(entry.name, len(records)) + _padded(records) + plain


def tar_size(entries: Iterable[TarEntry]) -> int:
    """Bytes of the whole archive, known before any content is read."""
    return sum(len(header(entry)) + _rounded(entry.size) for entry in entries) + len(TRAILER)


def padding(size: int) -> bytes:
    """The zeros that follow `size` bytes of content."""
    return bytes(-size % BLOCK)


def write(entries: Iterable[tuple[TarEntry, bytes]], *, mtime: int = EPOCH) -> Iterator[bytes]:
    """A small archive whose contents are at hand; `entry.size` must be the length of its content."""
    for entry, content in entries:
        yield header(entry, mtime=mtime)
        if content:
            yield content + padding(len(content))
    yield TRAILER


def gather(chunks: Iterable[bytes], *, least: int = 1 << 18) -> Iterator[bytes]:
    """The same bytes in chunks of at least `least` bytes, so that sockets and hashes see few of them."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= least:
            yield held[0] if len(held) == 1 else b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)


def _rounded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _padded(data: bytes) -> bytes:
    return data + padding(len(data))


def _plain(text: bytes) -> bool:
    return text.isascii() and b"\0" not in text


def _records(entry: TarEntry) -> bytes | None:
    """Pax records, by key, for all that does not fit its own field; None when one ustar block can say it all."""
    name_too_long = len(entry.name) > 100
    found = [
        (b"gid", b"%d" % entry.gid, entry.gid > _OCTAL_7),
        (b"linkpath", entry.linkname, len(entry.linkname) > 100 or not _plain(entry.linkname)),
        (b"path", entry.name, name_too_long or not _plain(entry.name)),
        (b"size", b"%d" % entry.size, entry.size > _OCTAL_11),
        (b"uid", b"%d" % entry.uid, entry.uid > _OCTAL_7),
    ]
    needed = [key for key, _, too_big in found if too_big]
    if not needed or (needed == [b"path"] and _plain(entry.name) and _split_at(entry.name) > 0):
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


def _block(entry: TarEntry, *, name: bytes, linkname: bytes, prefix: bytes, mtime: int) -> bytes:
    head = b"%s%07o\0%s\0%s\0%s\0%011o\0" % (
        name.ljust(100, b"\0"),
        entry.mode,
        _octal(entry.uid, 7),
        _octal(entry.gid, 7),
        _octal(entry.size, 11),
        mtime,
    )
    tail = b"%s%sustar\x0000%s%07o\0%07o\0%s" % (
        entry.kind,
        linkname.ljust(100, b"\0"),
        bytes(64),
        entry.devmajor,
        entry.devminor,
        prefix.ljust(167, b"\0"),
    )
    return _summed(head, tail)


def _pax_block(name: bytes, size: int) -> bytes:
    last = name.rpartition(b"/")[2]
    folder = name[: len(name) - len(last)]
    joined = posixpath.normpath(posixpath.join(folder, b"PaxHeaders.0", last))
    if joined.startswith(b"//"):
        joined = joined[1:]
    shown = _ascii(joined)[:100].rstrip(b"/")
    head = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (shown.ljust(100, b"\0"), 0, 0, 0, size, 0)
    tail = b"x%sustar\x0000%s" % (bytes(100), bytes(247))
    return _summed(head, tail)


def _summed(head: bytes, tail: bytes) -> bytes:
    total = sum(head) + sum(tail) + 8 * 0x20
    return b"%s%06o\0 %s" % (head, total, tail)
