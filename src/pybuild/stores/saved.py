"""An image as the Docker Engine saves it: a stream whose index comes last, kept on disk while layers are read.

Engines before 25 write `<id>/layer.tar` with links between equal layers, later ones and those with containerd's
image store write an OCI layout with a `manifest.json` beside it, its layers perhaps compressed.
"""

from __future__ import annotations

import posixpath
import weakref
import zlib
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Self

from pybuild import gojson
from pybuild.errors import InvalidArchive, InvalidFile
from pybuild.oci import tar
from pybuild.oci.digest import Hashing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"


class SavedImage:
    """The content of one `docker save`, in a temporary file that is gone with `close`."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 (closed by close, at the latest with this object)
        self._finalizer = weakref.finalize(self, self._file.close)
        self._extents: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        try:
            for member, body in tar.read(chunks):
                self._keep(member, body)
            self._layers = self._index()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the disk space."""
        self._finalizer()

    def size(self, diff_id: str) -> int:
        """Bytes of a layer's uncompressed tar."""
        start, length = self._extent(diff_id)
        self._file.seek(start)
        if self._file.read(2) != _GZIP:
            return length
        return sum(map(len, self._uncompressed(start, length)))

    def layer(self, diff_id: str) -> Iterator[bytes]:
        """A layer's uncompressed tar; `InvalidArchive` at its end if it is not what the diff id says."""
        start, length = self._extent(diff_id)
        self._file.seek(start)
        compressed = self._file.read(2) == _GZIP
        chunks = self._uncompressed(start, length) if compressed else self._read(start, length)
        content = Hashing(chunks)
        yield from content
        if content.digest != diff_id:
            raise InvalidArchive(f"the engine gave other content for the layer {diff_id}")

    def _keep(self, member: tar.Member, body: Iterable[bytes]) -> None:
        name = posixpath.normpath(member.name.decode(errors="surrogateescape"))
        if member.kind == tar.SYMLINK:
            target = member.linkname.decode(errors="surrogateescape")
            self._links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        elif member.kind == tar.FILE:
            start = self._file.tell()
            for piece in body:
                self._file.write(piece)
            self._extents[name] = (start, member.size)

    def _index(self) -> dict[str, str]:
        """Which file holds which layer, by diff id."""
        try:
            (entry,) = self._json("manifest.json")
            diff_ids = self._json(entry["Config"])["rootfs"]["diff_ids"] or ()
            return dict(zip(diff_ids, entry["Layers"] or (), strict=True))
        except (KeyError, TypeError, ValueError, InvalidFile) as exc:
            raise InvalidArchive("the engine gave an image without a usable manifest.json") from exc

    def _json(self, name: str) -> Any:
        start, length = self._extents[posixpath.normpath(name)]
        if length > gojson.MAX_BYTES:
            raise InvalidFile(f"{name}: larger than {gojson.MAX_BYTES} bytes")
        return gojson.loads(b"".join(self._read(start, length)), where=name)

    def _extent(self, diff_id: str) -> tuple[int, int]:
        name = posixpath.normpath(self._layers.get(diff_id, ""))
        name = self._links.get(name, name)
        if name not in self._extents:
            raise InvalidArchive(f"the engine gave an image without the layer {diff_id}")
        return self._extents[name]

    def _read(self, start: int, length: int) -> Iterator[bytes]:
        end = start + length
        while start < end:
            self._file.seek(start)
            piece = self._file.read(min(_PIECE, end - start))
            start += len(piece)
            yield piece

    def _uncompressed(self, start: int, length: int) -> Iterator[bytes]:
        inflate = zlib.decompressobj(wbits=31)
        try:
            for piece in self._read(start, length):
                rest = piece
                while rest and not inflate.eof:
                    # At most so much at a time: a small file may hold very much.
                    yield inflate.decompress(rest, _PIECE)
                    rest = inflate.unconsumed_tail
        except zlib.error as exc:
            raise InvalidArchive(f"the engine gave a layer that cannot be decompressed: {exc}") from exc
