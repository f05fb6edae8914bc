"""Unpacking tars and zips of others: every entry is looked at, nothing is written outside, no link leads out.

The standard library reads the formats; what is written where is decided here, entry by entry.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING

from pybuild.libcnb.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MOST_BYTES = 8 << 30
MOST_ENTRIES = 500_000


def unpack(
    archive: Path,
    to: Path,
    *,
    strip: int = 0,
    wanted: Callable[[str], bool] | None = None,
    limit: int = MOST_BYTES,
) -> None:
    """Unpack a tar (plain, gz, bz2, xz) or zip into the folder `to`, which may have files already.

    `strip`: leave out that many leading folders of each name. `wanted`: whether an entry belongs in, by its name after
    that. `limit`: bytes in all. Files get mode 0755 if they are executable, else 0644; a zip may not say. Raises
    `Problem` for an entry that leads out, is a device, or for a damaged archive.
    """
    into = _Target(root=to, archive=archive.name, limit=limit)
    to.mkdir(parents=True, exist_ok=True)
    read = _zip if zipfile.is_zipfile(archive) else _tar
    try:
        for number, entry in enumerate(read(archive)):
            if number >= MOST_ENTRIES:
                raise into.refused(entry.name, f"comes after {MOST_ENTRIES} others")
            name = into.stripped(entry.name, strip)
            if name and (wanted is None or wanted(name)):
                into.put(name, entry, strip)
    except _DAMAGED as exc:
        raise Problem("An archive cannot be read", f"{archive.name}: {exc}") from exc


# What Python's modules raise for content that is not what it says; each decompressor has an error of its own.
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    NotImplementedError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """`kind`: as in stat, S_IFREG and so on; 0 for a hard link. `link`: of links, where they lead."""

    name: str
    kind: int
    executable: bool = False
    link: str = ""
    content: Callable[[], IO[bytes]] | None = None


@dataclass(slots=True)
class _Target:
    """The folder that is filled. `safe`: folders that are known to be folders and no links."""

    root: Path
    archive: str
    limit: int
    safe: set[Path] = field(default_factory=set)

    def stripped(self, name: str, strip: int) -> str:
        """The name without its leading folders; empty when nothing is left."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
            raise self.refused(name, "leads out of the folder it is unpacked to")
        return "/".join(parts[strip:])

    def put(self, name: str, entry: _Entry, strip: int) -> None:
        """Write one entry."""
        path = self.root / name
        self._folder(path.parent, name)
        if entry.kind == stat.S_IFDIR:
            self._folder(path, name)
            return
        if path.is_symlink() or path.is_file():
            path.unlink()
        if entry.kind == stat.S_IFREG and entry.content:
            self._file(path, entry)
        elif entry.kind == stat.S_IFLNK:
            inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), entry.link))
            if entry.link.startswith("/") or inside == ".." or inside.startswith("../"):
                raise self.refused(name, f"is a link that leads out, to {entry.link!r}")
            path.symlink_to(entry.link)
        elif entry.kind == 0:
            source = self.root / self.stripped(entry.link, strip)
            self._folder(source.parent, name)
            if source.is_symlink() or not source.is_file():
                raise self.refused(name, f"is a second name of {entry.link!r}, which is not there")
            os.link(source, path)
        else:
            raise self.refused(name, "is neither a file nor a folder nor a link")

    def refused(self, name: str, why: str) -> Problem:
        """The error for one entry."""
        return Problem("An archive has an entry that is not unpacked", f"{self.archive}: {name!r} {why}.")

    def _file(self, path: Path, entry: _Entry) -> None:
        assert entry.content is not None
        with entry.content() as source, path.open("wb") as target:
            while piece := source.read(1 << 20):
                self.limit -= len(piece)
                if self.limit < 0:
                    raise self.refused(entry.name, "makes more bytes than are taken")
                target.write(piece)
        path.chmod(0o755 if entry.executable else 0o644)

    def _folder(self, folder: Path, name: str) -> None:
        """Have a folder, none of whose parts below the root is a link: through one, a name could lead anywhere."""
        if folder == self.root or folder in self.safe:
            return
        self._folder(folder.parent, name)
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise self.refused(name, f"stands below {folder.name!r}, which is no folder")
        folder.mkdir(exist_ok=True)
        self.safe.add(folder)


def _tar(archive: Path) -> Iterator[_Entry]:
    kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.LNKTYPE: 0}
    with _opened(archive) as stream:
        for member in stream:
            yield _Entry(
                name=member.name,
                kind=stat.S_IFREG if member.isreg() else kinds.get(member.type, stat.S_IFCHR),
                executable=bool(member.mode & 0o111),
                link=member.linkname,
                content=lambda member=member: _content(stream, member),  # type: ignore[misc]
            )


def _opened(archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(archive, "r|*")
    except (AttributeError, TypeError) as exc:  # slips of Python's, for a damaged or short header of gzip
        raise tarfile.ReadError("its beginning is damaged") from exc


def _content(stream: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    found = stream.extractfile(member)
    if found is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    return found


def _zip(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as whole:
        for info in whole.infolist():
            mode = info.external_attr >> 16
            # Not `is_dir`, which takes it for granted that there is a name.
            folder = info.filename.endswith("/")
            kind = stat.S_IFDIR if folder else stat.S_IFMT(mode) or stat.S_IFREG
            yield _Entry(
                name=info.filename,
                kind=kind,
                executable=bool(mode & 0o111),
                link=_link(whole, info) if kind == stat.S_IFLNK else "",
                content=partial(_unzipped, whole, info),
            )


def _unzipped(whole: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return whole.open(info)
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise
        raise zipfile.BadZipFile(f"{info.filename[:200]!r} begins before the file does") from exc


def _link(whole: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    with _unzipped(whole, info) as content:
        return content.read(4096).decode(errors="surrogateescape")
