"""The files that an image layout is made of: in a folder, or in a tar on disk, which is read where it lies.

What lies there is not ours: no link is followed out of it, nothing is waited for, and whoever reads says how much.

Specification: OCI image-spec, "Image Layout"; the archives of `docker save` and `skopeo`.
"""

from __future__ import annotations

import os
import posixpath
import stat
import weakref
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Protocol, Self

from pybuild.errors import InvalidArchive, SourceUnusable
from pybuild.oci import tar
from pybuild.stores import compress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_PIECE = 1 << 20
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


class Files(Protocol):
    """Files by their names, which are relative and have `/` between their parts."""

    where: str
    """The place, for messages."""

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if there is none."""
        ...

    def pieces(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Its content from byte `start` on. Raises `InvalidArchive` if it cannot be read."""
        ...


def read(files: Files, name: str, *, most: int) -> bytes | None:
    """A small file; None if there is none. Raises `InvalidArchive` for one of more than `most` bytes."""
    size = files.size(name)
    if size is None:
        return None
    if size > most:
        raise InvalidArchive(f"{files.where}: {name} has {size} bytes, {most} are allowed")
    content = bytearray()
    for piece in files.pieces(name):
        content += piece
        if len(content) > most:
            raise InvalidArchive(f"{files.where}: {name} grew beyond {most} bytes while it was being read")
    return bytes(content)


class Folder:
    """Files below a folder. The way to it may go over links, the way inside may not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)

    def size(self, name: str) -> int | None:
        """See `Files.size`."""
        try:
            file = self._open(name)
        except FileNotFoundError:
            return None
        try:
            return os.fstat(file).st_size
        finally:
            os.close(file)

    def pieces(self, name: str, start: int = 0) -> Iterator[bytes]:
        """See `Files.pieces`."""
        try:
            file = self._open(name)
        except FileNotFoundError as exc:
            raise InvalidArchive(f"{self.where}: {name} is missing") from exc
        try:
            while piece := os.pread(file, _PIECE, start):
                start += len(piece)
                yield piece
        except OSError as exc:
            raise InvalidArchive(f"{self.where}: {name} cannot be read: {exc.strerror}") from exc
        finally:
            os.close(file)

    def _open(self, name: str) -> int:
        """A descriptor of a regular file; `FileNotFoundError` if there is none."""
        *folders, last = name.split("/")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            here = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for folder in folders:
                    inner = os.open(folder, flags | os.O_DIRECTORY, dir_fd=here)
                    os.close(here)
                    here = inner
                file = os.open(last, flags | os.O_NONBLOCK, dir_fd=here)
            finally:
                os.close(here)
        except FileNotFoundError:
            raise
        except PermissionError as exc:
            raise InvalidArchive(
                f"{self.where}: {name} cannot be read: {exc.strerror}", hint=f"chmod -R u+rX {self.where}"
            ) from exc
        except OSError as exc:
            # Of a link the system says ELOOP, or ENOTDIR where a folder was wanted.
            raise InvalidArchive(
                f"{self.where}: {name} is no file in folders: links and other things are not followed",
                hint=f"copy it without its links: cp -rL {self.where} COPY",
            ) from exc
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise InvalidArchive(f"{self.where}: {name} is no regular file")
        return file


class Archive:
    """The files of a tar on disk, in place. `file` belongs to this value from now on.

    Links inside count for the file that they name. Raises `InvalidArchive` for a tar that cannot be read.
    """

    def __init__(self, file: IO[bytes], where: str) -> None:
        self._file = file
        self._finalizer = weakref.finalize(self, file.close)
        self.where = where
        self._extents: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        try:
            for member, start in tar.extents(file):
                self._note(member, start)
        except InvalidArchive as exc:
            self.close()
            raise InvalidArchive(f"{where}: {exc}", hint="save it again: it is damaged, or no tar") from exc
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, path: Path) -> Self:
        """The archive in a file; a compressed one is written out into a temporary one."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as exc:
            raise SourceUnusable(f"there is no file {path}", hint=f"ls {path.parent}") from exc
        except OSError as exc:
            raise SourceUnusable(f"{path} cannot be read: {exc.strerror}", hint=f"ls -l {path}") from exc
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise SourceUnusable(f"{path} is no regular file", hint="name the archive itself")
        file = open(handle, "rb")  # noqa: SIM115 - the archive's own
        kind = _kind(file)
        if not kind:
            return cls(file, str(path))
        with file:
            if kind not in ("gzip", "zstd"):
                raise InvalidArchive(
                    f"{path} is compressed with {kind}: expected a tar, or one with gzip or zstd",
                    hint="decompress it first",
                )
            return cls.kept(_inflated(file, str(path)), str(path))

    @classmethod
    def kept(cls, chunks: Iterable[bytes], where: str) -> Self:
        """The archive that streams by, kept in a temporary file that is gone with `close`."""
        file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - the archive's own
        try:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
        except OSError as exc:
            file.close()
            raise compress.disk_full(exc) from exc
        except BaseException:
            file.close()
            raise
        return cls(file, where)

    def close(self) -> None:
        """Free what it holds."""
        self._finalizer()

    def size(self, name: str) -> int | None:
        """See `Files.size`."""
        extent = self._extent(name)
        return extent and extent[1]

    def pieces(self, name: str, start: int = 0) -> Iterator[bytes]:
        """See `Files.pieces`."""
        extent = self._extent(name)
        if extent is None:
            raise InvalidArchive(f"{self.where}: {name} is missing")
        at, end = extent[0] + start, extent[0] + extent[1]
        while at < end:
            piece = os.pread(self._file.fileno(), min(_PIECE, end - at), at)
            if not piece:
                raise InvalidArchive(f"{self.where} became shorter while it was being read")
            at += len(piece)
            yield piece

    def _extent(self, name: str) -> tuple[int, int] | None:
        name = posixpath.normpath(name)
        return self._extents.get(self._links.get(name, name))

    def _note(self, member: tar.Member, start: int) -> None:
        name = _relative(member.name)
        self._links.pop(name, None)
        if member.kind == tar.FILE:
            self._extents[name] = (start, member.size)
        elif member.kind == tar.HARD_LINK:
            self._links[name] = _relative(member.linkname)
        elif member.kind == tar.SYMLINK:
            target = member.linkname.decode(errors="surrogateescape")
            self._links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def _relative(name: bytes) -> str:
    return posixpath.normpath(name.decode(errors="surrogateescape")).lstrip("/")


def _kind(file: IO[bytes]) -> str:
    """With what a file is compressed; "" if it is not."""
    start = file.read(6)
    file.seek(0)
    return next((name for magic, name in _COMPRESSED.items() if start.startswith(magic)), "")


def _inflated(file: IO[bytes], where: str) -> Iterator[bytes]:
    size = 0
    for piece in compress.inflated(iter(lambda: file.read(_PIECE), b""), where):
        size += len(piece)
        if size > compress.MAX_LAYER:
            raise InvalidArchive(f"{where} is larger than {compress.MAX_LAYER >> 30} GiB decompressed")
        yield piece
