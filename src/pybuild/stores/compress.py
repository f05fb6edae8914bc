"""Layers made small for a registry: gzip, written as it streams; gzip and zstd read back with every limit checked.

Why this library and this level: docs/adr/0006-compression.md.

Specification: OCI image-spec, "layer"; RFC 1952, RFC 8878. The header has no name and no time, so equal tars stay equal.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import os
import queue
import tempfile
import threading
import weakref
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Self

from pybuild.errors import DiskFull, InvalidArchive
from pybuild.oci.digest import Hashing, hashing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PIECE = 1 << 20
_AHEAD = 4  # blocks that wait for the compressor
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_WITH_HEADER = 31  # zlib's word for: a window of 32 KiB, and gzip's header and trailer
MAX_LAYER = 64 << 30
"""Most bytes of one layer's tar that are read from a registry."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Packed:
    """A compressed layer in a temporary file. `size`, `digest`: compressed; `diff_id`, `tar_size`: not.

    The file goes with this value, never before: a sender that was given up may still be reading it, and another
    file could have got its number.
    """

    file: IO[bytes]
    size: int
    digest: str
    diff_id: str
    tar_size: int

    def __post_init__(self) -> None:
        weakref.finalize(self, self.file.close)

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """From byte `start` on. Several readers do not disturb each other."""
        while piece := os.pread(self.file.fileno(), _PIECE, start):
            yield piece
            start += len(piece)


def pack(chunks: Iterable[bytes]) -> Packed:
    """Compress a tar into a temporary file; memory stays flat. Raises `DiskFull`."""
    content = hashing(chunks)
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as what is read from it
    try:
        with _Beside(file) as beside:
            for block in _blocks(content):
                beside.take(block)
        file.flush()
    except OSError as exc:
        file.close()
        raise disk_full(exc) from exc
    except BaseException:
        file.close()
        raise
    return Packed(file, beside.size, beside.digest, content.digest, content.size)


class _Beside:
    """Compresses into a file in a thread of its own, while the next block is read and hashed. Leave it before asking."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._fault: BaseException | None = None
        self._hash = hashlib.sha256()
        self._thread = threading.Thread(target=self._work, name="pybuild-compress", daemon=True)
        self.size = 0

    @property
    def digest(self) -> str:
        """Of what is in the file."""
        return f"sha256:{self._hash.hexdigest()}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._blocks.put(None)
        self._thread.join()
        if kind is None and self._fault:
            raise self._fault

    def take(self, block: bytes) -> None:
        """Have it compressed. Raises what went wrong with one before."""
        self._blocks.put(block)
        if self._fault:
            raise self._fault

    def _work(self) -> None:
        try:
            for piece in _squeezed(iter(self._blocks.get, None)):
                self._hash.update(piece)
                self.size += self._file.write(piece)
        except BaseException as exc:  # noqa: BLE001 - raised where the blocks come from
            self._fault = exc
            while self._blocks.get() is not None:
                pass  # nobody is to wait for room


def compressed_pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same content compressed, while it streams."""
    return _squeezed(_blocks(chunks))


def _squeezed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    # isal's output depends on where one call ends and the next begins; equal tars must become equal blobs (GEN-17).
    compressor = _compressor()
    for block in blocks:
        if piece := compressor.compress(block):
            yield piece
    yield compressor.flush()


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of one size, the last one shorter."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        if len(waiting) >= _PIECE:
            whole = len(waiting) - len(waiting) % _PIECE
            with memoryview(waiting) as view:
                for start in range(0, whole, _PIECE):
                    yield bytes(view[start : start + _PIECE])
            del waiting[:whole]
    if waiting:
        yield bytes(waiting)


def _compressor() -> Any:
    try:
        from isal import isal_zlib
    except ImportError:
        # The phases run in builder images with nothing but Python.
        return zlib.compressobj(1, zlib.DEFLATED, _WITH_HEADER)
    return isal_zlib.compressobj(1, isal_zlib.DEFLATED, _WITH_HEADER)


def disk_full(exc: OSError) -> Exception:
    """`DiskFull` if that is what `exc` means, else `exc`."""
    import errno

    if exc.errno not in {errno.ENOSPC, errno.EDQUOT}:
        return exc
    return DiskFull(
        f"no space left in {tempfile.gettempdir()} for temporary files",
        hint="free some space, or set TMPDIR to a folder on a larger disk",
    )


def unpack(chunks: Iterable[bytes], *, diff_id: str) -> Iterator[bytes]:
    """The tar in a blob, compressed or not; `InvalidArchive` at its end if it is not what `diff_id` says."""
    content = Hashing(inflated(chunks, f"the layer {diff_id}"))
    for piece in content:
        if content.size > MAX_LAYER:
            raise InvalidArchive(f"the layer {diff_id} is larger than {MAX_LAYER >> 30} GiB")
        yield piece
    if content.digest != diff_id:
        raise InvalidArchive(f"the layer {diff_id} has other content than its digest says")


def inflated(chunks: Iterable[bytes], what: str) -> Iterator[bytes]:
    """The content of something that is compressed (gzip, zstd) or not; `what` it is, for `InvalidArchive`."""
    source = iter(chunks)
    first = next(source, b"")
    while len(first) < len(_ZSTD) and (more := next(source, b"")):
        first += more
    whole = itertools.chain((first,), source)
    if first.startswith(_GZIP):
        yield from _gunzipped(whole, what)
    elif first.startswith(_ZSTD):
        yield from _unzstd(whole, what)
    else:
        yield from whole


def _gunzipped(chunks: Iterable[bytes], what: str) -> Iterator[bytes]:
    new, faults = _decompressor()
    inflate = new(_WITH_HEADER)
    try:
        for piece in chunks:
            rest = piece
            while rest:
                if inflate.eof:  # gzip files may follow each other, as those of pigz and eStargz do
                    inflate = new(_WITH_HEADER)
                # At most so much at a time: a small blob may hold very much.
                yield inflate.decompress(rest, _PIECE)
                rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        while not inflate.eof and (tail := inflate.decompress(b"", _PIECE)):
            yield tail
    except faults as exc:
        raise InvalidArchive(f"{what} cannot be decompressed: {exc}") from exc
    if not inflate.eof:
        raise InvalidArchive(f"{what} ends too soon")


def _decompressor() -> tuple[Callable[[int], Any], type[Exception]]:
    """For gzip: how to make one, and what it raises."""
    library: Any = zlib
    with suppress(ImportError):
        library = importlib.import_module("isal.isal_zlib")
    return library.decompressobj, library.error


def _unzstd(chunks: Iterable[bytes], what: str) -> Iterator[bytes]:
    zstd = _zstd(what)
    # What the zstd program reads unless told otherwise: 128 MiB at most have to be looked back at.
    options = {zstd.DecompressionParameter.window_log_max: 27}
    inflate = zstd.ZstdDecompressor(options=options)
    try:
        for piece in chunks:
            rest = piece
            while rest or not (inflate.eof or inflate.needs_input):
                if inflate.eof:  # frames may follow each other, as those of zstd:chunked do
                    inflate = zstd.ZstdDecompressor(options=options)
                yield inflate.decompress(rest, _PIECE)
                rest = inflate.unused_data if inflate.eof else b""
    except zstd.ZstdError as exc:
        raise InvalidArchive(f"{what} cannot be decompressed: {exc}") from exc
    if not inflate.eof:
        raise InvalidArchive(f"{what} ends too soon")


def _zstd(what: str) -> Any:
    """The module of Python 3.14, or the one that gives it to older ones."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise InvalidArchive(
        f"{what} is compressed with zstd, which needs Python 3.14 or the package backports.zstd",
        hint="pip install backports.zstd",
    )
