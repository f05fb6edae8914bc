"""Tar streams: written byte for byte as Go's archive/tar writes them, read without trusting a single field.

Only our own encoder gives layers the digests that the Go lifecycle gives them (names with a leading slash,
directories without a trailing one, device fields always filled, two zero blocks at the end). Only our own
parser has limits everywhere. Python's tarfile has neither.

Formats: POSIX.1-1988 ustar, POSIX.1-2001 pax; when reading also GNU long names and base-256 numbers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from pybuild.errors import InvalidArchive
from pybuild.oci.tar_header import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    EPOCH,
    FIFO,
    FILE,
    HARD_LINK,
    LONGEST_RECORDS,
    SYMLINK,
    TRAILER,
    Member,
    TarEntry,
    header,
    header_size,
    padding,
)
from pybuild.oci.tar_parse import PATH_KEYS, described, parse, parse_records

__all__ = [
    "BLOCK",
    "BLOCK_DEVICE",
    "CHARACTER",
    "DIRECTORY",
    "EPOCH",
    "FIFO",
    "FILE",
    "HARD_LINK",
    "SYMLINK",
    "TRAILER",
    "Body",
    "Limits",
    "Member",
    "Rewritten",
    "TarEntry",
    "extents",
    "gather",
    "header",
    "header_size",
    "padding",
    "read",
    "tar_size",
    "write",
]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a foreign archive may hold: `entries`, `size` bytes of content in all, `name` bytes of one name."""

    entries: int = 2_000_000
    size: int = 64 << 30
    name: int = 1 << 16


_GENEROUS = Limits()
_CUT_OFF = "the archive is cut off: it ends before its end mark"


def tar_size(entries: Iterable[TarEntry]) -> int:
    """Bytes of the whole archive, known before any content is read."""
    return sum(header_size(entry) + entry.size + -entry.size % BLOCK for entry in entries) + len(TRAILER)


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


class Rewritten:
    """Entries with their contents that are to be another archive: its bytes when iterated, once.

    Whoever takes it apart with `read` gets the entries as they are, without the way over bytes.
    """

    def __init__(self, entries: Iterable[tuple[Member, Body]]) -> None:
        self.entries = entries

    def __iter__(self) -> Iterator[bytes]:
        for member, body in self.entries:
            yield header(member, mtime=member.mtime)
            yield from body
            yield padding(member.size)
        yield TRAILER


def read(chunks: Iterable[bytes], *, limits: Limits = _GENEROUS) -> Iterator[tuple[Member, Body]]:
    """Every entry of a foreign archive, in order, while it streams; what is not read of a body is skipped.

    Knows ustar, pax, GNU long names and base-256 numbers. Raises `InvalidArchive` for anything that is cut
    off, inconsistent or beyond `limits`, for sparse files and for global headers that rename.
    """
    if isinstance(chunks, Rewritten):
        yield from chunks.entries
        return
    source = _Source(chunks)
    for member in _limited(source, limits):
        body = Body(source, member.size)
        yield member, body
        body.skip()
        source.skip(-member.size % BLOCK)


def extents(file: IO[bytes], *, limits: Limits = _GENEROUS) -> Iterator[tuple[Member, int]]:
    """Every entry of a foreign archive that lies in a file, and at which byte its content begins. Reads headers only.

    Raises as `read` does.
    """
    source = _Seeking(file)
    for member in _limited(source, limits):
        yield member, source.at
        source.skip(member.size + -member.size % BLOCK)


class Body:
    """The content of one entry, in chunks, once. What has been iterated is gone; the rest can be skipped."""

    __slots__ = ("_left", "_source")

    def __init__(self, source: _Source, size: int) -> None:
        self._source = source
        self._left = size

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            piece = self._source.some(self._left)
            self._left -= len(piece)
            yield piece

    def read(self, *, most: int = 1 << 20) -> bytes:
        """All that is left of it; `InvalidArchive` if that is more than `most` bytes."""
        if self._left > most:
            raise InvalidArchive(f"an entry of the archive has {self._left} bytes, {most} are allowed")
        return b"".join(self)

    def skip(self) -> None:
        """Drop what is left of it."""
        self._source.skip(self._left)
        self._left = 0


class _Source:
    """Exact reads from chunks of any length. What lies whole in one chunk is not copied twice."""

    __slots__ = ("_at", "_chunk", "_chunks")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = b""
        self._at = 0

    def some(self, most: int) -> bytes:
        """1 to `most` bytes."""
        while self._at >= len(self._chunk):
            self._chunk = self._next()
            self._at = 0
        if self._at == 0 and len(self._chunk) <= most:
            piece = self._chunk
        else:
            piece = self._chunk[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        piece = self._chunk[self._at : self._at + size]
        self._at += len(piece)
        if len(piece) == size:
            return piece
        pieces, missing = [piece], size - len(piece)
        while missing:
            piece = self.some(missing)
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        """Drop exactly `size` bytes."""
        while size:
            here = min(size, len(self._chunk) - self._at)
            self._at += here
            size -= here
            if size:
                self._chunk, self._at = self._next(), 0

    def finish(self, most: int) -> None:
        """Read on to the end, so that whoever sends can finish; more than `most` bytes are left unread."""
        for chunk in self._chunks:
            most -= len(chunk)
            if most < 0:
                return

    def _next(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            raise InvalidArchive(_CUT_OFF) from None


class _Seeking:
    """The same reads from a file, whose bytes are passed over by seeking."""

    __slots__ = ("_file", "_size", "at")

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self.at = file.seek(0)

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        start = self.at
        self.skip(size)
        self._file.seek(start)
        return self._file.read(size)

    def skip(self, size: int) -> None:
        """Pass over `size` bytes, which must be there."""
        self.at += size
        if self.at > self._size:
            raise InvalidArchive(_CUT_OFF)

    def finish(self, most: int) -> None:
        """Nobody is waiting for us."""


class _Blocks(Protocol):
    """What headers are read from."""

    def take(self, size: int) -> bytes: ...
    def skip(self, size: int) -> None: ...
    def finish(self, most: int) -> None: ...


_ZEROS = bytes(BLOCK)
_META = b"xgLK"


def _limited(source: _Blocks, limits: Limits) -> Iterator[Member]:
    total = 0
    for count, member in enumerate(_members(source), start=1):
        total += member.size
        if count > limits.entries:
            raise InvalidArchive(f"the archive has more than {limits.entries} entries")
        if total > limits.size:
            raise InvalidArchive(f"the archive's content is larger than {limits.size} bytes")
        if max(len(member.name), len(member.linkname)) > limits.name:
            raise InvalidArchive(f"the name {member.name[:60]!r}… is longer than {limits.name} bytes")
        yield member


def _members(source: _Blocks) -> Iterator[Member]:
    """The entries' headers; whoever takes one must have the source moved past its content before the next."""
    records: dict[bytes, bytes] = {}
    pax = False
    while True:
        block = source.take(BLOCK)
        if block == _ZEROS:
            source.finish(1 << 20)
            return
        kind = block[156:157]
        member = parse(block)
        if kind not in _META:
            yield described(member, records, pax=pax)
            records, pax = {}, False
            continue
        if member.size > LONGEST_RECORDS:
            raise InvalidArchive("a header of the archive is larger than 1 MiB")
        data = source.take(member.size)
        source.skip(-member.size % BLOCK)
        if kind in b"xX":
            records.update(parse_records(data))
            pax = True
        elif kind == b"g":
            if not PATH_KEYS.isdisjoint(parse_records(data)):
                raise InvalidArchive("the archive has a global header that names or sizes its entries")
        elif kind == b"A":
            raise InvalidArchive("the archive has access control entries of Solaris")
        else:
            records[b"path" if kind == b"L" else b"linkpath"] = data.rstrip(b"\0")
